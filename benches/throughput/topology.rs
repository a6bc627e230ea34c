//! A contestant's exchanges and queues: the worker's own, taken away at the end.

use std::time::Duration;

use chatbot_worker::{
    amqp::{Names, objects::topology::Topology},
    domain::IntentName,
};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{FieldTable, ShortString},
};

use crate::sample;

/// The workers' only retry delay, so that all of their queues are known.
pub(crate) const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A name as AMQP carries it; none here is longer than it allows.
pub(crate) fn short(name: &str) -> ShortString {
    ShortString::try_new(name).unwrap_or_default()
}

/// Declares what a worker without intents has: the same exchange, and a queue of requests with the same arguments; with
/// conversations also their queues.
pub(crate) async fn declare(channel: &Channel, names: &Names, lanes: bool) -> anyhow::Result<()> {
    let topology = Topology::new(names, [], &[]);
    let topology = if lanes { topology.with_conversations(names) } else { topology };
    for exchange in &topology.exchanges {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(short(&exchange.name), exchange.kind.clone(), options, FieldTable::default()).await?;
    }
    for queue in &topology.queues {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(short(&queue.name), options, queue.arguments.clone()).await?;
    }
    for binding in &topology.bindings {
        let (queue, exchange, key) = (short(&binding.queue), short(&binding.exchange), short(&binding.routing_key));
        channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), binding.arguments.clone()).await?;
    }
    Ok(())
}

/// Takes everything of these names from the broker; what isn't there is fine.
pub(crate) async fn remove(url: &str, names: &Names) -> anyhow::Result<()> {
    let bot = sample::bot()?;
    let intents: Vec<IntentName> = bot.intents.iter().map(|intent| intent.name.clone()).collect();
    remove_with(url, names, &intents).await
}

/// The same, with the queues of these intents.
pub(crate) async fn remove_with(url: &str, names: &Names, intents: &[IntentName]) -> anyhow::Result<()> {
    let topology = Topology::new(names, intents, &[RETRY_DELAY]).with_conversations(names);
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for queue in topology.queues {
        channel.queue_delete(short(&queue.name), QueueDeleteOptions::default()).await?;
    }
    for exchange in topology.exchanges {
        channel.exchange_delete(short(&exchange.name), ExchangeDeleteOptions::default()).await?;
    }
    connection.close(200, short("done")).await?;
    Ok(())
}
