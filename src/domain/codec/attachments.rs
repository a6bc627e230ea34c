//! A request's attachments: pictures, recordings, files.
//!
//! A field of another type is ignored, as a field of that name was before there were attachments. What is wrong with one
//! element of the list refuses the request, with words that name the element: nothing that a user sent is dropped in
//! silence.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use url::Url;

use super::{
    invalid,
    object::{string, wrong_type},
};
use crate::domain::{Attachment, AttachmentKind, Content, MAX_SHORT, MessageError};

/// How many a request may have: each may have to be fetched.
const MOST: usize = 10;
/// The longest address, in bytes.
const MAX_URL: usize = 4096;

/// Base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The members of an element that mean something, found but not yet read.
#[derive(Deserialize)]
struct Element<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    media_type: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The attachments; none where the field is no list, which is ignored.
///
/// # Errors
/// `invalid_message` where an element can't be used. The sentence quotes nothing of it.
pub(super) fn read(field: Option<&RawValue>) -> Result<Option<Vec<Attachment>>, MessageError> {
    let json = match field.map(RawValue::get) {
        None | Some("null") => return Ok(Some(Vec::new())),
        Some(json) if json.starts_with('[') => json,
        Some(_) => return Ok(None),
    };
    // That it is JSON was found when it was skipped; so it is the number that is wrong.
    let Elements(elements) = serde_json::from_str(json)
        .map_err(|_| invalid(format!("'attachments' has more than the {MOST} elements that are accepted")))?;
    let named = elements.into_iter().enumerate().map(|(at, json)| (format!("attachments[{at}]"), json));
    named.map(|(name, json)| element(&name, json)).collect::<Result<_, _>>().map(Some)
}

/// The attachments that a JSON array tells, as a request's field of that name holds them.
///
/// # Errors
/// `invalid_message` where it is none, or an element can't be used.
pub fn read_attachments(json: &str) -> Result<Vec<Attachment>, MessageError> {
    let field = serde_json::from_str::<&RawValue>(json).map_err(|_| invalid("the attachments aren't valid JSON"))?;
    Ok(read(Some(field))?.unwrap_or_default())
}

/// The elements of a list, no more than [`MOST`]: a long list takes no memory.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor)
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Elements<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() == MOST {
                return Err(de::Error::custom("too many"));
            }
            elements.push(element);
        }
        Ok(Elements(elements))
    }
}

fn element(name: &str, json: &RawValue) -> Result<Attachment, MessageError> {
    if !json.get().starts_with('{') {
        return Err(wrong_type(name, "an object", json.get()));
    }
    let element: Element<'_> =
        serde_json::from_str(json.get()).map_err(|_| invalid(format!("'{name}' has a member more than once")))?;
    let field = |key: &str, value| string(&format!("{name}.{key}"), value);
    let url = field("url", element.url)?.filter(|url| !url.is_empty());
    let given = field("media_type", element.media_type)?.filter(|given| !given.trim().is_empty());
    let given = given.map(|given| essence(name, &given)).transpose()?;
    let (content, told) = match (url, field("data", element.data)?) {
        (Some(_), Some(_)) => return Err(invalid(format!("'{name}' has both 'url' and 'data': send one of them"))),
        (None, None) => {
            return Err(invalid(format!(
                "'{name}' has neither 'url' nor 'data': send what it holds, or where that is"
            )));
        }
        (None, Some(data)) => (decoded(&format!("{name}.data"), &data)?, None),
        (Some(url), None) => address(name, url)?,
    };
    let media_type = match (given, told) {
        (Some(given), Some(told)) if given != told => {
            return Err(invalid(format!("'{name}' has another 'media_type' than its 'data:' address")));
        }
        (Some(media_type), _) | (None, Some(media_type)) => media_type,
        (None, None) => {
            return Err(invalid(format!("'{name}' has no 'media_type': send what it is, such as image/png")));
        }
    };
    let kind = kind(name, field("type", element.kind)?.as_deref(), &media_type)?;
    let called = field("name", element.name)?.filter(|called| !called.is_empty());
    if let Some(length) = called.as_ref().map(String::len).filter(|length| *length > MAX_SHORT) {
        return Err(invalid(format!("'{name}.name' has {length} bytes; at most {MAX_SHORT} are accepted")));
    }
    Ok(Attachment { kind, media_type, name: called, content })
}

