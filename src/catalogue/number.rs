//! Numbers in cells: `¥1,299.00`, `299 元`, `1.5L`, `1.299,00 €`.

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

/// A number as people write it.
pub(super) fn shown(number: f64) -> String {
    let rounded = (number * 100.0).round() / 100.0;
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check("HK$80", Some((80.0, "HK$")));
        check("US$ 1,299.00", Some((1299.0, "US$")));
        check("NT$1,200", Some((1200.0, "NT$")));
        check("S$9.90", Some((9.9, "S$")));
        check("A$20", Some((20.0, "A$")));
        check("C$20", Some((20.0, "C$")));
        check("R$ 79,90", Some((79.9, "R$")));
        check("-5 °C", Some((-5.0, "°C")));
        check("USB 3.0 hub", None);
        check("model 5 of the series", None);
        check("10-20", None);
        check("red", None);
        check("", None);
        check("٣", None);
    }
}
