//! Why an item passes a wish, as its reader says it: without the names that columns have for programs.

use super::{
    Bound, Catalogue, Item, Kind, Named, Wish,
    number::{of_cell, shown},
    reading::parts_of,
    unit,
    wish::has,
};
use crate::entity::folded;

/// What numbers are called in Chinese, by a word of their column's name.
const CHINESE: [(&str, &str); 10] = [
    ("price", "价格"),
    ("capacity", "容量"),
    ("volume", "容量"),
    ("power", "功率"),
    ("weight", "重量"),
    ("length", "长度"),
    ("width", "宽度"),
    ("height", "高度"),
    ("size", "尺寸"),
    ("battery", "电池"),
];

impl Wish {
    /// Why an item passes: the numbers that were asked for, and the values, in Chinese as they were said.
    pub fn why(&self, catalogue: &Catalogue, item: &Item, chinese: bool) -> Vec<String> {
        let bounds = self.bounds.iter().map(|bound| of_bound(bound, catalogue, item, chinese));
        let named = self.named.iter().filter_map(|named| of_value(named, catalogue, item, chinese));
        let mut why: Vec<String> = bounds.chain(named).collect();
        why.dedup();
        why
    }
}

fn of_bound(bound: &Bound, catalogue: &Catalogue, item: &Item, chinese: bool) -> String {
    let column = bound.of(catalogue, item).map_or(bound.column, |(column, _)| column);
    let (label, unit) = label(catalogue.name(column), chinese);
    let cell = item.cell(column);
    // A cell may have its unit itself.
    let is_bare = of_cell(cell).is_some_and(|(_, around)| around.is_empty());
    let unit = if is_bare { unit.map(|unit| format!(" {unit}")).unwrap_or_default() } else { String::new() };
    let limits = [bound.least.map(|it| format!("≥ {}", shown(it))), bound.most.map(|it| format!("≤ {}", shown(it)))];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    // Where variants have several prices, the item's is the lowest.
    let has_several = bound.is_price && catalogue.prices_of(item).is_some();
    let (from, up) = if has_several { ("from ", "起") } else { ("", "") };
    match chinese {
        true => format!("{label} {cell}{unit}{up}（{}）", limits.join("，")),
        false => format!("{label} {from}{cell}{unit} ({})", limits.join(", ")),
    }
}

fn of_value(named: &Named, catalogue: &Catalogue, item: &Item, chinese: bool) -> Option<String> {
    let column = named.columns.iter().copied().find(|&column| has(catalogue, item, column, &named.value));
    let word = match column.and_then(|column| Some((column, &catalogue.columns.get(column)?.kind))) {
        _ if chinese && named.said.chars().any(is_han) => named.said.clone(),
        Some((column, Kind::Flags)) => label(catalogue.name(column), chinese).0,
        Some((column, _)) => {
            // As the table writes it: names of brands have capitals.
            let written = parts_of(item.cell(column)).find(|part| folded(part) == named.value);
            written.unwrap_or(&named.value).to_owned()
        }
        None => named.value.clone(),
    };
    match (named.wanted, column) {
        (true, None) => None,
        (true, Some(_)) => Some(word),
        (false, _) if chinese => Some(format!("非{word}")),
        (false, _) => Some(format!("not {word}")),
    }
}

/// What readers call a column, and the unit that its name tells: `capacity_l` is "capacity", in l.
fn label(name: &str, chinese: bool) -> (String, Option<&str>) {
    const ENDS: [char; 4] = ['_', ' ', '(', '['];
    let (stem, unit) = match unit::of_name(&folded(name)).and_then(|_| name.rsplit_once(ENDS)) {
        Some((stem, unit)) => (stem, Some(unit.trim_end_matches([')', ']']))),
        None => (name, None),
    };
    let label = stem.replace('_', " ").trim().to_owned();
    let known = CHINESE.iter().find(|(word, _)| chinese && folded(&label).contains(word));
    (known.map_or(label, |(_, chinese)| (*chinese).to_owned()), unit)
}

pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}
