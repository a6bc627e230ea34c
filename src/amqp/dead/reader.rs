//! Going through a dead-letter queue.
//!
//! AMQP knows no way to look into a queue. So the letters are consumed with manual acks and handed back at the end:
//! meanwhile others don't see them, and what ends this command early hands them back too. The queue holds what is
//! unacked, and a consumer's prefetch is full once it has that many: for the next letters it is cancelled, keeping what
//! it has, and another takes its place. So the memory needed here hangs on the prefetch and not on the queue.
//!
//! **Invariant:** nothing leaves the queue but by [`Held::remove`].

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use lapin::{
    Channel, Consumer,
    options::{BasicAckOptions, BasicNackOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::{Instant, sleep, timeout};

use super::Letter;
use crate::amqp::{
    Names, WorkQueue,
    connection::link::Link,
    message::time::now_ms,
    objects::{
        ask::AskError,
        inspect::depths,
        problem::{Problem, problem},
    },
    values::short,
};

/// How many letters, with their bodies, may be on their way here at a time.
const PREFETCH: u16 = 128;
/// After so long without a letter the queue is asked whether there is any.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long what is handed back may take to be there again.
const HAND_BACK: Duration = Duration::from_secs(5);

/// Why a queue can't be gone through, or not to its end. What wasn't removed is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The broker refuses.
    #[error("{}: the broker says: {}. {}", .0.object, .0.broker, .0.mend)]
    Refused(Problem),
    /// The connection or the channel is gone.
    #[error("the connection was lost: {0}; what wasn't done is in its queue")]
    Lost(String),
}

/// A letter that is held: out of its queue for others, and back in it once this is dropped and the reader finished.
#[derive(Debug)]
pub struct Held {
    /// The letter.
    pub letter: Letter,
    place: Place,
}

impl Held {
    /// Takes the letter out of its queue for good.
    ///
    /// # Errors
    /// [`ReadError::Lost`]; then it is in its queue.
    pub async fn remove(mut self) -> Result<(), ReadError> {
        // Not by lapin's `Acker`, which may never answer when the connection ends just then.
        let acked = self.place.channel.basic_ack(self.place.tag, BasicAckOptions::default()).await;
        acked.map_err(|error| ReadError::Lost(error.to_string()))?;
        self.place.removed = true;
        Ok(())
    }
}

/// A letter's place in its queue, to which it returns unless it is removed.
#[derive(Debug)]
struct Place {
    channel: Channel,
    consumer: u32,
    tag: u64,
    removed: bool,
    kept: Arc<Mutex<HandBack>>,
}

/// What is to be handed back.
#[derive(Debug, Default)]
struct HandBack {
    letters: u32,
    /// The last of each consumer's, by delivery tag.
    ends: BTreeMap<u32, u64>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.removed {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.letters += 1;
            let end = kept.ends.entry(self.consumer).or_default();
            *end = self.tag.max(*end);
        }
    }
}

/// Goes through the letters that are in a queue when this begins, from the oldest.
pub struct Reader<'a> {
    link: &'a Link,
    channel: Channel,
    names: Names,
    queue: WorkQueue,
    name: String,
    consumer: Option<Consumer>,
    /// A consumer that the broker is asked for. Its letters come whether or not anybody waits for it here.
    opening: Option<BoxFuture<'static, Result<Consumer, lapin::Error>>>,
    /// How many there were before it.
    consumers: u32,
    /// How many letters this consumer has brought.
    brought: u16,
    /// Whether the consumer is cancelled, and only what it has is still to come.
    cancelled: bool,
    there: u32,
    left: u32,
    /// How many letters others hold.
    elsewhere: u32,
    kept: Arc<Mutex<HandBack>>,
}

