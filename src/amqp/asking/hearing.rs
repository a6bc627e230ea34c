//! One who waits for an answer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use metrics::counter;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Question, To, asker::State, session::Session};
use crate::{amqp::publishing::publisher::PublishError, domain::REPLY_TYPE};

/// How long a question that wasn't asked yet waits for a broker that is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause before it is looked again for a queue that is to be bound.
const UNBOUND: Duration = Duration::from_millis(100);

/// How long it is looked whether a worker is there, where no answer came.
const LOOKS: Duration = Duration::from_secs(1);

/// A publish that is under way.
type Asking = BoxFuture<'static, Result<(), PublishError>>;

/// What comes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A part of the answer: JSON, as it came.
    Part(Bytes),
    /// The answer: JSON, as it came.
    Reply(Bytes),
    /// Word that there is none: JSON, as it came.
    Error(Bytes),
    /// Word that a command was done: JSON, as it came.
    Done(Bytes),
    /// An answer of another program, which sets no type. Nobody outside hears it so: it is made a reply.
    Bare(Bytes),
}

impl Heard {
    /// Whether nothing follows it.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Part(_))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskFault {
    /// The broker is away, or takes nothing.
    #[error("the broker is away")]
    Away,
    /// There is no exchange yet.
    #[error("no worker has run yet")]
    NoWorker,
    /// No queue takes it.
    #[error("no queue takes the routing key '{0}'")]
    Unroutable(String),
    /// The queue is full.
    #[error("the broker refused the message: its queue is full, or not available now")]
    Refused,
    /// The program that answers the intent, or the person's, answered with something else than a reply.
    #[error("what came back is no reply: a JSON object with a text in 'body'")]
    Unreadable,
    /// There is no more time.
    #[error("no answer came in time")]
    Timeout,
    /// There is no more time, and no worker says that it is there.
    #[error("no answer came in time, and no worker says that it is there")]
    Deserted,
}

/// Waits for the answer to one question. Dropped before that has come, it tells the workers that nobody wants it.
pub struct Hearing {
    state: Arc<State>,
    question: Question,
    correlation: Arc<str>,
    inbound: mpsc::Receiver<Heard>,
    /// The session that the question went by; none before it was asked, and where that session is over.
    asked_by: Option<Arc<Session>>,
    /// The asking that is under way, kept for whoever gives up waiting and comes again: else it would be asked twice.
    asking: Option<(Arc<Session>, Asking)>,
    /// Whether it was asked at all.
    is_asked: bool,
    is_cancelled: bool,
    /// Whether its client reads along, and by leaving stops the answer where it has come to.
    is_read_along: bool,
    is_over: bool,
}

impl Hearing {
    pub(super) fn new(state: Arc<State>, question: Question) -> Self {
        let correlation: Arc<str> = Uuid::now_v7().to_string().into();
        let inbound = state.pending.wait(correlation.clone());
        Self {
            state,
            question,
            correlation,
            inbound,
            asked_by: None,
            asking: None,
            is_asked: false,
            is_cancelled: false,
            is_read_along: false,
            is_over: false,
        }
    }

    /// The question's id.
    pub fn id(&self) -> &str {
        &self.question.id
    }

    /// What comes next. Given up and called again, it loses nothing.
    ///
    /// # Errors
    /// [`AskFault`]; after one nothing comes any more.
    pub async fn next(&mut self) -> Result<Heard, AskFault> {
        let heard = self.heard().await;
        if heard.as_ref().map_or(true, Heard::is_last) {
            self.is_over = true;
        }
        heard
    }

    async fn heard(&mut self) -> Result<Heard, AskFault> {
        loop {
            let session = match &self.asked_by {
                Some(session) => session.clone(),
                None => {
                    let session = self.asked().await?;
                    self.asked_by = Some(session.clone());
                    if self.is_cancelled {
                        self.tell_cancelled(false);
                    }
                    session
                }
            };
            tokio::select! {
                biased;
                // The answer may be there although the session is over.
                heard = self.inbound.recv() => {
                    return match heard {
                        Some(Heard::Bare(body)) => completed(&body, &self.question.id),
                        heard => heard.ok_or(AskFault::Away),
                    };
                }
                () = session.over.cancelled() => self.asked_by = None,
                () = tokio::time::sleep_until(self.question.deadline) => return Err(too_late(self.state.clone()).await),
            }
        }
    }

    /// Asks, by the session that there is, or by the next.
    async fn asked(&mut self) -> Result<Arc<Session>, AskFault> {
        let deadline = self.question.deadline;
        // What the bot may be working on already is waited for as long as its client does.
        let mut until = if self.is_asked { deadline } else { deadline.min(Instant::now() + PATIENCE) };
        loop {
            let (session, asking) = match &mut self.asking {
                Some(asking) => asking,
                None => {
                    let session = timeout_at(until, self.state.session()).await.map_err(|_| self.away())?;
                    let asking =
                        publish(self.state.clone(), session.clone(), self.question.clone(), self.correlation.clone());
                    self.asking.insert((session, asking.boxed()))
                }
            };
            let published = timeout_at(deadline, asking).await.map_err(|_| AskFault::Timeout)?;
            let session = session.clone();
            self.asking = None;
            match published {
                Ok(()) => {
                    self.is_asked = true;
                    return Ok(session);
                }
                Err(PublishError::Nacked) => return Err(AskFault::Refused),
                // A worker that starts makes the exchange before it binds its queue.
                Err(PublishError::Returned(key)) if key == To::Request.key() => {
                    timeout_at(until, sleep(UNBOUND)).await.map_err(|_| AskFault::NoWorker)?;
                }
                Err(PublishError::Returned(key)) => return Err(AskFault::Unroutable(key)),
                // Whether it was taken isn't known: it is asked again, with the same id.
                Err(PublishError::Lost(_) | PublishError::Unconfirmed(_)) => {
                    (self.is_asked, until) = (true, deadline);
                    session.look().await;
                }
            }
        }
    }

