//! Which rows of a table are items: shops' exports have rows for variants, and for what isn't for sale.

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
    pub(super) rows: Vec<SheetRow>,
    /// How many others are part of the item before.
    pub(super) parts: usize,
    /// How many items aren't for sale.
    pub(super) withdrawn: usize,
}

/// The rows of items; `names` are the columns', folded.
pub(super) fn kept(rows: Vec<SheetRow>, names: &[String], id: usize, titles: &[(String, usize)]) -> Kept {
    let mut kept = Kept::default();
    // The last item's id, and whether it is for sale.
    let mut last = (String::new(), false);
    for row in rows {
        let has_title = titles.iter().any(|(_, at)| !row.cells[*at].is_empty());
        if !has_title && !row.cells[id].is_empty() && row.cells[id] == last.0 {
            if let Some(item) = kept.rows.last_mut().filter(|_| last.1) {
                add_options(item, &row, names);
                kept.parts += 1;
            }
            continue;
        }
        let for_sale = !is_withdrawn(&row, names);
        last = (row.cells[id].clone(), for_sale);
        match for_sale {
            true => kept.rows.push(row),
            false => kept.withdrawn += 1,
        }
    }
    kept
}

fn is_withdrawn(row: &SheetRow, names: &[String]) -> bool {
    names.iter().zip(&row.cells).any(|(name, cell)| {
        let says = |(column, values): &(&str, &[&str])| {
            name == column && values.iter().any(|value| cell.eq_ignore_ascii_case(value))
        };
        WITHDRAWN.iter().any(says)
    })
}

/// Adds what a variant can be chosen by to its item: `Option1 Value`.
fn add_options(item: &mut SheetRow, variant: &SheetRow, names: &[String]) {
    let is_option = |name: &str| name.starts_with("option") && name.ends_with(" value");
    for ((own, other), name) in item.cells.iter_mut().zip(&variant.cells).zip(names) {
        if is_option(name) && !other.is_empty() && own.split('|').all(|known| known != other) {
            let between = if own.is_empty() { "" } else { "|" };
            *own = format!("{own}{between}{other}");
        }
    }
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
        assert_eq!(catalogue.price(tee).map(|(_, price)| price), Some(25.0));
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
