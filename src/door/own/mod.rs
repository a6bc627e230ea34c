//! Our own door: the contract's messages over HTTP and over a WebSocket.

mod conversations;
mod feedback;
mod messages;
mod socket;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{delete, get, post},
};
use bytes::Bytes;

use super::{
    fault::Fault,
    paths,
    sockets::Sockets,
    talk::{Talk, counted},
};

/// The word that metrics have for this door.
pub(super) const DOOR: &str = "api";

/// Its routes.
pub(super) fn routes(talk: Arc<Talk>, sockets: Sockets) -> Router {
    let plain = paths::routes([
        ("/api/messages", post(messages::post)),
        ("/api/feedback", post(feedback::post)),
        ("/api/conversations", post(conversations::make)),
        ("/api/conversations/{id}", delete(conversations::forget)),
        ("/api/bot", get(conversations::bot)),
    ])
    .with_state(talk.clone());
    let socket = paths::routes([("/api/socket", get(socket::open))]).with_state((talk, sockets));
    plain.merge(socket)
}

/// An answer in JSON, or the error reply that says why there is none.
fn answered(result: Result<(StatusCode, Bytes), Fault>, in_reply_to: Option<&str>) -> Response {
    counted(DOOR, result.as_ref().map(|_| ()));
    match result {
        Ok((status, body)) => json(status, body),
        Err(fault) => fault.response(fault.json(in_reply_to)),
    }
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
