//! A request in OpenAI's form, as the contract's: the last message of the user's, and what was said before.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    attached::{self, Attached},
    attempts::Sent,
    intent,
};
use crate::{
    domain::{self, IntentName, Role, Turn},
    door::fault::Fault,
};

/// The most turns, and bytes of them, that are passed on of what was said before: the last.
const MOST_TURNS: usize = 40;
const MOST_BYTES: usize = 64 * 1024;
/// The longest word for a user, in characters, as OpenAI has it.
const MAX_USER: usize = 512;

/// The roles that OpenAI's form has.
const ROLES: [&str; 6] = ["developer", "system", "user", "assistant", "tool", "function"];

/// What is asked.
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) intent: Option<IntentName>,
    pub(super) request: domain::Request,
    pub(super) stream: bool,
    /// Whether a streamed answer ends with what it has used.
    pub(super) include_usage: bool,
    /// The client's word for its user.
    pub(super) user: Option<String>,
    /// All that was said, as far as the last message of the user's.
    pub(super) said: Sent,
}

/// The fields that count; whatever else clients send is passed over.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatCompletionRequest"))]
pub(super) struct Body<'a> {
    /// `chatbot`, or `intent.NAME`.
    model: Option<String>,
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Vec<Message<'a>>"))]
    messages: Option<Vec<Message<'a>>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    /// At most 512 characters.
    user: Option<String>,
    /// 1.
    #[cfg_attr(test, schemars(range(min = 1, max = 1)))]
    n: Option<u64>,
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatStreamOptions"))]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatMessage"))]
struct Message<'a> {
    role: String,
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<Written>"))]
    content: Option<&'a RawValue>,
}

/// The content of a message.
#[derive(Deserialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatContent"))]
enum Written {
    Text(String),
    Parts(Vec<Part>),
}

/// A part of a message's content.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatPart"))]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    #[serde(alias = "input_text")]
    Text {
        text: String,
    },
    ImageUrl {
        image_url: ImageUrl,
    },
    InputAudio {
        input_audio: InputAudio,
    },
    File {
        file: File,
    },
    /// What the bot said, or refused to.
    Refusal {
        refusal: String,
    },
}

