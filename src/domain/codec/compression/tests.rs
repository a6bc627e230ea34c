//! Tests of compression: every name, whole or cut, within the limit.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::domain::ErrorCode::{InvalidMessage, PayloadTooLarge};
use ContentEncoding::{Gzip, Zstd};

impl ContentEncoding {
    fn decompress(self, body: &[u8], max_body: usize) -> Result<Vec<u8>, MessageError> {
        Compression::from_name(self.as_str()).unwrap().decompress(body, max_body)
    }
}

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

#[test]
fn what_it_is_is_told_by_its_first_bytes() {
    let (gzip, zlib, raw) = (Gzip.compress(TEXT).unwrap(), zlib(TEXT), raw(TEXT));
    let zstd = Zstd.compress(TEXT).unwrap();
    let check = |names: &[&str], body: &[u8], readable: bool| {
        for name in names {
            let read = Compression::from_name(name).unwrap().decompress(body, TEXT.len());
            assert_eq!(read.is_ok_and(|text| text == TEXT), readable, "{name} {:x?}", &body[..2]);
        }
    };
    // Kombu's `application/x-gzip` is what `zlib.compress` makes; Spring's `deflate` is that too.
    let (gzips, deflates) = (["gzip", "X-GZIP", "application/x-gzip"], ["deflate", "zlib", "Application/ZLIB"]);
    check(&gzips, &gzip, true);
    check(&gzips, &zlib, true);
    check(&gzips, &raw, false);
    for body in [&gzip, &zlib, &raw] {
        check(&deflates, body, true);
    }
    check(&["zstd", "zstandard", "application/zstd"], &zstd, true);
    check(&["zstd"], &zlib, false);
    for other in ["br", "compress", "zip", "application/x-bz2", "application/x-lzma", "application/x-brotli", ""] {
        assert_eq!(Compression::from_name(other), None, "{other}");
    }
}

#[test]
fn a_deflated_body_is_whole_and_bounded() {
    for (name, body) in [("gzip", zlib(TEXT)), ("deflate", zlib(TEXT)), ("deflate", raw(TEXT))] {
        let compression = Compression::from_name(name).unwrap();
        assert_eq!(compression.decompress(&body, TEXT.len() - 1).unwrap_err().code, PayloadTooLarge);
        for end in 0..body.len() {
            let code = compression.decompress(&body[..end], 1000).map_err(|error| error.code);
            assert_eq!(code, Err(InvalidMessage), "{name} cut off at {end} of {}", body.len());
        }
        let code = compression.decompress(&[&*body, b"x"].concat(), 1000).unwrap_err().code;
        assert_eq!(code, InvalidMessage, "{name} and something else");
    }
    let bomb = zlib(&vec![0; 50_000_000]);
    assert_eq!(Compression::Deflate.decompress(&bomb, 1 << 20).unwrap_err().code, PayloadTooLarge);
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Level::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn raw(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Level::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
