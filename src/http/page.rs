//! The page to watch the worker: files that are built in. It shows what `/metrics`, `/workers` and `/queues` tell.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// A file of the page: where it is served, what it is, and what it holds.
struct File {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: &[File] = &[
    File { path: "/", media_type: HTML, text: include_str!("page/index.html") },
    File { path: "/page/style.css", media_type: CSS, text: include_str!("page/style.css") },
    File { path: "/page/icon.svg", media_type: "image/svg+xml", text: include_str!("page/icon.svg") },
    File { path: "/page/cards.js", media_type: SCRIPT, text: include_str!("page/cards.js") },
    File { path: "/page/chart.js", media_type: SCRIPT, text: include_str!("page/chart.js") },
    File { path: "/page/elements.js", media_type: SCRIPT, text: include_str!("page/elements.js") },
    File { path: "/page/history.js", media_type: SCRIPT, text: include_str!("page/history.js") },
    File { path: "/page/main.js", media_type: SCRIPT, text: include_str!("page/main.js") },
    File { path: "/page/metrics.js", media_type: SCRIPT, text: include_str!("page/metrics.js") },
    File { path: "/page/words.js", media_type: SCRIPT, text: include_str!("page/words.js") },
];

/// Nothing from elsewhere, nothing inline, and in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Its routes.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, file| router.route(file.path, get(async move || respond(file))))
}

fn respond(file: &File) -> Response {
    let headers = [
        (header::CONTENT_TYPE, file.media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // It changes with the program alone; a browser asks, and mustn't show an old one.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), file.text).into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page");
        let mut there: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let name = |file: &File| match file.path.rsplit('/').next().unwrap() {
            "" => "index.html".to_owned(),
            name => name.to_owned(),
        };
        let mut served: Vec<_> = FILES.iter().map(name).collect();
        there.sort();
        served.sort();
        assert_eq!(there, served);
    }
}
