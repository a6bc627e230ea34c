//! What holds for every request and every answer of the door, whichever of its forms it has.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use metrics::histogram;

use super::{
    fault::{Code, Fault},
    talk::Talk,
};

/// How long a browser need not ask again what it may, in seconds.
const PREFLIGHT: &str = "600";
/// What pages of other sites may read.
const EXPOSED: &str = "retry-after";

/// What is said to whoever calls a door on loopback by another name.
const OTHER_NAME: &str = "this door listens on this machine alone, and is called by another name in the header Host, as a page of \
                          another site could have it called: call it localhost. Behind a proxy that passes the name on, it has to \
                          listen elsewhere, with keys: CHATBOT_DOOR_LISTEN=0.0.0.0:8000 and CHATBOT_DOOR_KEYS_PATH";

/// Looks by which name the door is called, answers browsers that ask what they may, and sets what every answer has.
pub(super) async fn around(State(talk): State<Arc<Talk>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    if !talk.origins.is_called_right(request.headers()) {
        let fault = Fault::new(Code::Forbidden, OTHER_NAME);
        return secured(fault.response(fault.json(None)));
    }
    let origin = talk.origins.foreign(request.headers()).map(str::to_owned);
    let is_preflight = request.method() == Method::OPTIONS;
    let (allowed, refused) = match origin {
        Some(origin) if talk.keys.origin_allowed(&origin) => (Some(origin), None),
        other => (None, other),
    };
    // A browser that is refused here asks nothing else.
    if let Some(origin) = refused.filter(|_| is_preflight) {
        talk.origin_refused(&origin);
    }
    let mut response = match is_preflight {
        true => preflight(allowed.is_some(), request.headers()),
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed.and_then(|origin| HeaderValue::from_str(&origin).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    histogram!("chatbot_door_request_seconds").record(started.elapsed());
    secured(response)
}

fn preflight(is_allowed: bool, asked: &HeaderMap) -> Response {
    if !is_allowed {
        return StatusCode::NO_CONTENT.into_response();
    }
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT)),
    ];
    let mut response = (StatusCode::NO_CONTENT, headers).into_response();
    // Clients have headers of their own, such as OpenAI's packages; what the door doesn't know does nothing.
    if let Some(asked) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

fn secured(mut response: Response) -> Response {
    let set = |headers: &mut HeaderMap, name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    let headers = response.headers_mut();
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    set(headers, header::CACHE_CONTROL, "no-store");
    set(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    response
}
