//! What a delivery in a conversation's queue is for, and whether a person's program is there.

use tokio::time::timeout;

use crate::{
    amqp::{
        WorkQueue,
        objects::{ask::AskError, inspect},
        publishing::settle::Delivery,
        publishing::{connections::Connections, settle::Settler},
    },
    conversation::Who,
    domain::{Address, Command, Request},
    pipeline::{Desk, Incoming, Purpose},
};

/// What a delivery is for, as it was read and admitted.
pub(super) fn incoming(delivery: &Delivery, request: &Request) -> Incoming {
    let received = &delivery.received;
    let who = || Who {
        user_id: received.trail.user_id.clone(),
        sender: request.sender.clone(),
        conversation: request.conversation.clone().unwrap_or_default(),
    };
    let pass = || received.trail.pass.clone();
    let said = || {
        let address = delivery.reply_to.as_ref();
        let reply_to = address.map(|to| Address { queue: to.address.as_str().to_owned(), direct: to.direct });
        Purpose::Say { who: who(), reply_to }
    };
    let purpose = match (request.command(), pass()) {
        (Some(Command::Forget), _) => Purpose::Forget(who()),
        (Some(Command::Message), Some(pass)) => Purpose::Speak(pass),
        (Some(Command::Release), Some(pass)) => Purpose::Release(pass),
        (None, Some(pass)) if received.trail.is_returned => Purpose::Return { who: who(), token: pass.token },
        // A command without a pass isn't admitted, and feedback isn't in a lane.
        (None | Some(Command::Message | Command::Release | Command::Feedback), _) => said(),
    };
    Incoming { purpose, identity: received.turn(request) }
}

/// A session's view of the queue of people.
pub(super) struct People<'a>(pub(super) &'a Settler<Connections>);

impl Desk for People<'_> {
    /// Where the broker doesn't tell, the message waits for them: it comes back if nobody takes it.
    async fn is_attended(&self) -> bool {
        let Settler { broker, names, .. } = self.0;
        let (link, queue) = (broker.forwards.link(), names.queue(&WorkQueue::Person));
        match timeout(link.step_limit(), inspect::depth(link, &queue)).await {
            Ok(Ok(depth)) => depth.is_some_and(|depth| depth.consumers > 0),
            Ok(Err(AskError::Refused(_) | AskError::Lost(_) | AskError::Blocked(_))) | Err(_) => true,
        }
    }
}
