//! Speech becomes text by a service of OpenAI's form: `POST /audio/transcriptions`, a form with the recording.
//!
//! **Invariant:** nothing that a user or a client wrote is a file's name or a header: what the recording is called there
//! comes from this file's own table.

use bytes::Bytes;
use reqwest::{
    Body,
    multipart::{Form, Part},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use super::{Failure, Service, ServiceError};

/// How recordings are sent.
#[derive(Debug, Clone)]
pub struct TranscriptionSettings {
    /// The model's name at the server.
    pub model: Option<String>,
    /// More fields of the form.
    pub extra: Map<String, Value>,
}

/// A service that makes text of speech.
#[derive(Debug)]
pub struct Transcriber {
    service: Service,
    url: Url,
    settings: TranscriptionSettings,
}

#[derive(Debug, Deserialize)]
struct Transcription {
    text: String,
}

impl Transcriber {
    /// The transcriptions of a service.
    pub fn new(service: Service, settings: TranscriptionSettings) -> Self {
        let url = service.endpoint().with_path("/audio/transcriptions");
        Self { service, url, settings }
    }

    /// What is said in a recording, without white space around it; nothing, where nothing is said. `language` is that of
    /// the speaker, a BCP 47 tag, where it is known. Within the service's bounds.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn transcribe(
        &self,
        audio: &Bytes,
        media_type: &str,
        language: Option<&str>,
        deadline: Instant,
    ) -> Result<String, ServiceError> {
        let endpoint = self.service.endpoint();
        let asked = |deadline| async move {
            let form =
                self.form(audio, media_type, language).map_err(|reason| endpoint.error(Failure::Internal, reason))?;
            let answer: Transcription = endpoint.post_form(&self.url, form, deadline).await?.read()?;
            Ok::<_, ServiceError>(answer.text.trim().to_owned())
        };
        self.service.call(deadline, asked).await
    }

    fn form(&self, audio: &Bytes, media_type: &str, language: Option<&str>) -> Result<Form, String> {
        let length = audio.len() as u64;
        let file = Part::stream_with_length(Body::from(audio.clone()), length).file_name(file_name(media_type));
        let file = file.mime_str(media_type).map_err(|_| "the recording has a media type that can't be sent")?;
        let mut form = Form::new().part("file", file).text("response_format", "json");
        if let Some(model) = &self.settings.model {
            form = form.text("model", model.clone());
        }
        // The form knows languages of two letters.
        let primary = language.and_then(|tag| tag.split(['-', '_']).next()).map(str::to_ascii_lowercase);
        let primary = primary.filter(|tag| tag.len() == 2 && tag.bytes().all(|b| b.is_ascii_lowercase()));
        if let Some(language) = primary.filter(|_| !self.settings.extra.contains_key("language")) {
            form = form.text("language", language);
        }
        for (name, value) in &self.settings.extra {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            form = form.text(name.clone(), value);
        }
        Ok(form)
    }
}

