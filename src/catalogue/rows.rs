//! Which rows of a table are items: shops' exports have rows for variants, and for what isn't for sale.

use std::collections::HashMap;

use crate::corpus::SheetRow;

/// Columns, folded, and what says in them that an item isn't for sale: Shopify's and WooCommerce's.
const WITHDRAWN: [(&str, &[&str]); 4] = [
    ("status", &["draft", "archived"]),
    ("published", &["false", "0", "-1"]),
    ("published on online store", &["false"]),
    ("visibility in catalog", &["hidden"]),
];

/// The rows of items.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Each item's row, and those of its parts, such as its variants.
    pub(super) items: Vec<(SheetRow, Vec<SheetRow>)>,
    /// How many rows are part of an item.
    pub(super) parts: usize,
    /// How many items aren't for sale.
    pub(super) withdrawn: usize,
}

/// The columns by which rows name the item that they are part of.
struct Family {
    id: usize,
    sku: Option<usize>,
    /// WooCommerce's: what a row is, and the ID or the SKU of what it is a variation of.
    kind: Option<usize>,
    parent: Option<usize>,
    /// Google's feed of a merchant: what variants have in common.
    group: Option<usize>,
}

impl Family {
    fn of(names: &[String], id: usize) -> Self {
        let at = |name: &str| names.iter().position(|own| own == name);
        let group = at("item_group_id").or_else(|| at("item group id"));
        Self { id, sku: at("sku"), kind: at("type"), parent: at("parent"), group }
    }

    fn cell<'r>(&self, row: &'r SheetRow, at: Option<usize>) -> Option<&'r str> {
        at.and_then(|at| row.cells.get(at)).map(String::as_str).filter(|cell| !cell.is_empty())
    }

    /// What a variation calls the item that it is of.
    fn parent<'r>(&self, row: &'r SheetRow) -> Option<&'r str> {
        let is_variation = self.cell(row, self.kind).is_some_and(|kind| kind.starts_with("variation"));
        self.cell(row, self.parent).filter(|_| is_variation)
    }

    /// What variations call an item.
    fn called(&self, row: &SheetRow) -> Vec<String> {
        let id = self.cell(row, Some(self.id)).map(|id| format!("id:{id}"));
        id.into_iter().chain(self.cell(row, self.sku).map(str::to_owned)).collect()
    }
}

/// The rows of items; `names` are the columns', folded.
pub(super) fn kept(mut rows: Vec<SheetRow>, names: &[String], id: usize, titles: &[(String, usize)]) -> Kept {
    let family = Family::of(names, id);
    // Variations may stand before what they are of.
    rows.sort_by_key(|row| family.parent(row).is_some());
    let mut kept = Kept::default();
    // Where items are in what is kept; none that aren't for sale.
    let mut parents: HashMap<String, Option<usize>> = HashMap::new();
    let mut groups: HashMap<String, usize> = HashMap::new();
    let mut last: (String, Option<usize>) = Default::default();
    for mut row in rows {
        let is_more = titles.iter().all(|(_, at)| row.cells[*at].is_empty()) && !row.cells[id].is_empty();
        let group = family.cell(&row, family.group).map(str::to_owned);
        let place = match (family.parent(&row), &group) {
            (Some(parent), _) => parents.get(parent).copied(),
            (None, Some(group)) => groups.get(group).map(|place| Some(*place)),
            (None, None) => (is_more && row.cells[id] == last.0).then_some(last.1),
        };
        let for_sale = !is_withdrawn(&row, names);
        if let Some(place) = place {
            if let Some((_, parts)) = place.filter(|_| for_sale).and_then(|place| kept.items.get_mut(place)) {
                parts.push(row);
                kept.parts += 1;
            }
            continue;
        }
        let place = for_sale.then_some(kept.items.len());
        last = (row.cells[id].clone(), place);
        if family.parent.is_some() {
            family.called(&row).into_iter().for_each(|name| _ = parents.entry(name).or_insert(place));
            split_attributes(&mut row, names);
        }
        if let (Some(group), Some(place)) = (group, place) {
            groups.insert(group, place);
        }
        match for_sale {
            true => kept.items.push((row, Vec::new())),
            false => kept.withdrawn += 1,
        }
    }
    kept
}

