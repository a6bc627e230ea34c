//! The messages of a worker's queue, one after the other, each acked before the next is taken.
//!
//! **Invariant:** whoever gives up waiting for the next message loses none, whenever that is: a message is handed out as soon
//! as it comes, and an ack that isn't through goes on with the next wait.

use futures_util::future::BoxFuture;

/// An ack that is to be waited for; whether it went through.
pub(super) type Ack = BoxFuture<'static, bool>;

/// Where messages come from.
pub(super) trait Source {
    type Message;

    /// The next message, and its ack; none where there are no more. Given up, it loses nothing.
    async fn next(&mut self) -> Option<(Self::Message, Ack)>;
}

/// What comes from a source.
pub(super) struct Inbox<S> {
    source: S,
    /// The ack of the last message.
    acking: Option<Ack>,
}

impl<S: Source> Inbox<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source, acking: None }
    }

    /// The next message; none where there are no more, or the last couldn't be acked. Given up, it loses nothing.
    pub(super) async fn next(&mut self) -> Option<S::Message> {
        if let Some(ack) = &mut self.acking {
            let is_acked = ack.await;
            self.acking = None;
            if !is_acked {
                return None;
            }
        }
        let (message, ack) = self.source.next().await?;
        self.acking = Some(ack);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ops::Range,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use tokio::time::{sleep, timeout};

    use super::*;

    /// Numbers, of which each ack takes its time, and those of others than `acks` fail.
    struct Numbers {
        left: Range<u32>,
        acks: Range<u32>,
        acked: Arc<AtomicU32>,
    }

    impl Source for Numbers {
        type Message = u32;

        async fn next(&mut self) -> Option<(u32, Ack)> {
            let number = self.left.next()?;
            let (acked, is_acked) = (self.acked.clone(), self.acks.contains(&number));
            let ack: Ack = Box::pin(async move {
                sleep(Duration::from_millis(100)).await;
                acked.fetch_add(1, Ordering::Relaxed);
                is_acked
            });
            Some((number, ack))
        }
    }

    /// An ack that is being written isn't the message's end: as long as it was, beats were lost, and workers took lanes
    /// beside each other.
    #[tokio::test(start_paused = true)]
    async fn a_message_in_hand_is_not_lost_by_giving_up_while_it_is_acked() {
        let acked = Arc::new(AtomicU32::new(0));
        let mut inbox = Inbox::new(Numbers { left: 0..5, acks: 0..5, acked: acked.clone() });
        let mut heard = Vec::new();
        // Nobody ever waits for as long as an ack takes.
        while heard.len() < 5 {
            if let Ok(number) = timeout(Duration::from_millis(30), inbox.next()).await {
                heard.push(number);
            }
        }
        assert_eq!(heard, [0, 1, 2, 3, 4].map(Some));
        assert_eq!(acked.load(Ordering::Relaxed), 4, "each once, and the last with the next wait");
        assert_eq!(inbox.next().await, None);
        assert_eq!(acked.load(Ordering::Relaxed), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_acked_is_the_last() {
        let mut inbox = Inbox::new(Numbers { left: 0..5, acks: 0..1, acked: Arc::default() });
        assert_eq!((inbox.next().await, inbox.next().await, inbox.next().await), (Some(0), Some(1), None));
    }
}
