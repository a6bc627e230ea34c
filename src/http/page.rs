//! The page to watch the worker: files that are built in. It shows what `/metrics`, `/workers` and `/queues` tell.

use axum::{
    Router,
    http::{HeaderMap, HeaderValue},
    routing::get,
};

use crate::page_files::{File, files, respond};

const FILES: &[File] = files! {
    "/" = "index.html", "text/html; charset=utf-8";
    "/page/style.css" = "style.css", "text/css; charset=utf-8";
    "/page/icon.svg" = "icon.svg", "image/svg+xml";
    "/page/cards.js" = "cards.js", "text/javascript; charset=utf-8";
    "/page/chart.js" = "chart.js", "text/javascript; charset=utf-8";
    "/page/elements.js" = "elements.js", "text/javascript; charset=utf-8";
    "/page/history.js" = "history.js", "text/javascript; charset=utf-8";
    "/page/main.js" = "main.js", "text/javascript; charset=utf-8";
    "/page/metrics.js" = "metrics.js", "text/javascript; charset=utf-8";
    "/page/words.js" = "words.js", "text/javascript; charset=utf-8";
};

/// Nothing from elsewhere, nothing inline, and in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Its routes.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let page = |file: &'static File| {
        get(async move |asked: HeaderMap| respond(file, HeaderValue::from_static(POLICY), &asked))
    };
    FILES.iter().fold(Router::new(), |router, file| router.route(file.path, page(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() -> Result<(), Box<dyn std::error::Error>> {
        crate::page_files::check_all_served(FILES, "src/http/page")
    }
}
