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
            Ok(first) => {
                hearing.read_along();
                Sse::new(events(first, hearing)).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
            }
            Err(fault) => answered(Err(fault), id.as_deref()),
        },
        Ok(hearing) => answered(talk::answer(hearing).await.map(|body| (StatusCode::OK, body)), id.as_deref()),
    }
}

/// Asks what a request over HTTP says.
async fn asked(talk: &Talk, request: Request, id: &mut Option<String>) -> Result<Hearing, Fault> {
    let (parts, body) = request.into_parts();
    let caller = talk.caller(&parts)?;
    let intent = query(&parts, "intent")?.map(|name| {
        IntentName::new(&name).map_err(|_| Fault::invalid("the address's 'intent' is no name of an intent"))
    });
    let body = body::read(body, talk.max_body).await?;
    let mut request = talk.read(&parts.headers, &body)?;
    request.stream |= accepts_events(&parts.headers);
    id.clone_from(&request.id);
    talk.ask(&caller, request, intent.transpose()?)
}

/// Whether events are accepted, and preferred to JSON where both are named.
/// <https://www.rfc-editor.org/rfc/rfc9110#name-quality-values>
fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut events, mut json) = (0.0_f32, 0.0_f32);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1.0);
        if name.eq_ignore_ascii_case("text/event-stream") {
            events = events.max(weight);
        } else if name.eq_ignore_ascii_case("application/json") {
            json = json.max(weight);
        }
    }
    events > 0.0 && events >= json
}

/// What a parameter says of how much its range is wanted, `q=0.5`; 1 where it isn't said in numbers.
fn weight(parameter: &str) -> Option<f32> {
    let (_, weight) = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"))?;
    let weight = weight.trim().parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight));
    Some(weight.unwrap_or(1.0))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn events_are_for_whoever_accepts_them() {
        let check = |accepted: &[&str], expected: bool| {
            let headers: HeaderMap = accepted.iter().map(|value| (header::ACCEPT, value.parse().unwrap())).collect();
            assert_eq!(accepts_events(&headers), expected, "{accepted:?}");
        };
        check(&[], false);
        check(&["*/*"], false);
        check(&["text/event-stream"], true);
        check(&["application/json, Text/Event-Stream"], true);
        check(&["application/json, text/event-stream;q=0.5"], false);
        check(&["application/json;q=0.5", "text/event-stream;q=0.8"], true);
        check(&["application/json;q=0.5, text/event-stream;q=0.5"], true);
        check(&["*/*, text/event-stream;q=0.5"], true);
        check(&["application/json;q=0, text/event-stream;q=0.1"], true);
        check(&["application/json, text/event-stream;q=much"], true);
        check(&["application/json", "text/event-stream"], true);
        check(&["text/event-stream ; charset=utf-8 ; Q=1.000"], true);
        for zero in ["0", "0.", "0.0", "0.000", " 0 "] {
            check(&[&format!("text/event-stream;q={zero}, application/json")], false);
        }
        check(&["text/event-stream;q=0.001"], true);
    }
}
