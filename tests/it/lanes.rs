//! The lanes of workers that share their conversations, on a real broker.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use chatbot_worker::{
    amqp::{Names, presence::Beat},
    domain::Lane,
};

use crate::{
    conversations::{Kept, body, lane_key},
    presence::Asking,
    support::{Bench, Client, PATIENCE, Running, short},
};

/// A client that talks in a conversation of each lane: it shows whose a lane is that it delivers.
struct Talk {
    client: Client,
    asking: Asking,
    conversations: Vec<String>,
}

impl Talk {
    async fn new(worker: &Running) -> Self {
        let conversation = |lane: Lane| (0..).map(|at: u32| format!("c{at}")).find(|it| Lane::of(it) == lane).unwrap();
        let conversations = Lane::ALL.into_iter().map(conversation).collect();
        Self { client: worker.client().await, asking: Asking::new(&worker.names).await, conversations }
    }

    /// One turn in each, and all answers.
    async fn round(&mut self) {
        let mut open = BTreeSet::new();
        for conversation in &self.conversations {
            let id = uuid::Uuid::now_v7().to_string();
            let properties = self.client.properties(&id).with_message_id(short(&id));
            let turn = body(conversation, "refund");
            self.client.publish(&lane_key(conversation), properties, turn.as_bytes()).await;
            open.insert(id);
        }
        while !open.is_empty() {
            let arrived = self.client.next().await;
            assert_eq!(arrived.text(), Some("refund: refund"));
            if let Some(id) = arrived.correlation_id() {
                open.remove(id);
            }
        }
    }

    /// How many lanes the worker has whose name begins so.
    async fn lanes_of(&self, worker: &str) -> usize {
        let beats = self.asking.beats().await;
        let lanes = beats.iter().find(|beat| beat.name.starts_with(worker)).map(|beat| beat.lanes);
        lanes.map_or(0, |lanes| (0..16).filter(|&lane| lanes.has(lane)).count())
    }

    /// Talks until that worker has so many lanes.
    async fn until(&mut self, worker: &str, fits: impl Fn(usize) -> bool) {
        let since = Instant::now();
        loop {
            self.round().await;
            let lanes = self.lanes_of(worker).await;
            if fits(lanes) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "'{worker}' has {lanes} lanes");
        }
    }
}

async fn start(names: &Names, store: &Arc<Kept>, worker: &str) -> Running {
    let mut bench = Bench::new().named(names).conversations(store.clone());
    bench.settings.worker = worker.to_owned();
    bench.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_joins_one_with_all_lanes_gets_its_share_and_leaves_it_when_it_stops() {
    let (names, store) = (Bench::new().names, Arc::<Kept>::default());
    let first = start(&names, &store, "first").await;
    let mut talk = Talk::new(&first).await;
    talk.until("first-", |lanes| lanes == 16).await;
    let second = start(&names, &store, "second").await;
    // A third comes early, the share soon after.
    talk.until("second-", |lanes| lanes * 3 >= 16).await;
    talk.until("second-", |lanes| lanes == 8).await;
    talk.until("first-", |lanes| lanes == 8).await;
    // Then no lane moves, while the turns go on.
    let (before, settled) = (talk.asking.beats().await, Instant::now());
    while settled.elapsed() < Duration::from_secs(3) {
        talk.round().await;
    }
    let lanes =
        |beats: &[Beat]| -> Vec<_> { beats.iter().map(|beat| (beat.name.clone(), beat.lanes.to_string())).collect() };
    assert_eq!(lanes(&talk.asking.beats().await), lanes(&before));
    second.stop_and_leave().await;
    talk.until("first-", |lanes| lanes == 16).await;
    first.stop().await;
}
