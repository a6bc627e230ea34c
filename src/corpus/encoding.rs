//! What a file's bytes are in characters: UTF-8 or UTF-16, else what the bytes look like, where that is sure.
//!
//! A guess that is wrong trains a bot on garbage, so a file that isn't surely of one encoding is refused: its author
//! can save it as UTF-8, or tell the encoding.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, EUC_JP, EUC_KR, GBK, SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{CorpusError, Encoding};

/// How much of a file is looked at to guess. What comes after has to fit the guess as well.
const LOOKED_AT: usize = 1 << 20;

/// The byte order mark, which is no character of a text.
const BOM: char = '\u{feff}';

/// Countries whose expectations a guess has to withstand, where letters alone don't tell one alphabet from another.
const COUNTRIES: [&str; 15] =
    ["cn", "tw", "jp", "kr", "de", "ru", "pl", "gr", "tr", "th", "vn", "il", "sa", "lt", "is"];

/// A file's text, and a note where it isn't in UTF-8. A byte order mark is no character of it, and tells more than
/// `told` does.
pub(crate) fn decode<'b>(
    bytes: &'b [u8],
    told: Option<&'static Encoding>,
) -> Result<(Cow<'b, str>, Option<String>), CorpusError> {
    let (encoding, bom) = match (Encoding::for_bom(bytes), told) {
        (Some((encoding, bom)), _) => (encoding, bom),
        (None, Some(encoding)) => (encoding, 0),
        (None, None) => (found(bytes)?, 0),
    };
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[bom..]).ok_or_else(|| {
        let name = encoding.name();
        let line = first_line_that(&bytes[bom..], |so_far| {
            // A line may end within a character of two bytes.
            let whole = if [UTF_16LE, UTF_16BE].contains(&encoding) { so_far.len() & !1 } else { so_far.len() };
            encoding.decode_without_bom_handling_and_without_replacement(&so_far[..whole]).is_none()
        });
        CorpusError::at(
            line,
            format!("this isn't {name}: save the file as UTF-8, or tell its encoding with --encoding"),
        )
    })?;
    let is_utf8 = encoding == encoding_rs::UTF_8;
    let note = (!is_utf8).then(|| format!("the file isn't in UTF-8, and was read as {}", encoding.name()));
    // Files that were joined have more of them.
    let text = if text.contains(BOM) { Cow::Owned(text.replace(BOM, "")) } else { text };
    Ok((text, note))
}

/// The encoding that the bytes tell of.
fn found(bytes: &[u8]) -> Result<&'static Encoding, CorpusError> {
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        return utf_16(bytes).ok_or_else(|| {
            let kind =
                if bytes.starts_with(b"PK\x03\x04") { "an archive or a spreadsheet program's file" } else { "no text" };
            CorpusError::unknown(
                line_of(&bytes[..nul]),
                format!("this is {kind}, as zero bytes stand in it: save the data as CSV, in UTF-8"),
            )
        });
    }
    let Err(error) = std::str::from_utf8(bytes) else { return Ok(encoding_rs::UTF_8) };
    let line = line_of(&bytes[..error.valid_up_to()]);
    guessed(bytes).ok_or_else(|| {
        let reason = "this isn't UTF-8, and it isn't sure what it is: save the file as UTF-8, or tell its encoding, such as \
                      --encoding GBK";
        CorpusError::at(line, reason)
    })
}

/// UTF-16 without a byte order mark: with zero bytes in one half of each character of ASCII.
fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let zeros = |half: usize| bytes.iter().skip(half).step_by(2).filter(|byte| **byte == 0).count();
    let encoding = match (zeros(0), zeros(1)) {
        (few, many) if few * 4 <= many => UTF_16LE,
        (many, few) if few * 4 <= many => UTF_16BE,
        _ => return None,
    };
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    let is_text = !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
    is_text.then_some(encoding)
}

