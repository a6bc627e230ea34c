//! A client of the bot that knows no more than any other AMQP client: it asks, and waits for the answer.
//!
//! Answers come by direct reply-to (<https://www.rabbitmq.com/docs/direct-reply-to>), so they are consumed on the channel
//! that publishes the questions.
//!
//! **Invariant:** an answer belongs to the question whose correlation id it bears; one that comes too late is dropped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Consumer, ExchangeKind,
    options::{BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    protocol::AMQPSoftError,
    types::{FieldTable, ShortString},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Names, WorkQueue,
    connection::{
        address::Broker,
        error::ConnectError,
        link::{Link, Use, soft_error},
    },
    objects::names::CANCEL_KEY,
    values::short,
};
use crate::domain::{
    CANCEL_TYPE, IntentName, Part, REQUEST_TYPE, Request,
    codec::{Answered, UnreadableReply, decode_part, decode_reply, encode_request},
};

/// Where this channel's own answers arrive.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// The routing key of a question that is to be classified.
const REQUEST_KEY: &str = "request";
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The exchange doesn't exist.
    #[error(
        "there is no exchange '{0}' on this broker: is a worker running? `chatbot-worker run` starts one; \
         CHATBOT_AMQP_EXCHANGE names the exchange"
    )]
    NoExchange(String),
    /// The queue that would take the question doesn't exist.
    #[error("there is no queue '{queue}': {mend}")]
    NoQueue {
        /// The queue.
        queue: String,
        /// What to do.
        mend: &'static str,
    },
    /// Nobody consumes the queue that would take the question.
    #[error("no worker consumes the queue '{0}': start one with `chatbot-worker run`")]
    NoWorker(String),
    /// The broker gave the question back.
    #[error(
        "no queue takes the routing key '{key}' of the exchange '{exchange}' ({reason}): `chatbot-worker check` tells \
         what is missing"
    )]
    Returned {
        /// The exchange.
        exchange: String,
        /// The routing key.
        key: String,
        /// The broker's words.
        reason: String,
    },
    /// The broker refused the question.
    #[error("the broker refused the question (nack): its queue is full, or not available now")]
    Nacked,
    /// The user may not do what a client has to.
    #[error(
        "the broker refuses: {0}. A client needs the right to write to the exchange; `rabbitmqctl set_permissions` \
         grants it"
    )]
    Refused(String),
    /// No answer came in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// No answer came in time, since the broker takes no messages now.
    #[error("no answer within {0:?}: the broker takes no messages now, for want of memory or disk")]
    Blocked(Duration),
    /// The answer isn't one of a worker's.
    #[error(transparent)]
    Unreadable(#[from] UnreadableReply),
    /// The connection or the channel is gone.
    #[error("the connection to the broker was lost: {0}")]
    Lost(String),
}

impl AskError {
    /// Whether the client can ask on all the same.
    pub fn leaves_the_client_whole(&self) -> bool {
        match self {
            Self::NoQueue { .. }
            | Self::NoWorker(_)
            | Self::Returned { .. }
            | Self::Nacked
            | Self::Timeout(_)
            | Self::Blocked(_)
            | Self::Unreadable(_) => true,
            Self::Connect(_) | Self::NoExchange(_) | Self::Refused(_) | Self::Lost(_) => false,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The body, as it was received: JSON.
    pub body: Vec<u8>,
    /// What it says.
    pub answered: Answered,
    /// From the publish to the answer.
    pub took: Duration,
}

/// A client that asks one question at a time.
pub struct Client {
    link: Link,
    channel: Channel,
    answers: Consumer,
    names: Names,
}

impl Client {
    /// Connects, and proves that the exchange exists.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn open(broker: &Broker, names: Names) -> Result<Self, AskError> {
        let link = Link::open(broker, "chatbot-worker ask", Use::Command).await?;
        let limit = broker.connect_timeout;
        let slow = |_| AskError::Lost(format!("no channel within {limit:?}"));
        let (channel, answers) = timeout(limit, start(&link, &names)).await.map_err(slow)??;
        Ok(Self { link, channel, answers, names })
    }

    /// Asks, and waits for the answer. Without an intent, the text is classified. `hear` gets the parts of the answer as it
    /// is being written, where the request wants them; once `cancel` is told, the request is cancelled, and what there is of
    /// its answer waited for.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask(
        &mut self,
        request: &Request,
        intent: Option<&IntentName>,
        limit: Duration,
        hear: impl FnMut(Part),
        cancel: &CancellationToken,
    ) -> Result<Answer, AskError> {
        match timeout(limit, self.exchange(request, intent, hear, cancel)).await {
            Ok(result) => result,
            Err(_) if self.link.is_blocked() => Err(AskError::Blocked(limit)),
            Err(_) => Err(AskError::Timeout(limit)),
        }
    }

    /// Waits until the connection is lost, and tells why.
    pub async fn lost(&self) -> Arc<str> {
        self.link.ended().await
    }

    /// Closes the connection in order.
    pub async fn close(&self, within: Duration) {
        self.link.close(within).await;
    }

