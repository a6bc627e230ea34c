//! Bounds of numbers that a text asks for: "under 300", 「三百以下」.

use std::{ops::Range, sync::LazyLock};

use regex::{Captures, Regex};

use super::{
    Catalogue, Item, Kind, Wish,
    price::{self, Role},
    unit::{self, Measure, Unit},
    value,
    wish::overlap,
};
use crate::entity::{folded, numeral};

/// How far a number may be off where the text says about.
const ABOUT: f64 = 0.2;

/// What a column's numbers have to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    pub column: usize,
    pub least: Option<f64>,
    pub most: Option<f64>,
    /// Whether it is of what an item costs, which may be in another column; of that one else.
    pub is_price: bool,
}

impl Bound {
    /// The number of an item that it is of, and the column that has it.
    pub(super) fn of(&self, catalogue: &Catalogue, item: &Item) -> Option<(usize, f64)> {
        match self.is_price {
            true => catalogue.price(item),
            false => item.number(self.column).map(|number| (self.column, number)),
        }
    }
}

/// What a form of words says of its numbers.
#[derive(Debug, Clone, Copy)]
enum Says {
    AtMost,
    AtLeast,
    Between,
    About,
}

/// What may stand before a number that is a budget, and what behind it.
const BUDGET: &str = r"(?:(?-u:\b)budget(?:'s|’s|\sis|\sof|\swas|\s?[:=])?(?:\s(?:only|just|now))?\s?|预算(?:一共|总共|只有|就|是|为|有|在|也|:|\s)*)";
const OF_BUDGET: &str = r"(?:\s?的?\s?预算|\sbudget(?-u:\b))";
/// The least number in words, or of a budget, that needs no unit: "up to four people", "a budget 2 slot toaster".
const LEAST_BARE: f64 = 10.0;

/// Words behind a number that go on with the sentence, and aren't what it counts.
const GOES_ON: [&str; 30] = [
    "and", "or", "but", "for", "in", "with", "without", "to", "that", "which", "if", "is", "as", "at", "on", "by",
    "not", "please", "thanks", "的", "有", "吗", "呢", "吧", "啊", "就", "和", "或", "推荐", "谢谢",
];

/// The forms, in the order in which they are looked for; what one has read the next doesn't.
static FORMS: LazyLock<Vec<(Says, Regex)>> = LazyLock::new(|| {
    let (arabic, chinese, unit) = (numeral::ARABIC, numeral::CHINESE, unit::pattern());
    let numerals = format!("{arabic}|{chinese}+(?:点{chinese}+)?");
    let number = |of: &str, at: &str| {
        format!(r"(?:(?<c{at}>[¥$€£]|(?:hk|us|nt|au|ca|s|a|c|r)\$)\s?)?(?<n{at}>{of})\s?(?<u{at}>{unit})?")
    };
    let either = format!("{numerals}|{}", numeral::english_pattern());
    let (n, a, b) = (number(&either, ""), number(&numerals, "a"), number(&numerals, "b"));
    let (c, d) = (number(&either, "a"), number(&either, "b"));
    let forms = [
        // In words "and" needs a "between", as "one hundred and fifty" is one number; so does "-", as in "twenty-one".
        (Says::Between, format!(r"between\s{c}\s(?:and|to)\s{d}")),
        (Says::Between, format!(r"(?:between\s|from\s)?{c}\sto\s{d}")),
        (Says::Between, format!(r"(?:between\s|from\s)?{a}\s?(?:-|–|—|~|to|and|到|至)\s?{b}(?:\s?之间)?")),
        (
            Says::AtMost,
            format!(
                r"(?:no more than|not more than|less than|cheaper than|at most|at maximum|up to|under|below|within|max\.?|<=|<|≤|不超过|不多于|不高于|不到|不大于|低于|少于|小于|最多|便宜于)\s?{n}"
            ),
        ),
        (Says::AtMost, format!(r"{n}\s?(?:or less|or under|or cheaper|or below|max|及以下|以下|以内|之内|之下|封顶)")),
        (
            Says::AtLeast,
            format!(
                r"(?:no less than|not less than|more than|at least|over|above|from|min\.?|>=|>|≥|不少于|不低于|不小于|超过|高于|大于|多于|至少|起码)\s?{n}"
            ),
        ),
        (Says::AtLeast, format!(r"{n}\s?(?:or more|or over|or above|or larger|and up|\+|及以上|以上|起)")),
        (Says::About, format!(r"(?:around|about|roughly|approximately|大约|大概|差不多)\s?{n}(?:\s?左右)?")),
        (Says::About, format!(r"{n}\s?(?:左右|上下)")),
        (Says::AtMost, format!("{BUDGET}{n}")),
        (Says::AtMost, format!("{n}{OF_BUDGET}")),
    ];
    let whole = |(says, form): (Says, String)| Some((says, Regex::new(&format!("(?:{BUDGET})?{form}")).ok()?));
    forms.into_iter().filter_map(whole).collect()
});

