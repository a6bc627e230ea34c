//! By what a request is known again.
//!
//! **Invariant:** whatever says where the answer goes, for whom it is and what it answers is part of it; whatever
//! changes on a message's way (attempts, deadlines, who delivered it) is not.

use lapin::types::ShortString;

use super::Received;
use crate::{
    amqp::{message::header, objects::names},
    answered::Identity,
    domain::{Key, Request},
    pipeline::{Job, Stage},
};

impl Received {
    /// Whether it may be a repetition: the broker says so, or it is a copy that a worker published for one that may be.
    pub fn is_repeated(&self) -> bool {
        let trail = &self.trail;
        self.redelivered || trail.attempt > 1 || trail.starts > 0 || trail.is_repetition
    }

    /// By what the request is known again; none where the client gave it no id, which is how a client says that two
    /// messages aren't the same.
    pub fn identity(&self, job: &Job) -> Option<Identity> {
        job.request.id.as_ref()?;
        let intent = match &job.stage {
            Stage::Classify => None,
            Stage::Handle { intent, .. } => Some(intent.as_str().as_bytes()),
        };
        let (properties, timestamp) = (&self.properties, self.properties.timestamp().map(u64::to_le_bytes));
        let headers = properties.headers().as_ref();
        let compression = headers.and_then(|headers| header::text(headers, names::COMPRESSION));
        let key = Key::of([
            bytes_of(properties.message_id()),
            bytes_of(properties.correlation_id()),
            bytes_of(properties.reply_to()),
            self.trail.user_id.as_deref().map(str::as_bytes),
            intent,
            bytes_of(properties.content_type()),
            bytes_of(properties.content_encoding()),
            compression.map(str::as_bytes),
            bytes_of(properties.kind()),
            bytes_of(properties.app_id()),
            timestamp.as_ref().map(<[u8; 8]>::as_slice),
            Some(&self.body),
        ]);
        Some(Identity { key, repeated: self.is_repeated() })
    }
}

impl Received {
    /// By what a turn of a conversation is known again there: its client's name for it, and what it says. Without a name
    /// two messages may well say the same, so that one counts as known only where it may be a repetition.
    ///
    /// What nobody took where people would is another turn than the one by which it went there; and what a person's program says
    /// is known again only with its pass.
    pub fn turn(&self, request: &Request) -> Identity {
        let id = request.id.as_deref().map(str::as_bytes);
        let pass = self.trail.pass.as_ref().filter(|_| self.trail.is_returned || request.command().is_some());
        let token = pass.map(|pass| pass.token.as_bytes());
        let key = match self.trail.is_returned {
            false if token.is_none() => Key::of([id, bytes_of(self.properties.kind()), Some(&self.body)]),
            false => Key::of([id, bytes_of(self.properties.kind()), Some(&self.body), token]),
            // Its body may have been written twice, with more in its transcript.
            true => Key::of([id, Some(b"returned"), Some(request.text.as_bytes()), token]),
        };
        Identity { key, repeated: id.is_some() || self.is_repeated() }
    }
}

fn bytes_of(value: &Option<ShortString>) -> Option<&[u8]> {
    value.as_ref().map(|value| value.as_str().as_bytes())
}
