//! The channels of a worker's consumers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chatbot_worker::amqp::{Names, WorkQueue};

use crate::{
    admin::shell,
    support::{Bench, Slow, eventually, intent},
};

/// How many queues the worker consumes: requests, suspects, what died, and four intents'.
const QUEUES: usize = 7;

/// By queue, the channel of its consumer and how many deliveries that gets at a time; as soon as each has just one.
async fn consumers(names: &Names) -> BTreeMap<String, (String, u16)> {
    eventually("one consumer a queue", || async {
        let listed = shell("rabbitmqctl --quiet list_consumers queue_name channel_pid prefetch_count");
        let mut consumers = BTreeMap::new();
        // The worker's own queue has a channel of its own.
        let own = format!("{}.worker.", names.exchange());
        for line in listed.lines().filter(|line| line.starts_with(names.exchange()) && !line.starts_with(&own)) {
            let [queue, channel, prefetch] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
            if consumers.insert(queue.to_owned(), (channel.to_owned(), prefetch.parse().ok()?)).is_some() {
                return None;
            }
        }
        (consumers.len() == QUEUES).then_some(consumers)
    })
    .await
}

fn channels(consumers: &BTreeMap<String, (String, u16)>) -> BTreeSet<String> {
    consumers.values().map(|(channel, _)| channel.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_share_a_channel_and_move_to_another_together() {
    let worker = Bench::new().start().await;
    let names = &worker.names;
    let mut client = worker.client().await;
    let first = consumers(names).await;
    assert_eq!(channels(&first).len(), 1, "{first:?}");

    let asked = ["refund", "help_info", "product_info"];
    let queues = asked.map(|name| names.queue(&WorkQueue::Intent(intent(name))));
    let (mut seen, mut now) = (channels(&first), first.clone());
    // Until they get as many at a time as they are ever given. The sizes of the last decide that, step by step, and few
    // are asked between two looks, so that no step is missed.
    while !queues.iter().all(|queue| now[queue].1 == 128) {
        for name in asked {
            for _ in 0..8 {
                assert!(client.ask(&format!("intent.{name}"), "a").await.text().is_some());
            }
        }
        now = consumers(names).await;
        seen.extend(channels(&now));
    }
    let stayed = names.died();
    assert_eq!(now[&stayed], first[&stayed], "what got nothing stays where it was");
    assert_eq!(channels(&now).len(), 2, "those that moved are together again: {now:?}");
    assert_eq!(seen.len(), 3, "and so they were on their way: {seen:?}");

    let left: BTreeSet<_> = seen.difference(&channels(&now)).cloned().collect();
    eventually("channels that nobody is on are closed", || async {
        let open = shell("rabbitmqctl --quiet list_channels pid");
        open.lines().all(|channel| !left.contains(channel)).then_some(())
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_whose_handler_is_slow_has_a_channel_of_its_own() {
    let worker = Bench::new().handler("refund", Slow(Duration::from_millis(150))).start().await;
    let names = &worker.names;
    let mut client = worker.client().await;
    let [slow, quick] = ["refund", "help_info"].map(|name| names.queue(&WorkQueue::Intent(intent(name))));
    assert_eq!(channels(&consumers(names).await).len(), 1);
    // It is known to be slow from its first answer on, and moves with the next.
    for _ in 0..2 {
        assert!(client.ask("intent.refund", "a").await.text().is_some());
    }
    let apart = eventually("the slow queue is on another channel", || async {
        let now = consumers(names).await;
        (now[&slow].0 != now[&quick].0).then_some(now)
    })
    .await;
    assert_eq!(channels(&apart).len(), 2, "the others stay together: {apart:?}");
    // One that moves for another reason doesn't join it.
    let mut now = apart.clone();
    while now[&quick].1 == apart[&quick].1 {
        assert!(client.ask("intent.help_info", "a").await.text().is_some());
        now = consumers(names).await;
    }
    assert_ne!(now[&quick].0, now[&slow].0, "{now:?}");
    // Handed over in order: it answers as before.
    assert!(client.ask("intent.refund", "b").await.text().is_some());
    worker.stop().await;
}
