//! Store, broker, model and handler of a lane's model check, who answer a delivery in work as a script says.

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use lapin::types::AMQPValue;
use tokio::{sync::Notify, time::Instant};

use super::turns::{Ask, Flight, Given, Text, Told, Value};
use crate::{
    amqp::{
        WorkQueue,
        objects::names,
        publishing::{
            acks::Ack,
            publisher::{Message, PublishError},
            replies::ReplyError,
            settle::{Broker, SessionLost},
        },
    },
    conversation::{Cursor, Page, Put, Record, Store, StoreError, Stored},
    domain::{ERROR_TYPE, IntentName, Key, Prediction, Scored, codec},
    handler::{Answer, Handler, HandlerError, Job as HandlerJob},
    model::{ModelClient, ModelError, Query},
    pipeline::Desk,
};

/// What is kept of a conversation: its turns, and what they were answered.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) stored: Stored,
    pub(super) turns: Vec<(u8, Text)>,
}

/// Store, broker, model and handler, who answer as they are told, and then not at all.
#[derive(Default)]
pub(super) struct Script {
    run: Mutex<Run>,
    pub(super) asked: Notify,
}

/// One run.
#[derive(Default)]
pub(super) struct Run {
    pub(super) flight: Option<Flight>,
    pub(super) answered: usize,
    /// How often it was answered by the handler, and told that nothing is kept.
    tries: u8,
    nothings: u8,
    /// The lives that it drew, as it knows them and as all others do.
    lives: Vec<(u64, u64)>,
    pub(super) next: Option<Ask>,
    /// All that was ever to be kept, over all runs, and the conversations' keys.
    pub(super) kept: Vec<Kept>,
    pub(super) keys: Vec<Key>,
}

impl Run {
    fn given(&self) -> Given {
        self.flight.as_ref().unwrap().given
    }

    /// What is there as this run knows it.
    fn known(&self, value: Value) -> Stored {
        let stored = self.kept[usize::from(value)].stored.clone();
        let own = self.lives.iter().find(|(_, life)| *life == stored.life);
        Stored { life: own.map_or(stored.life, |(own, _)| *own), ..stored }
    }

    /// The number of what is to be kept. What hangs on chance, ids and lives, doesn't tell it from what is the same.
    fn number(&mut self, key: &Key, stored: Stored) -> Value {
        let record = Record::read(key, &stored).unwrap();
        let said: Vec<_> = record.state.history.iter().map(|turn| turn.text.as_str()).collect();
        let turns = said.chunks(2).map(|turn| (turn[0].parse().unwrap(), text(turn[1]))).collect();
        let lives = self.lives.iter().find(|(own, _)| *own == stored.life);
        let is_known = self.kept.iter().any(|kept| kept.stored.life == stored.life);
        let life = match lives {
            Some((_, life)) => *life,
            None if is_known => stored.life,
            None => {
                let Given { message, count } = self.given();
                let life = u64::from_be_bytes([0, 0, 0, 0, 0, message, count, self.nothings]);
                self.lives.push((stored.life, life));
                life
            }
        };
        let kept = Kept { stored: Stored { life, ..stored }, turns };
        let is_same = |other: &Kept| {
            (other.stored.life, other.stored.version, &other.turns) == (life, kept.stored.version, &kept.turns)
        };
        let position = self.kept.iter().position(is_same).unwrap_or_else(|| {
            self.kept.push(kept);
            self.kept.len() - 1
        });
        position.try_into().unwrap()
    }
}

fn text(text: &str) -> Text {
    let (count, tries) = text.split_once('.').unwrap();
    (count.parse().unwrap(), tries.parse().unwrap())
}

pub(super) fn intent() -> IntentName {
    IntentName::new("refund").unwrap()
}

impl Script {
    /// Begins a run of a delivery.
    pub(super) fn begin(&self, flight: &Flight) {
        let mut run = self.run();
        let (kept, keys) = (std::mem::take(&mut run.kept), std::mem::take(&mut run.keys));
        *run = Run { flight: Some(flight.clone()), kept, keys, ..Run::default() };
    }

