//! What texts ask of a small catalogue, in both languages.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;
use crate::domain::Entity;

const SHOP: &str = "\
id,title,title_zh,type,brand,price,colour,capacity_l,material,dishwasher safe,description
k1,Dawn kettle,晨光电水壶,kettle,Dawn,259,red;black,1.5,stainless steel,no,Boils fast
k2,Glass kettle,玻璃电水壶,kettle,Clear,399,black,1.7,glass,yes,You see it boil
k3,Travel kettle,旅行电水壶,kettle,Dawn,149,white,0.5,plastic,no,Folds flat
t1,Big flask,大保温壶,flask,Warm,299,red,1.8,stainless steel,yes,Keeps warm for a day
t2,Small flask,小保温杯,flask,Warm,99,green,0.35,steel,yes,For the office
";

fn shop() -> Catalogue {
    Catalogue::read(SHOP.as_bytes()).unwrap().0
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let shop = shop();
    let wish = shop.wish(text, &[]);
    let found: Vec<&str> = shop.passing(&wish).into_iter().map(|at| &*shop.items()[at].id).collect();
    assert_eq!(found, expected, "{text}: {wish:?}");
}

#[test]
fn numbers_bound() {
    check("a kettle under 300", &["k1", "k3"]);
    check("kettles for less than 300 yuan", &["k1", "k3"]);
    check("kettle, ¥250 or less", &["k3"]);
    check("something between 100 and 300", &["k1", "k3", "t1"]);
    check("100到300元的", &["k1", "k3", "t1"]);
    check("三百以下的 kettle", &["k1", "k3"]);
    check("不超过三百元", &["k1", "k3", "t1", "t2"]);
    check("预算260左右", &["k1", "t1"]);
    check("at least 1.7 litres", &["k2", "t1"]);
    check("1.5升以上", &["k1", "k2", "t1"]);
    check("500ml or less", &["k3", "t2"]);
    check("capacity over 1.6", &["k2", "t1"]);
    check("over 300", &["k2"]);
    check("under 300 and over 1.6 l", &["t1"]);
    check("a kettle under two hundred", &["k3"]);
    check("a kettle under two hundred and sixty yuan", &["k1", "k3"]);
    check("kettle, a hundred and fifty or less", &["k3"]);
    check("between one hundred and three hundred", &["k1", "k3", "t1"]);
    check("from a hundred to two hundred dollars", &["k3"]);
    check("at most one litre", &["k3", "t2"]);
    check("a kettle for up to four people", &["k1", "k2", "k3"]);
    check("a kettle for two to four people", &["k1", "k2", "k3"]);
}

#[test]
fn a_budget_is_the_most() {
    let (cheap, all) = (&["k1", "k3"][..], &["k1", "k2", "k3"][..]);
    check("kettle, budget 300", cheap);
    check("a kettle, my budget is 300 yuan", cheap);
    check("a kettle for a budget of $300", cheap);
    check("a kettle on a 300 dollar budget", cheap);
    check("a kettle, budget three hundred", cheap);
    check("a kettle with 1 l or more, budget: 300", &["k1"]);
    check("a kettle, budget 300, capacity over 1", &["k1"]);
    check("a kettle, budget under 300", cheap);
    check("a kettle, budget between 200 and 300", &["k1"]);
    check("kettle 预算300", cheap);
    check("kettle,预算：300块以内", cheap);
    check("kettle,预算一共三百", cheap);
    check("300块的预算买个 kettle", cheap);
    check("kettle,预算200到300", &["k1"]);
    check("kettle,预算不高", all);
    check("kettle,预算一般", all);
    check("a budget kettle", all);
    check("a budget 2 slot kettle", all);
    check("a budget 500 ml kettle", all);
    let shop = shop();
    assert!(shop.wish("a budget kettle", &[]).order.is_some());
    assert!(shop.wish("a kettle, my budget is under 300", &[]).order.is_none());
}

