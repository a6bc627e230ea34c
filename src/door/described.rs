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
        domain::codec::Schemas,
        door::{
            fault::{ALL_CODES, Code},
            openai, rasa,
        },
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
        let mut schemas = Schemas::of_messages();
        openai::describe(&mut schemas);
        rasa::describe(&mut schemas);
        let mut all = schemas.all();
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
        responses_as("Error", own, description, content, described)
    }

    /// The same, with errors of a form's own.
    fn responses_as(
        error: &str,
        own: &str,
        description: &str,
        content: Value,
        described: &dyn Fn(Code) -> bool,
    ) -> Value {
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
                    responses.insert(status, json!({"description": name, "content": in_json(reference(error))}));
                }
            }
        }
        responses.into()
    }

    /// A message with the fields of every request beside its own.
    fn of_request(message: Value) -> Value {
        json!({"allOf": [message, {"type": "object", "properties": {
            "id": {"type": "string"}, "sender": {"type": "string"}, "conversation": {"type": "string"},
        }}]})
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
        let mut intent =
            parameter("intent", "query", "An intent of the bot: the text isn't classified, but answered by this one.");
        intent["schema"] = reference("IntentName");
        let mut id = parameter("id", "path", "The conversation.");
        id["required"] = true.into();
        let sender = parameter("sender", "query", "Whose conversation it is, where the key may name others.");
        let conversation = parameter(
            "X-Conversation-Id",
            "header",
            "The conversation; else X-OpenWebUI-Chat-Id, else the field `user`.",
        );
        let completion = json!({
            "application/json": {"schema": reference("ChatCompletion")},
            "text/event-stream": {"schema": {"type": "string", "description":
                "With `stream`: server-sent events whose `data` is a ChatCompletionChunk, and `[DONE]` at the end."}},
        });
        // Another method is told as our own doors tell it.
        let of_form = |code: Code| code != Code::MethodNotAllowed;
        let of_caller_alone = |code: Code| of_caller(code) && code != Code::MethodNotAllowed;
        let of_model = |code: Code| of_caller_alone(code) || code == Code::NotFound;
        let mut model = parameter("id", "path", "`chatbot`, or `intent.NAME`.");
        model["required"] = true.into();
        let stream = parameter("stream", "query", "`true`: the messages come each on a line of its own.");
        let token = parameter("token", "query", "The key, as Rasa's clients send their secret.");
        let messages = json!({
            "application/json": {"schema": {"type": "array", "items": reference("RasaAnswer")}},
            "text/event-stream": {"schema": {"type": "string", "description": "With `stream=true`: a RasaAnswer a line."}},
        });
        json!({
            "openapi": "3.1.0",
            "info": {"title": "chatbot-worker", "version": VERSION, "description": ABOUT,
                     "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            // Beside this document, wherever a proxy serves it.
            "servers": [{"url": "."}],
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
                    "requestBody": {"required": true, "content": in_json(of_request(reference("Feedback")))},
                    "responses": responses("200", "It is counted", in_json(reference("Done")), &any),
                }},
                "/api/bot": {"get": {
                    "operationId": "bot",
                    "summary": "Tells which intents there are",
                    "responses": responses("200", "The bot", in_json(reference("Bot")), &of_caller),
                }},
                "/v1/chat/completions": {"post": {
                    "operationId": "createChatCompletion",
                    "summary": "Asks the bot, in OpenAI's form",
                    "parameters": [key, conversation],
                    "requestBody": {"required": true, "content": in_json(reference("ChatCompletionRequest"))},
                    "responses": responses_as("ChatError", "200", "The answer", completion, &of_form),
                }},
                "/v1/models": {"get": {
                    "operationId": "listModels",
                    "summary": "Lists the bot and its intents as models, in OpenAI's form",
                    "responses": responses_as("ChatError", "200", "The models", in_json(reference("Models")), &of_caller_alone),
                }},
                "/v1/models/{id}": {"get": {
                    "operationId": "retrieveModel",
                    "summary": "Tells whether there is a model, in OpenAI's form",
                    "parameters": [model],
                    "responses": responses_as("ChatError", "200", "The model", in_json(reference("Model")), &of_model),
                }},
                "/webhooks/rest/webhook": {"post": {
                    "operationId": "rasa",
                    "summary": "Asks the bot, in Rasa's form",
                    "parameters": [stream, token],
                    "requestBody": {"required": true, "content": in_json(reference("RasaMessage"))},
                    "responses": responses_as("RasaFailure", "200", "The answer's messages", messages, &of_form),
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
        let sent = ["Request", "Cancel", "Forget", "Feedback"];
        let heard = ["Reply", "Part", "Error", "Done", "Message"];
        let mut all = components();
        let mut told = |name: &str, kind: &str, description: &str, required: &[&str]| {
            let properties = json!({
                "type": {"const": kind}, "id": {"type": "string", "description": "The request's id."},
                "conversation": {"type": "string"}, "sender": {"type": "string"},
            });
            let own =
                json!({"type": "object", "description": description, "required": required, "properties": properties});
            let schema = match all.remove(name) {
                Some(fields) => json!({"allOf": [fields, own]}),
                None => own,
            };
            all.insert(name.to_owned(), schema);
        };
        told("Cancel", "chat.cancel", "The answer to a request isn't wanted any more.", &["type", "id"]);
        told("Forget", "chat.forget", "A conversation is to be forgotten.", &["type", "conversation"]);
        told("Feedback", "chat.feedback", "What a user thinks of an answer.", &["type"]);
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
                        "summary": "A client asks, stops an answer, has a conversation forgotten, or tells what a user thinks of an answer"},
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
