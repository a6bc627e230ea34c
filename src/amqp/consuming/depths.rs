//! What waits in the queues, for whoever looks at it.
//!
//! **Invariant:** the broker is asked only while somebody looks, on one channel, and about queues that are consumed here.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::overload::count;
use crate::amqp::{connection::link::Link, objects::topology::Topology, values::short};

/// How often the broker is asked while somebody looks.
const PERIOD: Duration = Duration::from_secs(15);
/// How long after a look somebody still counts as looking.
const LOOKS: Duration = Duration::from_secs(30);
/// The most queues that are asked about.
const MOST: usize = 500;

/// What waited when the broker was asked last.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Waits {
    pub queues: Vec<Waiting>,
    /// How many queues aren't among them: as there are too many, or the broker doesn't tell of them.
    pub left_out: usize,
    /// How long ago that was, in milliseconds; `None` where it wasn't asked yet.
    pub ago: Option<u64>,
}

/// What waits in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    pub queue: String,
    /// Those that no consumer holds.
    pub messages: u32,
    pub consumers: u32,
}

/// What is known of it, from session to session.
#[derive(Debug, Default)]
pub(crate) struct Depths {
    looked: watch::Sender<Option<Instant>>,
    known: Mutex<Option<(Instant, Waits)>>,
}

impl Depths {
    /// What is known, and word that somebody looks.
    pub(crate) fn look(&self) -> Waits {
        self.looked.send_replace(Some(Instant::now()));
        let known = self.known().clone();
        let ago = |at: Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        known.map_or_else(Waits::default, |(at, waits)| Waits { ago: Some(ago(at)), ..waits })
    }

    /// Asks, for ever, while somebody looks.
    pub(crate) async fn keep(&self, link: &Link, topology: &Topology) {
        let queues = topology.queues.iter().filter(|queue| queue.is_read && !queue.on_demand);
        let mut queues: Vec<&str> = queues.map(|queue| queue.name.as_str()).collect();
        let too_many = queues.len().saturating_sub(MOST);
        queues.truncate(MOST);
        let (mut looked, mut refused) = (self.looked.subscribe(), HashSet::new());
        // The sender is this one's own, so there is always another change to wait for.
        while looked.wait_for(|at| at.is_some_and(|at| at.elapsed() < LOOKS)).await.is_ok() {
            if let Some(queues) = ask(link, &queues, &mut refused).await {
                let left_out = too_many + refused.len();
                *self.known() = Some((Instant::now(), Waits { queues, left_out, ago: None }));
            }
            sleep(PERIOD).await;
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<(Instant, Waits)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits in each of these queues; none where the broker doesn't answer. A queue that it won't tell of is remembered, as
/// each such question leaves an error in its log.
async fn ask<'a>(link: &Link, queues: &[&'a str], refused: &mut HashSet<&'a str>) -> Option<Vec<Waiting>> {
    let mut left: Vec<&str> = queues.iter().copied().filter(|queue| !refused.contains(queue)).collect();
    let mut told = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let channel = timeout(link.step_limit(), link.channel()).await.ok()?.ok()?;
        // All are written, then all are awaited.
        let answers =
            timeout(link.step_limit(), join_all(left.iter().map(|queue| count(&channel, queue)))).await.ok()?;
        let answered = answers.iter().take_while(|answer| answer.is_ok()).count();
        told.extend(left.iter().zip(answers).filter_map(|(queue, answer)| {
            let (messages, consumers) = answer.ok()?;
            Some(Waiting { queue: (*queue).to_owned(), messages, consumers })
        }));
        // The refusal closed the channel before those behind it.
        let Some(queue) = left.get(answered) else {
            let _ = channel.close(200, short("done")).await;
            break;
        };
        refused.insert(queue);
        left.drain(..=answered);
    }
    Some(told)
}
