//! The measure: the least that a worker of the same durability has to do, straight on lapin.
//!
//! It consumes a queue with the worker's arguments and prefetch, on one connection; parses the request's JSON; publishes
//! its text to `reply_to` on another connection, waits for the confirm, and then acks: a task a delivery, which is lapin
//! at its fastest. No checks, no error handling, no metrics, no shutdown.

use std::ffi::OsString;

use anyhow::{Context, anyhow};
use chatbot_worker::{
    amqp::{Names, WorkQueue},
    domain::Lane,
};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use tokio::task::JoinSet;

use crate::topology::{self, short};

/// With this variable the benchmark's binary is the echo of that exchange.
pub(crate) const EXCHANGE: &str = "BENCH_ECHO_EXCHANGE";
/// The broker, for the echo.
pub(crate) const URL: &str = "BENCH_ECHO_URL";
/// With this variable it consumes the queues of conversations instead.
pub(crate) const LANES: &str = "BENCH_ECHO_LANES";
/// The line on standard error that says that it consumes; the worker's log says it in the same words.
pub(crate) const READY: &str = r#"{"message":"ready"}"#;
/// The worker's own default.
const PREFETCH: u16 = 128;
/// The worker's for a queue of conversations.
const LANE_PREFETCH: u16 = 32;

/// Echoes until it is killed.
pub(crate) async fn run(exchange: OsString) -> anyhow::Result<()> {
    let names = Names::new(&exchange.to_string_lossy())?;
    let url = std::env::var(URL).context(URL)?;
    // The loop itself must run in a task: the thread of `block_on` is none of the runtime's.
    tokio::spawn(async move { consume(&url, &names).await }).await?
}

async fn consume(url: &str, names: &Names) -> anyhow::Result<()> {
    let consuming = Connection::connect(url, ConnectionProperties::default()).await?;
    let publishing = Connection::connect(url, ConnectionProperties::default()).await?;
    let publisher = publishing.create_channel().await?;
    publisher.confirm_select(ConfirmSelectOptions::default()).await?;
    let lanes = std::env::var_os(LANES).is_some();
    topology::declare(&consuming.create_channel().await?, names, lanes).await?;
    let queues: Vec<WorkQueue> =
        if lanes { Lane::ALL.map(WorkQueue::Conversation).into() } else { vec![WorkQueue::Requests] };
    let mut consumers = JoinSet::new();
    for queue in queues {
        let channel = consuming.create_channel().await?;
        let prefetch = if lanes { LANE_PREFETCH } else { PREFETCH };
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let (queue, options) = (short(&names.queue(&queue)), BasicConsumeOptions::default());
        let deliveries = channel.basic_consume(queue, short(""), options, FieldTable::default()).await?;
        consumers.spawn(echoes(deliveries, publisher.clone()));
    }
    eprintln(READY);
    let ended = consumers.join_next().await.context("there is no queue")?;
    ended?.context("the consumer has ended")
}

async fn echoes(mut deliveries: Consumer, publisher: Channel) -> anyhow::Result<()> {
    while let Some(delivery) = deliveries.next().await {
        let (delivery, publisher) = (delivery?, publisher.clone());
        tokio::spawn(async move {
            if let Err(error) = echo(&publisher, delivery).await {
                eprintln(&format!("{error:#}"));
            }
        });
    }
    Err(anyhow!("nothing more is delivered"))
}

async fn echo(publisher: &Channel, delivery: Delivery) -> anyhow::Result<()> {
    let request: serde_json::Value = serde_json::from_slice(&delivery.data)?;
    let text = request.get("body").and_then(serde_json::Value::as_str).context("the request has no body")?;
    let body = serde_json::to_vec(&serde_json::json!({ "type": "chat.reply", "body": text }))?;
    let reply_to = delivery.properties.reply_to().clone().context("the request has no reply_to")?;
    let correlation_id = delivery.properties.correlation_id().clone().context("the request has no correlation id")?;
    let properties = BasicProperties::default()
        .with_content_type(short("application/json"))
        .with_delivery_mode(2)
        .with_type(short("chat.reply"))
        .with_correlation_id(correlation_id);
    let options = BasicPublishOptions::default();
    let confirm = publisher.basic_publish(short(""), reply_to, options, &body, properties).await?.await?;
    anyhow::ensure!(confirm.is_ack(), "the broker refused a reply");
    delivery.acker.ack(BasicAckOptions::default()).await?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "what the contestants say is read from there")]
pub(crate) fn eprintln(line: &str) {
    eprintln!("{line}");
}
