//! A table → a catalogue: which columns are what.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    Catalogue, Column, Item, Kind, MAX_ITEMS, Unpriced, number,
    price::{self, Role},
    rows::{self, Kept},
    unit, variants,
};
use crate::{
    corpus::{CorpusError, Notes, Sheet, SheetRow},
    entity::folded,
};

/// Why a catalogue can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// The table itself can't.
    #[error("{0}")]
    Table(#[from] CorpusError),
    /// A row.
    #[error("line {line}: {reason}")]
    Row { line: usize, reason: String },
    #[error(
        "line 1: no column is called id (or sku), or title (or name, 名称, 标题), and there are {columns}: name them so"
    )]
    Columns { columns: String },
    #[error("there is no item in it: write one a row")]
    Empty,
    #[error(
        "none of its items is for sale: they are drafts, archived, not published or hidden (Status, Published, Visibility \
         in catalog)"
    )]
    NoneForSale,
    #[error("it has more than {MAX_ITEMS} items, or variants of them")]
    TooLarge,
}

const IDS: [&str; 6] = ["id", "sku", "item_id", "product_id", "编号", "货号"];
const TITLES: [&str; 7] = ["title", "name", "product_name", "product", "名称", "标题", "商品名称"];
/// Languages that a title's column may be in: `title_zh`.
const LANGUAGES: [&str; 14] = ["en", "zh", "ja", "ko", "fr", "de", "es", "pt", "it", "ru", "ar", "nl", "th", "vi"];
/// What stands between several values of a cell.
const BETWEEN_VALUES: [char; 5] = [';', '|', '；', '、', '/'];
const UNTITLED: &str = "it has no title: write one, or take the row out; rows of an item's variants have its id, and stand \
                        right behind it";
/// The longest value that a text can name, in characters.
const LONGEST_VALUE: usize = 30;

