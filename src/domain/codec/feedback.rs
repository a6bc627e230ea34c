//! Feedback: from what a request's JSON object says beside the fields that every request has.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{invalid, object};
use crate::domain::{Feedback, MAX_SHORT, MessageError, Rating};

/// Its own fields, found but not yet read. Apart from those of other requests, in which these names mean nothing.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "Feedback", description = "What a user thinks of an answer.")
)]
pub(super) struct Fields<'a> {
    /// The reply's id.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", length(min = 1, max = 255)))]
    in_reply_to: Option<&'a RawValue>,
    /// `up` or `down`.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = "^(up|down)$")))]
    value: Option<&'a RawValue>,
    /// The reply's `intent.name`.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    intent: Option<&'a RawValue>,
    /// The reply's `handler`.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    handler: Option<&'a RawValue>,
}

/// Reads it.
///
/// # Errors
/// `invalid_message` where it doesn't say which answer is meant, or what is thought of it.
pub(super) fn read(text: &str) -> Result<Feedback, MessageError> {
    let fields = serde_json::from_str::<Fields<'_>>(text).map_err(|_| {
        invalid(
            "chat.feedback is a JSON object in which no field is there twice: \
             {\"in_reply_to\": \"<the reply's id>\", \"value\": \"up\" or \"down\"}",
        )
    })?;
    let in_reply_to = object::string("in_reply_to", fields.in_reply_to)?.filter(|id| !id.is_empty());
    let in_reply_to = in_reply_to
        .ok_or_else(|| invalid("chat.feedback has to name the answer: {\"in_reply_to\": \"<the reply's id>\"}"))?;
    if in_reply_to.len() > MAX_SHORT {
        let length = in_reply_to.len();
        return Err(invalid(format!("'in_reply_to' has {length} bytes; at most {MAX_SHORT} are accepted")));
    }
    let value = object::string("value", fields.value)?;
    let value = Rating::ALL.into_iter().find(|rating| value.as_deref() == Some(rating.as_str()));
    Ok(Feedback {
        in_reply_to,
        value: value.ok_or_else(|| invalid("the 'value' of chat.feedback is \"up\" or \"down\""))?,
        intent: object::string("intent", fields.intent)?,
        handler: object::string("handler", fields.handler)?,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::domain::{
        Command,
        codec::{Envelope, decode_request, encode_request},
    };

    #[test]
    fn what_it_says_is_read_or_refused_in_a_sentence() {
        fn check(body: &str, expected: Result<Feedback, &str>) {
            let envelope = Envelope { kind: Some(Command::Feedback.as_str()), ..Envelope::default() };
            let decoded = decode_request(&envelope, body.as_bytes(), 1 << 20);
            let found = decoded.map(|request| request.feedback.map(|it| *it)).map_err(|dead| dead.message);
            match expected {
                Ok(expected) => assert_eq!(found, Ok(Some(expected)), "{body}"),
                Err(why) => assert!(found.as_ref().is_err_and(|told| told.contains(why)), "{body} {found:?}"),
            }
        }
        let plain = Feedback { in_reply_to: "r".to_owned(), value: Rating::Up, intent: None, handler: None };
        let full = Feedback {
            value: Rating::Down,
            intent: Some("refund".into()),
            handler: Some("llm".into()),
            ..plain.clone()
        };
        check(r#"{"in_reply_to":"r","value":"up","intent":null,"x":[{}]}"#, Ok(plain));
        check(
            r#"{"in_reply_to":"r","value":"down","intent":"refund","handler":"llm","body":"","conversation":"c"}"#,
            Ok(full),
        );
        for nothing in ["", "{}", r#"{"value":"up"}"#, r#"{"in_reply_to":"","value":"up"}"#, r#"{"in_reply_to":null}"#]
        {
            check(nothing, Err(if nothing.is_empty() { "JSON object" } else { "has to name the answer" }));
        }
        for value in [r#""Up""#, r#""s3cret""#, "null", r#""""#] {
            check(&format!(r#"{{"in_reply_to":"r","value":{value}}}"#), Err(r#"is "up" or "down""#));
        }
        check(r#"{"in_reply_to":"r"}"#, Err(r#"is "up" or "down""#));
        check(r#"{"in_reply_to":"r","value":1}"#, Err("'value' is a number, but must be a string"));
        check(r#"{"in_reply_to":"r","value":"up","intent":{"name":"refund"}}"#, Err("'intent' is an object"));
        check(r#"{"in_reply_to":"r","value":"up","value":"down"}"#, Err("no field is there twice"));
        check(&format!(r#"{{"in_reply_to":"{}","value":"up"}}"#, "r".repeat(256)), Err("at most 255"));
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        let body = r#"{"type":"chat.feedback","id":"f","conversation":"c","in_reply_to":"r","value":"up","intent":"refund","body":""}"#;
        let envelope = Envelope { content_type: Some("application/json"), ..Envelope::default() };
        let request = decode_request(&envelope, body.as_bytes(), 1 << 20).unwrap();
        assert_eq!(String::from_utf8(encode_request(&request)).unwrap(), body);
    }

    #[test]
    fn its_fields_mean_nothing_in_another_request() {
        let body = r#"{"body":"hi","value":7,"value":[],"in_reply_to":{},"intent":1,"handler":2}"#;
        let request = decode_request(&Envelope::default(), body.as_bytes(), 1 << 20).unwrap();
        assert_eq!((request.text.as_str(), request.feedback), ("hi", None));
    }
}
