//! What a text asks of a catalogue: bounds of numbers, values, an order; and the words that are left.

use std::ops::Range;

use super::{
    Catalogue, Item, Kind,
    bounds::Bound,
    excluded::{self, is_excluded, says_all},
    letter,
    negation::{self, Mention},
    reading::{flag, values_of},
    value,
};
use crate::{domain::Entity, entity::folded};

/// What a text asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wish {
    pub bounds: Vec<Bound>,
    pub named: Vec<Named>,
    /// Words that are no values: an item that has all of a list isn't wanted.
    pub excluded: Vec<Vec<String>>,
    pub order: Option<Order>,
    /// Whether what things cost is bounded, and no column says that: nothing passes.
    pub unpriced: bool,
    /// The text without what was understood, folded: the words that are searched.
    pub rest: String,
}

impl Wish {
    /// This, and then that: what is said later of a column takes the place of what was said of it before.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        let Self { mut bounds, mut named, mut excluded, order, unpriced, rest } = self;
        bounds.retain(|bound| later.bounds.iter().all(|it| it.column != bound.column));
        named.retain(|it| {
            let replaces = |other: &Named| {
                other.value == it.value || other.replacing.iter().any(|column| it.columns.contains(column))
            };
            !later.named.iter().any(replaces)
        });
        excluded.retain(|words| !says_all(&later.rest, words));
        excluded.extend(later.excluded);
        bounds.extend(later.bounds);
        named.extend(later.named);
        let rest = format!("{rest} {}", later.rest).trim().to_owned();
        Self { bounds, named, excluded, order: later.order.or(order), unpriced: unpriced || later.unpriced, rest }
    }
}

/// A value that items have to have, or mustn't.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The columns that have it.
    pub columns: Vec<usize>,
    /// Those of them of which it takes the place of what was said before: all but tags.
    pub replacing: Vec<usize>,
    /// As it is compared.
    pub value: String,
    /// As the text says it, folded.
    pub said: String,
    pub wanted: bool,
    /// Whether an item needs it and the one before, of the same columns: "gold chokers", where there are any.
    pub with_before: bool,
}

/// How items are to be ordered by what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    CheapestFirst,
    DearestFirst,
}

/// What asks for the smallest price first, and what for the largest.
const CHEAPEST: [&str; 11] = [
    "cheapest",
    "lowest price",
    "least expensive",
    "cheaper",
    "less expensive",
    "cheap",
    "最便宜",
    "便宜",
    "价格最低",
    "性价比",
    "budget",
];
const DEAREST: [&str; 6] = ["most expensive", "highest price", "priciest", "最贵", "价格最高", "高端"];

impl Catalogue {
    /// What a text asks for; `entities` are what it names.
    pub fn wish(&self, text: &str, entities: &[Entity]) -> Wish {
        let written = text;
        let text = folded(text);
        let mut wish = Wish::default();
        let mut read: Vec<Range<usize>> = Vec::new();
        self.bounds(&text, &mut wish, &mut read);
        self.values(written, &text, entities, &mut wish, &mut read);
        self.order(&text, &mut wish, &mut read);
        excluded::exclude(self, &text, &mut wish, &mut read);
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

    /// Reads the values that a text names, `written` so before it was folded.
    fn values(&self, written: &str, text: &str, entities: &[Entity], wish: &mut Wish, read: &mut Vec<Range<usize>>) {
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
        let listed = self.columns.iter().filter_map(|column| match &column.kind {
            Kind::Values(values) => Some(values),
            _ => None,
        });
        let letters: Vec<char> = listed.flatten().filter_map(|value| letter::of(value)).collect();
        let letters = letter::said(written, text, &letters);
        found.extend(letters.iter().cloned());
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
            // The word for size beside a letter is none of it.
            let said = match letters.iter().any(|(at, _)| *at == range) {
                true => own.clone(),
                false => text.get(range.clone()).unwrap_or_default().to_owned(),
            };
            read.push(range.clone());
            let columns = self.having(&own);
            let replacing = columns.iter().copied().filter(|at| self.tags != Some(*at)).collect();
            named.push((range, Named { columns, replacing, value: own, said, wanted: true, with_before: false }));
        }
        named.sort_by_key(|(range, _)| range.start);
        let mentions: Vec<Mention<'_>> =
            named.iter().map(|(at, named)| Mention { at: at.clone(), columns: &named.columns }).collect();
        let wanted = negation::wanted(text, &mentions);
        let mut end = 0;
        for ((at, named), wanted) in named.into_iter().zip(wanted) {
            let is_alike = |before: &Named| before.wanted && wanted && before.columns == named.columns;
            let is_next = text.get(end..at.start) == Some(" ") && wish.named.last().is_some_and(is_alike);
            let first = wish.named.iter().rposition(|it| !it.with_before).unwrap_or_default();
            let with_before = is_next && self.any_has(wish.named.get(first..).unwrap_or_default(), &named);
            end = at.end;
            wish.named.push(Named { wanted, with_before, ..named });
        }
    }

    /// Whether an item, or one of its variants, has some values and one more.
    fn any_has(&self, some: &[Named], more: &Named) -> bool {
        let has = |item: &Item, named: &Named| named.columns.iter().any(|&at| has(self, item, at, &named.value));
        let has_all = |item: &Item| has(item, more) && some.iter().all(|named| has(item, named));
        self.items.iter().any(|item| match item.variants.as_slice() {
            [] => has_all(item),
            variants => variants.iter().any(has_all),
        })
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
        self.bounds.is_empty() && self.named.is_empty() && self.excluded.is_empty() && !self.unpriced
    }

    /// Whether an item passes, or one of its variants does.
    pub(super) fn allows(&self, catalogue: &Catalogue, item: &Item) -> bool {
        match item.variants.as_slice() {
            [] => self.allows_all_of(catalogue, item),
            variants => variants.iter().any(|variant| self.allows_all_of(catalogue, variant)),
        }
    }

    /// Whether an item passes by what is told of it itself. Of several values of one column one is enough; what isn't wanted
    /// mustn't be there.
    fn allows_all_of(&self, catalogue: &Catalogue, item: &Item) -> bool {
        let in_bounds = self.bounds.iter().all(|bound| {
            bound.of(catalogue, item).is_some_and(|(_, number)| {
                bound.least.is_none_or(|least| number >= least) && bound.most.is_none_or(|most| number <= most)
            })
        });
        let has = |named: &Named| named.columns.iter().any(|&column| has(catalogue, item, column, &named.value));
        let asked_alike = |named: &Named| {
            self.named
                .chunk_by(|before, next| next.with_before && next.columns == before.columns)
                .any(|all| all.iter().all(|other| other.wanted && other.columns == named.columns && has(other)))
        };
        !self.unpriced
            && in_bounds
            && self.named.iter().all(|named| if named.wanted { asked_alike(named) } else { !has(named) })
            && !is_excluded(&self.excluded, catalogue, item)
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

/// Whether a text can name a value: one letter, or one digit, means anything.
fn is_nameable(value: &str) -> bool {
    value.chars().count() > 1 && !value.chars().all(|c| c.is_ascii_digit())
}

pub(super) fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
