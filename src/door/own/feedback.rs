//! `POST /api/feedback`: what a user thinks of an answer.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};

use super::answered;
use crate::{
    amqp::asking::Hearing,
    domain::Command,
    door::{
        body,
        fault::Fault,
        talk::{self, Talk},
    },
};

/// Has it counted.
pub(super) async fn post(State(talk): State<Arc<Talk>>, request: Request) -> Response {
    let mut id = None;
    let done = match asked(&talk, request, &mut id).await {
        Ok(hearing) => talk::answer(hearing).await.map(|body| (StatusCode::OK, body)),
        Err(fault) => Err(fault),
    };
    answered(done, id.as_deref())
}

async fn asked(talk: &Talk, request: Request, id: &mut Option<String>) -> Result<Hearing, Fault> {
    let (parts, body) = request.into_parts();
    let caller = talk.caller(&parts)?;
    let body = body::read(body, talk.max_body).await?;
    let request = talk.read_as(Some(Command::Feedback), &parts.headers, &body)?;
    id.clone_from(&request.id);
    talk.ask(&caller, request, None)
}
