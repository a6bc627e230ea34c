//! The worker's part of a lane's model check: a delivery in work, told by what it was told so far, and run anew for what it
//! asks next.
//!
//! Reading, admission, identity, turn, record and settlement are the worker's own code, pauses included: they pass at once,
//! on a clock that stands still otherwise.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use lapin::{
    message::Delivery as Delivered,
    types::{AMQPValue, FieldTable},
};
use tokio::{runtime::Runtime, sync::Notify, time::Instant};

use super::super::{held::Suspicion, incoming::incoming};
use crate::{
    amqp::{
        Names, WorkQueue,
        message::{
            admit::{self, Admission, Limits},
            properties::Received,
            reply_to,
        },
        objects::names,
        publishing::{
            acks::{Ack, Acks},
            publisher::{Message, PublishError},
            replies::ReplyError,
            settle::{Broker, Delivery, SessionLost, Settler},
        },
        values::short,
    },
    conversation::{Cursor, Page, Put, Record, Store, StoreError, Stored, store::There},
    domain::{ChoiceRule, ERROR_TYPE, IntentName, Key, Lane, Outcome, Prediction, Scored, codec},
    handler::{Answer, Handler, HandlerError, Handlers, Job as HandlerJob},
    model::{ModelClient, ModelError, Query},
    pipeline::{Attachments, Conversations, Desk, Dispatch, InlineLimit, Parts, Pipeline, Route, Taken},
    retry::RetryPolicy,
};

/// When everything happens.
const NOW: u64 = 1_800_000_000_000;

/// A message as it was delivered; how often it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Given {
    pub(super) message: u8,
    pub(super) count: u8,
}

/// What is kept of a conversation, by its number.
pub(super) type Value = u16;

/// An answer, by the delivery that made it and the try.
pub(super) type Text = (u8, u8);

/// What a delivery in work was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Told {
    /// By the store: what it holds …
    Got(Option<Value>),
    /// … what became of a write …
    Written,
    Conflict,
    /// … or nothing.
    Silence,
    /// By the broker: it has what was published.
    Confirmed,
}

/// What a delivery in work asks for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// What is kept of a conversation.
    Get(u8),
    /// To keep.
    Put(u8, Value),
    Reply(Text),
    /// To publish a dead letter.
    Letter {
        crashed: bool,
    },
    Ack,
    /// To leave the lane.
    Leave,
}

/// A delivery in work.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Flight {
    pub(super) given: Given,
    pub(super) suspicion: Suspicion,
    pub(super) told: Vec<Told>,
}

/// What is kept of a conversation: its turns, and what they were answered.
#[derive(Debug)]
pub(super) struct Kept {
    stored: Stored,
    pub(super) turns: Vec<(u8, Text)>,
}

/// Store, broker, model and handler, who answer as they are told, and then not at all.
#[derive(Default)]
struct Script {
    run: Mutex<Run>,
    asked: Notify,
}

/// One run.
#[derive(Default)]
struct Run {
    flight: Option<Flight>,
    answered: usize,
    /// How often it was answered by the handler, and told that nothing is kept.
    tries: u8,
    nothings: u8,
    /// The lives that it drew, as it knows them and as all others do.
    lives: Vec<(u64, u64)>,
    next: Option<Ask>,
    /// All that was ever to be kept, over all runs, and the conversations' keys.
    kept: Vec<Kept>,
    keys: Vec<Key>,
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

fn intent() -> IntentName {
    IntentName::new("refund").unwrap()
}

impl Script {
    fn run(&self) -> MutexGuard<'_, Run> {
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

/// The worker's part.
pub(super) struct Turns {
    /// Of each message its conversation.
    of: Vec<u8>,
    names: Vec<String>,
    lane: Lane,
    runtime: Runtime,
    script: Arc<Script>,
    pipeline: Pipeline,
    conversations: Conversations,
    asks: HashMap<Flight, Ask>,
}

impl Turns {
    /// Of messages in these conversations.
    pub(super) fn new(of: &[u8]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let lane = Lane::of("0");
        let names: Vec<String> =
            (0..).map(|name: u32| name.to_string()).filter(|name| Lane::of(name) == lane).take(2).collect();
        let script = Arc::new(Script::default());
        script.run().keys = names.iter().map(|name| Record::key(None, None, name)).collect();
        let handlers = Handlers::new([Arc::clone(&script) as Arc<dyn Handler>]);
        let pipeline = Pipeline::new(Parts {
            model: Arc::clone(&script) as Arc<dyn ModelClient>,
            routes: [(intent(), Route::new(handlers, Dispatch::Inline))].into(),
            choice: ChoiceRule { fallback: intent(), threshold: None, intents: [(intent(), None)].into(), margin: 0.0 },
            extractor: None,
            dialogue: None,
            inline: InlineLimit { bytes: 1 << 20, requests: 10 },
            attachments: Attachments::default(),
            model_timeout: Duration::from_secs(1),
            handler_timeout: Duration::from_secs(1),
            retry: RetryPolicy { delays: vec![Duration::from_secs(1)] },
        });
        let conversations = Conversations::new(Arc::clone(&script) as Arc<dyn Store>, 50);
        Self { of: of.to_vec(), names, lane, runtime, script, pipeline, conversations, asks: HashMap::new() }
    }

