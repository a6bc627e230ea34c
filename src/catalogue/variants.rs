//! The variants of an item, such as its sizes: rows of their own, with what each costs.
//!
//! **Invariant:** a variant is an item itself, so that what is asked for holds of one of them as a whole: of "a medium one
//! under 20" not the size of one, and the price of another.

use super::{Catalogue, Item, Order, Wish, price::Role, unit};
use crate::corpus::SheetRow;

/// Columns, folded, that tell variants apart, beside those of shops' exports.
const OPTIONS: [&str; 9] = ["size", "color", "colour", "variant", "颜色", "尺码", "尺寸", "规格", "款式"];

/// Which columns say what of variants.
#[derive(Debug)]
pub(super) struct Columns<'n> {
    /// The columns' names, folded.
    names: &'n [String],
    titles: &'n [(String, usize)],
    /// Whether each may be a price.
    prices: Vec<bool>,
}

impl<'n> Columns<'n> {
    pub(super) fn of(names: &'n [String], titles: &'n [(String, usize)]) -> Self {
        let is_price = |name: &String| Role::of(name, unit::of_name(name)).is_price();
        Self { names, titles, prices: names.iter().map(is_price).collect() }
    }

    /// Whether a column tells variants apart, or what they cost.
    pub(super) fn is_own(&self, at: usize) -> bool {
        self.is_option(at) || self.prices.get(at) == Some(&true)
    }

    /// Whether a column tells variants apart: `Option1 Value` of Shopify, `Attribute 1 value(s)` of WooCommerce.
    fn is_option(&self, at: usize) -> bool {
        self.names.get(at).map(String::as_str).is_some_and(|name| {
            OPTIONS.contains(&name)
                || (name.starts_with("option") && name.ends_with(" value"))
                || (name.starts_with("attribute ") && name.ends_with(" value(s)"))
        })
    }

    fn has(&self, row: &SheetRow, is: impl Fn(usize) -> bool) -> bool {
        row.cells.iter().enumerate().any(|(at, cell)| !cell.is_empty() && is(at))
    }

    fn has_price(&self, row: &SheetRow) -> bool {
        self.has(row, |at| self.prices.get(at) == Some(&true))
    }

    /// The rows of an item's variants, each with what it has of the item; none where they have no prices of their own.
    pub(super) fn variants(&self, item: &SheetRow, parts: &[SheetRow]) -> Vec<SheetRow> {
        if !parts.iter().any(|part| self.has_price(part)) {
            return Vec::new();
        }
        // Other rows have pictures alone.
        let own = parts.iter().filter(|part| self.has(part, |at| self.is_own(at)));
        let first = Some(item).filter(|item| self.has_price(item)).cloned();
        first.into_iter().chain(own.map(|part| self.completed(item, part))).collect()
    }

    /// A variant's row with what isn't told there as its item has it.
    fn completed(&self, item: &SheetRow, part: &SheetRow) -> SheetRow {
        let is_titled = self.titles.iter().any(|(_, at)| part.cells.get(*at).is_some_and(|cell| !cell.is_empty()));
        let is_priced = self.has_price(part);
        let cell = |(at, (whole, own)): (usize, (&String, &String))| {
            let is_price = self.prices.get(at) == Some(&true);
            // Shopify's rows have further pictures of the item, whatever variant is in them.
            let is_picture = !is_titled && self.names.get(at).is_some_and(|name| name.starts_with("image"));
            let is_whole = if is_price { !is_priced } else { own.is_empty() || is_picture };
            if is_whole { whole.clone() } else { own.clone() }
        };
        let cells = item.cells.iter().zip(&part.cells).enumerate().map(cell).collect();
        SheetRow { line: part.line, cells }
    }

    /// The item's row with all that its variants can be chosen by.
    pub(super) fn merged(&self, mut item: SheetRow, parts: &[SheetRow]) -> SheetRow {
        for (at, own) in item.cells.iter_mut().enumerate().filter(|(at, _)| self.is_option(*at)) {
            for other in parts.iter().filter_map(|part| part.cells.get(at)).filter(|other| !other.is_empty()) {
                if own.split('|').all(|known| known != other) {
                    let between = if own.is_empty() { "" } else { "|" };
                    *own = format!("{own}{between}{other}");
                }
            }
        }
        item
    }

