//! Pictures, recordings and files of a message in OpenAI's form, as the contract's attachments; and what is wrong with one, by
//! the names of that form.

use serde_json::{Value, json};

use crate::{
    domain::{Attachment, MessageError, codec::read_attachments},
    door::fault::Fault,
};

/// The members of the contract's attachments; at last the whole.
const MEMBERS: [&str; 6] = [".url", ".data", ".media_type", ".name", ".type", ""];

/// An attachment, and what its client calls it.
pub(super) struct Attached {
    json: Value,
    /// The part of the message: `messages[0].content[1]`.
    part: String,
    /// The field of the part that holds it.
    holds: &'static str,
}

impl Attached {
    /// A picture; `holds` is where its address stands, as several clients shorten it.
    pub(super) fn image(part: String, holds: &'static str, url: &str) -> Self {
        let json = match url.starts_with("data:") {
            true => json!({"type": "image", "url": url}),
            // What is behind an address isn't known before it is fetched.
            false => json!({"type": "image", "media_type": media_type(url), "url": url}),
        };
        Self { json, part, holds }
    }

    pub(super) fn audio(part: String, data: &str, format: &str) -> Self {
        let media_type = format!("audio/{}", if format == "mp3" { "mpeg" } else { format });
        let json = json!({"type": "audio", "media_type": media_type, "data": data});
        Self { json, part, holds: "input_audio.data" }
    }

    pub(super) fn file(part: String, data: &str, name: Option<&str>) -> Self {
        let json = match data.starts_with("data:") {
            true => json!({"type": "file", "url": data, "name": name}),
            false => json!({"type": "file", "media_type": "application/octet-stream", "data": data, "name": name}),
        };
        Self { json, part, holds: "file.file_data" }
    }

    /// What its client calls a member of the contract's attachment.
    fn field(&self, member: &str) -> String {
        let field = match (self.holds, member) {
            ("input_audio.data", ".media_type") => "input_audio.format",
            ("file.file_data", ".name") => "file.filename",
            (holds, _) => holds,
        };
        format!("{}.{field}", self.part)
    }
}

/// Reads what the content of a message holds beside its text.
///
/// # Errors
/// What is wrong with one, which is named as its client does; or with all of them, with the name of the content.
pub(super) fn read(content: &str, attached: Vec<Attached>) -> Result<Vec<Attachment>, Fault> {
    let mut parts = Vec::new();
    let all = attached.into_iter().map(|mut it| {
        let json = it.json.take();
        parts.push(it);
        json
    });
    let all = Value::Array(all.collect()).to_string();
    read_attachments(&all).map_err(|error| in_its_words(error, content, &parts))
}

fn in_its_words(error: MessageError, content: &str, attached: &[Attached]) -> Fault {
    let mut fault = Fault::from(error);
    let (ours, theirs) = attached
        .iter()
        .enumerate()
        .flat_map(|(at, it)| MEMBERS.map(|member| (format!("'attachments[{at}]{member}'"), it.field(member))))
        .find(|(ours, _)| fault.message.contains(ours.as_str()))
        .unwrap_or_else(|| ("'attachments'".to_owned(), content.to_owned()));
    fault.message = fault.message.replace(&ours, &format!("'{theirs}'"));
    fault.of_field(theirs)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    const CONTENT: &str = "messages[2].content";

    fn part(at: usize) -> String {
        format!("{CONTENT}[{at}]")
    }

    fn image(url: &str) -> Attached {
        Attached::image(part(0), "image_url.url", url)
    }

    #[test]
    fn what_is_wrong_with_one_is_told_by_its_clients_names() {
        let check = |attached: Attached, field: &str, why: &str| {
            let fault = read(CONTENT, vec![image("https://a.example/b.png"), attached]).unwrap_err();
            let field = format!("{}.{field}", part(1));
            assert_eq!(fault.field.as_deref(), Some(field.as_str()), "{}", fault.message);
            let told = format!("'{field}' {why}");
            assert!(fault.message.starts_with(&told) && !fault.message.contains("attachments"), "{}", fault.message);
        };
        let url = "image_url.url";
        check(Attached::image(part(1), url, "ftp://x/y.png"), url, "is no address");
        check(Attached::image(part(1), "image_url", "/y.png"), "image_url", "is no address");
        check(Attached::image(part(1), url, "data:image/png;base64,!"), url, "isn't Base64");
        check(Attached::image(part(1), url, "data:text/plain;base64,eA"), url, "has a 'media_type'");
        check(Attached::audio(part(1), "!", "wav"), "input_audio.data", "isn't Base64");
        check(Attached::audio(part(1), "eA", "w v"), "input_audio.format", "is no media type");
        check(Attached::file(part(1), "", None), "file.file_data", "is empty");
        check(Attached::file(part(1), "eA", Some(&"名".repeat(200))), "file.filename", "has 600 bytes");
    }

    #[test]
    fn too_many_are_the_contents() {
        let many = (0..11).map(|_| image("https://a.example/b.png")).collect();
        let fault = read(CONTENT, many).unwrap_err();
        assert_eq!(fault.field.as_deref(), Some(CONTENT));
        assert!(fault.message.starts_with("'messages[2].content' has more than the 10"), "{}", fault.message);
    }

    #[test]
    fn what_is_right_is_read() {
        let attached = vec![
            image("https://a.example/b.png?c=1"),
            Attached::audio(part(1), "eA", "mp3"),
            Attached::file(part(2), "data:application/pdf;base64,eA==", Some("a.pdf")),
        ];
        let read = read(CONTENT, attached).unwrap();
        let types: Vec<&str> = read.iter().map(|it| it.media_type.as_str()).collect();
        assert_eq!(types, ["image/png", "audio/mpeg", "application/pdf"]);
    }
}
