//! The worker's part of a lane's model check: a delivery in work, told by what it was told so far, and run anew for what it
//! asks next.
//!
//! Reading, admission, identity, turn, record and settlement are the worker's own code, pauses included: they pass at once,
//! on a clock that stands still otherwise.

use std::{collections::HashMap, sync::Arc, time::Duration};

use lapin::{
    message::Delivery as Delivered,
    types::{AMQPValue, FieldTable},
};
use tokio::{runtime::Runtime, time::Instant};

use super::{
    super::{crashed, held::Suspicion, incoming::incoming},
    script::{Script, intent},
};
use crate::{
    amqp::{
        Names, WorkQueue,
        message::{
            admit::{self, Admission, Limits},
            properties::Received,
            reply_to,
        },
        publishing::{
            acks::Acks,
            settle::{Delivery, Settler},
        },
        values::short,
    },
    conversation::{Record, Store, Stored, store::There},
    domain::{ChoiceRule, Key, Lane, Outcome},
    handler::{Handler, Handlers},
    model::ModelClient,
    pipeline::{Attachments, Conversations, Dispatch, InlineLimit, Parts, Pipeline, Route, Taken},
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
        self.script.begin(flight);
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
            crashed()
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
