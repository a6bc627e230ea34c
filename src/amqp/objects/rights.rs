//! What a user may do on a broker.
//!
//! **Invariant:** trying a right changes nothing. It is tried by a request that is refused in any case, but for want of the
//! right first; each on a channel of its own, since a refusal closes it.

use lapin::{
    BasicProperties, Channel,
    options::{BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    admin::Admin,
    ask::{AskError, apart},
};
use crate::amqp::values::short;

/// Something that the user may be allowed to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Right {
    /// Publish to an exchange; empty for the default exchange.
    Publish(String),
    /// Consume a queue.
    Consume(String),
    /// Declare a queue; empty for one that the broker names.
    DeclareQueue(String),
    /// Declare an exchange.
    DeclareExchange(String),
    /// Bind a queue to an exchange.
    Bind {
        /// The queue.
        queue: String,
        /// The exchange.
        exchange: String,
    },
}

impl Admin {
    /// The broker's words where it refuses a right; none where it doesn't. Its log then has an error, as a channel was
    /// closed.
    ///
    /// # Errors
    /// [`AskError::Lost`].
    pub async fn refusal(&self, right: &Right) -> Result<Option<String>, AskError> {
        match self.attempt("a right", async |channel| try_right(channel, right).await).await {
            Ok(()) => Ok(None),
            Err(AskError::Refused(problem)) => Ok(problem.refused.then_some(problem.broker)),
            Err(lost) => Err(lost),
        }
    }

    /// The same for each of some rights.
    ///
    /// # Errors
    /// [`AskError::Lost`].
    pub async fn refusals(&self, rights: &[Right]) -> Result<Vec<Option<String>>, AskError> {
        apart(rights.iter().map(|right| self.refusal(right))).await.into_iter().collect()
    }
}

/// Each request is one that RabbitMQ checks for permission first and then refuses for what is wrong with it, or that
/// undoes what was never done.
async fn try_right(channel: &Channel, right: &Right) -> Result<(), lapin::Error> {
    match right {
        Right::Publish(exchange) => {
            channel.confirm_select(Default::default()).await?;
            let properties = BasicProperties::default().with_expiration(short("x"));
            let options = BasicPublishOptions::default();
            let publish = channel.basic_publish(short(exchange), short("request"), options, b"", properties);
            publish.await?.await.map(|_| ())
        }
        Right::Consume(queue) => {
            let mut arguments = FieldTable::default();
            arguments.insert(short("x-priority"), AMQPValue::LongString("x".into()));
            let consume = channel.basic_consume(short(queue), short(""), BasicConsumeOptions::default(), arguments);
            consume.await.map(|_| ())
        }
        Right::DeclareQueue(queue) => {
            let mut arguments = FieldTable::default();
            arguments.insert(short("x-message-ttl"), AMQPValue::LongLongInt(-1));
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            channel.queue_declare(short(queue), options, arguments).await.map(|_| ())
        }
        Right::DeclareExchange(exchange) => {
            let mut arguments = FieldTable::default();
            arguments.insert(short("alternate-exchange"), AMQPValue::LongLongInt(-1));
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare(short(exchange), lapin::ExchangeKind::Topic, options, arguments).await
        }
        Right::Bind { queue, exchange } => {
            let never = short("chatbot-worker check: bound by nobody");
            channel.queue_unbind(short(queue), short(exchange), never, FieldTable::default()).await
        }
    }
}