/// As OpenAI has it, and as several clients shorten it.
#[derive(Deserialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatImage"))]
enum ImageUrl {
    Object { url: String },
    Text(String),
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatAudio"))]
struct InputAudio {
    data: String,
    format: String,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatFile"))]
struct File {
    file_data: Option<String>,
    filename: Option<String>,
}

/// What a message says, and what it holds beside.
#[derive(Default)]
struct Content {
    text: String,
    attachments: Vec<Attached>,
}

/// Reads a body.
///
/// # Errors
/// What is wrong with it, in words that quote nothing of it.
pub(super) fn read(text: &str) -> Result<Asked, Fault> {
    let text = text.trim_start_matches('\u{feff}');
    let body: Body<'_> = serde_json::from_str(text).map_err(|error| unreadable(text, &error))?;
    let model = body.model.unwrap_or_else(|| super::MODEL.to_owned());
    let intent = intent(&model)?;
    if body.n.is_some_and(|n| n != 1) {
        return Err(Fault::invalid("'n' is other than 1: the bot has one answer").of_field("n"));
    }
    if body.user.as_ref().is_some_and(|user| user.chars().count() > MAX_USER) {
        return Err(Fault::invalid(format!("'user' has more than {MAX_USER} characters")).of_field("user"));
    }
    let mut messages = body.messages.unwrap_or_default();
    let at =
        messages.iter().rposition(|message| message.role == "user").ok_or_else(|| nothing_of_the_user(&messages))?;
    // What stands behind it is the client's own, such as the answer of a tool.
    messages.truncate(at + 1);
    let said = said(&messages);
    let Content { text, attachments } = content(at, &messages[at])?;
    messages.truncate(at);
    if text.trim().is_empty() && attachments.is_empty() {
        let message = "the last message of the user's is empty: there is nothing to answer";
        return Err(Fault::invalid(message).of_field(content_of(at)));
    }
    let attachments = attached::read(&content_of(at), attachments)?;
    let metadata = body.metadata.filter(|metadata| metadata.get().starts_with('{'));
    let request = domain::Request {
        text,
        attachments,
        history: history(&messages)?,
        stream: body.stream.unwrap_or_default(),
        metadata: metadata.map(ToOwned::to_owned),
        ..domain::Request::default()
    };
    Ok(Asked {
        model,
        intent,
        stream: request.stream,
        include_usage: body.stream_options.and_then(|options| options.include_usage).unwrap_or_default(),
        user: body.user.filter(|user| !user.is_empty()),
        said,
        request,
    })
}

/// Why there is nothing to answer where no message is the user's: maybe it has a role that there isn't.
fn nothing_of_the_user(messages: &[Message<'_>]) -> Fault {
    match messages.iter().position(|message| !ROLES.contains(&message.role.as_str())) {
        Some(at) => {
            let message = format!(
                "this message's role isn't one of {}, and no message has the role 'user': there is nothing to answer",
                ROLES.join(", ")
            );
            Fault::invalid(message).of_field(format!("messages[{at}].role"))
        }
        None => {
            let message = "'messages' has no message with the role 'user': there is nothing to answer";
            Fault::invalid(message).of_field("messages")
        }
    }
}

/// Why a body can't be read. Read once more for it, as to watch the path costs whoever is right.
fn unreadable(text: &str, error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line(), error.column());
    if !error.is_data() {
        return Fault::invalid(format!("the body isn't valid JSON: it goes wrong at line {line}, column {column}"));
    }
    let read: Result<Body<'_>, _> = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text));
    let path = read.err().map(|error| error.path().to_string()).filter(|path| !path.is_empty() && path != ".");
    match path {
        // Its names are the fields' that are known here.
        Some(path) => {
            Fault::invalid(format!("'{path}' isn't what OpenAI's form has there, or is there twice")).of_field(path)
        }
        None => Fault::invalid("the body is no object with the fields of OpenAI's form, each once"),
    }
}

/// The SHA-256 of messages, as they are written.
fn said(messages: &[Message<'_>]) -> Sent {
    let mut hash = Sha256::new();
    for text in messages.iter().flat_map(|it| [it.role.as_str(), it.content.map_or("", RawValue::get)]) {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// How OpenAI calls the content of a message.
fn content_of(at: usize) -> String {
    format!("messages[{at}].content")
}

/// What was said before, the oldest first, as far as it is passed on. What programs say to a model is no turn: the bot has
/// instructions of its own.
fn history(messages: &[Message<'_>]) -> Result<Vec<Turn>, Fault> {
    let (mut turns, mut bytes) = (Vec::new(), 0);
    for (at, message) in messages.iter().enumerate().rev() {
        let role = match message.role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => continue,
        };
        let text = content(at, message)?.text;
        bytes += text.len();
        if turns.len() == MOST_TURNS || bytes > MOST_BYTES {
            break;
        }
        if !text.trim().is_empty() {
            turns.push(Turn { role, text });
        }
    }
    turns.reverse();
    Ok(turns)
}

/// What the message in this place says.
fn content(at: usize, message: &Message<'_>) -> Result<Content, Fault> {
    let json = match message.content.map(RawValue::get) {
        None | Some("null") => return Ok(Content::default()),
        Some(json) => json,
    };
    let parts = match serde_json::from_str(json) {
        Ok(Written::Text(text)) => return Ok(Content { text, attachments: Vec::new() }),
        Ok(Written::Parts(parts)) => parts,
        Err(_) => {
            let message = "a message's 'content' is neither a text nor a list of parts that are known here";
            return Err(Fault::invalid(message).of_field(content_of(at)));
        }
    };
    let (mut texts, mut attachments) = (Vec::new(), Vec::new());
    for (number, part) in parts.into_iter().enumerate() {
        let named = || format!("{}[{number}]", content_of(at));
        match part {
            Part::Text { text } | Part::Refusal { refusal: text } => texts.push(text),
            Part::ImageUrl { image_url: ImageUrl::Object { url } } => {
                attachments.push(Attached::image(named(), "image_url.url", &url));
            }
            Part::ImageUrl { image_url: ImageUrl::Text(url) } => {
                attachments.push(Attached::image(named(), "image_url", &url));
            }
            Part::InputAudio { input_audio: InputAudio { data, format } } => {
                attachments.push(Attached::audio(named(), &data, &format));
            }
            Part::File { file: File { file_data: Some(data), filename } } => {
                attachments.push(Attached::file(named(), &data, filename.as_deref()));
            }
            Part::File { file: File { file_data: None, .. } } => {
                let message = "a 'file' is named by an id of OpenAI's, which is nowhere here: send 'file_data'";
                return Err(Fault::invalid(message).of_field(named() + ".file.file_data"));
            }
        }
    }
    Ok(Content { text: texts.join("\n"), attachments })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_the_field() {
        let check = |body: &str, field: Option<&str>| {
            let fault = read(body).err();
            assert!(fault.is_some(), "{body} is read");
            assert_eq!(fault.and_then(|fault| fault.field).as_deref(), field, "{body}");
        };
        let asked = r#"{"role": "user", "content": "x"}"#;
        check("{", None);
        check("[]", None);
        check(r#"{"messages": 1}"#, Some("messages"));
        check(r#"{"messages": [1]}"#, Some("messages[0]"));
        check(r#"{"metadata": {"a": [1]}, "messages": [{"role": 1}]}"#, Some("messages[0].role"));
        check(r#"{"messages": []}"#, Some("messages"));
        check("{}", Some("messages"));
        check(r#"{"messages": [{"role": "assistant", "content": "x"}]}"#, Some("messages"));
        check(
            r#"{"messages": [{"role": "system", "content": "x"}, {"role": "bot", "content": "x"}]}"#,
            Some("messages[1].role"),
        );
        check(r#"{"messages": [{"role": "user", "content": 7}]}"#, Some("messages[0].content"));
        check(
            &format!(r#"{{"messages": [{{"role": "user", "content": [{{"type": "x"}}]}}, {asked}]}}"#),
            Some("messages[0].content"),
        );
        check(
            &format!(r#"{{"messages": [{asked}, {{"role": "user", "content": " "}}]}}"#),
            Some("messages[1].content"),
        );
        let file = r#"[{"type": "file", "file": {"file_id": "f"}}]"#;
        check(
            &format!(r#"{{"messages": [{{"role": "user", "content": {file}}}]}}"#),
            Some("messages[0].content[0].file.file_data"),
        );
        let image = r#"[{"type": "image_url", "image_url": {"url": "ftp://x/y.png"}}]"#;
        check(
            &format!(r#"{{"messages": [{asked}, {{"role": "user", "content": {image}}}]}}"#),
            Some("messages[1].content[0].image_url.url"),
        );
        check(&format!(r#"{{"messages": [{asked}], "stream": "yes"}}"#), Some("stream"));
        check(
            &format!(r#"{{"messages": [{asked}], "stream_options": {{"include_usage": 1}}}}"#),
            Some("stream_options.include_usage"),
        );
        check(&format!(r#"{{"messages": [{asked}], "n": 2}}"#), Some("n"));
        check(&format!(r#"{{"messages": [{asked}], "user": 7}}"#), Some("user"));
        check(&format!(r#"{{"messages": [{asked}], "user": "{}"}}"#, "用".repeat(513)), Some("user"));
        check(&format!(r#"{{"messages": [{asked}], "model": 7}}"#), Some("model"));
        check(&format!(r#"{{"messages": [{asked}], "model": "gpt-4"}}"#), Some("model"));
    }

    #[test]
    fn what_clients_leave_out_or_set_to_null_is_no_fault() {
        let asked = r#"{"role": "user", "content": "x"}"#;
        for more in [
            "",
            r#", "n": 1, "stream": false, "user": "u""#,
            r#", "n": null, "stream": null, "user": null, "model": null"#,
        ] {
            let read = read(&format!(r#"{{"messages": [{asked}]{more}, "metadata": {{"a": 1}}, "tools": []}}"#));
            assert_eq!(read.map(|asked| asked.request.text), Ok("x".to_owned()), "{more}");
        }
    }
}
