//! `POST /api/messages`: a request of the contract, and its answer; or the answer as it is being written.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::{DOOR, answered};
use crate::{
    amqp::asking::{Heard, Hearing},
    domain::{DONE_TYPE, ERROR_TYPE, IntentName, PART_TYPE, REPLY_TYPE},
    door::{
        body,
        fault::Fault,
        talk::{self, Talk, counted, query},
    },
};

/// How often a stream without an answer says that it is there, so that no proxy closes it.
const ALIVE: Duration = Duration::from_secs(15);

/// A request of the contract.
pub(super) async fn post(State(talk): State<Arc<Talk>>, request: Request) -> Response {
    let wants_events = accepts_events(request.headers());
    let mut id = None;
    match asked(&talk, request, &mut id).await {
        Err(fault) => answered(Err(fault), id.as_deref()),
        Ok(mut hearing) if wants_events => match talk::first(&mut hearing).await {
            Ok(first) => Sse::new(events(first, hearing)).keep_alive(KeepAlive::new().interval(ALIVE)).into_response(),
            Err(fault) => answered(Err(fault), id.as_deref()),
        },
        Ok(hearing) => answered(talk::answer(hearing).await.map(|body| (StatusCode::OK, body)), id.as_deref()),
    }
}

/// Asks what a request over HTTP says.
async fn asked(talk: &Talk, request: Request, id: &mut Option<String>) -> Result<Hearing, Fault> {
    let (parts, body) = request.into_parts();
    let caller = talk.caller(&parts)?;
    let intent = query(&parts, "intent").map(|name| {
        IntentName::new(&name).map_err(|_| Fault::invalid("the address's 'intent' is no name of an intent"))
    });
    let body = body::read(body, talk.max_body).await?;
    let mut request = talk.read(&parts.headers, &body)?;
    request.stream |= accepts_events(&parts.headers);
    id.clone_from(&request.id);
    talk.ask(&caller, request, intent.transpose()?)
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        range.split(';').next().is_some_and(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

/// Server-sent events: the parts of an answer, and then the answer, or why there is none.
fn events(first: Heard, hearing: Hearing) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold((Some(Ok(first)), Some(hearing)), async |(first, hearing)| {
        let mut hearing = hearing?;
        let heard = match first {
            Some(first) => first,
            None => hearing.next().await,
        };
        let (kind, body, is_last) = match heard {
            Ok(Heard::Part(body)) => (PART_TYPE, body, false),
            Ok(Heard::Reply(body) | Heard::Bare(body)) => (REPLY_TYPE, body, true),
            Ok(Heard::Done(body)) => (DONE_TYPE, body, true),
            Ok(Heard::Error(body)) => (ERROR_TYPE, body, true),
            Err(fault) => (ERROR_TYPE, Fault::from(fault).json(Some(hearing.id())), true),
        };
        if is_last {
            counted(DOOR, Ok(()));
        }
        Some((Ok(event(kind, &body)), (None, (!is_last).then_some(hearing))))
    })
}

/// JSON has no line breaks but as white space between its parts.
fn event(kind: &str, body: &Bytes) -> Event {
    Event::default().event(kind).data(String::from_utf8_lossy(body).replace(['\r', '\n'], " "))
}