impl Catalogue {
    /// Reads the bounds of a folded text.
    pub(super) fn bounds(&self, text: &str, wish: &mut Wish, read: &mut Vec<Range<usize>>) {
        for (says, form) in FORMS.iter() {
            for found in form.captures_iter(text) {
                let Some(range) = found.get(0).map(|whole| whole.range()) else { continue };
                if read.iter().any(|other| overlap(other, &range)) {
                    continue;
                }
                // A budget is of money, whatever is named beside it.
                let is_budget =
                    found.get(0).is_some_and(|whole| ["budget", "预算"].iter().any(|it| whole.as_str().contains(it)));
                let near = if is_budget { "" } else { text };
                let quantity = |at: &str| quantity(&found, at).filter(|it| !is_budget || it.may_be_budget());
                let numbers = match says {
                    Says::Between => (quantity("a"), quantity("b")),
                    _ => (quantity(""), None),
                };
                let bound = match (says, numbers) {
                    (Says::Between, (Some(least), Some(most))) => {
                        let unit = most.unit.or(least.unit);
                        let least = Quantity { unit: least.unit.or(unit), ..least };
                        self.bound(near, &range, Some(least), Some(Quantity { unit, ..most }))
                    }
                    (Says::AtMost, (number, _)) => self.bound(near, &range, None, number),
                    (Says::AtLeast, (number, _)) => self.bound(near, &range, number, None),
                    (Says::About, (Some(number), _)) => {
                        let times = |factor: f64| Some(Quantity { value: number.value * factor, ..number });
                        self.bound(near, &range, times(1.0 - ABOUT), times(1.0 + ABOUT))
                    }
                    _ => None,
                };
                match bound.filter(|bound| bound.least.is_some() || bound.most.is_some()) {
                    Some(bound) => wish.bounds.push(bound),
                    None if self.prices().is_empty() && is_of_price(says, numbers, text, &found) => {
                        wish.unpriced = true;
                    }
                    None => continue,
                }
                read.push(range);
            }
        }
    }

    /// The bound of the column that is meant; none where that isn't clear.
    fn bound(&self, text: &str, at: &Range<usize>, least: Option<Quantity>, most: Option<Quantity>) -> Option<Bound> {
        let unit = least.and_then(|it| it.unit).or(most.and_then(|it| it.unit));
        let numbers: Vec<(usize, Option<Unit>, Role)> = self
            .columns
            .iter()
            .enumerate()
            .filter_map(|(at, column)| match column.kind {
                Kind::Numbers { unit, role } => Some((at, unit, role)),
                _ => None,
            })
            .collect();
        let fits = |column: &&(usize, Option<Unit>, Role)| match (unit, column.1) {
            (Some(unit), Some(own)) => unit.of == own.of,
            (Some(unit), None) => unit.of == Measure::Money && column.2 != Role::Other,
            (None, _) => true,
        };
        let candidates: Vec<_> = numbers.iter().filter(fits).copied().collect();
        let named = candidates.iter().find(|(column, _, role)| self.is_named(text, at, *column, *role)).copied();
        let price = candidates.iter().find(|(column, ..)| self.prices().first() == Some(column)).copied();
        let others: Vec<_> = candidates.into_iter().filter(|(_, _, role)| *role != Role::Beside).collect();
        let only = match (others.as_slice(), unit) {
            ([only], _) => Some(*only),
            ([first, ..], Some(_)) => Some(*first),
            _ => None,
        };
        let is_price = named.is_none() && price.is_some();
        let (column, own, _) = named.or(price).or(only)?;
        let convert = |quantity: Quantity| match (quantity.unit, own) {
            (Some(from), Some(to)) => quantity.value * from.factor / to.factor,
            _ => quantity.value,
        };
        Some(Bound { column, least: least.map(convert), most: most.map(convert), is_price })
    }

