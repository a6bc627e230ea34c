//! What a service answered: what was asked for, or what went wrong, by its status or by an error within a 200.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Failure, ServiceError,
    words::{quotation, without},
};

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    pub(super) service: Arc<str>,
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
    /// What must not be told of what it says: what a user wrote, and what lets this worker in.
    pub(super) private: Vec<String>,
}

/// Words by which a service says that it is this text which it doesn't take: content filters.
const FILTERS: [&str; 21] = [
    "content_filter",
    "content filter",
    "contentfilter",
    "content management policy",
    "content_policy",
    "content policy",
    "content exists risk",
    "considered high risk",
    "data_inspection",
    "datainspection",
    "moderation",
    "flagged",
    "inappropriate",
    "jailbreak",
    "sensitive content",
    "sensitive information",
    "sensitive word",
    "safety system",
    "不安全",
    "敏感",
    "违规",
];

/// The same of a text that is too long.
const LENGTHS: [&str; 10] = [
    "context_length",
    "context length",
    "context window",
    "maximum context",
    "input length",
    "too long",
    "too large",
    "too many tokens",
    "maximum length",
    "上下文长度",
];

impl Answer {
    /// Its body as JSON of that form.
    ///
    /// # Errors
    /// What went wrong, where it isn't.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        if !self.status.is_success() {
            return Err(self.fault());
        }
        let read = serde_json::from_slice(&self.body).or_else(|error| {
            // Programs in Python write NaN and Infinity, which JSON hasn't.
            serde_json::from_slice(&without_endless(&self.body)).map_err(|_| error)
        });
        read.map_err(|error| self.error_within().unwrap_or_else(|| self.isnt_of_form(&error)))
    }

    /// The status that it stands for: its own, or that of an error within a 200.
    pub fn status(&self) -> u16 {
        match self.status.is_success() {
            true => self.json().as_ref().and_then(status_within).unwrap_or(self.status.as_u16()),
            false => self.status.as_u16(),
        }
    }

    /// Whether nothing came but a status.
    pub fn is_empty(&self) -> bool {
        self.body.trim_ascii().is_empty()
    }

    /// What went wrong, by its status; for an answer of which nothing can be used.
    pub fn fault(&self) -> ServiceError {
        let json = self.json();
        self.judged(self.status(), json.as_ref())
    }

    /// What went wrong, where a 200 holds an error in place of what was asked for.
    pub fn error_within(&self) -> Option<ServiceError> {
        let json = self.json()?;
        match status_within(&json) {
            Some(status) => Some(self.judged(status, Some(&json))),
            // It doesn't say whose fault it is.
            None if holds_error(&json) => Some(ServiceError {
                said: self.said_in(&json),
                ..self.error(Failure::BadAnswer, "it answered with an error")
            }),
            None => None,
        }
    }

    /// A failure of this answer's.
    pub fn error(&self, failure: Failure, reason: impl Into<String>) -> ServiceError {
        ServiceError::new(&self.service, failure, reason)
    }

    /// A service's own words as they may be told.
    pub fn quoted(&self, said: &str) -> Option<String> {
        quotation(said, &self.private)
    }

    /// Everything that it says, in lower case, without what is private: for finding words in it.
    pub fn lower(&self) -> String {
        without(&String::from_utf8_lossy(&self.body), &self.private).to_ascii_lowercase()
    }

    /// Whether it says that a content filter took offence at the text.
    pub fn is_filtered(&self) -> bool {
        let said = self.lower();
        FILTERS.iter().any(|word| said.contains(word))
    }

    /// Whether it says that the text is too long.
    pub fn is_too_long(&self) -> bool {
        let said = self.lower();
        self.status() == 413 || LENGTHS.iter().any(|word| said.contains(word))
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    fn judged(&self, status: u16, json: Option<&Value>) -> ServiceError {
        let failure = match status {
            429 => Failure::Throttled,
            503 if self.retry_after.is_some() => Failure::Throttled,
            // Some refuse a text with 403 or 451, and say why.
            400..=499 if self.is_filtered() => Failure::Refused,
            408 | 500.. => Failure::Server,
            // Key, account and address are the same for every text.
            300..=399 | 401..=405 | 407 | 410 => Failure::Denied,
            _ => Failure::Refused,
        };
        let hint = match status {
            300..=399 => ": it redirects, which isn't followed; set the address that it redirects to",
            401 | 403 if failure == Failure::Denied => ": is the key right?",
            402 => ": is the account in credit?",
            404 | 405 => ": are the address and the model's name right?",
            _ => "",
        };
        let code = json.and_then(code).map(|code| format!(", {code}")).unwrap_or_default();
        let within = if self.status.is_success() { " within a 200" } else { "" };
        ServiceError {
            retry_after: self.retry_after,
            said: json.map_or_else(|| self.said_plainly(), |json| self.said_in(json)),
            ..self.error(failure, format!("it answered {status}{within}{code}{hint}"))
        }
    }

    fn isnt_of_form(&self, error: &serde_json::Error) -> ServiceError {
        if self.body.trim_ascii_start().starts_with(b"<") {
            // A page is what any text gets from a wrong address, a proxy, or a server that isn't up.
            return self.error(Failure::Denied, "it answered with a page of HTML: is the address right?");
        }
        // The error's own words may quote the answer, which may quote the text.
        let reason = format!("it isn't JSON of the form that was expected, at column {}", error.column());
        self.error(Failure::BadAnswer, reason)
    }

    /// What an error answer says in its own words, where services put them.
    fn said_in(&self, json: &Value) -> Option<String> {
        const PLACES: [&str; 10] = [
            "/error/message",
            "/error",
            "/message",
            "/error_msg",
            "/base_resp/status_msg",
            "/detail/0/msg",
            "/detail",
            "/errors/0/message",
            "/msg",
            "/reason",
        ];
        let json = json.as_array().and_then(|list| list.first()).unwrap_or(json);
        let words = PLACES.into_iter().find_map(|place| json.pointer(place)?.as_str())?;
        // A gateway's own words, and behind them those of the provider that it asked.
        let behind = json.pointer("/error/metadata/raw").and_then(Value::as_str);
        self.quoted(&behind.map_or_else(|| words.to_owned(), |behind| format!("{words}: {behind}")))
    }

    /// The same of an answer that isn't JSON; a page of HTML says nothing.
    fn said_plainly(&self) -> Option<String> {
        let text = str::from_utf8(&self.body).ok().filter(|text| !text.trim_start().starts_with('<'))?;
        self.quoted(text)
    }
}