/// A media type without its parameters, in lower case (RFC 6838, 4.2).
fn essence(name: &str, given: &str) -> Result<String, MessageError> {
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_token = |part: &str| {
        (1..=127).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype)) {
        true => Ok(essence),
        false => Err(invalid(format!("'{name}.media_type' is no media type: send one such as image/png"))),
    }
}

/// What an attachment is: what the client says, as far as its media type can be that; else what that says.
fn kind(name: &str, given: Option<&str>, media_type: &str) -> Result<AttachmentKind, MessageError> {
    // What browsers record is audio in a container that may hold pictures as well.
    let is_audio = media_type.starts_with("audio/");
    let may_be_audio = is_audio || media_type.starts_with("video/") || media_type == "application/ogg";
    let is_image = media_type.starts_with("image/");
    match given {
        None | Some("") if is_image => Ok(AttachmentKind::Image),
        None | Some("") if is_audio => Ok(AttachmentKind::Audio),
        None | Some("" | "file") => Ok(AttachmentKind::File),
        Some("image") if is_image => Ok(AttachmentKind::Image),
        Some("audio") if may_be_audio => Ok(AttachmentKind::Audio),
        Some("image" | "audio") => Err(invalid(format!("'{name}' has a 'media_type' that its 'type' can't have"))),
        Some(_) => Err(invalid(format!("'{name}.type' has to be image, audio or file"))),
    }
}

/// What stands in a `data:` URL (RFC 2397), with its media type; or an address that can be fetched.
fn address(name: &str, url: String) -> Result<(Content, Option<String>), MessageError> {
    if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        let (head, data) = url[5..].split_once(',').unwrap_or_default();
        let lower = head.to_ascii_lowercase();
        let Some(media_type) = lower.strip_suffix(";base64") else {
            return Err(invalid(format!("'{name}.url' is a 'data:' address that isn't data:TYPE;base64,…")));
        };
        let told = (!media_type.is_empty()).then(|| essence(name, media_type)).transpose()?;
        return Ok((decoded(&format!("{name}.url"), data)?, told));
    }
    if url.len() > MAX_URL {
        return Err(invalid(format!("'{name}.url' has {} bytes; at most {MAX_URL} are accepted", url.len())));
    }
    let parsed = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match parsed {
        None => Err(invalid(format!("'{name}.url' is no address: send one such as https://files.example.com/a.png"))),
        Some(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            Err(invalid(format!("'{name}.url' holds a user or a password, which isn't accepted")))
        }
        Some(_) => Ok((Content::Url { url, fetched: None }, None)),
    }
}

