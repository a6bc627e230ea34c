//! Compression of bodies: `gzip` (RFC 1952) and `zstd` (RFC 8878) both ways; `deflate` (RFC 1950, RFC 1951) is only read.

#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Read, Write};

use flate2::{
    Compression as Level,
    bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder},
    write::GzEncoder,
};

use super::{invalid, too_large};
use crate::domain::MessageError;

/// The largest window that a zstd frame may ask for, as a power of two of bytes: the 8 MiB that RFC 8878 (3.1.1.1.2)
/// wants every decoder to support, and small messages by a streaming encoder do ask for. Only what is written to a window
/// becomes memory, and that is bounded like the output.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The largest that the library takes on every platform.
const ZSTD_WINDOW_LOG_MAX: u32 = 30;

/// How much is decompressed at a time, in bytes.
const CHUNK: usize = 8 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentEncoding {
    Gzip,
    Zstd,
}

impl ContentEncoding {
    /// The name, as `content_encoding` and `accept-encoding` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The compression of that name, in upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Zstd].into_iter().find(|encoding| name.eq_ignore_ascii_case(encoding.as_str()))
    }

    /// The compression that a header `accept-encoding` asks for (RFC 9110, 12.5.3): the highest `q`, of equals the first;
    /// none where that is `identity`, or nothing that is spoken here. `*` is gzip, unless gzip is listed for itself.
    pub fn accepted(accept_encoding: &str) -> Option<Self> {
        let elements = || accept_encoding.split(',').map(weighted);
        // Found once, not at every `*`: a header may hold thousands.
        let wildcard = [Self::Gzip, Self::Zstd]
            .into_iter()
            .find(|encoding| elements().all(|(name, _)| Self::from_name(name) != Some(*encoding)));
        let mut best = (None, 0.0);
        for (name, weight) in elements() {
            let encoding = match name {
                "*" => wildcard,
                name if name.eq_ignore_ascii_case("identity") => None,
                name => match Self::from_name(name) {
                    None => continue,
                    encoding => encoding,
                },
            };
            if weight > best.1 {
                best = (encoding, weight);
            }
        }
        best.0
    }

    /// Compresses a body.
    ///
    /// # Errors
    /// Where the library can't get memory. Send the body as it is, then: a client that accepts compression accepts plain.
    pub fn compress(self, body: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Level::default());
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(body, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

/// How the body of a request is compressed, as its client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// `gzip`, or what is called so and is zlib's format.
    Gzip,
    /// `deflate`: zlib's format by HTTP's definition; raw from those who read it otherwise.
    Deflate,
    /// `zstd`
    Zstd,
}

impl Compression {
    /// The compression of that name, in whatever case: as `content_encoding` has it, or kombu's header `compression`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let known: [(Self, &[&str]); 3] = [
            (Self::Gzip, &["gzip", "x-gzip", "application/gzip", "application/x-gzip"]),
            (Self::Deflate, &["deflate", "zlib", "application/zlib"]),
            (Self::Zstd, &["zstd", "zstandard", "application/zstd"]),
        ];
        let is_named = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        known.into_iter().find_map(|(compression, names)| is_named(names).then_some(compression))
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }

    /// Decompresses a body of however many members or frames, to `max_body` bytes at most. Its first bytes tell gzip from
    /// zlib's format: kombu calls the latter `application/x-gzip`.
    ///
    /// # Errors
    /// `payload_too_large` past `max_body`; `invalid_message` where the stream is malformed, ends early, or is followed by
    /// something else.
    pub(super) fn decompress(self, body: &[u8], max_body: usize) -> Result<Vec<u8>, MessageError> {
        let zlib = || read_whole(ZlibDecoder::new(body), max_body, ZlibDecoder::into_inner);
        let text = match self {
            Self::Zstd => zstd_decoder(body, max_body).and_then(|decoder| read_at_most(decoder, max_body)),
            Self::Deflate if body.starts_with(GZIP_MAGIC) => read_at_most(MultiGzDecoder::new(body), max_body),
            // A raw stream can begin like zlib's format by chance.
            Self::Deflate if is_zlib(body) => zlib().or_else(|error| raw_deflate(body, max_body).map_err(|_| error)),
            Self::Deflate => raw_deflate(body, max_body),
            Self::Gzip if is_zlib(body) => zlib(),
            Self::Gzip => read_at_most(MultiGzDecoder::new(body), max_body),
        };
        match text {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(too_large(format!(
                "the body is more than {max_body} bytes when decompressed, the most that is accepted"
            ))),
            // The libraries' errors are fixed sentences.
            Err(error) => Err(invalid(format!("the body can't be decompressed as {}: {error}", self.as_str()))),
        }
    }
}

/// What a gzip member begins with (RFC 1952, 2.3.1).
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Whether a body begins as zlib's format does (RFC 1950, 2.2): deflate, a window of 32 KiB at most, a check of both bytes.
fn is_zlib(body: &[u8]) -> bool {
    let [first, second, ..] = body else { return false };
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
}

fn raw_deflate(body: &[u8], max_body: usize) -> io::Result<Option<Vec<u8>>> {
    read_whole(DeflateDecoder::new(body), max_body, DeflateDecoder::into_inner)
}

/// Reads a stream that ends by itself, and makes sure that it ended, with the body.
fn read_whole<'a, D: Read>(
    mut decoder: D,
    max_body: usize,
    rest: impl FnOnce(D) -> &'a [u8],
) -> io::Result<Option<Vec<u8>>> {
    let text = read_at_most(&mut decoder, max_body)?;
    match text {
        Some(_) if rest(decoder).fill_buf()?.is_empty() => Ok(text),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "something follows the compressed stream")),
        None => Ok(None),
    }
}

/// An element of `accept-encoding` and its weight: 1 where it has none, 0 where that can't be read.
fn weighted(element: &str) -> (&str, f32) {
    let mut parts = element.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
        .map_or(Ok(1.0), |(_, weight)| weight.trim().parse())
        .unwrap_or(0.0);
    (name, if (0.0..=1.0).contains(&weight) { weight } else { 0.0 })
}

fn zstd_decoder(body: &[u8], max_body: usize) -> io::Result<zstd::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::Decoder::with_buffer(body)?;
    // A frame that knows its size needs a window as large as itself.
    let own = max_body.checked_next_power_of_two().map_or(u32::MAX, usize::ilog2);
    decoder.window_log_max(own.clamp(ZSTD_WINDOW_LOG, ZSTD_WINDOW_LOG_MAX))?;
    Ok(decoder)
}

/// Reads to the end, or gives `None` if there is more than `max` bytes. Never allocates more than `max` for them.
fn read_at_most(mut reader: impl Read, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut all = Vec::new();
    let mut chunk = [0; CHUNK];
    loop {
        let read = reader.read(&mut chunk)?;
        if read == 0 {
            return Ok(Some(all));
        }
        if read > max - all.len() {
            return Ok(None);
        }
        if read > all.capacity() - all.len() {
            let capacity = all.capacity().saturating_mul(2).max(all.len() + read).min(max);
            all.reserve_exact(capacity - all.len());
        }
        all.extend_from_slice(&chunk[..read]);
    }
}
