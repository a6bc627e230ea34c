//! What a file's bytes are in characters.

use std::borrow::Cow;

use super::{CorpusError, Encoding};

pub(super) fn decode<'b>(
    bytes: &'b [u8],
    _: Option<&'static Encoding>,
) -> Result<(Cow<'b, str>, Option<String>), CorpusError> {
    let text = std::str::from_utf8(bytes).map_err(|error| CorpusError::at(1, error))?;
    Ok((Cow::Borrowed(text), None))
}