impl Catalogue {
    /// Reads a table's bytes; notes tell what wasn't used.
    ///
    /// # Errors
    /// [`CatalogueError`], with the line.
    pub fn read(bytes: &[u8]) -> Result<(Self, Notes), CatalogueError> {
        let Sheet { header, mut rows, faults, mut notes } = Sheet::read(bytes, None)?;
        if let Some(fault) = faults.into_iter().next() {
            return Err(CatalogueError::Row { line: fault.line, reason: fault.reason });
        }
        let names: Vec<String> = header.iter().map(|name| folded(name)).collect();
        let named = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
        let (id, title) = (handle(&names).or_else(|| named(&IDS)), named(&TITLES));
        let titles = titles(&names, title);
        let (Some(id), false) = (id.or(title), titles.is_empty()) else {
            let columns = header.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
            return Err(CatalogueError::Columns { columns });
        };
        if rows.is_empty() {
            return Err(CatalogueError::Empty);
        }
        // Of Shopify's exports.
        let tags = handle(&names).and_then(|_| names.iter().position(|name| name == "tags"));
        if let Some(tags) = tags {
            rows::split_tags(&mut rows, tags);
        }
        let Kept { items, parts, withdrawn } = rows::kept(rows, &names, id, &titles);
        match items.len() {
            0 => return Err(CatalogueError::NoneForSale),
            count if count > MAX_ITEMS => return Err(CatalogueError::TooLarge),
            _ => {}
        }
        (0..parts).for_each(|_| notes.add("a row is a variant of another row's item", None));
        (0..withdrawn).for_each(|_| notes.add("an item isn't for sale and is left out", None));
        let mut catalogue = Self { parts, withdrawn, ..Self::default() };
        let own: Vec<usize> = (0..header.len())
            .filter(|at| *at != id && titles.iter().all(|(_, title)| title != at) && !header[*at].is_empty())
            .collect();
        let variants = variants::Columns::of(&names, &titles);
        for &at in &own {
            // What a part has of its item stands there but once.
            let most = if variants.is_own(at) { usize::MAX } else { 0 };
            let rows = items.iter().flat_map(|(row, parts)| [row].into_iter().chain(parts.iter().take(most)));
            let cells = rows.map(|row| row.cells[at].as_str());
            let kind = if tags == Some(at) { Kind::of_tags(cells) } else { Kind::of(&names[at], cells) };
            catalogue.columns.push(Column { name: header[at].clone(), kind });
        }
        catalogue.prices = price::columns(&catalogue.columns);
        catalogue.tags = own.iter().position(|at| tags == Some(*at));
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut count = 0;
        for (row, parts) in items {
            let fault = |reason: String| CatalogueError::Row { line: row.line, reason };
            let own_id = row.cells[id].clone();
            if own_id.is_empty() {
                return Err(fault(format!("it has no {}: write one, or take the row out", header[id])));
            }
            let own_titles = titled(&row, &titles);
            if own_titles.is_empty() {
                return Err(fault(UNTITLED.to_owned()));
            }
            if let Some(first) = lines.insert(own_id.clone(), row.line) {
                return Err(fault(format!("the {} '{own_id}' is also that of line {first}", header[id])));
            }
            let rows = variants.variants(&row, &parts);
            count += rows.len();
            if count > MAX_ITEMS {
                return Err(CatalogueError::TooLarge);
            }
            let mut item =
                catalogue.item(own_id, own_titles, own.iter().map(|&at| Arc::from(&*row.cells[at])).collect());
            catalogue.tell_unpriced(&item, row.line, &mut notes);
            catalogue.tell_currencies(&item, row.line);
            for variant in &rows {
                let share = |(&at, whole): (&usize, &Arc<str>)| match &*variant.cells[at] {
                    cell if cell == &**whole => Arc::clone(whole),
                    cell => Arc::from(cell),
                };
                let cells = own.iter().zip(&item.cells).map(share).collect();
                let own_titles = titled(variant, &titles);
                let mut read = catalogue.item(variant.cells[id].clone(), own_titles, cells);
                read.label = variants.label(variant, &rows);
                if variant.line != row.line {
                    catalogue.tell_unpriced(&read, variant.line, &mut notes);
                    catalogue.tell_currencies(&read, variant.line);
                }
                item.variants.push(read);
            }
            let merged = variants.merged(row, &parts);
            for (cell, &at) in item.cells.iter_mut().zip(&own) {
                if **cell != *merged.cells[at] {
                    *cell = Arc::from(&*merged.cells[at]);
                }
            }
            catalogue.price_from_variants(&mut item);
            catalogue.items.push(item);
        }
        Ok((catalogue, notes))
    }

    /// An item of these cells.
    fn item(&self, id: String, titles: Vec<(String, String)>, cells: Vec<Arc<str>>) -> Item {
        let number = |(cell, column): (&Arc<str>, &Column)| match column.kind {
            Kind::Numbers { .. } => number::of_cell(cell).map(|(number, _)| number),
            _ => None,
        };
        let numbers = cells.iter().zip(&self.columns).map(number).collect();
        Item { id, titles, cells, numbers, ..Item::default() }
    }

    /// Tells which prices of an item are no numbers.
    fn tell_unpriced(&mut self, item: &Item, line: usize, notes: &mut Notes) {
        for ((cell, number), column) in item.cells.iter().zip(&item.numbers).zip(&self.columns) {
            if column.role().is_some() && number.is_none() && !cell.is_empty() {
                notes.add("a price that is no number is taken as none", None);
                self.unpriced.push(Unpriced { line, cell: (**cell).to_owned() });
            }
        }
    }

    /// Tells the currencies of an item's prices.
    fn tell_currencies(&mut self, item: &Item, line: usize) {
        for &at in &self.prices {
            let around = number::of_cell(item.cell(at)).map(|(_, around)| folded(around));
            if let Some(code) = around.and_then(|around| unit::currency(&around))
                && self.currencies.iter().all(|(known, _)| *known != code)
            {
                self.currencies.push((code, line));
            }
        }
    }
}

