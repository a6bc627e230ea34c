//! The page to talk to the bot: files that are built in.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// The page's files by their path; and their media types.
const FILES: &[(&str, &str, &str)] = &[];

/// Nothing from elsewhere, nothing inline; pictures may be the bot's, of the catalogue.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *";

/// Its routes.
pub(super) fn routes() -> Router {
    FILES.iter().fold(Router::new(), |router, &(path, media_type, text)| {
        router.route(path, get(async move || file(media_type, text)))
    })
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // It changes with the program alone; a browser asks, and mustn't show an old one.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}
