//! Conversations: one is made, one is forgotten; and what a page may know of the bot.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::Response,
};
use serde_json::json;

use super::{answered, json as respond};
use crate::{
    domain::{self, Command},
    door::{
        fault::Fault,
        talk::{self, Talk},
    },
};

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
pub(super) async fn forget(State(talk): State<Arc<Talk>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let asked = talk.caller(&parts).and_then(|caller| {
        let forget = domain::Request {
            kind: Some(Command::Forget.as_str().to_owned()),
            conversation: Some(id),
            sender: talk::query(&parts, "sender"),
            ..domain::Request::default()
        };
        talk.ask(&caller, forget, None)
    });
    let done = match asked {
        Ok(hearing) => talk::answer(hearing).await.map(|body| (StatusCode::OK, body)),
        Err(fault) => Err(fault),
    };
    answered(done, None)
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
