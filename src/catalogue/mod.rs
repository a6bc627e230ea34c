//! A catalogue: things that can be recommended, and what a text asks of them.
//!
//! A table's columns are what they look like: numbers, which a text can bound (`under 300`, 「三百以下」); few values, which
//! it can name (red, 「红色」); the rest are texts, which are searched. [`Catalogue::items`] says which things pass
//! [`Wish`], what the text asks for; who ranks them is the caller.
//!
//! **Invariant:** pure. An item outside of what was asked for never passes.

mod asking;
mod bounds;
mod excluded;
mod general;
mod letter;
mod negation;
mod number;
mod price;
mod reading;
mod rows;
mod unit;
mod value;
mod variants;
mod why;
mod wish;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::{
    bounds::Bound,
    reading::CatalogueError,
    wish::{Named, Order, Wish},
};

/// The most items of a catalogue, and the most variants of them.
pub const MAX_ITEMS: usize = 50_000;

/// Things that can be recommended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    columns: Vec<Column>,
    items: Vec<Item>,
    /// The columns that an item's price is in, the first that it has.
    prices: Vec<usize>,
    /// The column of tags, of which an item has several that say nothing against each other.
    tags: Option<usize>,
    unpriced: Vec<Unpriced>,
    currencies: Vec<(&'static str, usize)>,
    parts: usize,
    withdrawn: usize,
}

/// A thing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    pub id: String,
    /// By language, the plain one first, with an empty tag.
    titles: Vec<(String, String)>,
    /// A cell for each of the catalogue's columns, as it was written; variants share those of their item.
    cells: Vec<Arc<str>>,
    /// The number in each column of numbers.
    numbers: Vec<Option<f64>>,
    /// What it comes in at prices of their own, if it does: its own price is the lowest of theirs.
    variants: Vec<Item>,
    /// What tells a variant from the others, such as `Medium / Red`; empty where it is none.
    label: String,
}

/// A column, but for ids and titles.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// As the first row has it.
    pub name: String,
    kind: Kind,
}

/// A cell of a column of prices that is no number: its item has no price there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpriced {
    /// The line of its row, from 1.
    pub line: usize,
    /// As it was written.
    pub cell: String,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Numbers, in this unit where one is told; of prices some cells may be words, such as "ask us".
    Numbers {
        unit: Option<unit::Unit>,
        role: price::Role,
    },
    /// One or more of these values, as they are compared.
    Values(Vec<String>),
    /// Yes or no.
    Flags,
    Text,
}

impl Catalogue {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The cells of columns of prices that are no numbers, in the file's order.
    pub fn unpriced(&self) -> &[Unpriced] {
        &self.unpriced
    }

    /// The codes of the currencies that prices are in where their cells tell, each with the first line that it is in, from 1.
    pub fn currencies(&self) -> &[(&'static str, usize)] {
        &self.currencies
    }

    /// How many rows of the table are part of another's item, such as its variants.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// How many items of the table aren't for sale, and not here.
    pub fn withdrawn(&self) -> usize {
        self.withdrawn
    }

    /// All items, in the file's order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// A column by its name; case doesn't count.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A column's name.
    pub fn name(&self, column: usize) -> &str {
        self.columns.get(column).map_or("", |column| &column.name)
    }

    /// What can be searched of an item: its titles, its texts and its values.
    pub fn text(&self, item: &Item) -> String {
        let searched = self
            .columns
            .iter()
            .zip(&item.cells)
            .filter(|(column, _)| matches!(column.kind, Kind::Text | Kind::Values(_)));
        let cells = searched.map(|(_, cell)| &**cell).filter(|cell| !cell.is_empty());
        item.titles.iter().map(|(_, title)| title.as_str()).chain(cells).collect::<Vec<_>>().join("\n")
    }

    /// The places of the items that pass a wish.
    pub fn passing(&self, wish: &Wish) -> Vec<usize> {
        (0..self.items.len()).filter(|&at| wish.allows(self, &self.items[at])).collect()
    }
}

impl Item {
    /// Its title in the language that suits.
    pub fn title(&self, locale: Option<&str>, text: &str) -> &str {
        let chosen = crate::domain::language::choose(&self.titles, |(tag, _)| tag, locale, text);
        chosen.map_or(&*self.id, |(_, title)| title)
    }

    /// What its cell in a column says.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", |cell| &**cell)
    }

    /// What tells it from the other variants of its item; empty where it is no variant.
    pub fn variant(&self) -> &str {
        &self.label
    }

    /// The number in a column.
    pub fn number(&self, column: usize) -> Option<f64> {
        self.numbers.get(column).copied().flatten()
    }
}
