//! Numbers as people write them: 1,234.5; 三百五十; 3.5万; twenty-one.

/// What a numeral is made of, as part of a regular expression over folded text.
pub const ARABIC: &str = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?[百千万亿]?";
/// The same in Chinese characters.
pub const CHINESE: &str = "[零〇一二两兩三四五六七八九十百千万亿]";
/// The words of English numbers, each with its value.
const WORDS: [(&str, u64); 28] = [
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fourty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
];

/// Whether there can be a numeral in a text: most have none, and then there is nothing to search for.
pub(super) fn may_be_in(text: &str) -> bool {
    text.chars().any(|c| match c {
        '\0'..='\x7f' => c.is_ascii_digit(),
        _ => digit(c).is_some() || unit(c).is_some() || c.is_numeric(),
    })
}

/// A numeral's value, in decimal notation; `None` if it is no number.
pub fn value(text: &str) -> Option<String> {
    if let Some(number) = english(text) {
        return Some(number.to_string());
    }
    let plain: String = text.chars().filter(|&c| c != ',').collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) {
        let Some((last, unit)) = plain.char_indices().next_back().and_then(|(at, c)| Some((at, unit(c)?))) else {
            return Some(plain);
        };
        return scaled(&plain[..last], unit);
    }
    match plain.split_once('点') {
        None => chinese(&plain).map(|number| number.to_string()),
        Some((whole, fraction)) => {
            let fraction = Some(fraction).filter(|fraction| !fraction.is_empty())?;
            let fraction: Option<String> = fraction.chars().map(|c| digit(c).map(|it| it.to_string())).collect();
            Some(format!("{}.{}", chinese(whole)?, fraction?))
        }
    }
}

/// `3.5`, times a unit.
fn scaled(decimal: &str, unit: u64) -> Option<String> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let zeros = unit.ilog10() as usize;
    if fraction.len() > zeros {
        return None;
    }
    let digits = format!("{whole}{fraction:0<zeros$}");
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { "0".to_owned() } else { digits.to_owned() })
}

/// The words of numbers from `least` to `most`, as part of a regular expression.
fn english_words(least: u64, most: u64) -> String {
    let words = WORDS.iter().filter(|(_, value)| (least..=most).contains(value));
    words.map(|(word, _)| *word).collect::<Vec<_>>().join("|")
}

/// English numbers from two to ninety-nine in words, as part of a regular expression over folded text. Those that begin
/// with another's word go first.
pub(super) fn english_below_hundred() -> String {
    let (tens, teens, others) = (english_words(20, 90), english_words(10, 19), english_words(2, 9));
    let ones = english_words(1, 9);
    format!(r"(?:(?:{tens})(?:[ -](?:{ones})(?-u:\b))?|{teens}|{others})")
}

/// English numbers in words, as part of a regular expression over folded text: `a hundred`, `two hundred and fifty`.
pub fn english_pattern() -> String {
    let small = english_words(1, 90);
    let word = format!(r"(?:{small}|hundred|thousand)(?-u:\b)");
    format!(r"(?-u:\b)(?:a\s(?:hundred|thousand)(?-u:\b)|{word})(?:(?:\sand\s|\s|-){word})*")
}

/// The value of an English number in words; `None` if it is none.
pub fn english(text: &str) -> Option<u64> {
    // `sum` are the thousands, `part` is what stands behind them.
    let (mut sum, mut part) = (0_u64, 0_u64);
    for word in text.split([' ', '-']).filter(|word| !matches!(*word, "" | "a" | "and")) {
        match word {
            "hundred" if part < 100 => part = part.max(1) * 100,
            "thousand" if sum == 0 => (sum, part) = (part.max(1) * 1000, 0),
            _ => {
                let (_, small) = WORDS.iter().find(|(known, _)| *known == word)?;
                let fits = part.is_multiple_of(100) || (part.is_multiple_of(10) && part % 100 >= 20 && *small < 10);
                part = fits.then_some(part + small)?;
            }
        }
    }
    Some(sum + part).filter(|number| *number > 0)
}