/// WooCommerce's values stand between commas, which are part of a value elsewhere.
fn split_attributes(row: &mut SheetRow, names: &[String]) {
    for (cell, name) in row.cells.iter_mut().zip(names) {
        if name.starts_with("attribute ") && name.ends_with(" value(s)") {
            *cell = cell.replace(", ", "|");
        }
    }
}

/// So do the tags of Shopify's exports, in this column.
pub(super) fn split_tags(rows: &mut [SheetRow], column: usize) {
    for cell in rows.iter_mut().filter_map(|row| row.cells.get_mut(column)) {
        *cell = cell.replace(", ", "|").replace(',', "|");
    }
}

fn is_withdrawn(row: &SheetRow, names: &[String]) -> bool {
    names.iter().zip(&row.cells).any(|(name, cell)| {
        let says = |(column, values): &(&str, &[&str])| {
            name == column && values.iter().any(|value| cell.eq_ignore_ascii_case(value))
        };
        WITHDRAWN.iter().any(says)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use crate::catalogue::Catalogue;

    fn read(table: &str) -> (Catalogue, Vec<String>, Vec<String>) {
        let (catalogue, notes) = Catalogue::read(table.as_bytes()).unwrap();
        let ids = catalogue.items().iter().map(|item| item.id.clone()).collect();
        (catalogue, ids, notes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn rows_of_an_item_without_a_title_are_its_variants() {
        let (catalogue, ids, notes) = read(
            "\
Handle,Title,Vendor,Published,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src,Status
tee,Tee,Acme,true,Size,Small,t1,25,a.png,active
tee,,,,,Medium,t2,20,,
tee,,,,,,,,b.png,
pants,Pants,Acme,true,Size,Small,p1,50,c.png,active
cap,Cap,Acme,true,Size,Small,c1,9,d.png,draft
cap,,,,,Medium,c2,9,,
",
        );
        assert_eq!(ids, ["tee", "pants"]);
        assert_eq!((catalogue.parts(), catalogue.withdrawn()), (2, 1));
        assert_eq!(notes.len(), 2, "{notes:?}");
        let tee = &catalogue.items()[0];
        assert_eq!(tee.cell(catalogue.column("Option1 Value").unwrap()), "Small|Medium");
        assert_eq!(tee.cell(catalogue.column("Image Src").unwrap()), "a.png");
        assert_eq!(catalogue.price(tee).map(|(_, price)| price), Some(20.0));
        assert_eq!(catalogue.passing(&catalogue.wish("a medium one under 30", &[])), [0]);
        // A table of one's own, too; and what isn't right behind its item has a title to have.
        assert_eq!(read("id,title,price\n1,a,2\n1,,3\n2,b,4\n").1, ["1", "2"]);
        let error = Catalogue::read(b"id,title\n1,a\n2,b\n1,\n").unwrap_err().to_string();
        assert!(error.starts_with("line 4: it has no title: write one"), "{error}");
        // Kettles have handles, too.
        assert_eq!(read("sku,title,handle\n1,a,steel\n2,b,steel\n").1, ["1", "2"]);
    }

    #[test]
    fn what_isnt_for_sale_is_left_out() {
        #[track_caller]
        fn check(table: &str, expected: &[&str]) {
            let (catalogue, ids, _) = read(table);
            assert_eq!(ids, expected, "{table}");
            assert_eq!(catalogue.withdrawn() + ids.len(), table.lines().count() - 1, "{table}");
        }
        let woo = "ID,Name,Published,Visibility in catalog\n\
                   1,a,1,visible\n2,b,0,visible\n3,c,-1,visible\n4,d,1,hidden\n5,e,1,search\n";
        check(woo, &["1", "5"]);
        check("id,title,Status\n1,a,active\n2,b,Draft\n3,c,archived\n4,d,\n", &["1", "4"]);
        check("id,title,Published\n1,a,TRUE\n2,b,FALSE\n", &["1"]);
        // Only these columns, only these values.
        check("id,title,status\n1,a,draft beer\n2,b,hidden\n3,c,0\n", &["1", "2", "3"]);
        check("id,title,published,visibility\n1,a,2019,hidden\n2,b,no,visible\n", &["1", "2"]);
        check("id,title,kind\n1,a,draft\n2,b,archived\n", &["1", "2"]);
        let error = Catalogue::read(b"id,title,status\n1,a,draft\n").unwrap_err().to_string();
        assert!(error.contains("none of its items is for sale"), "{error}");
    }
}