    fn away(&self) -> AskFault {
        match self.is_asked {
            true => AskFault::Timeout,
            false if self.state.is_missing.load(Ordering::Acquire) => AskFault::NoWorker,
            false => AskFault::Away,
        }
    }

    /// Tells the workers that nobody wants the rest of the answer. What there is of it comes as the answer, where a worker
    /// hears.
    pub fn cancel(&mut self) {
        self.is_cancelled = true;
        self.tell_cancelled(false);
    }

    /// Its client reads the answer along, and has no other way to stop it than to leave: what it has read is the answer then.
    /// Of whoever else leaves nothing is kept, so that it may come back and ask again.
    pub fn read_along(&mut self) {
        self.is_read_along = true;
    }

    fn tell_cancelled(&self, left: bool) {
        if let Some(session) = &self.asked_by {
            let cancel = self.question.cancel(&self.state.names, session.queue(), &self.correlation, left);
            session.publisher().publish_unheeded(cancel, || {});
        }
    }
}

/// Asks by a session.
async fn publish(
    state: Arc<State>,
    session: Arc<Session>,
    question: Question,
    correlation: Arc<str>,
) -> Result<(), PublishError> {
    let publish_to = async |to: &To| {
        let message = question.message(to, &state.names, session.queue(), &correlation);
        session.publisher().publish(message).await
    };
    let to = match &question.to {
        To::Conversation(_) if !state.known().conversations => &To::Request,
        to => to,
    };
    match publish_to(to).await {
        // The bot has none any more: a worker finds out whose it is.
        Err(PublishError::Returned(_)) if matches!(to, To::Conversation(_)) => publish_to(&To::Request).await,
        published => published,
    }
}

/// That there is no more time; and whether nobody is there who could have answered.
async fn too_late(state: Arc<State>) -> AskFault {
    // In a task of its own, which goes on for others who ask the same.
    let looking = tokio::spawn(async move { state.is_deserted().await });
    match timeout(LOOKS, looking).await {
        Ok(Ok(true)) => AskFault::Deserted,
        _ => AskFault::Timeout,
    }
}

/// An answer of a program that leaves out what says what it is, with that.
fn completed(body: &[u8], in_reply_to: &str) -> Result<Heard, AskFault> {
    let mut json: Map<String, Value> = serde_json::from_slice(body).map_err(|_| AskFault::Unreadable)?;
    if !json.get("body").is_some_and(Value::is_string) {
        return Err(AskFault::Unreadable);
    }
    let mut set = |name: &str, value: &str| _ = json.entry(name).or_insert_with(|| value.into());
    set("type", REPLY_TYPE);
    set("in_reply_to", in_reply_to);
    set("id", &Uuid::now_v7().to_string());
    serde_json::to_vec(&json).map(|body| Heard::Reply(body.into())).map_err(|_| AskFault::Unreadable)
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.state.pending.forget(&self.correlation);
        if !self.is_over && !self.is_cancelled {
            counter!("chatbot_door_left_total").increment(1);
            self.tell_cancelled(!self.is_read_along);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::{
        amqp::{
            Names,
            asking::Asker,
            connection::address::{Access, Broker, Tls},
        },
        renewed::Renewed,
    };

    #[tokio::test(start_paused = true)]
    async fn only_who_leaves_before_the_answer_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let _counts = metrics::set_default_local_recorder(&recorder);
        let broker = Broker {
            access: Renewed::fixed(Access { urls: Vec::new(), tls: Tls::default() }),
            connect_timeout: Duration::from_secs(1),
            confirm_timeout: Duration::from_secs(1),
        };
        // Nobody makes it a session.
        let (asker, _running) = Asker::new(broker, Names::new("chatbot").unwrap(), Box::new(|_: Vec<u8>| {}));
        let ask = || {
            let deadline = Instant::now() + Duration::from_secs(60);
            let (kind, id) = ("chat.request".to_owned(), "7".to_owned());
            asker.ask(Question { to: To::Request, kind, id, body: Bytes::from_static(b"{}"), deadline })
        };
        let left = || {
            let text = metrics.render();
            text.lines().find_map(|line| line.strip_prefix("chatbot_door_left_total ")).map(str::to_owned)
        };
        // One that was told why there is no answer, and one that was stopped.
        let mut told = ask();
        assert_eq!(told.next().await, Err(AskFault::Away));
        drop(told);
        let mut stopped = ask();
        stopped.cancel();
        drop(stopped);
        assert_eq!(left(), None);
        for count in ["1", "2"] {
            drop(ask());
            assert_eq!(left().as_deref(), Some(count));
        }
    }
}
