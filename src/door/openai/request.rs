//! A request in OpenAI's form, as the contract's: the last message of the user's, and what was said before.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::intent;
use crate::{
    domain::{self, IntentName, Role, Turn, codec::read_attachments},
    door::fault::Fault,
};

/// The most turns, and bytes of them, that are passed on of what was said before: the last.
const MOST_TURNS: usize = 40;
const MOST_BYTES: usize = 64 * 1024;

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
}

#[derive(Deserialize)]
struct Body<'a> {
    model: Option<String>,
    #[serde(borrow)]
    messages: Option<Vec<Message<'a>>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    user: Option<Value>,
    n: Option<Value>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message<'a> {
    role: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// A part of a message's content.
#[derive(Deserialize)]
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
enum ImageUrl {
    Object { url: String },
    Text(String),
}

#[derive(Deserialize)]
struct InputAudio {
    data: String,
    format: String,
}

#[derive(Deserialize)]
struct File {
    file_data: Option<String>,
    filename: Option<String>,
}

/// What a message says, and what it holds beside.
#[derive(Default)]
struct Content {
    text: String,
    attachments: Vec<Value>,
}

/// Reads a body.
///
/// # Errors
/// What is wrong with it, in words that quote nothing of it.
pub(super) fn read(body: &[u8]) -> Result<Asked, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::invalid("the body isn't UTF-8"))?;
    let body: Body<'_> = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Fault::invalid(match error.is_data() {
            true => format!(
                "a field of the body has another type than OpenAI's form has there: line {line}, column {column}"
            ),
            false => format!("the body isn't valid JSON: it goes wrong at line {line}, column {column}"),
        })
    })?;
    let model = body.model.unwrap_or_else(|| super::MODEL.to_owned());
    let intent = intent(&model)?;
    if body.n.as_ref().is_some_and(|n| n.as_u64() != Some(1) && !n.is_null()) {
        return Err(Fault::invalid("'n' is other than 1: the bot has one answer"));
    }
    let mut messages = body.messages.unwrap_or_default();
    let asked = messages.iter().rposition(|message| message.role == "user");
    let asked = asked
        .ok_or_else(|| Fault::invalid("'messages' has no message with the role 'user': there is nothing to answer"))?;
    // What stands behind it is the client's own, such as the answer of a tool.
    messages.truncate(asked + 1);
    let Content { text, attachments } = match messages.pop() {
        Some(message) => content(&message)?,
        None => Content::default(),
    };
    if text.trim().is_empty() && attachments.is_empty() {
        return Err(Fault::invalid("the last message of the user's is empty: there is nothing to answer"));
    }
    let attachments = read_attachments(&Value::Array(attachments).to_string())?;
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
        user: body.user.and_then(|user| user.as_str().map(str::to_owned)).filter(|user| !user.is_empty()),
        request,
    })
}

/// What was said before, the oldest first, as far as it is passed on. What programs say to a model is no turn: the bot has
/// instructions of its own.
fn history(messages: &[Message<'_>]) -> Result<Vec<Turn>, Fault> {
    let (mut turns, mut bytes) = (Vec::new(), 0);
    for message in messages.iter().rev() {
        let role = match message.role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => continue,
        };
        let text = content(message)?.text;
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

fn content(message: &Message<'_>) -> Result<Content, Fault> {
    let wrong = |_| Fault::invalid("a message's 'content' is neither a text nor a list of parts that are known here");
    let json = match message.content.map(RawValue::get) {
        None | Some("null") => return Ok(Content::default()),
        Some(json) => json,
    };
    if json.starts_with('"') {
        return Ok(Content { text: serde_json::from_str(json).map_err(wrong)?, attachments: Vec::new() });
    }
    let parts: Vec<Part> = serde_json::from_str(json).map_err(wrong)?;
    let (mut texts, mut attachments) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text { text } | Part::Refusal { refusal: text } => texts.push(text),
            Part::ImageUrl { image_url: ImageUrl::Object { url } | ImageUrl::Text(url) } => {
                attachments.push(image(&url))
            }
            Part::InputAudio { input_audio: InputAudio { data, format } } => {
                let media_type = format!("audio/{}", if format == "mp3" { "mpeg" } else { &format });
                attachments.push(serde_json::json!({"type": "audio", "media_type": media_type, "data": data}));
            }
            Part::File { file: File { file_data: Some(data), filename } } => attachments.push(file(&data, filename)),
            Part::File { file: File { file_data: None, .. } } => {
                return Err(Fault::invalid(
                    "a 'file' is named by an id of OpenAI's, which is nowhere here: send 'file_data'",
                ));
            }
        }
    }
    Ok(Content { text: texts.join("\n"), attachments })
}

fn image(url: &str) -> Value {
    match url.starts_with("data:") {
        true => serde_json::json!({"type": "image", "url": url}),
        // What is behind an address isn't known before it is fetched.
        false => serde_json::json!({"type": "image", "media_type": media_type(url), "url": url}),
    }
}

fn media_type(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => "image/jpeg",
    }
}

fn file(data: &str, name: Option<String>) -> Value {
    match data.starts_with("data:") {
        true => serde_json::json!({"type": "file", "url": data, "name": name}),
        false => {
            serde_json::json!({"type": "file", "media_type": "application/octet-stream", "data": data, "name": name})
        }
    }
}