    /// A message's conversation.
    pub(super) fn conversation(&self, message: u8) -> u8 {
        self.of[usize::from(message)]
    }

    /// The key of a message's conversation.
    pub(super) fn key(&self, message: u8) -> Key {
        self.script.run().keys[usize::from(self.conversation(message))]
    }

    /// The turns of what is kept.
    pub(super) fn turns(&self, value: Option<Value>) -> Vec<(u8, Text)> {
        value.map(|value| self.script.run().kept[usize::from(value)].turns.clone()).unwrap_or_default()
    }

    /// Whether the store takes a value where that one is there.
    pub(super) fn takes(&self, there: Option<Value>, value: Value) -> bool {
        let kept = &self.script.run().kept;
        let there = there.map_or(There::Nothing, |there| {
            let Stored { life, version, .. } = kept[usize::from(there)].stored;
            There::Kept { life, version }
        });
        kept[usize::from(value)].stored.follows(there)
    }

    /// What a delivery in work asks for next.
    pub(super) fn ask(&mut self, flight: &Flight) -> Ask {
        if let Some(ask) = self.asks.get(flight) {
            return *ask;
        }
        {
            let mut run = self.script.run();
            let (kept, keys) = (std::mem::take(&mut run.kept), std::mem::take(&mut run.keys));
            *run = Run { flight: Some(flight.clone()), kept, keys, ..Run::default() };
        }
        let ask = self.runtime.block_on(async {
            tokio::select! {
                biased;
                ask = self.work(flight) => ask,
                () = self.script.asked.notified() => self.script.run().next.unwrap(),
            }
        });
        let answered = self.script.run().answered - usize::from(ask != Ask::Leave);
        assert_eq!(answered, flight.told.len(), "it asks what it asked before: {flight:?} {ask:?}");
        self.asks.insert(flight.clone(), ask);
        ask
    }

    async fn work(&self, flight: &Flight) -> Ask {
        let names = Names::new("shop").unwrap();
        let queue = WorkQueue::Conversation(self.lane);
        let delivered = self.delivered(flight.given);
        let ack = Acks::new().0.of(delivered.delivery_tag);
        let received = Box::new(Received::read(delivered, Some(queue.clone()), &[], &names, NOW, None));
        let address = reply_to::check(received.properties.reply_to().as_ref(), &names, &[]);
        let limits = Limits { max_body: 1024, has_conversations: true, ..Limits::default() };
        let Admission::Work(mut job) = admit::admit(&received, &queue, &address, &limits, NOW) else {
            unreachable!("it is a turn")
        };
        let (reply_to, started) = (address.ok().flatten(), Instant::now());
        let delivery = Delivery { received, reply_to, request_id: None, started, sharing: Default::default(), ack };
        let outcome = if flight.suspicion >= Suspicion::Crashed {
            super::super::crashed()
        } else {
            let incoming = incoming(&delivery, &job.request);
            let script = self.script.as_ref();
            match self.conversations.turn(&self.pipeline, &mut job, &incoming, script, || NOW).await {
                Taken::Settle(outcome) => outcome,
                Taken::Fenced(_) => return Ask::Leave,
            }
        };
        self.settle(names, delivery, outcome).await;
        unreachable!("it ends with an ack")
    }

    async fn settle(&self, names: Names, delivery: Delivery, outcome: Outcome) {
        let retry = self.pipeline.retry().clone();
        let settler = Settler { broker: Arc::clone(&self.script), names, retry, worker: "model".to_owned() };
        settler.settle(delivery, outcome).await.unwrap();
    }

    fn delivered(&self, Given { message, count }: Given) -> Delivered {
        let conversation = &self.names[usize::from(self.conversation(message))];
        let body = format!(r#"{{"body":"{message}","conversation":"{conversation}"}}"#).into_bytes();
        let key = short(&format!("conversation.{}", self.lane));
        let mut delivered = Delivered::mock(1, short("shop"), key, count > 0, body);
        let mut headers = FieldTable::default();
        if count > 0 {
            headers.insert(short("x-delivery-count"), AMQPValue::LongLongInt(count.into()));
        }
        delivered.properties = delivered
            .properties
            .with_content_type(short("application/json"))
            .with_message_id(short(&format!("m{message}")))
            .with_reply_to(short("answers"))
            .with_headers(headers);
        delivered
    }
}