/// What the bytes look like, where that is sure.
fn guessed(bytes: &[u8]) -> Option<&'static Encoding> {
    let part = &bytes[..bytes.len().min(LOOKED_AT)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(part, part.len() == bytes.len());
    let guess = detector.guess(None, Utf8Detection::Deny);
    let (text, _) = guess.decode_without_bom_handling(part);
    let beyond_ascii: Vec<char> = text.chars().filter(|c| !c.is_ascii()).collect();
    let count = beyond_ascii.len();
    let share = |is: fn(&char) -> bool| beyond_ascii.iter().filter(|c| is(c)).count() * 5 >= count;
    // How many characters it takes was tried on thousands of short files in GBK: fewer are often taken for another script.
    let sure = if [EUC_JP, SHIFT_JIS].contains(&guess) {
        count >= 12 && share(|c| matches!(c, '\u{3040}'..='\u{30FF}'))
    } else if guess == EUC_KR {
        count >= 12 && share(|c| matches!(c, '\u{AC00}'..='\u{D7A3}'))
    } else if [GBK, BIG5].contains(&guess) {
        count >= 12 && beyond_ascii.iter().all(|c| !matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{20000}'..))
    } else {
        let others = COUNTRIES.iter().map(|country| detector.guess(Some(country.as_bytes()), Utf8Detection::Deny));
        let agree = others.filter(|other| *other == guess || other.decode_without_bom_handling(part).0 == text).count();
        // In the languages of windows-1252, letters beyond ASCII stand alone; in another alphabet, side by side.
        let alone = || {
            let characters: Vec<char> = text.chars().collect();
            let pairs = characters.windows(2).filter(|pair| pair.iter().all(|c| !c.is_ascii())).count();
            pairs * 2 <= count
        };
        agree >= 10 && if guess == WINDOWS_1252 { alone() } else { count >= 20 }
    };
    sure.then_some(guess)
}

/// The first line that, with all before it, has something wrong; from 1.
fn first_line_that(bytes: &[u8], wrong: impl Fn(&[u8]) -> bool) -> usize {
    let ends: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
    // What is wrong stays wrong with more lines.
    ends.partition_point(|&end| !wrong(&bytes[..=end])) + 1
}

fn line_of(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use encoding_rs::{UTF_8, WINDOWS_1251};

    use super::*;

    const CHINESE: &str = "text,intent\n我要退货,退货\n我的订单到哪里了,订单\n可以开发票吗,发票\n";

    fn utf_16(text: &str, big: bool, bom: bool) -> Vec<u8> {
        let units = bom.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn what_is_sure_is_read_and_told() {
        let check = |bytes: &[u8], text: &str, name: Option<&str>| {
            let (decoded, note) = decode(bytes, None).unwrap();
            assert_eq!(decoded, text);
            assert_eq!(note, name.map(|name| format!("the file isn't in UTF-8, and was read as {name}")), "{text}");
        };
        check(CHINESE.as_bytes(), CHINESE, None);
        check(format!("\u{feff}{CHINESE}").as_bytes(), CHINESE, None);
        check("\u{feff}a,b\n\u{feff}c,d".as_bytes(), "a,b\nc,d", None);
        check(b"", "", None);
        for (big, name) in [(false, "UTF-16LE"), (true, "UTF-16BE")] {
            for bom in [false, true] {
                check(&utf_16(CHINESE, big, bom), CHINESE, Some(name));
            }
        }
        for (encoding, text) in [
            (GBK, CHINESE),
            (BIG5, "text,intent\n我要退貨,退貨\n我的訂單到哪裡了,訂單\n可以開發票嗎,發票\n"),
            (SHIFT_JIS, "text,intent\n返品したいのですが,返品\n注文はどこですか,注文\n"),
            (EUC_KR, "text,intent\n환불하고 싶어요,환불\n주문이 어디에 있나요,주문\n"),
            (WINDOWS_1251, "text,intent\nгде мой заказ,order\nхочу вернуть деньги,refund\n"),
            (WINDOWS_1252, "text,intent\nI don’t like it,complaint\nwhere is my order,order\n"),
            (WINDOWS_1252, "text;intent\nIch möchte das zurückgeben;rückgabe\n"),
            (WINDOWS_1252, "text,intent\nje voudrais être remboursé,retour\noù est ma commande,commande\n"),
        ] {
            check(&encoding.encode(text).0, text, Some(encoding.name()));
        }
    }

    #[test]
    fn what_is_not_sure_is_refused_with_its_line() {
        fn check(bytes: &[u8], told: Option<&'static Encoding>, line: usize, said: &str) {
            match decode(bytes, told).unwrap_err() {
                CorpusError::Line { line: at, reason } | CorpusError::Unknown { line: at, reason } => {
                    assert!(at == line && reason.contains(said), "{at}: {reason}");
                }
                other => unreachable!("{other}"),
            }
        }
        // Two characters of Chinese look like Korean, four like French, a pound sign like Polish.
        check(&GBK.encode("text,intent\nhi,greet\n你好,greet\n").0, None, 3, "save the file as UTF-8");
        check(&GBK.encode("text,intent\n谁美,a\n").0, None, 2, "isn't sure");
        check(b"text,intent\nit costs \xa35,price\n", None, 2, "--encoding");
        check(b"a,b\nx,\xff\xff\n", Some(UTF_8), 2, "this isn't UTF-8");
        check("a,b\n几点,x\n".as_bytes(), Some(EUC_KR), 2, "this isn't EUC-KR");
        check(b"PK\x03\x04\x00\x08\x00\x01\x00", None, 1, "spreadsheet");
        check(b"a\n\x00\x00\x01\x02", None, 2, "zero bytes");
    }

    #[test]
    fn an_encoding_that_is_told_decides_but_a_byte_order_mark_knows_better() {
        let short = "text,intent\n你好,greet\n";
        assert_eq!(decode(&GBK.encode(short).0, Some(GBK)).unwrap().0, short);
        assert_eq!(decode(format!("\u{feff}{short}").as_bytes(), Some(GBK)).unwrap(), (short.into(), None));
    }
}