/// Whether JSON says that it is an error, by what services have for it.
fn holds_error(json: &Value) -> bool {
    let told = |place| match json.pointer(place) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(value) => value.as_i64() != Some(0),
    };
    ["/error", "/error_code", "/error_msg", "/base_resp/status_code"].into_iter().any(told)
}

/// The status that an error within an answer stands for; none where it doesn't say.
fn status_within(json: &Value) -> Option<u16> {
    const PLACES: [&str; 8] = [
        "/error/code",
        "/error/status",
        "/error/type",
        "/error_code",
        "/error_type",
        "/code",
        "/status",
        "/base_resp/status_code",
    ];
    let found = || PLACES.into_iter().filter_map(|place| json.pointer(place));
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let status = |number: u64| u16::try_from(number).ok().filter(|status| (400..600).contains(status));
    found().filter_map(number).find_map(status).or_else(|| found().filter_map(Value::as_str).find_map(status_of_word))
}

/// The status that the name of an error stands for.
fn status_of_word(word: &str) -> Option<u16> {
    const NAMES: [(u16, &[&str]); 6] = [
        (400, &["content_filter", "context_length", "too_large", "data_inspection"]),
        (429, &["rate_limit", "ratelimit", "too_many", "throttl", "quota", "exhausted"]),
        (401, &["auth", "api_key", "apikey", "permission", "forbidden", "denied"]),
        (404, &["not_found", "notfound"]),
        (503, &["overloaded", "unavailable", "server_error", "internal", "upstream", "timeout", "gateway"]),
        (400, &["invalid", "bad_request", "unsupported", "validation"]),
    ];
    let word = word.to_ascii_lowercase();
    NAMES.into_iter().find(|(_, names)| names.iter().any(|name| word.contains(name))).map(|(status, _)| status)
}

/// What an error answer calls itself, where that is a plain word.
fn code(json: &Value) -> Option<String> {
    let code = ["/error/code", "/error/type", "/code", "/error_type", "/type"]
        .into_iter()
        .find_map(|pointer| json.pointer(pointer)?.as_str())?;
    let plain = code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    plain.then(|| code.to_owned())
}

/// JSON with null in place of numbers that JSON hasn't: NaN, infinities, and those that are too large for any use.
fn without_endless(json: &[u8]) -> Vec<u8> {
    let (mut out, mut at, mut quoted) = (Vec::with_capacity(json.len()), 0, false);
    let of_number = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    while let Some(&byte) = json.get(at) {
        let length = json[at..].iter().take_while(|byte| of_number(byte)).count();
        let word = &json[at..at + length];
        if quoted && byte == b'\\' {
            out.extend(json[at..].iter().take(2));
            at += 2;
        } else if quoted || length == 0 {
            quoted ^= byte == b'"';
            out.push(byte);
            at += 1;
        } else {
            let number = str::from_utf8(word).ok().and_then(|word| word.parse::<f64>().ok());
            out.extend_from_slice(if number.is_some_and(|number| !number.is_finite()) { b"null" } else { word });
            at += length;
        }
    }
    out
}
