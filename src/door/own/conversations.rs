//! Conversations: one is made, one is forgotten; and what a page may know of the bot.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{answered, json as respond};
use crate::door::{
    fault::{Code, Fault},
    talk::{self, Talk},
};

/// A conversation is its id and its sender.
const NOTHING: &str = "nothing is kept of a conversation of this id and sender, so nothing was forgotten: where its requests \
                       name a sender ('sender', or 'user' in OpenAI's form), name the same one with ?sender=";

/// The id of a conversation that nobody can guess.
pub(super) async fn make(State(talk): State<Arc<Talk>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let made = talk.caller(&parts).and_then(|caller| {
        caller.take()?;
        Ok((StatusCode::CREATED, json!({"conversation": caller.new_conversation()?}).to_string().into()))
    });
    answered(made, None)
}

/// Has a conversation forgotten.
pub(super) async fn forget(
    State(talk): State<Arc<Talk>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    answered(forgotten(&talk, id, request).await.map(|body| (StatusCode::OK, body)), None)
}

async fn forgotten(talk: &Talk, id: Result<Path<String>, PathRejection>, request: Request) -> Result<Bytes, Fault> {
    let (parts, _) = request.into_parts();
    let caller = talk.caller(&parts)?;
    let Path(id) = id.map_err(|_| Fault::invalid("the conversation in the path isn't UTF-8"))?;
    let sender = talk::query(&parts, "sender")?;
    let done = talk.forget(&caller, id, sender).await?;
    #[derive(Deserialize)]
    struct Told {
        forgotten: Option<bool>,
    }
    let told = serde_json::from_slice::<Told>(&done).ok();
    // Workers of before don't say.
    match told.and_then(|told| told.forgotten) {
        Some(false) => Err(Fault::new(Code::NotFound, NOTHING)),
        _ => Ok(done),
    }
}

/// What a page may know.
pub(super) async fn bot(State(talk): State<Arc<Talk>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match talk.caller(&parts) {
        Ok(_) => {
            let bot = json!({"intents": talk.intents().await, "keys": talk.keys.are_required()});
            respond(StatusCode::OK, bot.to_string())
        }
        Err(fault) => answered(Err::<_, Fault>(fault), None),
    }
}