/// Bytes from Base64, which may be broken into lines.
fn decoded(name: &str, data: &str) -> Result<Content, MessageError> {
    let in_lines = data.bytes().any(|byte| byte.is_ascii_whitespace());
    let bytes = match in_lines {
        true => BASE64.decode(data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>()),
        false => BASE64.decode(data),
    };
    match bytes {
        Ok(bytes) if bytes.is_empty() => Err(invalid(format!("'{name}' is empty: there is nothing in it"))),
        Ok(bytes) => Ok(Content::Data(Bytes::from(bytes))),
        Err(_) => Err(invalid(format!("'{name}' isn't Base64"))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn read_json(json: &str) -> Result<Option<Vec<Attachment>>, MessageError> {
        read(Some(&RawValue::from_string(json.to_owned()).unwrap()))
    }

    fn data(kind: AttachmentKind, media_type: &str, bytes: &'static [u8]) -> Attachment {
        let content = Content::Data(Bytes::from_static(bytes));
        Attachment { kind, media_type: media_type.into(), name: None, content }
    }

    #[test]
    fn an_attachment_comes_along_or_is_named() {
        fn check(json: &str, expected: Attachment) {
            assert_eq!(read_json(&format!("[{json}]")), Ok(Some(vec![expected])), "{json}");
        }
        use AttachmentKind::{Audio, File, Image};
        let png = data(Image, "image/png", b"\xff\xfe\xfd\xfc");
        check(r#"{"media_type":"image/png","data":"//79/A=="}"#, png.clone());
        check(r#"{"media_type":"image/png","data":"\/\/79\/A","type":null,"x":[]}"#, png.clone());
        check(r#"{"media_type":" IMAGE/PNG; q=1","type":"image","data":"//79\r\n/A=="}"#, png.clone());
        check(r#"{"url":"data:image/png;base64,//79/A=="}"#, png.clone());
        check(r#"{"url":"DATA:Image/PNG;x=y;BASE64,//79/A","media_type":"image/png"}"#, png.clone());
        check(
            r#"{"media_type":"image/png","name":"a.png","data":"//79/A=="}"#,
            Attachment { name: Some("a.png".into()), ..png },
        );
        check(r#"{"media_type":"audio/ogg","data":"eA"}"#, data(Audio, "audio/ogg", b"x"));
        check(r#"{"media_type":"video/webm","type":"audio","data":"eA"}"#, data(Audio, "video/webm", b"x"));
        check(r#"{"media_type":"video/webm","data":"eA"}"#, data(File, "video/webm", b"x"));
        check(r#"{"media_type":"image/png","type":"file","data":"eA"}"#, data(File, "image/png", b"x"));
        check(r#"{"media_type":"application/pdf","data":"eA"}"#, data(File, "application/pdf", b"x"));
        let url = "https://files.example.com/a.png?key=1";
        let content = Content::Url { url: url.into(), fetched: None };
        check(
            &format!(r#"{{"media_type":"image/png","url":"{url}"}}"#),
            Attachment { kind: Image, media_type: "image/png".into(), name: None, content },
        );
    }

    #[test]
    fn a_field_that_is_no_list_is_ignored_and_a_broken_element_is_told() {
        for other in ["5", "\"SECRET\"", "{}", "true"] {
            assert_eq!(read_json(other), Ok(None), "{other}");
        }
        for empty in ["null", "[]"] {
            assert_eq!(read_json(empty), Ok(Some(Vec::new())), "{empty}");
        }
        fn check(element: &str, expected: &str) {
            let error = read_json(&format!(r#"[{{"media_type":"image/png","data":"eA"}},{element}]"#)).unwrap_err();
            assert!(error.message.starts_with(expected), "{element}: {}", error.message);
            assert!(!error.message.contains("SECRET"), "{element}: {}", error.message);
        }
        check("5", "'attachments[1]' is a number, but must be an object");
        check("{}", "'attachments[1]' has neither 'url' nor 'data'");
        check(r#"{"data":"eA"}"#, "'attachments[1]' has no 'media_type'");
        check(r#"{"data":"eA","data":"eA"}"#, "'attachments[1]' has a member more than once");
        check(r#"{"media_type":"SECRET","data":"eA"}"#, "'attachments[1].media_type' is no media type");
        check(r#"{"media_type":"image/","data":"eA"}"#, "'attachments[1].media_type' is no media type");
        check(r#"{"media_type":"a/b","data":"SECRET!"}"#, "'attachments[1].data' isn't Base64");
        check(r#"{"media_type":"a/b","data":""}"#, "'attachments[1].data' is empty");
        check(r#"{"media_type":"a/b","data":7}"#, "'attachments[1].data' is a number, but must be a string");
        check(r#"{"media_type":"a/b","data":"eA","url":"https://h"}"#, "'attachments[1]' has both");
        check(r#"{"media_type":"a/b","data":"eA","type":"SECRET"}"#, "'attachments[1].type' has to be");
        check(r#"{"media_type":"audio/ogg","data":"eA","type":"image"}"#, "'attachments[1]' has a 'media_type' that");
        check(r#"{"media_type":"a/b","url":"data:image/png;base64,eA"}"#, "'attachments[1]' has another 'media_type'");
        check(r#"{"url":"data:image/png,SECRET"}"#, "'attachments[1].url' is a 'data:' address");
        check(r#"{"url":"data:"}"#, "'attachments[1].url' is a 'data:' address");
        for url in ["SECRET", "file:///etc/SECRET", "ftp://h/SECRET", "https://", "//h/x"] {
            let element = format!(r#"{{"media_type":"a/b","url":"{url}"}}"#);
            check(&element, "'attachments[1].url' is no address");
        }
        check(r#"{"media_type":"a/b","url":"https://u:SECRET@h/"}"#, "'attachments[1].url' holds a user");
        check(
            &format!(r#"{{"media_type":"a/b","url":"https://{}"}}"#, "h".repeat(5000)),
            "'attachments[1].url' has 5008",
        );
        let name = "x".repeat(256);
        check(&format!(r#"{{"media_type":"a/b","data":"eA","name":"{name}"}}"#), "'attachments[1].name' has 256 bytes");
        let many = [r#"{"media_type":"a/b","data":"eA"}"#; 11].join(",");
        assert_eq!(
            read_json(&format!("[{many}]")).unwrap_err().message,
            "'attachments' has more than the 10 elements that are accepted"
        );
    }
}
