//! `--attach`: pictures, recordings and files that go along with a question.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use url::Url;

use super::{Exit, Failure};
use crate::domain::{Attachment, AttachmentKind, Content, MAX_SHORT};

/// The largest file: the largest body that a worker can be told to take.
const MAX_SIZE: u64 = 64 << 20;

/// What goes along with the question.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Attaching {
    /// A picture, a recording or another file to send along: a file, or the http:// or https:// address of one; may be
    /// repeated. Its ending says what it is
    #[arg(long = "attach", value_name = "FILE|URL")]
    attach: Vec<String>,
}

impl Attaching {
    pub(super) fn is_empty(&self) -> bool {
        self.attach.is_empty()
    }

    /// The attachments, read.
    ///
    /// # Errors
    /// Where a file can't be read, or is too large.
    pub(super) fn read(&self) -> Result<Vec<Attachment>, Failure> {
        self.attach.iter().map(|from| attachment(from)).collect()
    }
}

fn attachment(from: &str) -> Result<Attachment, Failure> {
    let url = Url::parse(from).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let path = url.as_ref().map_or_else(|| PathBuf::from(from), |url| PathBuf::from(url.path()));
    let (kind, media_type) = media_type(&path);
    let content = match url {
        Some(url) => Content::Url { url: url.into(), fetched: None },
        None => Content::Data(contents(&path)?),
    };
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| name.len() <= MAX_SHORT);
    Ok(Attachment { kind, media_type: media_type.to_owned(), name: name.map(str::to_owned), content })
}

fn contents(path: &Path) -> Result<Bytes, Failure> {
    let failure = |reason: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{}: {reason}", path.display()));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes));
    read.map_err(|error| failure(&error))?;
    match bytes.len() as u64 {
        0 => Err(failure(&"it is empty")),
        length if length > MAX_SIZE => Err(failure(&format!("it is larger than {} MiB", MAX_SIZE >> 20))),
        _ => Ok(bytes.into()),
    }
}

/// What a file is by its ending.
fn media_type(path: &Path) -> (AttachmentKind, &'static str) {
    use AttachmentKind::{Audio, File, Image};
    const TYPES: [(&str, AttachmentKind, &str); 18] = [
        ("png", Image, "image/png"),
        ("jpg", Image, "image/jpeg"),
        ("jpeg", Image, "image/jpeg"),
        ("gif", Image, "image/gif"),
        ("webp", Image, "image/webp"),
        ("mp3", Audio, "audio/mpeg"),
        ("wav", Audio, "audio/wav"),
        ("ogg", Audio, "audio/ogg"),
        ("oga", Audio, "audio/ogg"),
        ("opus", Audio, "audio/ogg"),
        ("webm", Audio, "audio/webm"),
        ("m4a", Audio, "audio/mp4"),
        ("flac", Audio, "audio/flac"),
        ("amr", Audio, "audio/amr"),
        ("pdf", File, "application/pdf"),
        ("txt", File, "text/plain"),
        ("csv", File, "text/csv"),
        ("json", File, "application/json"),
    ];
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let found = TYPES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(ending));
    found.map_or((File, "application/octet-stream"), |(_, kind, media_type)| (*kind, media_type))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn what_is_attached_is_told_by_its_ending() {
        let png = attachment("https://files.example.com/a/b.PNG?key=1").unwrap();
        let expected = (AttachmentKind::Image, "image/png", Some("b.PNG"));
        assert_eq!((png.kind, png.media_type.as_str(), png.name.as_deref()), expected);
        assert_eq!(png.to_fetch(), Some("https://files.example.com/a/b.PNG?key=1"));
        let toml = attachment(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        let expected = (AttachmentKind::File, "application/octet-stream", Some("Cargo.toml"));
        assert_eq!((toml.kind, toml.media_type.as_str(), toml.name.as_deref()), expected);
        assert!(toml.bytes().unwrap().starts_with(b"[package]"));
        assert!(attachment("/nowhere/a.png").unwrap_err().message.contains("/nowhere/a.png"));
    }
}
