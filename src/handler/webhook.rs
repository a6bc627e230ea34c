//! Handler `webhook`: a program of the operator's gets the request, and what it says is the answer.
//!
//! A `POST` of JSON:
//!
//! ```json
//! {"request": {"body": "…", "id": "…", "sender": "…", "conversation": "…", "locale": "…", "metadata": {},
//!              "attachments": [{"type": "image", "media_type": "…", "name": "…", "data" or "url": "…"}]},
//!  "intent": "cancel_order", "entities": [{"name": "…", "value": "…", "text": "…", "start": 0, "end": 1}], "slots": {}, "turn": 3}
//! ```
//!
//! `slots` is what is known by name, and `turn` the number of this turn of its conversation: a later one is higher, and one
//! that is made again has the same, so that a program can refuse one that comes too late.
//!
//! What the request doesn't tell is left out. It is the request as it was decoded, and whole: the program is the
//! operator's own. The headers are `x-chatbot-request-id`, the same for the same request however often it comes, and,
//! where there is a secret, `x-chatbot-timestamp`, Unix seconds, and `x-chatbot-signature`, `v1=` and the HMAC-SHA256
//! (RFC 2104) of the timestamp, a full stop and the body, in hexadecimal digits.
//!
//! It answers 200 with JSON as [`reply`] reads it, or 204 where it has no answer.
//!
//! **Invariant:** what it answers is data: text for the user, JSON for programs. It is sent a request again only where the
//! operator says that it knows repetitions.

mod reply;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Sha256;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Answer, Handler, HandlerError, Job, Takes};
use crate::{
    domain::{Attachment, Entity, Key},
    outbound::{Failure, Service, ServiceError},
};

/// What tells a program that a request is one that it has had.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-chatbot-request-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-chatbot-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-chatbot-signature");

/// Answers by a program of the operator's.
#[derive(Debug)]
pub struct WebhookHandler {
    service: Arc<Service>,
    secret: Option<SecretString>,
}

/// What is sent.
#[derive(Debug, Serialize)]
struct Body<'a> {
    request: Request<'a>,
    intent: &'a str,
    entities: &'a [Entity],
    slots: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "<[Attachment]>::is_empty")]
    attachments: &'a [Attachment],
}

impl WebhookHandler {
    /// The handler of a service, which tries again only where the program knows repetitions; with a secret, what is sent
    /// is signed.
    pub fn new(service: Arc<Service>, secret: Option<SecretString>) -> Self {
        Self { service, secret }
    }

    async fn ask(
        &self,
        body: &[u8],
        id: &str,
        job: &Job<'_>,
        deadline: Instant,
    ) -> Result<Option<Answer>, ServiceError> {
        let endpoint = self.service.endpoint();
        let headers = self.headers(body, id).map_err(|reason| endpoint.error(Failure::Internal, reason))?;
        // Whatever of the request it may quote in an error.
        let request = job.request;
        let named = [&request.id, &request.sender, &request.conversation].map(Option::as_deref);
        let metadata = request.metadata.as_deref().map(RawValue::get);
        let private: Vec<&str> = [Some(&*request.text), metadata].into_iter().chain(named).flatten().collect();
        let answer = endpoint.post_signed(endpoint.url(), body.to_vec(), &headers, &private, deadline).await?;
        reply::read(&answer, request)
    }

    fn headers(&self, body: &[u8], id: &str) -> Result<Vec<(HeaderName, HeaderValue)>, &'static str> {
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| "a header can't be made");
        let mut headers = vec![(REQUEST_ID, value(id)?)];
        if let Some(secret) = &self.secret {
            // A new one with each try: a program refuses an old one, as somebody may have recorded it.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
            let signature = signature(secret, &now, body)?;
            headers.extend([(TIMESTAMP, value(&now)?), (SIGNATURE, value(&signature)?)]);
        }
        Ok(headers)
    }
}

/// The signature of what is sent at a time.
fn signature(secret: &SecretString, timestamp: &str, body: &[u8]) -> Result<String, &'static str> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let mut mac = mac.map_err(|_| "the secret can't sign")?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let digits = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(format!("v1={digits}"))
}

/// The request's name for the program that is asked: the same for a repetition, and for nothing else. A request to which
/// its client gave no id can't be known again, so each delivery of it has a name of its own.
fn request_id(job: &Job<'_>, service: &str) -> String {
    let of = |key: Key| {
        let key = key.to_string();
        Key::of([Some(key.as_bytes()), Some(job.intent.as_str().as_bytes()), Some(service.as_bytes())]).to_string()
    };
    job.key.map_or_else(|| Uuid::now_v7().to_string(), of)
}

#[async_trait]
impl Handler for WebhookHandler {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn takes(&self, _attachment: &Attachment) -> Takes {
        Takes::AsSent
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let request = job.request;
        let body = Body {
            request: Request {
                body: &request.text,
                id: request.id.as_deref(),
                sender: request.sender.as_deref(),
                conversation: request.conversation.as_deref(),
                locale: request.locale.as_deref(),
                metadata: request.metadata.as_deref(),
                attachments: &request.attachments,
            },
            intent: job.intent.as_str(),
            entities: job.entities,
            slots: job.slots.iter().collect(),
            turn: job.turn,
        };
        let failed =
            |_| HandlerError::Failed { intent: job.intent.clone(), reason: "the request isn't JSON".to_owned() };
        let body = serde_json::to_vec(&body).map_err(failed)?;
        let id = request_id(job, self.service.name());
        let (body, id) = (&body, &id);
        let answer = self.service.call(job.deadline, |deadline| self.ask(body, id, job, deadline)).await;
        answer.map_err(|error| HandlerError::Service { intent: job.intent.clone(), error })
    }
}
