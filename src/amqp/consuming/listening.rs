//! Whoever waits for an answer, at the address that the request names.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::delivery::DeliveryWorker;
use crate::{
    amqp::{
        message::{
            cancel::{self, Cancellable},
            properties::Received,
            reply_to::ReplyTo,
        },
        publishing::{connections::Connections, publisher::Message, settle::Settler},
        values::short,
    },
    domain::{PART_TYPE, Part, Request, codec::encode_part},
    listener::{Address, Listener},
};

/// An address for replies.
struct ReplyAddress {
    settler: Arc<Settler<Connections>>,
    to: ReplyTo,
    /// What the properties of a part are made of.
    received: Received,
    request_id: Option<String>,
    /// For as long as the request is in work.
    cancellable: Cancellable,
}

#[async_trait]
impl Address for ReplyAddress {
    fn say(&self, part: &Part) -> bool {
        let request_id = self.request_id.as_deref();
        let id = format!("{}.{}", part.run, part.seq);
        self.settler.broker.replies.say(Message {
            exchange: short(""),
            routing_key: self.to.address.clone(),
            // One that comes back tells that nobody is there. A mandatory direct reply is falsely returned on RabbitMQ 3.10
            // and 4.0.
            mandatory: !self.to.direct,
            properties: self.received.part_properties(PART_TYPE, &id, request_id),
            body: encode_part(part, request_id).into(),
        })
    }

    async fn is_gone(&self) -> bool {
        self.cancellable.has_left() || self.settler.broker.replies.is_gone(&self.to).await
    }
}

impl DeliveryWorker {
    /// Who waits for the answer to a request, where that makes a difference: its answer could be stopped, or was already.
    pub(super) fn listener(
        &self,
        received: &Received,
        reply_to: Option<&ReplyTo>,
        request: &Request,
    ) -> Option<Arc<Listener>> {
        let (shared, to) = (&self.shared, reply_to?.clone());
        if !shared.pipeline.may_be_stopped() && !shared.cancels.any() {
            return None;
        }
        let request_id = request.id.clone();
        let key = cancel::key(&received.properties, received.trail.user_id.as_deref(), request_id.as_deref());
        let cancellable = shared.cancels.watch(key);
        let (token, wants_parts) = (cancellable.token.clone(), request.stream || received.accepts_parts());
        let address = ReplyAddress {
            settler: self.settler.clone(),
            to,
            received: Received { body: Bytes::new(), ..received.clone() },
            request_id,
            cancellable,
        };
        let reader = wants_parts.then(|| shared.readers.one_more());
        Some(Arc::new(Listener::new(Box::new(address), reader, token)))
    }
}