#[test]
fn a_bound_without_a_unit_is_of_the_price_whatever_other_columns_cost() {
    #[track_caller]
    fn check(table: &str, text: &str, expected: &[&str]) {
        let (shop, _) = Catalogue::read(table.as_bytes()).unwrap();
        let wish = shop.wish(text, &[]);
        let found: Vec<&str> = shop.passing(&wish).into_iter().map(|at| &*shop.items()[at].id).collect();
        assert_eq!(found, expected, "{text}: {wish:?}");
    }
    let shipped = "sku,name,type,shipping_cost,price\nk1,Noon,kettle,9,120\nk2,Dawn,kettle,12,45\n";
    check(shipped, "a kettle under 50", &["k2"]);
    check(shipped, "a kettle under 50 dollars with free shipping", &["k2"]);
    check(shipped, "a kettle with a shipping cost under 10", &["k1"]);
    check(shipped, "price over 100", &["k1"]);
    let sold = "ID,Name,Low stock amount,Sale price,Regular price\n1,Cap,2,16,18\n2,Belt,2,,65\n3,Tee,2,,\n";
    check(sold, "under 17", &["1"]);
    check(sold, "a price over 50", &["2"]);
    check(sold, "between 10 and 100 dollars", &["1", "2"]);
    check(sold, "regular price over 17", &["1", "2"]);
    check(sold, "sale price under 100", &["1"]);
    check("id,name,运费,单价\n1,水壶,10,120\n2,杯子,12,45\n", "50以下的", &["2"]);
    check("id,name,quantity\n1,kettle,3\n2,flask,70\n", "under 50", &[]);
    let (shop, _) = Catalogue::read(sold.as_bytes()).unwrap();
    let wish = shop.wish("under 100", &[]);
    assert_eq!(wish.why(&shop, &shop.items()[1], false), ["Regular price 65 (≤ 100)"]);
}

#[test]
fn where_nothing_has_a_price_no_item_passes_a_bound_of_it() {
    #[track_caller]
    fn check(text: &str, passes: bool) {
        let (shop, _) = Catalogue::read("id,title\n1,Sun lamp\n2,月亮灯\n".as_bytes()).unwrap();
        let wish = shop.wish(text, &[]);
        assert_eq!(shop.passing(&wish).len(), if passes { 2 } else { 0 }, "{text}: {wish:?}");
    }
    for text in [
        "a lamp under 100",
        "lamps below 100 please",
        "between 50 and 100",
        "a lamp, budget 100",
        "a lamp from 1500 dollars",
        "around 200",
        "a hundred or less",
        "一百以内的灯",
        "不超过一百的灯",
        "不超过一百",
        "预算300",
        "100到300元",
    ] {
        check(text, false);
    }
    for text in [
        "a lamp",
        "a lamp for up to four people",
        "a lamp for up to 40 people",
        "lamps from 1999",
        "a book about 1984",
        "less than 2 kg",
        "不超过30页",
        "最多30个人",
    ] {
        check(text, true);
    }
    let (shop, _) = Catalogue::read(b"id,title\n1,Sun lamp\n").unwrap();
    let both = shop.wish("a lamp under 100", &[]).then(shop.wish("and a small one?", &[]));
    assert!(shop.passing(&both).is_empty(), "{both:?}");
}

#[test]
fn what_is_said_later_takes_the_place_of_what_was_said_of_the_same() {
    #[track_caller]
    fn check(said: &[&str], expected: &[&str]) {
        let shop = shop();
        let wish = said.iter().fold(Wish::default(), |wish, said| wish.then(shop.wish(said, &[])));
        let found: Vec<&str> = shop.passing(&wish).into_iter().map(|at| &*shop.items()[at].id).collect();
        assert_eq!(found, expected, "{said:?}: {wish:?}");
    }
    check(&["a kettle", "and in red?"], &["k1"]);
    check(&["a white kettle", "and in black?"], &["k1", "k2"]);
    check(&["a kettle under 200", "and under 300?"], &["k1", "k3"]);
    check(&["a kettle under 300", "and in black?", "but not Dawn"], &[]);
    check(&["kettle", "那旅行的呢"], &["k1", "k2", "k3"]);
}

#[test]
fn values_filter() {
    check("a red kettle", &["k1"]);
    check("red or green", &["k1", "t1", "t2"]);
    check("stainless steel flasks", &["t1"]);
    check("a kettle, not plastic", &["k1", "k2"]);
    check("no plastic kettles please", &["k1", "k2"]);
    check("kettle without plastic or glass", &["k1"]);
    check("a kettle, neither plastic nor glass", &["k1"]);
    check("kettle, not white or green", &["k1", "k2"]);
    check("kettle, not black but white", &["k3"]);
    check("not plastic or dishwasher safe", &["k1"]);
    check("a dishwasher safe kettle", &["k2"]);
    check("Warm flask under 100", &["t2"]);
    check("a piano", &["k1", "k2", "k3", "t1", "t2"]);
    check("infrared", &["k1", "k2", "k3", "t1", "t2"]);
    check("a purple kettle", &["k1", "k2", "k3"]);
}

