//! Compression of bodies: `gzip` (RFC 1952) and `zstd` (RFC 8878).

use std::io::{self, Read, Write};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};

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
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(body, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }

    /// Decompresses a body of however many members or frames, to `max_body` bytes at most.
    ///
    /// # Errors
    /// `payload_too_large` past `max_body`; `invalid_message` where the stream is malformed, ends early, or is followed by
    /// something else.
    pub(super) fn decompress(self, body: &[u8], max_body: usize) -> Result<Vec<u8>, MessageError> {
        let text = match self {
            Self::Gzip => read_at_most(MultiGzDecoder::new(body), max_body),
            Self::Zstd => zstd_decoder(body, max_body).and_then(|decoder| read_at_most(decoder, max_body)),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::domain::ErrorCode::{InvalidMessage, PayloadTooLarge};
    use ContentEncoding::{Gzip, Zstd};

    const TEXT: &[u8] = "我想查询产品规格 and more and more and more".as_bytes();

    #[test]
    fn accepted() {
        fn check(header: &str, expected: Option<ContentEncoding>) {
            assert_eq!(ContentEncoding::accepted(header), expected, "{header:?}");
        }
        check("", None);
        check("gzip", Some(Gzip));
        check("ZSTD", Some(Zstd));
        check("br, deflate", None);
        check("gzip, zstd", Some(Gzip));
        check("zstd,gzip", Some(Zstd));
        check("gzip;q=0.5, zstd;q=0.8", Some(Zstd));
        check("gzip ; Q = 0.5 , zstd;q=0.25", Some(Gzip));
        check("br;q=1, zstd;q=0.1", Some(Zstd));
        check("gzip;q=0", None);
        check("gzip;q=0, zstd;q=0.001", Some(Zstd));
        check("*", Some(Gzip));
        check("*;q=0", None);
        check("gzip;q=0, *", Some(Zstd));
        check("gzip;q=0, zstd;q=0, *", None);
        check("zstd;q=0.5, *;q=0.9", Some(Gzip));
        check("identity", None);
        check("identity, gzip;q=0.5", None);
        check("gzip, identity;q=0.5", Some(Gzip));
        check("gzip;level=9;q=0.5, zstd", Some(Zstd));
        for unreadable in ["gzip;q=x", "gzip;q=", "gzip;q=-1", "gzip;q=2", "gzip;q=NaN", "gzip;q=inf", ";;,=,;q=1,,"] {
            check(unreadable, None);
        }
    }

    #[test]
    fn names() {
        for encoding in [Gzip, Zstd] {
            assert_eq!(ContentEncoding::from_name(encoding.as_str()), Some(encoding));
            assert_eq!(ContentEncoding::from_name(&encoding.as_str().to_uppercase()), Some(encoding));
        }
        assert_eq!(ContentEncoding::from_name("br"), None);
    }

    #[test]
    fn one_stream_or_several() {
        for encoding in [Gzip, Zstd] {
            for text in [TEXT, b"", b"x"] {
                let once = encoding.compress(text).unwrap();
                assert_eq!(encoding.decompress(&once, TEXT.len()).unwrap(), text);
                assert_eq!(encoding.decompress(&[&*once, &*once].concat(), 200).unwrap(), [text, text].concat());
            }
        }
    }

    #[test]
    fn whatever_is_cut_off_or_appended_is_an_error() {
        for encoding in [Gzip, Zstd] {
            let whole = encoding.compress(TEXT).unwrap();
            let twice = [&*whole, &*whole].concat();
            for end in (0..twice.len()).filter(|end| *end != whole.len()) {
                let code = encoding.decompress(&twice[..end], 1000).unwrap_err().code;
                assert_eq!(code, InvalidMessage, "{encoding:?} cut off at {end}");
            }
            for garbage in ["x", "\0", "\n", "\0\0\0\0\0\0\0\0", "some more of it"] {
                let longer = [&*whole, garbage.as_bytes()].concat();
                let code = encoding.decompress(&longer, 1000).unwrap_err().code;
                assert_eq!(code, InvalidMessage, "{encoding:?} and {garbage:?}");
            }
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x55;
                // Whether damage shows depends on the place; that it does no harm mustn't.
                let _ = encoding.decompress(&damaged, 1000);
            }
        }
    }

    #[test]
    fn the_limit_is_exact() {
        for encoding in [Gzip, Zstd] {
            for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7] {
                let body = encoding.compress(&vec![b'x'; length]).unwrap();
                let text = encoding.decompress(&body, length).unwrap();
                assert_eq!((text.len(), text.capacity() <= length), (length, true), "{encoding:?} {length}");
                if length > 0 {
                    assert_eq!(encoding.decompress(&body, length - 1).unwrap_err().code, PayloadTooLarge);
                }
                assert_eq!(encoding.decompress(&body, usize::MAX).unwrap().len(), length);
            }
        }
    }

    #[test]
    fn a_bomb_is_too_large() {
        const MAX: usize = 1 << 20;
        for encoding in [Gzip, Zstd] {
            let bomb = encoding.compress(&vec![0; 100_000_000]).unwrap();
            assert!(bomb.len() < MAX, "{}", bomb.len());
            assert_eq!(encoding.decompress(&bomb, MAX).unwrap_err().code, PayloadTooLarge, "{encoding:?}");
        }
    }

    #[test]
    fn no_more_is_read_than_the_limit_and_a_chunk() {
        struct Counted(usize);
        impl Read for Counted {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0 += buf.len();
                Ok(buf.len())
            }
        }
        let mut endless = Counted(0);
        assert_eq!(read_at_most(&mut endless, 100_000).unwrap(), None);
        assert!(endless.0 <= 100_000 + CHUNK, "{}", endless.0);
    }

    #[test]
    fn a_zstd_window_past_eight_mebibytes_is_refused() {
        for (log, readable) in [(21, true), (23, true), (24, false), (27, false)] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 0).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(TEXT).unwrap();
            let body = encoder.finish().unwrap();
            assert_eq!(Zstd.decompress(&body, 1000).is_ok(), readable, "2^{log}");
        }
    }
}
