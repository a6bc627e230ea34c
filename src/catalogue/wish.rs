//! What a text asks of a catalogue: bounds of numbers, values, an order; and the words that are left.

use std::{ops::Range, sync::LazyLock};

use regex::{Captures, Regex};

use super::{
    Catalogue, Item, Kind,
    negation::{self, Mention},
    price::{self, Role},
    reading::{flag, values_of},
    unit::{self, Measure, Unit},
    value,
};
use crate::{
    domain::Entity,
    entity::{folded, numeral},
};

/// How far a number may be off where the text says about.
const ABOUT: f64 = 0.2;

/// What a text asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wish {
    pub bounds: Vec<Bound>,
    pub named: Vec<Named>,
    pub order: Option<Order>,
    /// The text without what was understood, folded: the words that are searched.
    pub rest: String,
}

impl Wish {
    /// This, and then that: what is said later of a column takes the place of what was said of it before.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        let Self { mut bounds, mut named, order, rest } = self;
        bounds.retain(|bound| later.bounds.iter().all(|it| it.column != bound.column));
        named.retain(|it| {
            !later.named.iter().any(|other| other.columns.iter().any(|column| it.columns.contains(column)))
        });
        bounds.extend(later.bounds);
        named.extend(later.named);
        let rest = format!("{rest} {}", later.rest).trim().to_owned();
        Self { bounds, named, order: later.order.or(order), rest }
    }
}

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

/// A value that items have to have, or mustn't.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The columns that have it.
    pub columns: Vec<usize>,
    /// As it is compared.
    pub value: String,
    /// As the text says it, folded.
    pub said: String,
    pub wanted: bool,
}

/// How items are to be ordered by what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    CheapestFirst,
    DearestFirst,
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

