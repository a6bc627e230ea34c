//! How many messages wait in each queue, and how many of them are too many.
//!
//! **Invariant:** asked on a channel of its own, only where a limit is set, and about a queue that is consumed here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lapin::{Channel, options::QueueDeclareOptions, types::FieldTable};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::amqp::{connection::link::Link, values::short};

/// How often the broker is asked.
const PERIOD: Duration = Duration::from_secs(1);

/// How many of a queue's messages this worker still has to turn away. It turns away those at the front, which have
/// waited longest and are the least likely to be waited for.
#[derive(Debug, Default)]
pub(crate) struct Excess(AtomicU32);

impl Excess {
    /// Whether the next message is one of them.
    pub(crate) fn take_one(&self) -> bool {
        // Nearly always there are none, and a load costs next to nothing.
        self.0.load(Ordering::Relaxed) > 0
            && self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn set(&self, depth: u32, consumers: u32, max_depth: u32) {
        // Every worker turns away its part.
        self.0.store(depth.saturating_sub(max_depth).div_ceil(consumers.max(1)), Ordering::Relaxed);
    }
}

/// Counts, for ever, what waits in these queues; only waits where there is no limit. What can't be counted isn't too
/// much.
pub(crate) async fn watch(link: &Link, queues: &[(String, Arc<Excess>)], max_depth: Option<u32>) {
    let Some(max_depth) = max_depth else { return std::future::pending().await };
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut channel = None;
    loop {
        ticks.tick().await;
        for (queue, excess) in queues {
            if channel.is_none() {
                channel = timeout(link.step_limit(), link.channel()).await.ok().and_then(Result::ok);
            }
            let Some(open) = &channel else { break };
            match timeout(link.step_limit(), count(open, queue)).await {
                Ok(Ok((depth, consumers))) => excess.set(depth, consumers, max_depth),
                // A queue that is gone closes the channel; its consumer tells of it.
                Ok(Err(_)) | Err(_) => {
                    excess.set(0, 1, max_depth);
                    channel = None;
                }
            }
        }
    }
}

pub(super) async fn count(channel: &Channel, queue: &str) -> Result<(u32, u32), lapin::Error> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = channel.queue_declare(short(queue), options, FieldTable::default()).await?;
    Ok((queue.message_count(), queue.consumer_count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_turns_away_its_part_of_what_is_too_much() {
        fn check(depth: u32, consumers: u32, expected: usize) {
            let excess = Excess::default();
            excess.set(depth, consumers, 100);
            assert_eq!((0..1000).filter(|_| excess.take_one()).count(), expected, "{depth} {consumers}");
        }
        check(0, 1, 0);
        check(100, 1, 0);
        check(101, 1, 1);
        check(160, 3, 20);
        check(161, 3, 21);
        check(110, 0, 10);
    }
}