    async fn exchange(
        &mut self,
        request: &Request,
        intent: Option<&IntentName>,
        mut hear: impl FnMut(Part),
        cancel: &CancellationToken,
    ) -> Result<Answer, AskError> {
        let (queue, key) = match intent {
            Some(intent) => (WorkQueue::Intent(intent.clone()), Names::intent_key(intent)),
            None => (WorkQueue::Requests, REQUEST_KEY.to_owned()),
        };
        self.prove_consumed(&queue).await?;
        let id = short(&Uuid::now_v7().to_string());
        let asked = Instant::now();
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let confirm = self
            .channel
            .basic_publish(
                short(self.names.exchange()),
                short(&key),
                options,
                &encode_request(request),
                properties(id.clone()),
            )
            .await
            .map_err(failed)?;
        let mut confirm = std::pin::pin!(confirm);
        let (mut confirmed, mut cancelled) = (false, false);
        // The answer may overtake the confirm.
        loop {
            tokio::select! {
                confirmation = &mut confirm, if !confirmed => {
                    self.accepted(confirmation.map_err(failed)?, &key)?;
                    confirmed = true;
                }
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    self.cancel(&id).await?;
                }
                delivery = self.answers.next() => match delivery {
                    Some(Ok(delivery)) if delivery.properties.correlation_id().as_ref() == Some(&id) => {
                        if let Some(part) = decode_part(&delivery.data) {
                            hear(part);
                            continue;
                        }
                        let answered = decode_reply(&delivery.data)?;
                        return Ok(Answer { body: delivery.data, answered, took: asked.elapsed() });
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(failed(error)),
                    None => return Err(AskError::Lost(self.why_closed().await)),
                },
            }
        }
    }

    /// Tells the workers that nobody wants the answer to a request any more. Where none hears, the answer comes as ever.
    async fn cancel(&self, id: &ShortString) -> Result<(), AskError> {
        let (exchange, key) = (short(self.names.exchange()), short(CANCEL_KEY));
        let cancel = properties(id.clone()).with_type(short(CANCEL_TYPE)).with_delivery_mode(TRANSIENT);
        let published = self.channel.basic_publish(exchange, key, BasicPublishOptions::default(), b"", cancel).await;
        published.map_err(failed)?.await.map_err(failed)?;
        Ok(())
    }

    /// Proves that somebody consumes a queue, since a question would only wait there otherwise. RabbitMQ from 4.3 on doesn't
    /// tell a client that may only publish; then it is asked all the same.
    async fn prove_consumed(&self, queue: &WorkQueue) -> Result<(), AskError> {
        let name = self.names.queue(queue);
        // On a channel of its own, which a refusal closes.
        let channel = self.link.channel().await.map_err(failed)?;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let consumers = match channel.queue_declare(short(&name), options, FieldTable::default()).await {
            Ok(found) => found.consumer_count(),
            Err(error) if is_soft(&error, &AMQPSoftError::ACCESSREFUSED) => return Ok(()),
            Err(error) if is_soft(&error, &AMQPSoftError::NOTFOUND) => {
                return Err(AskError::NoQueue { queue: name, mend: mend(queue) });
            }
            Err(error) => return Err(failed(error)),
        };
        channel.close(200, short("done")).await.map_err(failed)?;
        if consumers > 0 { Ok(()) } else { Err(AskError::NoWorker(name)) }
    }

    fn accepted(&self, confirmation: Confirmation, key: &str) -> Result<(), AskError> {
        match confirmation {
            Confirmation::Ack(None) | Confirmation::NotRequested => Ok(()),
            Confirmation::Ack(Some(returned)) => Err(AskError::Returned {
                exchange: self.names.exchange().to_owned(),
                key: key.to_owned(),
                reason: format!("{} {}", returned.reply_code, returned.reply_text),
            }),
            Confirmation::Nack(_) => Err(AskError::Nacked),
        }
    }

    /// Why the answers ended, where they ended without an error.
    async fn why_closed(&self) -> String {
        if self.link.is_open() { "the channel was closed".to_owned() } else { self.link.ended().await.to_string() }
    }
}

async fn start(link: &Link, names: &Names) -> Result<(Channel, Consumer), AskError> {
    let channel = link.channel().await.map_err(failed)?;
    let exchange = short(names.exchange());
    let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let declared = channel.exchange_declare(exchange, ExchangeKind::Topic, options, FieldTable::default()).await;
    declared.map_err(|error| match is_soft(&error, &AMQPSoftError::NOTFOUND) {
        true => AskError::NoExchange(names.exchange().to_owned()),
        false => failed(error),
    })?;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let answers = channel.basic_consume(short(REPLY_TO), short(""), options, FieldTable::default()).await;
    let answers = answers.map_err(failed)?;
    channel.confirm_select(Default::default()).await.map_err(failed)?;
    Ok((channel, answers))
}

fn properties(id: ShortString) -> BasicProperties {
    BasicProperties::default()
        .with_content_type(short("application/json"))
        .with_type(short(REQUEST_TYPE))
        .with_app_id(short("chatbot-worker"))
        .with_message_id(id.clone())
        .with_correlation_id(id)
        .with_reply_to(short(REPLY_TO))
        .with_delivery_mode(PERSISTENT)
}

fn mend(queue: &WorkQueue) -> &'static str {
    match queue {
        WorkQueue::Intent(_) => {
            "the workers of this exchange know no such intent; the intents file that they run with names those there are"
        }
        _ => "is a worker running? `chatbot-worker run` starts one",
    }
}

fn is_soft(error: &lapin::Error, expected: &AMQPSoftError) -> bool {
    soft_error(error).is_some_and(|(soft, _)| soft == expected)
}

fn failed(error: lapin::Error) -> AskError {
    match soft_error(&error) {
        Some((AMQPSoftError::ACCESSREFUSED, message)) => AskError::Refused(message.to_owned()),
        _ => AskError::Lost(error.to_string()),
    }
}
