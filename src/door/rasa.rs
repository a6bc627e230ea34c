//! Rasa's REST channel: `POST /webhooks/rest/webhook`, as the widgets and channels that were written for it ask.
//!
//! <https://rasa.com/docs/rasa/connectors/your-own-website#restinput>

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    body,
    fault::{Code, Fault},
    paths,
    reply::Told,
    talk::{self, Talk, counted},
};
use crate::domain::{self, ErrorCode, IntentName};

/// The word that metrics have for this door.
const DOOR: &str = "rasa";
/// The intent by which Rasa's clients have a conversation begun anew.
const RESTART: &str = "restart";

pub(super) fn routes(talk: Arc<Talk>) -> Router {
    paths::routes([("/webhooks/rest/webhook", post(webhook))])
        .route("/webhooks/rest/", get(async || ([(header::CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}")))
        .with_state(talk)
}

/// What a client sends.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "RasaMessage"))]
struct Message {
    /// Whose the message is, and which conversation's; at most 255 bytes.
    sender: Option<String>,
    /// The user's text.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    message: Option<String>,
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    metadata: Option<Box<RawValue>>,
}

/// A message of the answer.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "RasaAnswer"))]
struct Said<'a> {
    recipient_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<Button<'a>>,
}

#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "RasaButton"))]
struct Button<'a> {
    title: &'a str,
    /// What is sent as the message where it is clicked.
    payload: &'a str,
}

/// Why there is no answer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "RasaFailure"))]
struct Failure<'a> {
    status: &'static str,
    reason: &'a str,
    message: &'a str,
    /// The status.
    code: u16,
}

/// Adds what is sent and answered.
#[cfg(test)]
pub(super) fn describe(schemas: &mut domain::codec::Schemas) {
    let _ = [
        schemas.read.subschema_for::<Message>(),
        schemas.written.subschema_for::<Said<'_>>(),
        schemas.written.subschema_for::<Failure<'_>>(),
    ];
}

async fn webhook(State(talk): State<Arc<Talk>>, request: Request) -> Response {
    let answer = answer(&talk, request).await;
    counted(DOOR, answer.as_ref().map(|_| ()));
    match answer {
        Ok((media_type, body)) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], body).into_response()
        }
        Err(fault) => {
            let (reason, code) = (fault.code.as_str(), fault.code.status().as_u16());
            let failure = Failure { status: "failure", reason, message: &fault.message, code };
            fault.response(serde_json::to_string(&failure).unwrap_or_default())
        }
    }
}

/// The answer's media type and body.
async fn answer(talk: &Talk, request: Request) -> Result<(&'static str, String), Fault> {
    let (parts, body) = request.into_parts();
    let caller = talk.caller(&parts)?;
    let is_streamed = talk::query(&parts, "stream")?.is_some_and(|stream| stream.eq_ignore_ascii_case("true"));
    let body = body::read(body, talk.max_body).await?;
    let body = body::text(&parts.headers, &body, talk.max_body)?;
    let message: Message = serde_json::from_str(&body).map_err(|_| {
        Fault::invalid("the body isn't a JSON object of texts: {\"sender\": \"…\", \"message\": \"…\"}")
    })?;
    let text = message.message.filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Fault::invalid("'message', the user's text, is missing or empty"))?;
    let metadata = message.metadata.filter(|metadata| metadata.get().starts_with('{'));
    // Whoever says no sender shares no conversation with others who don't.
    let sender = message.sender.filter(|sender| !sender.is_empty());
    if sender.as_ref().is_some_and(|sender| sender.len() > domain::MAX_SHORT) {
        return Err(Fault::invalid(format!("'sender' has more than {} bytes", domain::MAX_SHORT)));
    }
    let intent = intent(&text);
    if intent.as_ref().is_some_and(|intent| intent.as_str() == RESTART) {
        if let Some(sender) = sender {
            talk.forget(&caller, sender.clone(), Some(sender)).await?;
        }
        return written(&[], is_streamed);
    }
    let is_addressed = intent.is_some();
    let request = domain::Request {
        conversation: sender.clone(),
        sender: sender.clone(),
        metadata,
        text,
        ..domain::Request::default()
    };
    let reply = match talk::answer(talk.ask(&caller, request, intent)?).await {
        // What widgets send by themselves, such as /get_started, to a bot that has no such intent.
        Err(fault) if is_addressed && fault.code == Code::Contract(ErrorCode::Unroutable) => None,
        answer => Some(Told::read(&answer?)?),
    };
    let recipient_id = sender.as_deref().unwrap_or("default");
    written(&reply.as_ref().map(|reply| said(recipient_id, reply)).unwrap_or_default(), is_streamed)
}

