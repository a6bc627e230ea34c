//! What a request holds beside its text: pictures, recordings, files.

use std::fmt;

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// A picture, a recording or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub kind: AttachmentKind,
    /// Its media type without parameters, in lower case: `image/png`.
    pub media_type: String,
    /// What the client calls it. Data: it names no file here.
    pub name: Option<String>,
    pub content: Content,
}

/// What becomes of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentKind {
    Image,
    Audio,
    File,
}

/// What an attachment holds, or where that is.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// It came along.
    Data(Bytes),
    /// It is to be fetched, or was.
    Url { url: String, fetched: Option<Bytes> },
}

impl Attachment {
    /// Its bytes, where they are here.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Data(bytes) => Some(bytes),
            Content::Url { fetched, .. } => fetched.as_ref(),
        }
    }

    /// Where it is to be fetched, as long as it wasn't.
    pub fn to_fetch(&self) -> Option<&str> {
        match &self.content {
            Content::Url { url, fetched: None } => Some(url),
            _ => None,
        }
    }

    /// The memory that it takes, in bytes.
    pub fn size(&self) -> usize {
        let address = if let Content::Url { url, .. } = &self.content { url.len() } else { 0 };
        self.bytes().map_or(0, Bytes::len) + address + self.media_type.len() + self.name.as_ref().map_or(0, String::len)
    }
}

impl AttachmentKind {
    /// The word that messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::File => "file",
        }
    }
}

/// Without the bytes, which are a user's, and many.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(bytes) => write!(f, "Data({} bytes)", bytes.len()),
            Self::Url { fetched, .. } => write!(f, "Url(fetched: {})", fetched.is_some()),
        }
    }
}

/// As a request holds it.
impl Serialize for Attachment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Attachment", 4)?;
        object.serialize_field("type", self.kind.as_str())?;
        object.serialize_field("media_type", &self.media_type)?;
        match &self.name {
            Some(name) => object.serialize_field("name", name)?,
            None => object.skip_field("name")?,
        }
        match &self.content {
            Content::Data(bytes) => object.serialize_field("data", &Base64(bytes))?,
            Content::Url { url, .. } => object.serialize_field("url", url)?,
        }
        object.end()
    }
}

/// As a request may hold it.
#[cfg(test)]
impl schemars::JsonSchema for Attachment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Attachment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "A picture, a recording or a file: what it holds, or where it is.",
            "properties": {
                "type": {"type": "string", "enum": ["image", "audio", "file"]},
                "media_type": {"type": "string"},
                "name": {"type": "string", "maxLength": crate::domain::MAX_SHORT},
                "data": {"type": "string", "contentEncoding": "base64"},
                "url": {"type": "string", "maxLength": 4096},
            },
            "oneOf": [{"required": ["data"]}, {"required": ["url"]}],
        })
    }
}

/// Bytes that are written as Base64, without a copy of all of it.
struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64::display::Base64Display::new(self.0, &base64::prelude::BASE64_STANDARD))
    }
}
