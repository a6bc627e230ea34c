//! Paths, each with a slash at its end or without; and what is said to whoever asks at a path that there isn't, or by another
//! method: what was meant, as far as it can be told.

use axum::{Router, http::Uri, response::Response, routing::MethodRouter};

use super::{
    fault::{Code, Fault},
    openai,
};

const PATHS: &str = "there is nothing of this path; there are / (a page to talk to the bot), POST /api/messages, /api/socket (a \
                     WebSocket), POST /v1/chat/completions (OpenAI's form: the base URL ends with /v1), POST \
                     /webhooks/rest/webhook (Rasa's form), and /openapi.json, which has them all";
const CHATS: &str = "a bot answers chats only: POST /v1/chat/completions, GET /v1/models; many packages have a setting for \
                     that, such as is_chat_model";
const RESPONSES: &str = "the bot speaks chat completions, and not the responses API: tell the client to use those, such as \
                         openai.chat(\"chatbot\") in Vercel's package, or client.chat.completions.create in OpenAI's";
const NO_V1: &str = "the base URL of OpenAI's form ends with /v1, which is missing here: http://HOST:PORT/v1";
const TWICE: &str = "/v1 stands twice here: the base URL ends with one /v1, and this client adds one by itself";
const TOO_MUCH: &str = "this path goes on behind /v1/chat/completions: the base URL ends with /v1, and the client adds \
                        /chat/completions by itself";
const SLASH: &str = "this path has a slash too many: the base URL ends with /v1, without a slash";

/// Routes for these paths, with a slash at the end as well: some clients and proxies add one.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(
    paths: impl IntoIterator<Item = (&'static str, MethodRouter<S>)>,
) -> Router<S> {
    paths.into_iter().fold(Router::new(), |router, (path, method)| {
        router.route(path, method.clone()).route(&format!("{path}/"), method)
    })
}

pub(super) async fn unknown(uri: Uri) -> Response {
    match meant(uri.path()) {
        Some(message) => openai::unknown(message),
        None => unanswered(Code::NotFound, PATHS),
    }
}

pub(super) async fn other_method(uri: Uri) -> Response {
    let message = format!("this path takes another method: {}", method(uri.path()));
    unanswered(Code::MethodNotAllowed, &message)
}

fn unanswered(code: Code, message: &str) -> Response {
    let fault = Fault::new(code, message);
    fault.response(fault.json(None))
}

/// What a client of OpenAI's form that asks at a path has to be told; none where it is no such client's.
fn meant(path: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["v1", "v1", ..] => Some(TWICE),
        // One at the end is none too many.
        ["v1", "chat", "completions"] | ["v1", "models"] => Some(SLASH),
        ["v1", "chat", "completions", ..] => Some(TOO_MUCH),
        ["v1", "responses", ..] => Some(RESPONSES),
        ["v1", ..] => Some(CHATS),
        ["chat", "completions", ..] | ["models" | "responses" | "completions" | "embeddings", ..] => Some(NO_V1),
        _ => None,
    }
}

/// The method that a path takes.
fn method(path: &str) -> &'static str {
    match path.trim_end_matches('/') {
        "/api/messages"
        | "/api/feedback"
        | "/api/conversations"
        | "/v1/chat/completions"
        | "/webhooks/rest/webhook" => "POST",
        path if path.starts_with("/api/conversations/") => "DELETE",
        _ => "GET",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_wrong_base_url_is_told_what_is_wrong_with_it() {
        let check = |path: &str, expected: Option<&str>| assert_eq!(meant(path), expected, "{path}");
        check("/chat/completions", Some(NO_V1));
        check("//chat/completions", Some(NO_V1));
        check("/models", Some(NO_V1));
        check("/responses", Some(NO_V1));
        check("/v1/v1/chat/completions", Some(TWICE));
        check("/v1/chat/completions/chat/completions", Some(TOO_MUCH));
        check("/v1/chat/completions/v1/models", Some(TOO_MUCH));
        check("/v1//chat/completions", Some(SLASH));
        check("//v1/chat/completions", Some(SLASH));
        check("/v1//models", Some(SLASH));
        check("/v1/responses", Some(RESPONSES));
        check("/v1/embeddings", Some(CHATS));
        check("/v1", Some(CHATS));
        for others in ["/", "/nothing", "/api", "/api/v1/chat/completions", "/v2/models", "/chat", "/模型"] {
            check(others, None);
        }
    }

    #[test]
    fn whoever_asks_by_another_method_is_told_which_it_is() {
        for (path, expected) in [
            ("/api/messages", "POST"),
            ("/v1/chat/completions/", "POST"),
            ("/webhooks/rest/webhook", "POST"),
            ("/api/conversations", "POST"),
            ("/api/conversations/c-1", "DELETE"),
            ("/v1/models", "GET"),
            ("/", "GET"),
        ] {
            assert_eq!(method(path), expected, "{path}");
        }
    }
}