/// The intent that a message addresses: `/name`, or `/name{"slot": "value"}`. The values are passed over.
fn intent(text: &str) -> Option<IntentName> {
    let rest = text.trim().strip_prefix('/')?;
    let (name, values) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
    let is_whole =
        values.is_empty() || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(values).is_ok();
    IntentName::new(name).ok().filter(|_| is_whole)
}

/// The media type and body of an answer's messages.
fn written(said: &[Said<'_>], is_streamed: bool) -> Result<(&'static str, String), Fault> {
    let json = |error: serde_json::Error| Fault::new(Code::Contract(ErrorCode::Internal), error.to_string());
    match is_streamed {
        // A message a line, under the name that Rasa gives it. It comes when the answer is whole: what is being written may be
        // taken back, and a line can't.
        true => {
            let lines = said.iter().map(|said| serde_json::to_string(said).map(|line| line + "\n"));
            Ok(("text/event-stream", lines.collect::<Result<_, _>>().map_err(json)?))
        }
        false => Ok(("application/json", serde_json::to_string(said).map_err(json)?)),
    }
}

/// A reply as a list of messages: each paragraph, what can be clicked below the last, and a picture of each thing.
fn said<'a>(recipient_id: &'a str, reply: &'a Told) -> Vec<Said<'a>> {
    let paragraphs = reply.text.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
    let mut said: Vec<Said<'_>> =
        paragraphs.map(|text| Said { recipient_id, text: Some(text), image: None, buttons: Vec::new() }).collect();
    let buttons = reply.choices.iter().map(|choice| Button { title: &choice.title, payload: &choice.value });
    if let Some(last) = said.last_mut() {
        last.buttons = buttons.collect();
    }
    let pictures = pictures(reply.data.as_deref());
    said.extend(pictures.into_iter().map(|image| Said {
        recipient_id,
        text: None,
        image: Some(image),
        buttons: Vec::new(),
    }));
    said
}

/// The pictures of the things that an answer names, as far as the catalogue has a column for them.
fn pictures(data: Option<&RawValue>) -> Vec<String> {
    const COLUMNS: [&str; 5] = ["image", "image_url", "picture", "photo", "图片"];
    #[derive(Deserialize)]
    struct Data {
        #[serde(default)]
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        values: serde_json::Map<String, serde_json::Value>,
    }
    let data = data.and_then(|data| serde_json::from_str::<Data>(data.get()).ok());
    let picture = |item: &Item| {
        let address = COLUMNS.into_iter().find_map(|name| item.values.get(name)?.as_str())?;
        ["https://", "http://"].iter().any(|scheme| address.starts_with(scheme)).then(|| address.to_owned())
    };
    data.into_iter().flat_map(|data| data.items).filter_map(|item| picture(&item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_and_a_name_address_an_intent() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(intent(text).as_ref().map(IntentName::as_str), expected, "{text}");
        };
        check("/restart", Some("restart"));
        check(" /get_started\n", Some("get_started"));
        check(r#"/order{"number": "1002", "sure": true}"#, Some("order"));
        check(r#"/退货{"订单": "1002"}"#, None);
        for text in
            ["affirm", "/", "//", "/etc/passwd", "/order now", "/退货", "/order{", "/order{} please", "/faq/price"]
        {
            check(text, None);
        }
    }
}
