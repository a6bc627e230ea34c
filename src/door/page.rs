//! The page to talk to the bot: files that are built in.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, request::Parts},
    routing::get,
};

use super::talk::{Talk, query};
use crate::page_files::{File, files, respond};

const FILES: &[File] = files! {
    "/" = "index.html", "text/html; charset=utf-8";
    "/widget.js" = "widget.js", "text/javascript; charset=utf-8";
    "/page/style.css" = "style.css", "text/css; charset=utf-8";
    "/page/icon.svg" = "icon.svg", "image/svg+xml";
    "/page/composer.js" = "composer.js", "text/javascript; charset=utf-8";
    "/page/connection.js" = "connection.js", "text/javascript; charset=utf-8";
    "/page/conversation.js" = "conversation.js", "text/javascript; charset=utf-8";
    "/page/details.js" = "details.js", "text/javascript; charset=utf-8";
    "/page/door.js" = "door.js", "text/javascript; charset=utf-8";
    "/page/elements.js" = "elements.js", "text/javascript; charset=utf-8";
    "/page/kept.js" = "kept.js", "text/javascript; charset=utf-8";
    "/page/main.js" = "main.js", "text/javascript; charset=utf-8";
    "/page/message.js" = "message.js", "text/javascript; charset=utf-8";
    "/page/messages.js" = "messages.js", "text/javascript; charset=utf-8";
    "/page/scroll.js" = "scroll.js", "text/javascript; charset=utf-8";
    "/page/text.js" = "text.js", "text/javascript; charset=utf-8";
    "/page/words.js" = "words.js", "text/javascript; charset=utf-8";
};

/// Nothing from elsewhere, nothing inline; pictures may be the bot's, of the catalogue.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// The sites of this machine: where nobody needs a key, a page that is being written may frame the door's.
const LOCAL: &str = " http://localhost:* http://127.0.0.1:*";

/// Its routes.
pub(super) fn routes(talk: Arc<Talk>) -> Router {
    let page = |file: &'static File| {
        get(async move |State(talk): State<Arc<Talk>>, request: Request| {
            let (parts, _) = request.into_parts();
            respond(file, policy(&talk, &parts), &parts.headers)
        })
    };
    FILES.iter().fold(Router::new(), |router, file| router.route(file.path, page(file))).with_state(talk)
}

/// The policy of a page: with a public key in its address, it may be framed by the pages that the key is for.
fn policy(talk: &Talk, parts: &Parts) -> HeaderValue {
    let key = query(parts, "key").ok().flatten();
    let of_key = key.map(|key| talk.keys.origins_of(&key)).unwrap_or_default();
    let may_frame = talk.keys.listed().iter().chain(&of_key).map(|origin| format!(" {origin}"));
    let local = if talk.keys.are_required() { "" } else { LOCAL };
    let policy = format!("{POLICY}{local}{}", may_frame.collect::<String>());
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(POLICY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() -> Result<(), Box<dyn std::error::Error>> {
        crate::page_files::check_all_served(FILES, "src/door/page")
    }
}