/// What a recording is called: servers tell its form by the ending.
fn file_name(media_type: &str) -> &'static str {
    match media_type {
        "audio/mpeg" | "audio/mp3" | "audio/mpga" => "audio.mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio.wav",
        "audio/webm" | "video/webm" => "audio.webm",
        "audio/ogg" | "application/ogg" | "audio/opus" | "audio/vorbis" | "video/ogg" => "audio.ogg",
        "audio/mp4" | "audio/x-m4a" | "audio/m4a" | "audio/aac" => "audio.m4a",
        "video/mp4" => "audio.mp4",
        "audio/flac" | "audio/x-flac" => "audio.flac",
        "audio/amr" => "audio.amr",
        _ => "audio",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::outbound::stub::{Act, Stub};

    async fn said(
        stub: &Stub,
        model: Option<&str>,
        extra: Value,
        language: Option<&str>,
    ) -> Result<String, ServiceError> {
        let extra = extra.as_object().cloned().unwrap_or_default();
        let settings = TranscriptionSettings { model: model.map(str::to_owned), extra };
        let transcriber = Transcriber::new(stub.service(), settings);
        let deadline = Instant::now() + Duration::from_secs(20);
        transcriber.transcribe(&Bytes::from_static(b"OggS\0\xff"), "audio/ogg", language, deadline).await
    }

    /// The fields of a form by RFC 7578: each one's headers, and what it holds.
    fn fields(stub: &Stub) -> Vec<(String, Vec<u8>)> {
        let seen = stub.seen().pop().unwrap();
        let kind = seen.header("content-type").unwrap().to_owned();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap().trim_matches('"').to_owned();
        let (mut body, mark) = (seen.body.as_slice(), format!("--{boundary}").into_bytes());
        let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|window| window == what);
        let mut fields = Vec::new();
        while let Some(start) = find(body, &mark) {
            body = &body[start + mark.len()..];
            let Some(end) = find(body, &mark) else { break };
            let head = find(body, b"\r\n\r\n").unwrap();
            fields.push((String::from_utf8(body[2..head].to_vec()).unwrap(), body[head + 4..end - 2].to_vec()));
        }
        assert_eq!(body, b"--\r\n");
        fields
    }

    #[tokio::test]
    async fn a_recording_is_sent_as_openai_has_it() {
        let stub = Stub::script(vec![Act::json(&json!({"text": " 我想退货。\n"}))]).await;
        assert_eq!(said(&stub, Some("whisper-1"), Value::Null, Some("zh-CN")).await.unwrap(), "我想退货。");
        assert!(stub.seen()[0].head.starts_with("POST /audio/transcriptions HTTP/1.1"));
        let field =
            |name: &str, value: &str| (format!("Content-Disposition: form-data; name=\"{name}\""), value.into());
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"audio.ogg\"\r\nContent-Type: audio/ogg";
        assert_eq!(
            fields(&stub),
            [
                (file.to_owned(), b"OggS\0\xff".to_vec()),
                field("response_format", "json"),
                field("model", "whisper-1"),
                field("language", "zh")
            ]
        );
        // A language that the form doesn't know is found out by the server; what the operator says goes first.
        for (extra, language, expected) in [
            (Value::Null, Some("yue"), None),
            (Value::Null, Some("中文"), None),
            (Value::Null, None, None),
            (json!({"language": "en", "temperature": 0}), Some("zh"), Some("en")),
        ] {
            said(&stub, None, extra, language).await.unwrap();
            let fields = fields(&stub);
            let of = |name: &str| {
                let found = fields.iter().find(|(head, _)| head.contains(&format!("name=\"{name}\"")));
                found.map(|(_, value)| String::from_utf8(value.clone()).unwrap())
            };
            assert_eq!((of("language").as_deref(), of("model")), (expected, None));
            assert_eq!(of("temperature").as_deref(), expected.map(|_| "0"));
        }
    }

    #[tokio::test]
    async fn whose_fault_a_failure_is() {
        async fn check(act: Act, expected: Failure) {
            let stub = Stub::script(vec![act.clone()]).await;
            let error = said(&stub, None, Value::Null, None).await.unwrap_err();
            assert_eq!(error.failure, expected, "{act:?}");
        }
        let status = |status, body: &str| Act::Answer(status, "", body.to_owned());
        check(status(400, r#"{"error":{"message":"Invalid file format."}}"#), Failure::Refused).await;
        check(status(413, ""), Failure::Refused).await;
        check(status(401, ""), Failure::Denied).await;
        check(status(404, ""), Failure::Denied).await;
        check(status(429, ""), Failure::Throttled).await;
        check(status(500, ""), Failure::Server).await;
        check(Act::Close, Failure::Unreachable).await;
        check(Act::json(&json!({"language": "zh"})), Failure::BadAnswer).await;
        assert_eq!(
            said(&Stub::script(vec![Act::json(&json!({"text": " "}))]).await, None, Value::Null, None).await.unwrap(),
            ""
        );
    }
}
