//! Records made small, for memory: compressed with a dictionary of what stands in many of them.
//!
//! **Invariant:** the dictionary is the program's and the bot's own words, never a user's: what was forgotten is nowhere.

use std::{io, sync::Arc};

use bytes::Bytes;
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

/// How hard is compressed; more takes longer than it saves.
const LEVEL: i32 = 3;
/// The most of the bot's words that are used, in bytes.
const MOST: usize = 64 << 10;
/// What stands in every record.
const SKELETON: &str = concat!(
    r#"{"reply":{"type":"chat.reply","id":"01","in_reply_to":"01","sender":"chatbot","receiver":"","conversation":"","body":"","#,
    r#""locale":"en","intent":{"name":"","confidence":0.9,"fallback":false,"model":"embedded","ranking":[{"name":"","#,
    r#""confidence":0.9},{"name":"","confidence":0.0}]},"entities":[],"handler":"template"}}"#,
    r#"{"schema":2,"state":{"history":[{"role":"user","text":""},{"role":"assistant","text":""}]},"#,
    r#""who":{"user_id":"","sender":"","conversation":""},"changed":17,"turns":[{"identity":"","at":17,"length":"#,
);

/// Compresses, and back.
pub(super) struct Packing {
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Packing {
    /// For conversations in which these words are said often, as they stand in JSON.
    pub(super) fn new(words: &str) -> Self {
        let words = words.as_bytes().get(..MOST).unwrap_or(words.as_bytes());
        // What is likeliest stands last, where it is the nearest.
        let dictionary = [words, SKELETON.as_bytes()].concat();
        Self { encoder: EncoderDictionary::copy(&dictionary, LEVEL), decoder: DecoderDictionary::copy(&dictionary) }
    }

    /// Compresses.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub(super) fn pack(&self, bytes: &[u8]) -> io::Result<Arc<[u8]>> {
        Ok(Compressor::with_prepared_dictionary(&self.encoder)?.compress(bytes)?.into())
    }

    /// What was compressed, `length` bytes.
    ///
    /// # Errors
    /// As of [`Self::pack`].
    pub(super) fn unpack(&self, packed: &[u8], length: usize) -> io::Result<Bytes> {
        Ok(Decompressor::with_prepared_dictionary(&self.decoder)?.decompress(packed, length)?.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_and_the_bots_words_cost_little() {
        let words = "Your order can be returned within thirty days. 三十天内可以退货。";
        let record = SKELETON.replace(r#""text":"""#, &format!(r#""text":"{words}""#));
        let size = |packing: &Packing, bytes: &[u8]| {
            let packed = packing.pack(bytes).unwrap();
            assert_eq!(packing.unpack(&packed, bytes.len()).unwrap(), bytes);
            packed.len()
        };
        let (with, without) = (Packing::new(words), Packing::new(""));
        assert!(size(&with, record.as_bytes()) + 40 < size(&without, record.as_bytes()));
        for packing in [&with, &without, &Packing::new(&"字".repeat(MOST))] {
            for bytes in [&b""[..], b"x", &[0xff; 100_000]] {
                size(packing, bytes);
            }
        }
    }
}
