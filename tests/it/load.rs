//! A client that goes on asking while something is done to the system, and accounts for every request at the end.

use std::collections::BTreeMap;

use chatbot_worker::amqp::Names;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Arrived, Client};

/// How many requests are published at once.
const BURST: usize = 20;

/// Requests that are being published.
pub struct Load {
    stop: CancellationToken,
    publishing: JoinHandle<usize>,
    collector: Client,
}

impl Load {
    /// Begins to publish these routing keys and texts, in turn.
    pub async fn start(url: &str, names: &Names, requests: &[(&str, &str)]) -> Self {
        let (collector, publisher) = (Client::new(url, names).await, Client::new(url, names).await);
        let requests: Vec<_> = requests.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let (stop, reply_queue) = (CancellationToken::new(), collector.reply_queue.clone());
        let publishing = tokio::spawn({
            let stop = stop.clone();
            async move {
                let mut published = 0;
                while !stop.is_cancelled() {
                    let burst = (published..published + BURST).map(|number| {
                        let (key, text) = &requests[number % requests.len()];
                        let properties = publisher.properties(&number.to_string());
                        let properties = properties.with_reply_to(crate::support::short(&reply_queue));
                        publisher.publish(key, properties, text.as_bytes())
                    });
                    join_all(burst).await;
                    published += BURST;
                }
                published
            }
        });
        Self { stop, publishing, collector }
    }

    /// Stops publishing, and waits for all answers: each request's, by its number. What is answered twice counts once.
    pub async fn finish(mut self) -> BTreeMap<usize, Arrived> {
        self.stop.cancel();
        let published = self.publishing.await.unwrap();
        let mut answers = BTreeMap::new();
        while answers.len() < published {
            let answer = self.collector.next().await;
            answers.insert(answer.correlation_id().unwrap().parse().unwrap(), answer);
        }
        answers
    }
}

/// Asserts that no request was answered by an error.
#[track_caller]
pub fn all_are_replies(answers: &BTreeMap<usize, Arrived>) {
    for (number, answer) in answers {
        assert!(answer.text().is_some(), "{number}: {}", answer.json);
    }
}
