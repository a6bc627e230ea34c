//! What is done with one message of a lane: its turn is taken and settled, or what was decided of it is.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{
    super::{delivery::DeliveryWorker, ending},
    Decided, HELD_AT_MOST, Turn, Worked,
    incoming::People,
};
use crate::{
    amqp::{
        message::time::now_ms,
        publishing::settle::{Delivery, SessionLost},
    },
    domain::Outcome,
    pipeline::{Conversations, Incoming, Job, Taken},
};

impl DeliveryWorker {
    /// Takes a turn and settles it. A panic in here ends the session.
    pub(super) async fn take_turn(&self, turn: Box<Turn>) -> Worked {
        let worked = self.ending.unless_it_panics("the task of a turn", self.turn_taken(*turn));
        worked.await.unwrap_or(Worked::Settled)
    }

    async fn turn_taken(&self, turn: Turn) -> Worked {
        let _in_flight = self.deliveries.delivered();
        let Turn { delivery, mut job, incoming, room: _room, came, .. } = turn;
        let Some(conversations) = self.shared.pipeline.conversations() else { return Worked::Settled };
        let outcome = match self.turn_of(conversations, &delivery, &mut job, &incoming).await {
            Taken::Settle(outcome) => outcome,
            Taken::Fenced(why) => return Worked::Leave(why),
        };
        self.settled_in_lane(delivery, outcome, came).await
    }

    async fn turn_of(
        &self,
        conversations: &Conversations,
        delivery: &Delivery,
        job: &mut Job,
        incoming: &Incoming,
    ) -> Taken {
        // It may have waited behind the turns before it.
        job.time_left = delivery.received.trail.time_left(now_ms());
        if job.time_left.is_some_and(|left| left.is_zero()) {
            return Taken::Settle(Outcome::DeadLetter(crate::pipeline::deadline_exceeded().into()));
        }
        job.listener = self.listener(&delivery.received, delivery.reply_to.as_ref(), &job.request);

        let pipeline = &self.shared.pipeline;
        let people = People(&self.settler);
        let turn = conversations.turn(pipeline, job, incoming, &people, now_ms);
        ending::caught(turn).await.unwrap_or_else(|| {
            Taken::Settle(match self.panicked(&delivery.received, now_ms()) {
                Outcome::Retry { error, .. } => Outcome::DeadLetter(error.into()),
                outcome => outcome,
            })
        })
    }

    pub(super) async fn settle_in_lane(&self, decided: Decided) -> Worked {
        let _in_flight = self.deliveries.delivered();
        let Decided { delivery, outcome, came, .. } = decided;
        let settled = self.settled_in_lane(delivery, outcome, came);
        self.ending.unless_it_panics("the task of a turn", settled).await.unwrap_or(Worked::Settled)
    }

    async fn settled_in_lane(&self, delivery: Delivery, outcome: Outcome, came: Instant) -> Worked {
        let limit = HELD_AT_MOST.saturating_sub(came.elapsed()).max(Duration::from_secs(30));
        match timeout(limit, self.settler.settle(delivery, outcome)).await {
            Ok(Ok(())) => Worked::Settled,
            Ok(Err(SessionLost(reason))) => {
                self.ending.tell(reason);
                Worked::Settled
            }
            Err(_) => Worked::Leave(format!("an answer couldn't be settled within {limit:?}")),
        }
    }
}