#[test]
fn tags_of_shopifys_exports_are_values_each() {
    const EXPORT: &str = "\
Handle,Title,Option1 Name,Option1 Value,Variant Price,Tags
choker,Choker,Title,Default Title,30,\"Choker, Gold, Leather, 黑色\"
cuff,Soft cuff,Colour,Gold,50,\"Bracelet, Leather\"
ring,Plain ring,Title,Default Title,20,\"Gold, Ring\"
bag,Big bag,Title,Default Title,80,Leather
";
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let (shop, _) = Catalogue::read(EXPORT.as_bytes()).unwrap();
        let wish = shop.wish(text, &[]);
        let found: Vec<&str> = shop.passing(&wish).into_iter().map(|at| &*shop.items()[at].id).collect();
        assert_eq!(found, expected, "{text}: {wish:?}");
    }
    check("something gold", &["choker", "cuff", "ring"]);
    check("chokers please", &["choker"]);
    check("黑色的", &["choker"]);
    check("not leather", &["ring"]);
    // Two that follow each other are both meant, where something has both.
    check("a leather bracelet", &["cuff"]);
    check("a leather ring", &["choker", "cuff", "ring", "bag"]);
    check("ring or bracelet", &["cuff", "ring"]);
    // Tags don't take each other's place.
    let (shop, _) = Catalogue::read(EXPORT.as_bytes()).unwrap();
    for (said, expected) in [(["a choker", "in gold?"], "choker"), (["leather", "rather not leather"], "ring")] {
        let wish = said.iter().fold(Wish::default(), |wish, said| wish.then(shop.wish(said, &[])));
        let found: Vec<&str> = shop.passing(&wish).into_iter().map(|at| &*shop.items()[at].id).collect();
        assert_eq!(found, [expected], "{said:?}: {wish:?}");
    }
    let (other, _) = Catalogue::read(b"id,title,tags\n1,a,\"x, y\"\n2,b,\"x, y\"\n").unwrap();
    assert_eq!(other.items()[0].cell(0), "x, y");
}

#[test]
fn entities_name_values_in_other_words() {
    let shop = shop();
    let entity = |name: &str, value: &str, start, end| Entity {
        name: name.into(),
        value: value.into(),
        text: String::new(),
        start,
        end,
    };
    let text = "不要红色的水壶";
    let wish = shop.wish(text, &[entity("colour", "red", 2, 4), entity("type", "kettle", 5, 7)]);
    let found: Vec<&str> = shop.passing(&wish).into_iter().map(|at| &*shop.items()[at].id).collect();
    assert_eq!(found, ["k2", "k3"], "{wish:?}");
    assert_eq!(wish.why(&shop, &shop.items()[1], true), ["非红色", "水壶"]);
    assert_eq!(wish.why(&shop, &shop.items()[1], false), ["not red", "kettle"]);
    let wish = shop.wish("红色水壶，三百元以内", &[entity("colour", "red", 0, 2), entity("type", "kettle", 2, 4)]);
    assert_eq!(wish.why(&shop, &shop.items()[0], true), ["价格 259（≤ 300）", "红色", "水壶"]);
    assert_eq!(wish.why(&shop, &shop.items()[0], false), ["price 259 (≤ 300)", "red", "kettle"]);
}

#[test]
fn the_rest_is_searched_and_an_order_is_understood() {
    let shop = shop();
    let wish = shop.wish("the cheapest red flask that keeps warm all day", &[]);
    assert_eq!(wish.order, Some(Order::CheapestFirst));
    assert!(wish.rest.contains("all day") && !wish.rest.contains("red") && !wish.rest.contains("flask"), "{wish:?}");
    assert_eq!(shop.wish("最便宜的", &[]).order, Some(Order::CheapestFirst));
    assert_eq!(shop.wish("最贵的", &[]).order, Some(Order::DearestFirst));
    assert_eq!(shop.items()[0].title(Some("zh"), ""), "晨光电水壶");
    assert_eq!(shop.items()[0].title(None, "a kettle"), "Dawn kettle");
}

#[test]
fn what_is_no_catalogue_is_told_with_its_line() {
    fn check(text: &str, said: &str) {
        let error = Catalogue::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    check("", "there is no row");
    check("id,title\n", "there is no item");
    check("a,b\n1,2\n", "there are 'a', 'b'");
    check("id,title\n1,a\n1,b\n", "line 3: the id '1' is also that of line 2");
    check("id,title\n1,\n", "line 2: it has no title");
    check("id,title\n,a\n", "line 2: it has no id");
    check("id,title\n1,a,b\n", "line 2: there are 3 cells");
    check("PK\u{3}\u{4}", "");
    assert!(Catalogue::read(b"sku;name;price\n1;a;3,50\n2;b;4\n").unwrap().0.len() == 2);
    assert!(Catalogue::read("编号,名称,价格\n1,水壶,¥299\n".as_bytes()).unwrap().0.items()[0].number(0) == Some(299.0));
}

#[test]
fn no_text_breaks_it() {
    let shop = shop();
    for text in [
        "",
        "under",
        "under ,",
        "<<<<",
        "不超过",
        "一亿亿亿以下",
        "between 1 and",
        "🚰 under ３００",
        "a".repeat(10_000).as_str(),
    ] {
        let _ = shop.passing(&shop.wish(text, &[]));
    }
    check("🚰 kettle under ３００", &["k1", "k3"]);
}
