//! OpenAI's form: `/v1/chat/completions`, whole and streamed, and `/v1/models`, for the clients that speak it.
//!
//! <https://platform.openai.com/docs/api-reference/chat>

mod attached;
mod attempts;
mod completion;
mod conversation;
mod request;
mod stream;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;

use self::{attempts::Attempts, completion::Completion, request::Asked};
use super::{
    body,
    fault::{Code, Fault},
    paths,
    talk::{self, Talk, counted},
};
#[cfg(test)]
use crate::domain::codec::Schemas;
use crate::{
    amqp::asking::Hearing,
    domain::{ErrorCode, IntentName},
};

/// The word that metrics have for this door.
const DOOR: &str = "openai";
/// The model that classifies; `intent.<name>` is an intent alone.
const MODEL: &str = "chatbot";
const OWNER: &str = "chatbot-worker";

pub(super) fn routes(talk: Arc<Talk>) -> Router {
    let asks = post(completions).with_state((talk.clone(), Arc::<Attempts>::default()));
    let paths = [("/v1/chat/completions", asks), ("/v1/models", get(models)), ("/v1/models/{model}", get(model))];
    paths::routes(paths).with_state(talk)
}

/// That there is nothing of a path, in OpenAI's form.
pub(super) fn unknown(message: &str) -> Response {
    let error = serde_json::json!({
        "error": {"message": message, "type": "invalid_request_error", "param": null, "code": "unknown_url"}
    });
    (StatusCode::NOT_FOUND, json_response(&error)).into_response()
}

async fn completions(State((talk, attempts)): State<(Arc<Talk>, Arc<Attempts>)>, request: Request) -> Response {
    match ask(&talk, &attempts, request).await {
        Err(fault) => refused(&fault),
        Ok((mut hearing, asked)) if asked.stream => match talk::first(&mut hearing).await {
            Ok(first) => {
                hearing.read_along();
                stream::respond(first, hearing, asked)
            }
            Err(fault) => refused(&fault),
        },
        Ok((hearing, asked)) => {
            let answer = talk::answer(hearing).await;
            match answer.and_then(|reply| Completion::of(&asked.model, &reply)) {
                Ok(completion) => {
                    counted(DOOR, Ok(()));
                    json_response(&completion.whole())
                }
                Err(fault) => refused(&fault),
            }
        }
    }
}

async fn ask(talk: &Talk, attempts: &Attempts, request: Request) -> Result<(Hearing, Asked), Fault> {
    let (parts, body) = request.into_parts();
    let caller = talk.caller(&parts)?;
    let body = body::read(body, talk.max_body).await?;
    let body = body::text(&parts.headers, &body, talk.max_body)?;
    let mut asked = request::read(&body)?;
    conversation::place(&mut asked, &caller, attempts, &parts.headers)?;
    let hearing = talk.ask(&caller, asked.request.clone(), asked.intent.clone())?;
    Ok((hearing, asked))
}

/// The intent that a model's name means; none where the text is to be classified.
fn intent(model: &str) -> Result<Option<IntentName>, Fault> {
    if model == MODEL {
        return Ok(None);
    }
    let named = model.strip_prefix("intent.").and_then(|name| IntentName::new(name).ok());
    named.map(Some).ok_or_else(|| {
        // The name itself isn't told, as it may be anything.
        let message =
            "there is no such model: `chatbot` is the bot, `intent.<name>` one intent of it; /v1/models lists them";
        Fault::new(Code::NotFound, message).of_field("model")
    })
}

async fn models(State(talk): State<Arc<Talk>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match talk.caller(&parts) {
        Ok(_) => {
            let intents = talk.intents().await.into_iter().map(|intent| format!("intent.{intent}"));
            let data = [MODEL.to_owned()].into_iter().chain(intents).map(Model::named).collect();
            json_response(&Models { object: "list", data })
        }
        Err(fault) => refused(&fault),
    }
}

async fn model(State(talk): State<Arc<Talk>>, Path(model): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let known = async {
        talk.caller(&parts)?;
        match intent(&model)? {
            Some(intent) if !talk.intents().await.contains(&intent.to_string()) => {
                Err(Fault::new(Code::NotFound, "there is no such model; /v1/models lists those there are"))
            }
            _ => Ok(Model::named(model)),
        }
    };
    match known.await {
        Ok(model) => json_response(&model),
        Err(fault) => refused(&fault),
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Models {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Model {
    id: String,
    object: &'static str,
    /// Nobody knows when a bot was made; OpenAI's clients want a number.
    created: u64,
    owned_by: &'static str,
}

impl Model {
    fn named(id: String) -> Self {
        Self { id, object: "model", created: 0, owned_by: OWNER }
    }
}

fn json_response(body: &impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json(body)).into_response()
}

/// Texts, numbers and what was JSON already always serialise.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An error in OpenAI's form.
fn refused(fault: &Fault) -> Response {
    counted(DOOR, Err(fault));
    let mut response = fault.response(error(fault));
    // Their packages send anew what failed; what can't go well later they needn't.
    let again = HeaderValue::from_static(if fault.code.is_retryable() { "true" } else { "false" });
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert("x-should-retry", again);
    response
}

/// An error, as it is written: <https://platform.openai.com/docs/guides/error-codes>
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatError"))]
struct Refused<'a> {
    error: Cause<'a>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatCause"))]
struct Cause<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    /// The field of the request that is at fault, where one is known to be.
    param: Option<&'a str>,
    code: &'a str,
}

fn error(fault: &Fault) -> String {
    let kind = match fault.code {
        Code::Unauthorized => "authentication_error",
        Code::Forbidden => "permission_error",
        Code::RateLimited | Code::Contract(ErrorCode::Overloaded) => "rate_limit_error",
        code if code.status().is_client_error() => "invalid_request_error",
        _ => "server_error",
    };
    let (code, of_code) = match fault.code {
        Code::NotFound | Code::Contract(ErrorCode::Unroutable) => ("model_not_found", Some("model")),
        Code::Unauthorized => ("invalid_api_key", None),
        code => (code.as_str(), None),
    };
    let param = fault.field.as_deref().or(of_code);
    json(&Refused { error: Cause { message: &fault.message, kind, param, code } })
}

/// Adds what is sent and answered.
#[cfg(test)]
pub(super) fn describe(schemas: &mut Schemas) {
    let _ = [
        schemas.read.subschema_for::<request::Body<'_>>(),
        schemas.written.subschema_for::<completion::Whole<'_>>(),
        schemas.written.subschema_for::<stream::Chunk<'_>>(),
        schemas.written.subschema_for::<Models>(),
        schemas.written.subschema_for::<Refused<'_>>(),
    ];
}
