//! What the door speaks, described for programs: OpenAPI 3.1 and AsyncAPI 3.
//!
//! Both are files of `docs/`, which a test holds to the types of the messages; so they are built in as they stand, and what
//! makes them is no part of the program.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::IntoResponse,
    routing::get,
};

const OPENAPI: &str = include_str!("../../docs/openapi.json");
const ASYNCAPI: &str = include_str!("../../docs/asyncapi.json");

/// Their routes.
pub(super) fn routes() -> Router {
    let document = |text: &'static str| {
        get(async move || {
            ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
        })
    };
    Router::new().route("/openapi.json", document(OPENAPI)).route("/asyncapi.json", document(ASYNCAPI))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use serde_json::{Map, Value, json};

    use crate::{
        domain::codec::schemas,
        door::fault::{ALL_CODES, Code},
    };

    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const ABOUT: &str = "Answers chat messages: classifies their intent, replies, and loses nothing. What the messages hold is told \
                         in docs/CLIENTS.md, how they travel in docs/DOORS.md.";

    fn reference(schema: &str) -> Value {
        json!({"$ref": format!("#/components/schemas/{schema}")})
    }

    fn in_json(schema: Value) -> Value {
        json!({"application/json": {"schema": schema}})
    }

    /// The messages, with the codes of the door's own.
    fn components() -> Map<String, Value> {
        let mut all = schemas();
        let codes: Vec<&str> = ALL_CODES.iter().map(|code| code.as_str()).collect();
        all["ErrorCode"] = json!({"type": "string", "enum": codes});
        all.insert(
            "Conversation".into(),
            json!({
                "type": "object",
                "required": ["conversation"],
                "properties": {"conversation": {"type": "string", "description": "The id of a new conversation."}},
            }),
        );
        all.insert(
            "Bot".into(),
            json!({
                "type": "object",
                "required": ["intents", "keys"],
                "properties": {
                    "intents": {"type": "array", "items": {"type": "string"}},
                    "keys": {"type": "boolean", "description": "Whether whoever asks needs a key."},
                },
            }),
        );
        all
    }

    /// The statuses that an operation may have beside its own: those of these codes, each with an error reply.
    fn responses(own: &str, description: &str, content: Value, described: &dyn Fn(Code) -> bool) -> Value {
        let mut responses = Map::new();
        responses.insert(own.to_owned(), json!({"description": description, "content": content}));
        for code in ALL_CODES.iter().copied().filter(|code| described(*code)) {
            let status = code.status().as_u16().to_string();
            let name = code.as_str();
            match responses.get_mut(&status) {
                Some(there) => {
                    let before = there["description"].as_str().unwrap();
                    there["description"] = format!("{before}, {name}").into();
                }
                None => {
                    responses.insert(status, json!({"description": name, "content": in_json(reference("Error"))}));
                }
            }
        }
        responses.into()
    }

    fn openapi() -> Value {
        let any = |_: Code| true;
        let of_caller = |code: Code| {
            matches!(code, Code::Unauthorized | Code::Forbidden | Code::RateLimited | Code::MethodNotAllowed)
        };
        let text = json!({"schema": {"type": "string", "minLength": 1}});
        let answer = json!({
            "application/json": {"schema": {"oneOf": [reference("Reply"), reference("Done")]}},
            "text/event-stream": {"schema": {"type": "string", "description":
                "Server-sent events: `event` is the message's type, `data` its JSON. Parts, and then the reply, what was done, or an error."}},
        });
        let parameter = |name: &str, place: &str, description: &str| json!({"name": name, "in": place, "description": description, "schema": {"type": "string"}});
        let key = parameter("Idempotency-Key", "header", "The request's id: the same again is known for the same.");
        let intent =
            parameter("intent", "query", "An intent of the bot: the text isn't classified, but answered by this one.");
        let mut id = parameter("id", "path", "The conversation.");
        id["required"] = true.into();
        let sender = parameter("sender", "query", "Whose conversation it is, where the key may name others.");
        json!({
            "openapi": "3.1.0",
            "info": {"title": "chatbot-worker", "version": VERSION, "description": ABOUT,
                     "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            "servers": [{"url": "/"}],
            "security": [{"key": []}, {"publicKey": []}, {}],
            "paths": {
                "/api/messages": {"post": {
                    "operationId": "ask",
                    "summary": "Asks the bot, and answers with its reply",
                    "parameters": [key, intent],
                    "requestBody": {"required": true, "content": {
                        "application/json": {"schema": reference("Request")}, "text/plain": text}},
                    "responses": responses("200", "The reply", answer, &any),
                }},
                "/api/conversations": {"post": {
                    "operationId": "newConversation",
                    "summary": "Makes the id of a conversation, which nobody can guess",
                    "responses": responses("201", "The id", in_json(reference("Conversation")), &of_caller),
                }},
                "/api/conversations/{id}": {"delete": {
                    "operationId": "forget",
                    "summary": "Has a conversation forgotten",
                    "parameters": [id, sender],
                    "responses": responses("200", "It is forgotten", in_json(reference("Done")), &any),
                }},
                "/api/feedback": {"post": {
                    "operationId": "feedback",
                    "summary": "Tells what a user thinks of an answer",
                    "requestBody": {"required": true, "content": in_json(json!({
                        "type": "object",
                        "required": ["in_reply_to", "value"],
                        "properties": {
                            "in_reply_to": {"type": "string", "description": "The reply's id.", "minLength": 1, "maxLength": 255},
                            "value": {"type": "string", "enum": ["up", "down"]},
                            "intent": {"type": "string", "description": "The reply's intent.name."},
                            "handler": {"type": "string", "description": "The reply's handler."},
                            "conversation": {"type": "string"},
                        },
                    }))},
                    "responses": responses("200", "It is counted", in_json(reference("Done")), &any),
                }},
                "/api/bot": {"get": {
                    "operationId": "bot",
                    "summary": "Tells which intents there are",
                    "responses": responses("200", "The bot", in_json(reference("Bot")), &of_caller),
                }},
            },
            "components": {
                "schemas": components(),
                "securitySchemes": {
                    "key": {"type": "http", "scheme": "bearer", "description": "A key of the door's."},
                    "publicKey": {"type": "apiKey", "in": "query", "name": "key", "description": "A public key, as pages have."},
                },
            },
        })
    }

    fn asyncapi() -> Value {
        let sent = ["Request", "Cancel"];
        let heard = ["Reply", "Part", "Error", "Done", "Message"];
        let mut all = components();
        all.insert("Cancel".into(), json!({
            "type": "object",
            "description": "The answer to a request isn't wanted any more.",
            "required": ["type", "id"],
            "properties": {"type": {"const": "chat.cancel"}, "id": {"type": "string", "description": "The request's id."}},
        }));
        let message =
            |name: &str| (name.to_owned(), json!({"contentType": "application/json", "payload": reference(name)}));
        let messages: Map<String, Value> = sent.iter().chain(&heard).map(|name| message(name)).collect();
        let in_channel = |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/messages/{name}")}));
        let of_channel: Map<String, Value> = sent.iter().chain(&heard).map(in_channel).collect();
        let by = |names: &[&str]| -> Value {
            names.iter().map(|name| json!({"$ref": format!("#/channels/socket/messages/{name}")})).collect()
        };
        json!({
            "asyncapi": "3.0.0",
            "info": {"title": "chatbot-worker", "version": VERSION, "description": ABOUT, "license": {"name": "Apache-2.0"}},
            "servers": {"door": {"host": "127.0.0.1:8000", "protocol": "ws", "description": "chatbot-worker serve"}},
            "channels": {"socket": {
                "address": "/api/socket",
                "title": "A frame is a text of one JSON object",
                "messages": of_channel,
                "bindings": {"ws": {"query": {"type": "object", "properties": {
                    "key": {"type": "string", "description": "A public key, as browsers set no headers here."},
                    "conversation": {"type": "string", "description": "What a person says in it is heard here."},
                }}}},
            }},
            "operations": {
                "ask": {"action": "receive", "channel": {"$ref": "#/channels/socket"}, "messages": by(&sent),
                        "summary": "A client asks, stops an answer, or has a conversation forgotten"},
                "answer": {"action": "send", "channel": {"$ref": "#/channels/socket"}, "messages": by(&heard),
                           "summary": "Parts of an answer, the answer, and, unasked, what a person says"},
            },
            "components": {"schemas": all, "messages": messages},
        })
    }

    /// With CHATBOT_WRITE_DOCS=1 it writes them.
    #[test]
    fn the_documents_are_made_of_the_types() {
        for (file, document) in [("openapi.json", openapi()), ("asyncapi.json", asyncapi())] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
            let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
            if std::env::var_os("CHATBOT_WRITE_DOCS").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let there = std::fs::read_to_string(&path).unwrap();
            assert!(there == text, "{file} isn't what the types say: CHATBOT_WRITE_DOCS=1 cargo test --lib described");
        }
    }
}