    /// Whether a text names a column of numbers right before or behind a part of it.
    fn is_named(&self, text: &str, at: &Range<usize>, column: usize, role: Role) -> bool {
        const NEAR: usize = 24;
        let before: String = text.get(..at.start).unwrap_or_default().chars().rev().take(NEAR).collect();
        let before: String = before.chars().rev().collect();
        let after: String = text.get(at.end..).unwrap_or_default().chars().take(NEAR).collect();
        let name = folded(self.name(column));
        let is_near = |word: &str| value::find(&before, word).is_some() || value::find(&after, word).is_some();
        match role {
            Role::Other => {}
            // "Price" alone is what an item costs, whichever column has that; "free shipping" is no shipping cost.
            Role::Price => return false,
            _ => return is_near(&price::plain(&name)),
        }
        let words = name.split(['_', ' ', '(', ')', '-']).filter(|word| word.chars().count() > 1);
        let mut words = words.filter(|word| unit::of(word).is_none());
        words.any(is_near)
    }
}

/// A number of a text.
#[derive(Debug, Clone, Copy)]
struct Quantity {
    value: f64,
    unit: Option<Unit>,
}

impl Quantity {
    fn may_be_budget(self) -> bool {
        self.unit.map_or(self.value >= LEAST_BARE, |unit| unit.of == Measure::Money)
    }
}

/// Whether a bound that no column is meant by is one of what things cost.
fn is_of_price(
    says: &Says,
    (first, second): (Option<Quantity>, Option<Quantity>),
    text: &str,
    found: &Captures<'_>,
) -> bool {
    let Some(last) = second.or(first) else { return false };
    if let Some(unit) = last.unit.or(first.and_then(|first| first.unit)) {
        return unit.of == Measure::Money;
    }
    // "From 1999" and "about 1984" are of years.
    let may_be_year = !matches!(says, Says::AtMost) && (1000.0..2100.0).contains(&last.value);
    last.value >= LEAST_BARE && !may_be_year && !is_counted(text, found)
}

/// Whether the number of a form is of things that are named behind it: "up to 40 people", 「不超过30页」.
fn is_counted(text: &str, found: &Captures<'_>) -> bool {
    let number = ["nb", "n"].iter().find_map(|at| found.name(at));
    let (Some(number), Some(whole)) = (number, found.get(0)) else { return false };
    // What is part of the form itself, such as "or less", is no thing.
    if text.get(number.end()..whole.end()).is_some_and(|form| !form.trim().is_empty()) {
        return false;
    }
    let behind = text.get(whole.end()..).unwrap_or_default().trim_start();
    let word = behind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let goes_on = match word.is_ascii() {
        true => word.is_empty() || GOES_ON.contains(&word),
        false => GOES_ON.iter().any(|known| !known.is_ascii() && word.starts_with(known)),
    };
    !goes_on
}

fn quantity(found: &Captures<'_>, at: &str) -> Option<Quantity> {
    let part = |kind: &str| found.name(&format!("{kind}{at}")).map(|part| part.as_str());
    let (written, unit) = (part("n")?, part("u").or(part("c")).and_then(unit::of));
    let is_word = written.starts_with(|c: char| c.is_ascii_alphabetic());
    let value = match is_word {
        true => numeral::english(written)? as f64,
        false => numeral::value(written)?.parse().ok()?,
    };
    (!is_word || unit.is_some() || value >= LEAST_BARE).then_some(Quantity { value, unit })
}
