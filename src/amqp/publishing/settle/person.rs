//! Settling what goes to a person, and what a person says and does.

use lapin::{BasicProperties, types::ShortString};

use super::{Answer, Broker, SessionLost, Settler};
use crate::{
    amqp::{
        WorkQueue,
        message::{
            properties::{Purpose, Received, own_properties},
            reply_to::ReplyTo,
            time::now_ms,
        },
        publishing::{events, publisher::Message, replies::ReplyError},
        values::short,
    },
    domain::{Address, Command, DONE_TYPE, Delivered, Done, Handed, Outcome, Spoken, codec},
};

impl<B: Broker> Settler<B> {
    /// Hands a request to people; tells what becomes of it instead, where the broker refuses.
    pub(super) async fn hand_over(&self, received: &Received, handed: &Handed) -> Result<Option<Outcome>, SessionLost> {
        let properties = received.republished(&self.names, Purpose::Person(handed), now_ms());
        self.put(received, &WorkQueue::Person, properties, handed.body.clone()).await
    }

    /// Tells the user what a person says, and then the person's program what became of it.
    pub(super) async fn speak(
        &self,
        received: &Received,
        reply_to: Option<&ReplyTo>,
        to: Option<Address>,
        spoken: &Spoken,
        mut done: Done,
    ) -> Result<Option<Outcome>, SessionLost> {
        if let Some(Address { queue, direct }) = to {
            let body: bytes::Bytes = codec::encode_spoken(spoken).into();
            let address: ShortString = short(&queue);
            let properties: BasicProperties = own_properties(Command::Message.as_str(), &spoken.id);
            let message = || Message {
                exchange: short(""),
                routing_key: address.clone(),
                // A mandatory direct reply is falsely returned on RabbitMQ 3.10 and 4.0.
                mandatory: !direct,
                properties: properties.clone(),
                body: body.clone(),
            };
            done.delivered = Some(match self.broker.reply(message, direct).await {
                Ok(()) if direct => Delivered::Unknown,
                Ok(()) => Delivered::Yes,
                Err(ReplyError::Lost(why)) => return Err(SessionLost(why)),
                Err(_) => Delivered::No,
            });
        }
        events::replied(if done.delivered == Some(Delivered::No) { "undelivered" } else { "message" });
        self.done(received, reply_to, &done).await
    }

    /// Tells that what a message asks for was done.
    pub(super) async fn done(
        &self,
        received: &Received,
        reply_to: Option<&ReplyTo>,
        done: &Done,
    ) -> Result<Option<Outcome>, SessionLost> {
        let of = Answer { kind: DONE_TYPE, id: &done.id, in_reply_to: done.in_reply_to.as_deref() };
        // Who asks for no answer has had what was asked for.
        match reply_to {
            Some(_) => self.answer(received, reply_to, of, || codec::encode_done(done)).await,
            None => Ok(None),
        }
    }
}
