//! What is sent for messages that aren't a user's text: to bytes.

use serde::Serialize;
use serde_json::value::RawValue;

use super::to_json;
use crate::domain::{Command, DONE_TYPE, Delivered, Done, SENDER, Spoken};

/// Word that a command was done.
pub fn encode_done(done: &Done) -> Vec<u8> {
    let Done { id, in_reply_to, command, conversation, forgotten, delivered } = done;
    to_json(&DoneJson {
        kind: DONE_TYPE,
        id,
        in_reply_to: in_reply_to.as_deref(),
        sender: SENDER,
        done: command.as_str(),
        conversation: conversation.as_deref(),
        forgotten: *forgotten,
        delivered: delivered.map(|delivered| match delivered {
            Delivered::Yes => Some(true),
            Delivered::No => Some(false),
            Delivered::Unknown => None,
        }),
    })
}

/// What a person says, as the user's client gets it.
pub fn encode_spoken(spoken: &Spoken) -> Vec<u8> {
    let Spoken { id, receiver, conversation, text, locale, metadata } = spoken;
    to_json(&SpokenJson {
        kind: Command::Message.as_str(),
        id,
        sender: SENDER,
        receiver: receiver.as_deref(),
        body: text,
        locale: locale.as_deref(),
        conversation,
        metadata: metadata.as_deref(),
    })
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Done"))]
pub(super) struct DoneJson<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    in_reply_to: Option<&'a str>,
    sender: &'a str,
    done: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
    /// Of `chat.forget`: whether anything was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten: Option<bool>,
    /// Null where nobody can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<Option<bool>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Message"))]
pub(super) struct SpokenJson<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    sender: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<&'a str>,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    conversation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    metadata: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn what_was_done_is_told_in_a_plain_form() {
        let check = |command, forgotten, delivered, expected: &str| {
            let (id, in_reply_to) = ("i".to_owned(), Some("m".to_owned()));
            let conversation = (command != Command::Feedback).then(|| "c".to_owned());
            let done = encode_done(&Done { id, in_reply_to, command, conversation, forgotten, delivered });
            let head = r#"{"type":"chat.done","id":"i","in_reply_to":"m","sender":"chatbot","#;
            assert_eq!(String::from_utf8(done).unwrap(), format!("{head}{expected}}}"));
        };
        for (forgotten, told) in [(true, "true"), (false, "false")] {
            let expected = format!(r#""done":"chat.forget","conversation":"c","forgotten":{told}"#);
            check(Command::Forget, Some(forgotten), None, &expected);
        }
        check(Command::Release, None, None, r#""done":"chat.release","conversation":"c""#);
        check(Command::Feedback, None, None, r#""done":"chat.feedback""#);
        for (delivered, told) in [(Delivered::Yes, "true"), (Delivered::No, "false"), (Delivered::Unknown, "null")] {
            let expected = format!(r#""done":"chat.message","conversation":"c","delivered":{told}"#);
            check(Command::Message, None, Some(delivered), &expected);
        }
    }

    #[test]
    fn what_a_person_says_has_the_conversations_fields() {
        let spoken = Spoken {
            id: "i".to_owned(),
            receiver: Some("u".to_owned()),
            conversation: "c".to_owned(),
            text: "您好".to_owned(),
            locale: Some("zh".to_owned()),
            metadata: Some(RawValue::from_string("{\"a\": 1}".to_owned()).unwrap()),
        };
        let expected = r#"{"type":"chat.message","id":"i","sender":"chatbot","receiver":"u","body":"您好","locale":"zh","conversation":"c","metadata":{"a": 1}}"#;
        assert_eq!(String::from_utf8(encode_spoken(&spoken)).unwrap(), expected);
    }
}
