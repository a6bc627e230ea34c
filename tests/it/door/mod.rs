//! The door on a real broker: what its clients see, whatever they send and whatever becomes of the broker.

mod api;
mod check;
mod hostile;
mod leaked;
mod loss;
mod openai;
mod rasa;
mod slow;
mod socket;

use std::{path::PathBuf, time::Duration};

use chatbot_worker::{
    amqp::{
        Names,
        connection::{
            address::{Access, Broker, Tls},
            error::ConnectError,
        },
    },
    door::{self, Door, keys::Keys},
    renewed::Renewed,
};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, Running, eventually};

/// A door that is open.
pub struct Opened {
    /// Where, without a slash at the end.
    pub url: String,
    pub http: Client,
    pub stop: CancellationToken,
    task: JoinHandle<Result<(), ConnectError>>,
}

/// How a door under test differs from the usual.
pub struct Rules {
    pub keys: Keys,
    pub timeout: Duration,
    pub max_connections: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { keys: Keys::off(), timeout: PATIENCE, max_connections: 20_000 }
    }
}

/// The keys of a file of these lines.
pub fn keys(lines: &str) -> Keys {
    let (path, keys) = file_of_keys(lines);
    // What was read holds on.
    std::fs::remove_file(path).unwrap();
    keys
}

/// The same, and the file.
pub fn file_of_keys(lines: &str) -> (PathBuf, Keys) {
    let path = std::env::temp_dir().join(format!("keys-{}.toml", uuid::Uuid::now_v7()));
    std::fs::write(&path, lines).unwrap();
    let keys = Keys::open(&path).unwrap();
    (path, keys)
}

impl Opened {
    /// One before a worker, by the worker's broker.
    pub async fn before(worker: &Running) -> Self {
        Self::open(&worker.url, &worker.names, Rules::default()).await
    }

    /// One that asks by this broker; ready.
    pub async fn open(broker: &str, names: &Names, rules: Rules) -> Self {
        let opened = Self::bind(broker, names, rules).await;
        eventually("the door is ready", || async { opened.get("/readyz").await.status().is_success().then_some(()) })
            .await;
        opened
    }

    /// One that may not be ready yet.
    pub async fn bind(broker: &str, names: &Names, rules: Rules) -> Self {
        let broker = Broker {
            access: Renewed::fixed(Access { urls: vec![broker.parse().unwrap()], tls: Tls::default() }),
            connect_timeout: Duration::from_secs(10),
            confirm_timeout: Duration::from_secs(10),
        };
        let Rules { keys, timeout, max_connections } = rules;
        let settings = door::Settings {
            keys,
            trusted_proxies: Vec::new(),
            timeout,
            max_body: 64 * 1024,
            max_connections,
            grace: Duration::from_secs(10),
        };
        let door = Door::bind("127.0.0.1:0".parse().unwrap(), broker, names.clone(), settings).await.unwrap();
        let (url, stop) = (format!("http://{}", door.address().unwrap()), CancellationToken::new());
        let task = tokio::spawn(door.run(stop.clone()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { url, http, stop, task }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, &[], body.to_string()).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let mut request =
            self.http.request(method, format!("{}{path}", self.url)).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).send().await.unwrap()
    }

    /// Asks, by our own form, and expects an answer.
    pub async fn ask(&self, body: &Value) -> Value {
        let response = self.post("/api/messages", body).await;
        let (status, json) = (response.status(), response.json::<Value>().await.unwrap());
        assert_eq!(status, 200, "{json}");
        json
    }

    /// Stops it, in order.
    pub async fn close(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the door closes").unwrap().unwrap();
    }
}

/// A status and the code of the error that a body tells.
pub async fn refused(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let json: Value = response.json().await.unwrap();
    assert_eq!(json["type"], "chat.error", "{json}");
    (status, json["error"]["code"].as_str().unwrap().to_owned())
}