/// The titles that a row has, with their languages.
fn titled(row: &SheetRow, titles: &[(String, usize)]) -> Vec<(String, String)> {
    let titles = titles.iter().map(|(tag, at)| (tag.clone(), row.cells[*at].clone()));
    titles.filter(|(_, title)| !title.is_empty()).collect()
}

/// The column of Shopify's exports that has the item of each row; their variants have a SKU of their own.
fn handle(names: &[String]) -> Option<usize> {
    let at = |name: &str| names.iter().position(|own| own == name);
    let is_export = at("id").is_none() && at("option1 name").is_some();
    at("handle").or_else(|| at("url handle")).filter(|_| is_export)
}

/// The columns of titles with their languages: the plain one without a tag, unless each has one.
fn titles(names: &[String], plain: Option<usize>) -> Vec<(String, usize)> {
    let mut titles: Vec<(String, usize)> = plain.map(|at| (String::new(), at)).into_iter().collect();
    for (at, name) in names.iter().enumerate() {
        let tagged =
            name.rsplit_once(['_', '.', '-']).filter(|(stem, tag)| TITLES.contains(stem) && LANGUAGES.contains(tag));
        titles.extend(tagged.map(|(_, tag)| (tag.to_owned(), at)));
    }
    // A plain title beside Chinese ones is in the other language.
    if let [(tag, _), (other, _)] = titles.as_mut_slice()
        && tag.is_empty()
    {
        *tag = if other == "zh" { "en".to_owned() } else { String::new() };
    }
    titles
}

impl Kind {
    /// What a column of this folded name and these cells is.
    fn of<'c>(name: &str, cells: impl Iterator<Item = &'c str> + Clone) -> Self {
        let filled = || cells.clone().filter(|cell| !cell.is_empty());
        let count = filled().count();
        if count == 0 {
            return Self::Text;
        }
        if filled().all(|cell| flag(cell).is_some()) {
            return Self::Flags;
        }
        let numbers = filled().filter(|cell| number::of_cell(cell).is_some()).count();
        // What is called a price is one, even where some things have none: "ask us", 「面议」.
        let is_price = Role::of(name, unit::of_name(name)).is_price();
        if numbers == count || (is_price && numbers * 2 > count) {
            let around = filled().find_map(|cell| unit::of(&folded(number::of_cell(cell)?.1)));
            let unit = around.or_else(|| unit::of_name(name));
            return Self::Numbers { unit, role: Role::of(name, unit) };
        }
        let mut values: BTreeMap<String, usize> = BTreeMap::new();
        for value in filled().flat_map(values_of) {
            if value.chars().count() > LONGEST_VALUE {
                return Self::Text;
            }
            *values.entry(value).or_default() += 1;
        }
        // Values that come again are kinds of things; a column of which hardly any does is a text.
        let total: usize = values.values().sum();
        if values.len() > 200 || (values.len() * 3 > total * 2 && total > 6) {
            return Self::Text;
        }
        Self::Values(values.into_keys().collect())
    }

    /// What a column of tags is: each is a value, however seldom it comes.
    fn of_tags<'c>(cells: impl Iterator<Item = &'c str>) -> Self {
        let values: BTreeSet<String> = cells.flat_map(values_of).collect();
        Self::Values(values.into_iter().collect())
    }
}

/// The values of a cell, as they are written.
pub(super) fn parts_of(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(BETWEEN_VALUES).map(str::trim)
}

/// The values of a cell, as they are compared.
pub(super) fn values_of(cell: &str) -> impl Iterator<Item = String> {
    parts_of(cell).map(folded).filter(|value| !value.is_empty())
}

/// What a cell of yes or no says.
pub(super) fn flag(cell: &str) -> Option<bool> {
    match &*folded(cell) {
        "yes" | "true" | "y" | "是" | "有" => Some(true),
        "no" | "false" | "n" | "否" | "无" | "没有" => Some(false),
        _ => None,
    }
}