impl<'a> Reader<'a> {
    /// Begins with the dead letters of a work queue; none where there is no such queue. The connection has to be one
    /// that [consumes](crate::amqp::connection::Use::Consume).
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open(link: &'a Link, names: &Names, queue: &WorkQueue) -> Result<Option<Self>, ReadError> {
        let name = Names::dead(&names.queue(queue));
        let begin = async {
            let channel = link.channel().await?;
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
            let there = depth(&channel, &name).await?;
            Ok((channel, there))
        };
        let (channel, there) = match timeout(link.step_limit(), begin).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => match failed(&name, &error) {
                ReadError::Refused(problem) if problem.missing => return Ok(None),
                error => return Err(error),
            },
            Err(_) => return Err(ReadError::Lost(format!("no answer within {:?}", link.step_limit()))),
        };
        Ok(Some(Self {
            link,
            channel,
            names: names.clone(),
            queue: queue.clone(),
            name,
            consumer: None,
            opening: None,
            consumers: 0,
            brought: 0,
            cancelled: false,
            there,
            left: there,
            elsewhere: 0,
            kept: Arc::default(),
        }))
    }

    /// How many letters there were at the beginning.
    pub fn there(&self) -> u32 {
        self.there
    }

    /// How many of them others held, so that they weren't seen here: known at the end.
    pub fn elsewhere(&self) -> u32 {
        self.elsewhere
    }

    /// The next letter; none at the end. Dropping this future at any time loses nothing; the reader is then only good
    /// for [`Self::finish`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn next(&mut self) -> Result<Option<Held>, ReadError> {
        let mut found_empty = false;
        while self.left > 0 {
            if self.brought == PREFETCH && !self.cancelled {
                self.cancel().await?;
            }
            let cancelled = self.cancelled;
            let consumer = self.consumer().await?;
            let delivery = match timeout(PATIENCE, consumer.next()).await {
                Ok(Some(Ok(delivery))) => delivery,
                Ok(Some(Err(error))) => return Err(failed(&self.name, &error)),
                Ok(None) if cancelled => {
                    self.consumer = None;
                    self.consumers += 1;
                    continue;
                }
                Ok(None) => return Err(ReadError::Lost("the broker cancelled the consumer".to_owned())),
                // What the broker has just handed out may overtake its answer, so it is asked twice.
                Err(_) if self.depth().await? == 0 => {
                    if found_empty {
                        self.elsewhere = self.left;
                        return Ok(None);
                    }
                    found_empty = true;
                    continue;
                }
                Err(_) => continue,
            };
            self.left -= 1;
            self.brought = self.brought.saturating_add(1);
            let blemishes = self.link.mended().take(self.channel.id(), delivery.delivery_tag);
            let place = Place {
                channel: self.channel.clone(),
                consumer: self.consumers,
                tag: delivery.delivery_tag,
                removed: false,
                kept: self.kept.clone(),
            };
            let letter = Letter::read(delivery, self.queue.clone(), &blemishes, &self.names, now_ms());
            return Ok(Some(Held { letter, place }));
        }
        Ok(None)
    }

    /// Hands back what wasn't removed, to where it was, and waits until it is there again for whoever comes next. All
    /// [`Held`] letters have to be dropped or removed before.
    ///
    /// # Errors
    /// [`ReadError`]; what wasn't removed is in the queue all the same.
    pub async fn finish(mut self) -> Result<(), ReadError> {
        let limit = self.link.step_limit();
        let HandBack { mut letters, ends } =
            std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let hand_back = async {
            if let Some(opening) = self.opening.take() {
                self.consumer = Some(opening.await?);
            }
            if let Some(consumer) = &mut self.consumer {
                if !self.cancelled {
                    self.channel.basic_cancel(consumer.tag(), Default::default()).await?;
                }
                // What came and wasn't looked at is handed back too.
                while let Some(unseen) = consumer.next().await {
                    unseen?;
                    letters += 1;
                }
            }
            let others = depth(&self.channel, &self.name).await?;
            // All at once would do, but then the broker hands back consumer by consumer in an order of its own; so only
            // neighbours change places. The tag that ends a range has to be held still. 0 stands for all that is left.
            for end in ends.into_values().chain([0]) {
                self.channel.basic_nack(end, BasicNackOptions { multiple: true, requeue: true }).await?;
            }
            // Another consumer may take them at once, so that they are never seen: hence the end.
            let begun = Instant::now();
            while depth(&self.channel, &self.name).await? < others.saturating_add(letters)
                && begun.elapsed() < HAND_BACK
            {
                sleep(Duration::from_millis(20)).await;
            }
            self.channel.close(200, short("done")).await
        };
        match timeout(limit + HAND_BACK, hand_back).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failed(&self.name, &error)),
            Err(_) => Err(ReadError::Lost(format!("no answer within {:?}", limit + HAND_BACK))),
        }
    }

    /// The consumer, a new one where there is none.
    async fn consumer(&mut self) -> Result<&mut Consumer, ReadError> {
        let consumer = match self.consumer.take() {
            Some(consumer) => consumer,
            None => {
                (self.brought, self.cancelled) = (0, false);
                let (channel, name) = (self.channel.clone(), short(&self.name));
                let opening = self.opening.get_or_insert_with(|| {
                    async move {
                        channel.basic_consume(name, short(""), Default::default(), FieldTable::default()).await
                    }
                    .boxed()
                });
                let opened = timeout(self.link.step_limit(), opening).await;
                self.opening = None;
                self.answered(opened)?
            }
        };
        Ok(self.consumer.insert(consumer))
    }

    /// Ends the consumer; what it holds stays held.
    async fn cancel(&mut self) -> Result<(), ReadError> {
        if let Some(consumer) = &self.consumer {
            let cancel = self.channel.basic_cancel(consumer.tag(), Default::default());
            self.answered(timeout(self.link.step_limit(), cancel).await)?;
        }
        self.cancelled = true;
        Ok(())
    }

    async fn depth(&self) -> Result<u32, ReadError> {
        self.answered(timeout(self.link.step_limit(), depth(&self.channel, &self.name)).await)
    }

    fn answered<T>(
        &self,
        answer: Result<Result<T, lapin::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, ReadError> {
        let limit = self.link.step_limit();
        let answer = answer.map_err(|_| ReadError::Lost(format!("no answer within {limit:?}")))?;
        answer.map_err(|error| failed(&self.name, &error))
    }
}

/// Of these work queues, those that have dead letters in their queue for them; of several that share a queue the first.
///
/// # Errors
/// [`AskError`].
pub async fn filled(link: &Link, names: &Names, queues: &[WorkQueue]) -> Result<Vec<WorkQueue>, AskError> {
    let mut seen = HashSet::new();
    // Those of conversations share one, which is to be gone through once.
    let queues: Vec<_> = queues.iter().map(|queue| (queue, Names::dead(&names.queue(queue)))).collect();
    let (queues, dead): (Vec<_>, Vec<_>) = queues.into_iter().filter(|(_, dead)| seen.insert(dead.clone())).unzip();
    let mut filled = Vec::new();
    for (queue, depth) in queues.into_iter().zip(depths(link, dead.iter().map(String::as_str)).await) {
        if depth?.is_some_and(|depth| depth.messages > 0) {
            filled.push(queue.clone());
        }
    }
    Ok(filled)
}

/// How many letters are there for whoever consumes.
async fn depth(channel: &Channel, name: &str) -> Result<u32, lapin::Error> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    Ok(channel.queue_declare(short(name), options, FieldTable::default()).await?.message_count())
}

fn failed(queue: &str, error: &lapin::Error) -> ReadError {
    match problem(&format!("queue '{queue}'"), error) {
        Some(problem) => ReadError::Refused(problem),
        None => ReadError::Lost(error.to_string()),
    }
}
