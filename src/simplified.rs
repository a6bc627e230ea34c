//! Traditional characters of Chinese as the simplified ones that they are compared by: 退貨 is 退货.
//!
//! One character for one, so that places in a text stay what they are. A character that is written in simplified Chinese too,
//! such as 著 and 乾, stays as it is: so texts in simplified Chinese are what they were. Words that differ between regions
//! (軟體, 软件) aren't made one of the other.
//!
//! `table.txt` is of [OpenCC](https://github.com/BYVoid/OpenCC)'s `TSCharacters.txt`, under the Apache License, version 2.0: the
//! first candidate of each character, without those of which the character itself is one, those beyond U+9FFF, and 薴, whose
//! simplified form is another's traditional one.

use std::sync::LazyLock;

/// Pairs of a traditional character and its simplified one.
const TABLE: &str = include_str!("simplified/table.txt");
const FIRST: u32 = 0x3400;
const LAST: u32 = 0x9FFF;

/// By code point from [`FIRST`] on, the low 16 bits of what each character becomes; 0: it stays.
static BECOMES: LazyLock<Box<[u16]>> = LazyLock::new(|| {
    let mut becomes = vec![0; (LAST - FIRST + 1) as usize];
    for pair in TABLE.split_whitespace() {
        let mut pair = pair.chars().map(u32::from);
        if let (Some(from), Some(to)) = (pair.next(), pair.next())
            && let Some(place) = becomes.get_mut(from.wrapping_sub(FIRST) as usize)
        {
            *place = u16::try_from(to).unwrap_or(0);
        }
    }
    becomes.into()
});

/// The simplified form of a traditional character; any other one as it is.
pub fn simplified(c: char) -> char {
    let place = u32::from(c).wrapping_sub(FIRST) as usize;
    match BECOMES.get(place) {
        None | Some(0) => c,
        Some(&to) => char::from_u32(to.into()).unwrap_or(c),
    }
}

/// A text with each traditional character as its simplified one, and every character where it was, in bytes too.
pub fn simplified_text(text: &str) -> String {
    text.chars().map(simplified).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_compared_in_simplified_characters() {
        for (text, expected) in [
            ("退貨要錢嗎", "退货要钱吗"),
            ("發票怎麼開", "发票怎么开"),
            ("電水壺、吹風機", "电水壶、吹风机"),
            ("對，應該是FL2025", "对，应该是FL2025"),
            ("翻譯成日文：包裹明天到", "翻译成日文：包裹明天到"),
            // Simplified, Japanese and other texts.
            ("著名的乾隆皇帝喝干红", "著名的乾隆皇帝喝干红"),
            ("返品はできますか", "返品はできますか"),
            ("Grüße, 안녕", "Grüße, 안녕"),
        ] {
            assert_eq!(simplified_text(text), expected);
        }
    }

    #[test]
    fn what_is_simplified_is_not_changed_again() {
        for pair in TABLE.split_whitespace() {
            let pair: Vec<char> = pair.chars().collect();
            assert!(
                matches!(pair[..], [from, to] if simplified(from) == to && simplified(to) == to && from.len_utf8() == to.len_utf8()),
                "{pair:?}"
            );
        }
        assert!(TABLE.split_whitespace().count() > 2_900);
    }
}
