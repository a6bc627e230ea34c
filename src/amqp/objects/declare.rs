//! Declares a topology on a broker, or proves that it is there.

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::timeout;

use super::{
    problem::{Problem, TopologyError, problem},
    topology::{Binding, Exchange, Queue, Topology},
};
use crate::amqp::{connection::link::Link, values::short};

/// Whether the worker declares its exchanges and queues or only proves that they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopologyMode {
    /// Declare.
    Declare,
    /// Prove existence, declare nothing.
    Verify,
}

impl Topology {
    /// Declares everything, or proves that it exists.
    ///
    /// # Errors
    /// All [`Problem`]s at once, or that the connection was lost.
    pub async fn apply(&self, link: &Link, mode: TopologyMode) -> Result<(), TopologyError> {
        let mut declaring = Declaring { link, channel: open(link).await?, found: Vec::new() };
        let passive = mode == TopologyMode::Verify;
        for exchange in &self.exchanges {
            let channel = declaring.channel.clone();
            let object = format!("exchange '{}'", exchange.name);
            declaring.step(object, declare_exchange(&channel, exchange, passive)).await?;
        }
        for queue in &self.queues {
            let channel = declaring.channel.clone();
            declaring.step(format!("queue '{}'", queue.name), declare_queue(&channel, queue, passive)).await?;
        }
        // Of bindings AMQP can prove nothing; and one to an object that isn't there would only repeat what is known.
        if !passive && declaring.found.is_empty() {
            for binding in &self.bindings {
                let channel = declaring.channel.clone();
                let object = format!("binding of queue '{}' to exchange '{}'", binding.queue, binding.exchange);
                declaring.step(object, bind(&channel, binding)).await?;
            }
        }
        let _ = timeout(link.step_limit(), declaring.channel.close(200, short(""))).await;
        if declaring.found.is_empty() { Ok(()) } else { Err(TopologyError::Problems(declaring.found)) }
    }
}

async fn open(link: &Link) -> Result<Channel, TopologyError> {
    timeout(link.step_limit(), link.channel())
        .await
        .map_err(|_| TopologyError::Lost(format!("no channel within {:?}", link.step_limit())))?
        .map_err(|error| TopologyError::Lost(error.to_string()))
}

/// A topology on its way to the broker.
struct Declaring<'a> {
    link: &'a Link,
    channel: Channel,
    found: Vec<Problem>,
}

impl Declaring<'_> {
    /// Does one step. A refusal is noted, and the next step goes on with a new channel, because it closes the old one.
    async fn step(
        &mut self,
        object: String,
        work: impl Future<Output = Result<(), lapin::Error>>,
    ) -> Result<(), TopologyError> {
        let limit = self.link.step_limit();
        let Ok(result) = timeout(limit, work).await else {
            return Err(TopologyError::Lost(format!("{object}: no answer within {limit:?}")));
        };
        let Err(error) = result else { return Ok(()) };
        let Some(problem) = problem(&object, &error) else { return Err(TopologyError::Lost(error.to_string())) };
        self.found.push(problem);
        self.channel = open(self.link).await?;
        Ok(())
    }
}

pub(crate) async fn declare_exchange(
    channel: &Channel,
    exchange: &Exchange,
    passive: bool,
) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions { passive, durable: true, ..Default::default() };
    channel.exchange_declare(short(&exchange.name), exchange.kind.clone(), options, FieldTable::default()).await
}

pub(crate) async fn declare_queue(channel: &Channel, queue: &Queue, passive: bool) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions { passive, durable: true, ..Default::default() };
    channel.queue_declare(short(&queue.name), options, queue.arguments.clone()).await.map(|_| ())
}

pub(crate) async fn bind(channel: &Channel, binding: &Binding) -> Result<(), lapin::Error> {
    let Binding { exchange, queue, routing_key, arguments } = binding;
    let options = QueueBindOptions::default();
    channel.queue_bind(short(queue), short(exchange), short(routing_key), options, arguments.clone()).await
}