/// The forms, in the order in which they are looked for; what one has read the next doesn't.
static FORMS: LazyLock<Vec<(Says, Regex)>> = LazyLock::new(|| {
    let (arabic, chinese, unit) = (numeral::ARABIC, numeral::CHINESE, unit::pattern());
    let numerals = format!("{arabic}|{chinese}+(?:点{chinese}+)?");
    let number = |of: &str, at: &str| format!(r"(?:(?<c{at}>[¥$€£])\s?)?(?<n{at}>{of})\s?(?<u{at}>{unit})?");
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

/// What asks for the smallest price first, and what for the largest.
const CHEAPEST: [&str; 9] =
    ["cheapest", "lowest price", "least expensive", "cheap", "最便宜", "便宜", "价格最低", "性价比", "budget"];
const DEAREST: [&str; 6] = ["most expensive", "highest price", "priciest", "最贵", "价格最高", "高端"];

impl Catalogue {
    /// What a text asks for; `entities` are what it names.
    pub fn wish(&self, text: &str, entities: &[Entity]) -> Wish {
        let text = folded(text);
        let mut wish = Wish::default();
        let mut read: Vec<Range<usize>> = Vec::new();
        self.bounds(&text, &mut wish, &mut read);
        self.values(&text, entities, &mut wish, &mut read);
        self.order(&text, &mut wish, &mut read);
        read.sort_by_key(|range| range.start);
        let mut from = 0;
        for range in read {
            wish.rest.push_str(text.get(from..range.start).unwrap_or_default());
            wish.rest.push(' ');
            from = from.max(range.end);
        }
        wish.rest.push_str(text.get(from..).unwrap_or_default());
        wish
    }

    fn bounds(&self, text: &str, wish: &mut Wish, read: &mut Vec<Range<usize>>) {
        for (says, form) in FORMS.iter() {
            for found in form.captures_iter(text) {
                let Some(range) = found.get(0).map(|whole| whole.range()) else { continue };
                if read.iter().any(|other| overlap(other, &range)) {
                    continue;
                }
                // A budget is of money, whatever is named beside it.
                let is_budget =
                    found.get(0).is_some_and(|whole| ["budget", "预算"].iter().any(|it| whole.as_str().contains(it)));
                let text = if is_budget { "" } else { text };
                let quantity = |at: &str| quantity(&found, at).filter(|it| !is_budget || it.may_be_budget());
                let numbers = match says {
                    Says::Between => (quantity("a"), quantity("b")),
                    _ => (quantity(""), None),
                };
                let bound = match (says, numbers) {
                    (Says::Between, (Some(least), Some(most))) => {
                        let unit = most.unit.or(least.unit);
                        let least = Quantity { unit: least.unit.or(unit), ..least };
                        self.bound(text, &range, Some(least), Some(Quantity { unit, ..most }))
                    }
                    (Says::AtMost, (number, _)) => self.bound(text, &range, None, number),
                    (Says::AtLeast, (number, _)) => self.bound(text, &range, number, None),
                    (Says::About, (Some(number), _)) => {
                        let times = |factor: f64| Some(Quantity { value: number.value * factor, ..number });
                        self.bound(text, &range, times(1.0 - ABOUT), times(1.0 + ABOUT))
                    }
                    _ => None,
                };
                if let Some(bound) = bound.filter(|bound| bound.least.is_some() || bound.most.is_some()) {
                    wish.bounds.push(bound);
                    read.push(range);
                }
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

    fn values(&self, text: &str, entities: &[Entity], wish: &mut Wish, read: &mut Vec<Range<usize>>) {
        // What is found where, the longest first: "stainless steel" is not "steel".
        let mut found: Vec<(Range<usize>, String)> = Vec::new();
        for column in &self.columns {
            match &column.kind {
                Kind::Values(values) => {
                    for own in values.iter().filter(|own| is_nameable(own)) {
                        found.extend(value::said(own).find_map(|said| Some((value::find(text, &said)?, own.clone()))));
                    }
                }
                Kind::Flags => {
                    let name = folded(&column.name);
                    found.extend(value::said(&name).find_map(|said| Some((value::find(text, &said)?, name.clone()))));
                }
                _ => {}
            }
        }
        for entity in entities {
            let own = folded(&entity.value);
            if !self.having(&own).is_empty()
                && let Some(start) = text.char_indices().nth(entity.start).map(|(at, _)| at)
            {
                let end = text.char_indices().nth(entity.end).map_or(text.len(), |(at, _)| at);
                found.push((start..end, own));
            }
        }
        found.sort_by_key(|(range, _)| (std::cmp::Reverse(range.len()), range.start));
        let mut named: Vec<(Range<usize>, Named)> = Vec::new();
        for (range, own) in found {
            let known = named.iter().any(|(_, named)| named.value == own);
            if read.iter().any(|other| overlap(other, &range)) || known {
                continue;
            }
            let said = text.get(range.clone()).unwrap_or_default().to_owned();
            read.push(range.clone());
            named.push((range, Named { columns: self.having(&own), value: own, said, wanted: true }));
        }
        named.sort_by_key(|(range, _)| range.start);
        let mentions: Vec<Mention<'_>> =
            named.iter().map(|(at, named)| Mention { at: at.clone(), columns: &named.columns }).collect();
        let wanted = negation::wanted(text, &mentions);
        wish.named = named.into_iter().zip(wanted).map(|((_, named), wanted)| Named { wanted, ..named }).collect();
    }

    /// The columns that have a value.
    fn having(&self, own: &str) -> Vec<usize> {
        let has = |kind: &Kind, name: &str| match kind {
            Kind::Values(values) => values.iter().any(|value| value == own),
            Kind::Flags => folded(name) == own,
            _ => false,
        };
        (0..self.columns.len()).filter(|&at| has(&self.columns[at].kind, &self.columns[at].name)).collect()
    }

    fn order(&self, text: &str, wish: &mut Wish, read: &mut Vec<Range<usize>>) {
        if self.prices().is_empty() {
            return;
        }
        let dearest = DEAREST.iter().map(|word| (word, Order::DearestFirst));
        for (word, order) in dearest.chain(CHEAPEST.iter().map(|word| (word, Order::CheapestFirst))) {
            if let Some(range) = value::find(text, word).filter(|range| read.iter().all(|other| !overlap(other, range)))
            {
                wish.order = Some(order);
                read.push(range);
                return;
            }
        }
    }
}

impl Wish {
    /// Whether nothing was understood that filters.
    pub fn is_open(&self) -> bool {
        self.bounds.is_empty() && self.named.is_empty()
    }

    /// Whether an item passes. Of several values of one column one is enough; what isn't wanted mustn't be there.
    pub(super) fn allows(&self, catalogue: &Catalogue, item: &Item) -> bool {
        let in_bounds = self.bounds.iter().all(|bound| {
            bound.of(catalogue, item).is_some_and(|(_, number)| {
                bound.least.is_none_or(|least| number >= least) && bound.most.is_none_or(|most| number <= most)
            })
        });
        let has = |named: &Named| named.columns.iter().any(|&column| has(catalogue, item, column, &named.value));
        let asked_alike =
            |named: &Named| self.named.iter().any(|other| other.wanted && other.columns == named.columns && has(other));
        in_bounds && self.named.iter().all(|named| if named.wanted { asked_alike(named) } else { !has(named) })
    }
}

/// Whether an item has a value in a column.
pub(super) fn has(catalogue: &Catalogue, item: &Item, column: usize, own: &str) -> bool {
    let cell = item.cell(column);
    match catalogue.columns.get(column).map(|column| &column.kind) {
        Some(Kind::Flags) => flag(cell) == Some(true),
        _ => values_of(cell).any(|value| value == own),
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

/// Whether a text can name a value: one letter, or one digit, means anything.
fn is_nameable(value: &str) -> bool {
    value.chars().count() > 1 && !value.chars().all(|c| c.is_ascii_digit())
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
