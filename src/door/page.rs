//! The page to talk to the bot: files that are built in.

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

/// Files of `src/door/page/`, and where they are served.
macro_rules! files {
    ($($path:literal = $file:literal, $media_type:literal;)*) => {
        &[$(File { path: $path, media_type: $media_type, text: include_str!(concat!("page/", $file)) }),*]
    };
}

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
    "/page/main.js" = "main.js", "text/javascript; charset=utf-8";
    "/page/message.js" = "message.js", "text/javascript; charset=utf-8";
    "/page/messages.js" = "messages.js", "text/javascript; charset=utf-8";
    "/page/scroll.js" = "scroll.js", "text/javascript; charset=utf-8";
    "/page/text.js" = "text.js", "text/javascript; charset=utf-8";
    "/page/words.js" = "words.js", "text/javascript; charset=utf-8";
};

/// Nothing from elsewhere, nothing inline; pictures may be the bot's, of the catalogue.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *";

/// Its routes.
pub(super) fn routes() -> Router {
    FILES.iter().fold(Router::new(), |router, file| router.route(file.path, get(async move || respond(file))))
}

fn respond(file: &File) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.media_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // It changes with the program alone; a browser asks, and mustn't show an old one.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, file.text).into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/door/page");
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
