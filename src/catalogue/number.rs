//! Numbers in cells: `¥1,299.00`, `299 元`, `1.5L`, `1.299,00 €`; and in English words.

use super::unit;
use crate::entity::folded;

/// A cell's number, and what stands around it; `None` where it is none.
pub(super) fn of_cell(cell: &str) -> Option<(f64, &str)> {
    let cell = cell.trim();
    let start = cell.find(|c: char| c.is_ascii_digit())?;
    let before = cell[..start].trim_end();
    let (sign, before) = match before.strip_suffix('-') {
        Some(before) => (-1.0, before),
        None => (1.0, before),
    };
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '\u{a0}' | '\'');
    let end = cell[start..].find(|c| !is_number(c)).map_or(cell.len(), |end| start + end);
    let after = cell[end..].trim_start();
    // Words before a number, or more than a unit behind it, make a text of it.
    let is_short = |text: &str| text.chars().count() <= 6 && !text.chars().any(|c| c.is_ascii_digit());
    if !(before.is_empty() || unit::of(&folded(before)).is_some()) || !is_short(after) {
        return None;
    }
    let number = plain(cell[start..end].trim_end_matches([',', '.', '\'', '\u{a0}']))?.parse::<f64>().ok()?;
    let around = if after.is_empty() { before } else { after };
    number.is_finite().then_some((sign * number, around))
}

/// Digits with a point for the decimals alone. Of two kinds of separators the last is that; one alone is where it doesn't
/// stand before groups of three.
fn plain(digits: &str) -> Option<String> {
    let (last_dot, last_comma) = (digits.rfind('.'), digits.rfind(','));
    let groups_of_three =
        |separator: char| digits.split(separator).skip(1).all(|group| group.len() == 3) && digits.contains(separator);
    let decimal = match (last_dot, last_comma) {
        (Some(dot), Some(comma)) => Some(if dot > comma { '.' } else { ',' }),
        (None, Some(_)) if !groups_of_three(',') => Some(','),
        (Some(_), None) if digits.matches('.').count() == 1 => Some('.'),
        _ => None,
    };
    let plain: String = digits
        .chars()
        .filter_map(|c| match c {
            c if Some(c) == decimal => Some('.'),
            c if c.is_ascii_digit() => Some(c),
            _ => None,
        })
        .collect();
    (plain.matches('.').count() <= 1).then_some(plain)
}

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

/// English numbers in words, as part of a regular expression over folded text: `a hundred`, `two hundred and fifty`.
pub(super) fn english_pattern() -> String {
    let small = WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("|");
    let word = format!(r"(?:{small}|hundred|thousand)(?-u:\b)");
    format!(r"(?-u:\b)(?:a\s(?:hundred|thousand)(?-u:\b)|{word})(?:(?:\sand\s|\s|-){word})*")
}

/// The value of an English number in words; `None` if it is none.
pub(super) fn english(text: &str) -> Option<u64> {
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

/// A number as people write it.
pub(super) fn shown(number: f64) -> String {
    let rounded = (number * 100.0).round() / 100.0;
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

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

    #[test]
    fn numbers_of_cells() {
        fn check(cell: &str, expected: Option<(f64, &str)>) {
            assert_eq!(of_cell(cell), expected, "{cell}");
        }
        check("299", Some((299.0, "")));
        check(" ¥1,299.00 ", Some((1299.0, "¥")));
        check("299 元", Some((299.0, "元")));
        check("1.5L", Some((1.5, "L")));
        check("1.299,00 €", Some((1299.0, "€")));
        check("12,5", Some((12.5, "")));
        check("1,299", Some((1299.0, "")));
        check("-5 °C", Some((-5.0, "°C")));
        check("USB 3.0 hub", None);
        check("model 5 of the series", None);
        check("10-20", None);
        check("red", None);
        check("", None);
        check("٣", None);
    }
}