    pub(super) fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap()
    }

    /// The script's answer to this, or none for ever.
    async fn ask(&self, ask: Ask) -> Told {
        let told = {
            let mut run = self.run();
            let told = run.flight.as_ref().and_then(|flight| flight.told.get(run.answered).copied());
            run.answered += 1;
            run.next = Some(ask);
            told
        };
        match told {
            Some(told) => told,
            None => {
                self.asked.notify_one();
                pending().await
            }
        }
    }
}

fn away() -> StoreError {
    StoreError::Away("silence".to_owned())
}

#[async_trait]
impl Store for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let conversation = self.run().keys.iter().position(|known| known == key).unwrap();
        match self.ask(Ask::Get(conversation.try_into().unwrap())).await {
            Told::Got(None) => {
                self.run().nothings += 1;
                Ok(None)
            }
            Told::Got(Some(value)) => Ok(Some(self.run().known(value))),
            Told::Silence => Err(away()),
            told => unreachable!("{told:?}"),
        }
    }

    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError> {
        let ask = {
            let mut run = self.run();
            let conversation = run.keys.iter().position(|known| known == key).unwrap();
            Ask::Put(conversation.try_into().unwrap(), run.number(key, stored))
        };
        match self.ask(ask).await {
            Told::Written => Ok(Put::Done),
            Told::Conflict => Ok(Put::Conflict),
            Told::Silence => Err(away()),
            told => unreachable!("{told:?}"),
        }
    }

    async fn delete(&self, _: &Key) -> Result<bool, StoreError> {
        unreachable!("nobody forgets")
    }

    async fn page(&self, _: Option<Cursor>, _: usize) -> Result<Page, StoreError> {
        unreachable!("nobody lists")
    }
}

impl Broker for Arc<Script> {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        assert!(message.routing_key.as_str().ends_with(".dead"), "{}", message.routing_key);
        let headers = message.properties.headers().as_ref();
        let reason = headers.and_then(|headers| headers.inner().get(names::DEAD_REASON)).cloned();
        let crashed = reason == Some(AMQPValue::LongString("crashed".into()));
        self.ask(Ask::Letter { crashed }).await;
        Ok(())
    }

    async fn reply(&self, message: impl Fn() -> Message + Send + Sync, _: bool) -> Result<(), ReplyError> {
        let message = message();
        if message.properties.kind().as_ref().is_none_or(|kind| kind.as_str() != ERROR_TYPE) {
            let codec::Answered::Reply(reply) = codec::decode_reply(&message.body).unwrap() else {
                unreachable!("an error reply has its type")
            };
            self.ask(Ask::Reply(text(&reply.text))).await;
        }
        Ok(())
    }

    async fn declare_again(&self) -> Result<(), SessionLost> {
        unreachable!("nothing is missing")
    }

    async fn make_dead_letter_queue(&self, _: &WorkQueue, _: bool) -> Result<bool, SessionLost> {
        Ok(true)
    }

    async fn pause(&self, _: Duration) {
        unreachable!("nothing is refused")
    }

    async fn ack(&self, _: Ack, _: &'static str, _: Instant) {
        self.ask(Ask::Ack).await;
    }
}

impl Desk for Script {
    async fn is_attended(&self) -> bool {
        false
    }
}

#[async_trait]
impl ModelClient for Script {
    fn name(&self) -> &str {
        "script"
    }

    async fn classify(&self, _: &Query<'_>) -> Result<Prediction, ModelError> {
        Ok(Prediction::ranked(vec![Scored::new(intent(), 0.9)], "script".into()))
    }
}

#[async_trait]
impl Handler for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    /// Each try has an answer of its own.
    async fn handle(&self, _: &HandlerJob<'_>) -> Result<Option<Answer>, HandlerError> {
        let mut run = self.run();
        run.tries += 1;
        Ok(Some(Answer::text(format!("{}.{}", run.given().count, run.tries), None)))
    }
}
