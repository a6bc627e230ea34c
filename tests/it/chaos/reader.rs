//! Whoever reads a reply queue, whatever becomes of its connection.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::account::Ledger;
use crate::support::short;

/// A node that is cut off from its cluster starts no consumer, and doesn't say so.
const OPENING: Duration = Duration::from_secs(20);

/// Reads a reply queue into a ledger until it is dropped.
pub struct Reader {
    seen: Arc<Mutex<Seen>>,
    _task: JoinSet<()>,
}

/// What it has seen so far.
struct Seen {
    /// What it does now, and since when.
    doing: (String, Instant),
    connections: usize,
    /// Why the connection before was lost.
    lost: String,
    answers: usize,
}

impl Reader {
    /// Reads this queue, on one of the nodes.
    pub fn start(urls: Vec<String>, queue: String, ledger: Arc<Mutex<Ledger>>) -> Self {
        let seen =
            Seen { doing: (String::new(), Instant::now()), connections: 0, lost: "none yet".to_owned(), answers: 0 };
        let seen = Arc::new(Mutex::new(seen));
        let mut task = JoinSet::new();
        task.spawn(read(urls, queue, ledger, seen.clone()));
        Self { seen, _task: task }
    }
}

impl std::fmt::Display for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Seen { doing: (doing, since), connections, lost, answers } =
            &*self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let since = since.elapsed().as_secs_f64();
        write!(
            formatter,
            "{doing} for {since:.1} s; {answers} answers on {connections} connections; the last loss: {lost}"
        )
    }
}

impl Seen {
    fn does(seen: &Mutex<Self>, what: &str) {
        seen.lock().unwrap().doing = (what.to_owned(), Instant::now());
    }
}

async fn read(urls: Vec<String>, queue: String, ledger: Arc<Mutex<Ledger>>, seen: Arc<Mutex<Seen>>) {
    for tries in 0.. {
        let Err(lost) = read_once(&urls, tries, &queue, &ledger, &seen).await;
        seen.lock().unwrap().lost = lost;
        sleep(Duration::from_millis(50)).await;
    }
}

async fn read_once(
    urls: &[String],
    tries: usize,
    queue: &str,
    ledger: &Mutex<Ledger>,
    seen: &Mutex<Seen>,
) -> Result<Infallible, String> {
    Seen::does(seen, "connecting");
    let (_connection, channel) = connect(urls, tries).await.ok_or("no connection")?;
    Seen::does(seen, "starting a consumer");
    let opening = timeout(OPENING, consumer(&channel, queue)).await;
    let mut consumer = opening.map_err(|_| format!("no consumer within {OPENING:?}"))?.map_err(|e| e.to_string())?;
    Seen::does(seen, "consuming");
    seen.lock().unwrap().connections += 1;
    loop {
        let answer = consumer.next().await.ok_or("the consumer has ended")?.map_err(|error| error.to_string())?;
        take(&answer, ledger);
        seen.lock().unwrap().answers += 1;
        // Not by the delivery's acker: lapin 4.12 can leave its promise open for ever when the connection ends meanwhile,
        // and then nobody would read the answers that are still to come.
        let acked = channel.basic_ack(answer.delivery_tag, BasicAckOptions::default()).await;
        acked.map_err(|error| error.to_string())?;
    }
}

async fn consumer(channel: &Channel, queue: &str) -> lapin::Result<Consumer> {
    channel.basic_qos(1000, BasicQosOptions::default()).await?;
    channel.basic_consume(short(queue), short(""), BasicConsumeOptions::default(), FieldTable::default()).await
}

fn take(answer: &Delivery, ledger: &Mutex<Ledger>) {
    let text = |value: &Option<ShortString>| value.as_ref().map(ShortString::to_string).unwrap_or_default();
    let id = text(answer.properties.correlation_id());
    let mut ledger = ledger.lock().unwrap();
    if text(answer.properties.kind()) == "chat.reply" {
        ledger.replied(&id, text(answer.properties.message_id()), answer.redelivered);
    } else {
        let json: serde_json::Value = serde_json::from_slice(&answer.data).unwrap();
        ledger.failed(&id, json["error"]["code"].as_str().unwrap().to_owned());
    }
}

/// Closes a connection in order, as far as its end lets it.
pub async fn close(connection: Connection) {
    let _ = timeout(Duration::from_secs(5), connection.close(200, short("done"))).await;
}

/// A connection to the next node, with a channel; none where that takes too long.
pub async fn connect(urls: &[String], tries: usize) -> Option<(Connection, Channel)> {
    let url = &urls[tries % urls.len()];
    let connecting = async {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        Some((connection, channel))
    };
    timeout(Duration::from_secs(5), connecting).await.ok().flatten()
}
