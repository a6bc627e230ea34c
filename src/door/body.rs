//! A request's body, bounded in size and in time; compressed or not, whichever form it has.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::{Body, HttpBody, to_bytes},
    http::{HeaderMap, HeaderName, header},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::fault::{Code, Fault};
use crate::domain::{
    ErrorCode,
    codec::{Envelope, decode_text},
};

/// How long a body may take to come.
const TIME: Duration = Duration::from_secs(30);
/// How long, and how much of it, a body that is refused is taken and thrown away: a connection that is closed with something
/// left to read is reset, and its client may never see why.
const LINGERS: Duration = Duration::from_secs(1);
const TAKEN: usize = 1 << 20;

/// The whole body.
///
/// # Errors
/// Where it is larger than `most` bytes, takes too long, or ends before its end.
pub(super) async fn read(body: Body, most: usize) -> Result<Bytes, Fault> {
    let limit = format!("the body has more than the {most} bytes that are accepted");
    // What says so beforehand isn't kept.
    if body.size_hint().lower() > most as u64 {
        let _ = timeout(LINGERS, take(body)).await;
        return Err(Fault::new(Code::Contract(ErrorCode::PayloadTooLarge), limit));
    }
    match timeout(TIME, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(Fault::new(Code::Contract(ErrorCode::PayloadTooLarge), limit)),
        Ok(Err(_)) => Err(Fault::invalid("the body ended before its end")),
        Err(_) => Err(Fault::new(Code::RequestTimeout, format!("the body didn't come within {TIME:?}"))),
    }
}

/// What the headers of a request say of its body.
///
/// # Errors
/// Where it is a form with files.
pub(super) fn envelope(headers: &HeaderMap) -> Result<Envelope<'_>, Fault> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = match text(header::CONTENT_TYPE) {
        Some(form) if is_of(form, "multipart/") => {
            let message = "the body is a form of several parts (multipart), which isn't read here: send JSON, with \
                           Content-Type: application/json; a file goes into it as base64";
            return Err(Fault::new(Code::Contract(ErrorCode::UnsupportedMediaType), message));
        }
        // What curl sends with -d, whatever it is: JSON, as it can be nothing else that is read here.
        Some(form) if is_of(form, "application/x-www-form-urlencoded") => Some("application/json"),
        other => other,
    };
    Ok(Envelope { content_type, content_encoding: text(header::CONTENT_ENCODING), ..Envelope::default() })
}

/// The text of a body in another form than the contract's: JSON, whatever else its content type says it is.
///
/// # Errors
/// As the contract has them of bodies.
pub(super) fn text<'b>(headers: &HeaderMap, body: &'b [u8], most: usize) -> Result<Cow<'b, str>, Fault> {
    let envelope = envelope(headers)?;
    let is_known = |form: &&str| ["application/json", "text/plain"].iter().any(|known| is_of(form, known));
    let envelope = Envelope { content_type: envelope.content_type.filter(is_known), ..envelope };
    Ok(decode_text(&envelope, body, most)?)
}

/// Whether a media type begins so.
fn is_of(media_type: &str, begin: &str) -> bool {
    media_type.trim_start().get(..begin.len()).is_some_and(|it| it.eq_ignore_ascii_case(begin))
}

/// Takes a body, as far as it is taken at all.
async fn take(mut body: Body) {
    let mut taken = 0;
    while let Some(Ok(frame)) = body.frame().await {
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > TAKEN {
            return;
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::io::Write;

    use super::*;

    const TEXT: &str = r#"{"message": "我想退货"}"#;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(content_type: &str, encoding: &str, body: &[u8]) -> Result<String, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        text(&headers, body, 1024).map(Cow::into_owned)
    }

    #[test]
    fn a_body_is_read_compressed_or_not() {
        let types = ["application/json", "Application/JSON; charset=utf-8", "text/plain", "text/xml", ""];
        for content_type in types.into_iter().chain(["application/x-www-form-urlencoded"]) {
            for (encoding, body) in [("", TEXT.into()), ("identity", TEXT.into()), ("gzip", gzip(TEXT))] {
                let read = read(content_type, encoding, &body);
                assert_eq!(read.as_deref(), Ok(TEXT), "{content_type} {encoding}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let check = |content_type: &str, encoding: &str, body: &[u8], code: ErrorCode, why: &str| {
            let fault = read(content_type, encoding, body).unwrap_err();
            assert_eq!(fault.code, Code::Contract(code), "{content_type} {encoding}");
            assert!(fault.message.contains(why), "{}", fault.message);
        };
        let json = "application/json";
        check(json, "br", b"x", ErrorCode::UnsupportedMediaType, "use none, gzip, deflate or zstd");
        check("multipart/form-data; boundary=x", "", b"--x", ErrorCode::UnsupportedMediaType, "send JSON");
        check(json, "gzip", TEXT.as_bytes(), ErrorCode::InvalidMessage, "gzip");
        check(json, "gzip", &gzip(&"x".repeat(2000)), ErrorCode::PayloadTooLarge, "1024 bytes");
        check(json, "", b"\xff", ErrorCode::InvalidMessage, "UTF-8");
    }
}