    /// What tells a variant from the others: `Medium / Red`.
    pub(super) fn label(&self, variant: &SheetRow, all: &[SheetRow]) -> String {
        let differs = |at: usize| all.iter().any(|other| other.cells.get(at) != variant.cells.get(at));
        let options = variant.cells.iter().enumerate().filter(|(at, _)| self.is_option(*at) && differs(*at));
        let options = options.map(|(_, cell)| cell.as_str()).filter(|cell| !cell.is_empty());
        options.collect::<Vec<_>>().join(" / ")
    }
}

impl Catalogue {
    /// Gives an item the price of its cheapest variant.
    pub(super) fn price_from_variants(&self, item: &mut Item) {
        let Item { cells, numbers, variants, .. } = item;
        let priced = variants.iter().filter_map(|variant| Some((self.price(variant)?.1, variant)));
        let Some((_, cheapest)) = priced.min_by(|a, b| a.0.total_cmp(&b.0)) else { return };
        for &at in &self.prices {
            if let (Some(cell), Some(own)) = (cells.get_mut(at), cheapest.cells.get(at)) {
                cell.clone_from(own);
            }
            if let Some(number) = numbers.get_mut(at) {
                *number = cheapest.number(at);
            }
        }
    }

    /// What is shown of an item that passes a wish: the item, or where not all of its variants do, or the dearest is asked
    /// for, the cheapest or dearest of those that do.
    pub fn shown<'i>(&self, wish: &Wish, item: &'i Item) -> &'i Item {
        let passing: Vec<&Item> = item.variants.iter().filter(|variant| wish.allows(self, variant)).collect();
        let is_dearest = wish.order == Some(Order::DearestFirst);
        if passing.len() == item.variants.len() && !is_dearest {
            return item;
        }
        let price = |variant: &&&Item| self.price(variant).map(|(_, price)| if is_dearest { -price } else { price });
        let priced = passing.iter().filter(|variant| price(variant).is_some());
        let best = priced.min_by(|a, b| price(a).unwrap_or_default().total_cmp(&price(b).unwrap_or_default()));
        best.or(passing.first()).copied().unwrap_or(item)
    }

    /// The lowest and the highest price of an item whose variants have several.
    pub fn prices_of(&self, item: &Item) -> Option<(f64, f64)> {
        let prices = || item.variants.iter().filter_map(|variant| self.price(variant)).map(|(_, price)| price);
        let (lowest, highest) = (prices().min_by(f64::total_cmp)?, prices().max_by(f64::total_cmp)?);
        (lowest < highest).then_some((lowest, highest))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    const SHOPIFY: &str = "\
Handle,Title,Vendor,Option1 Name,Option1 Value,Variant Price,Image Src
tee,Tee,Acme,Size,Small,19,a.png
tee,,,,Medium,25,b.png
tee,,,,Large,31,
tee,,,,,,c.png
cap,帽子,Acme,尺码,大号,30,d.png
cap,,,,小号,18.5,
";

    #[track_caller]
    fn check(table: &str, text: &str, expected: &[(&str, &str)]) {
        let (catalogue, _) = Catalogue::read(table.as_bytes()).unwrap();
        let wish = catalogue.wish(text, &[]);
        let found: Vec<_> = catalogue.passing(&wish).into_iter().map(|at| &catalogue.items()[at]).collect();
        let shown: Vec<String> = found
            .iter()
            .map(|item| {
                let shown = catalogue.shown(&wish, item);
                let price = catalogue.price(shown).map(|(_, price)| price.to_string()).unwrap_or_default();
                format!("{} {price}", shown.variant())
            })
            .collect();
        let ids: Vec<(&str, &str)> = found.iter().zip(&shown).map(|(item, shown)| (&*item.id, shown.trim())).collect();
        assert_eq!(ids, expected, "{text}: {wish:?}");
    }

    #[test]
    fn an_item_passes_where_one_of_its_variants_does_as_a_whole() {
        check(SHOPIFY, "what have you got", &[("tee", "19"), ("cap", "18.5")]);
        check(SHOPIFY, "under 20", &[("tee", "Small 19"), ("cap", "小号 18.5")]);
        check(SHOPIFY, "二十元以下", &[("tee", "Small 19"), ("cap", "小号 18.5")]);
        check(SHOPIFY, "over 28", &[("tee", "Large 31"), ("cap", "大号 30")]);
        check(SHOPIFY, "over 20 and under 27", &[("tee", "Medium 25")]);
        check(SHOPIFY, "a medium one under 30", &[("tee", "Medium 25")]);
        check(SHOPIFY, "a medium one under 20", &[]);
        check(SHOPIFY, "大号的，二十元以下", &[]);
        check(SHOPIFY, "小号的，二十元以下", &[("cap", "小号 18.5")]);
        check(SHOPIFY, "under 40", &[("tee", "19"), ("cap", "18.5")]);
        check(SHOPIFY, "the most expensive", &[("tee", "Large 31"), ("cap", "大号 30")]);
    }

    #[test]
    fn a_variant_has_what_isnt_told_of_it_as_its_item() {
        let (catalogue, _) = Catalogue::read(SHOPIFY.as_bytes()).unwrap();
        let tee = &catalogue.items()[0];
        let cell = |item: &Item, name: &str| item.cell(catalogue.column(name).unwrap()).to_owned();
        let medium = &tee.variants[1];
        assert_eq!([cell(medium, "Vendor"), cell(medium, "Image Src")], ["Acme", "a.png"]);
        assert_eq!(cell(tee, "Option1 Value"), "Small|Medium|Large");
        assert_eq!((tee.variants.len(), catalogue.prices_of(tee)), (3, Some((19.0, 31.0))));
        // A sale of one is none of another.
        let sale = "id,title,size,Regular price,Sale price\n1,Tee,S,20,15\n1,,M,22,\n";
        check(sale, "under 16", &[("1", "S 15")]);
        check(sale, "over 20", &[("1", "M 22")]);
    }

    #[test]
    fn variations_of_woocommerce_are_of_their_parent_wherever_they_stand() {
        let woo = "\
ID,Type,SKU,Name,Published,Regular price,Sale price,Parent,Attribute 1 name,Attribute 1 value(s)
7,variation,t-r,Tee - 红色,1,25,,tee,Colour,红色
1,variable,tee,Tee,1,,,,Colour,\"红色, 蓝色\"
8,variation,t-b,Tee - 蓝色,1,30,18,tee,Colour,蓝色
9,variation,c-1,Cap - L,1,9,,id:2,,
2,variable,cap,Cap,0,,,,,
3,simple,belt,Belt,1,12,,,,
";
        check(woo, "under 20", &[("1", "蓝色 18"), ("3", "12")]);
        check(woo, "红色的，二十元以下", &[]);
        let (catalogue, _) = Catalogue::read(woo.as_bytes()).unwrap();
        assert_eq!((catalogue.len(), catalogue.parts(), catalogue.withdrawn()), (2, 2, 1));
        let wish = catalogue.wish("红色", &[]);
        assert_eq!(catalogue.shown(&wish, &catalogue.items()[0]).title(None, "红色"), "Tee - 红色");
    }

    #[test]
    fn rows_of_one_group_of_a_merchants_feed_are_variants() {
        let feed = "\
id\ttitle\tprice\titem_group_id\tsize
t1\tTee small\t15.00 USD\ttee\tS
b1\tBelt\t12.00 USD\t\t
t2\tTee 大号\t20.00 USD\ttee\tL
";
        check(feed, "under 18 dollars", &[("t1", "S 15"), ("b1", "12")]);
        check(feed, "十八元以上", &[("t1", "L 20")]);
    }
}