/// A whole number in Chinese characters: 三百五十, 二〇二六 (its digits), and with the last unit left out, 三百五, 一万二.
pub fn chinese(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    if text.chars().all(|c| digit(c).is_some()) {
        return text.chars().try_fold(0_u64, |sum, c| sum.checked_mul(10)?.checked_add(digit(c)?));
    }
    // `sum` is what stands before the last 万 or 亿, `section` what stands behind it, `open` a digit without its unit.
    let (mut sum, mut section, mut open) = (0_u64, 0_u64, None);
    let mut last_unit = 1;
    for c in text.chars() {
        match (digit(c), unit(c)) {
            (Some(0), _) => last_unit = 1,
            (Some(digit), _) if open.is_none() => open = Some(digit),
            (None, Some(unit)) if unit < 10_000 => {
                // 十五 is 15; no other unit goes without a digit.
                let count = open.take().or((unit == 10).then_some(1))?;
                section += count * unit;
                last_unit = unit;
            }
            (None, Some(unit)) => {
                let part = section + open.take().unwrap_or_default();
                sum = match unit {
                    10_000 => sum.checked_add(part.checked_mul(unit)?)?,
                    _ => sum.checked_add(part)?.checked_mul(unit)?,
                };
                (section, last_unit) = (0, unit);
            }
            _ => return None,
        }
    }
    let rest = open.unwrap_or_default() * if last_unit >= 100 { last_unit / 10 } else { 1 };
    sum.checked_add(section)?.checked_add(rest)
}

fn digit(c: char) -> Option<u64> {
    Some(match c {
        '零' | '〇' => 0,
        '一' => 1,
        '二' | '两' | '兩' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

fn unit(c: char) -> Option<u64> {
    Some(match c {
        '十' => 10,
        '百' => 100,
        '千' => 1000,
        '万' => 10_000,
        '亿' => 100_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numerals_have_their_value() {
        fn check(text: &str, expected: &str) {
            assert_eq!(value(text).as_deref(), Some(expected), "{text}");
        }
        check("1,234.50", "1234.50");
        check("三百五十", "350");
        check("三百五", "350");
        check("三百零五", "305");
        check("十", "10");
        check("十五", "15");
        check("两千", "2000");
        check("一万二", "12000");
        check("一万零二", "10002");
        check("一亿二千万", "120000000");
        check("二〇二六", "2026");
        check("三点一四", "3.14");
        check("3.5万", "35000");
        check("0万", "0");
        check("3千", "3000");
        check("兩百", "200");
        check("one", "1");
        check("twelve", "12");
        check("twenty-one", "21");
        for none in ["", "万百", "百", "一二百", "点", "3.55555万"] {
            assert!(value(none).is_none_or(|it| it == "0"), "{none}: {:?}", value(none));
        }
    }

    #[test]
    fn english_numbers_have_their_value() {
        let form = regex::Regex::new(&format!("^(?:{})$", english_pattern())).unwrap();
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(english(text), expected, "{text}");
            assert!(expected.is_none() || form.is_match(text), "{text}");
        };
        check("ten", Some(10));
        check("twenty-one", Some(21));
        check("a hundred", Some(100));
        check("hundred", Some(100));
        check("two hundred", Some(200));
        check("one hundred and fifty", Some(150));
        check("nine hundred ninety-nine", Some(999));
        check("fifteen hundred", Some(1500));
        check("a thousand", Some(1000));
        check("two thousand five hundred and sixteen", Some(2516));
        check("twenty thousand", Some(20_000));
        check("two fifty", None);
        check("ten five", None);
        check("two hundred hundred", None);
        check("one thousand thousand", None);
        check("a", None);
        check("", None);
        check("some", None);
    }

    /// A number as it is written in full.
    fn written(number: u64) -> String {
        const DIGITS: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
        if number >= 100_000_000 {
            let rest = number % 100_000_000;
            let zero = if rest > 0 && rest < 10_000_000 { "零" } else { "" };
            return format!(
                "{}亿{zero}{}",
                written(number / 100_000_000),
                if rest > 0 { written(rest) } else { String::new() }
            );
        }
        if number >= 10_000 {
            let rest = number % 10_000;
            let zero = if rest > 0 && rest < 1000 { "零" } else { "" };
            return format!(
                "{}万{zero}{}",
                written(number / 10_000),
                if rest > 0 { written(rest) } else { String::new() }
            );
        }
        let (mut text, mut gap) = (String::new(), false);
        for (unit, name) in [(1000, "千"), (100, "百"), (10, "十"), (1, "")] {
            match (number / unit % 10) as usize {
                0 => gap = !text.is_empty(),
                digit => {
                    text += if std::mem::take(&mut gap) { "零" } else { "" };
                    text += DIGITS[digit];
                    text += name;
                }
            }
        }
        if text.is_empty() { DIGITS[0].to_owned() } else { text }
    }

    proptest! {
        #[test]
        fn every_number_is_read_as_it_is_written(number in prop_oneof![0_u64..20_000, 0_u64..1_000_000_000_000]) {
            let text = written(number);
            prop_assert_eq!(chinese(&text), Some(number), "{}", text);
        }

        #[test]
        fn any_row_of_characters_is_survived(text in "[零一二两三九十百千万亿点0-9.,]{0,30}") {
            value(&text);
        }
    }
}
