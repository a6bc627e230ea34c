//! Which columns say what an item costs.

use super::{
    Catalogue, Column, Item, Kind,
    unit::{self, Measure, Unit},
};

/// What a column of numbers has to do with what an item costs; of the first three an item's price is the first that it
/// has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// What it costs for now.
    Sale,
    Price,
    /// What it costs without a sale.
    Regular,
    /// A name with a price in it, such as `price for members`.
    Like,
    /// Numbers of money, or a `cost`: a price where there is no other.
    Money,
    /// Never what it costs, such as what its shipping does, or how many there are.
    Beside,
    /// Something else.
    Other,
}

const SALE: [&str; 11] = [
    "sale price",
    "special price",
    "discount price",
    "discounted price",
    "offer price",
    "促销价",
    "促销价格",
    "特价",
    "优惠价",
    "活动价",
    "折扣价",
];
const PRICE: [&str; 18] = [
    "price",
    "preis",
    "prix",
    "precio",
    "selling price",
    "unit price",
    "current price",
    "item price",
    "product price",
    "variant price",
    "价格",
    "售价",
    "单价",
    "价钱",
    "现价",
    "销售价",
    "销售价格",
    "商品价格",
];
const REGULAR: [&str; 11] = [
    "regular price",
    "normal price",
    "list price",
    "retail price",
    "base price",
    "original price",
    "msrp",
    "原价",
    "标价",
    "零售价",
    "市场价",
];
/// What is in a name that has a price in it.
const LIKE: [&str; 6] = ["price", "preis", "prix", "precio", "价", "售价"];
/// Names of what is a price where there is no other.
const MONEY: [&str; 3] = ["cost", "amount", "金额"];
/// What is in the names of columns that aren't what an item costs.
const BESIDE: [&str; 29] = [
    "shipping",
    "delivery",
    "postage",
    "freight",
    "stock",
    "inventory",
    "quantity",
    "qty",
    "deposit",
    "compare",
    "cost price",
    "cost per",
    "purchase price",
    "wholesale",
    "运费",
    "邮费",
    "配送",
    "物流",
    "库存",
    "数量",
    "起订",
    "押金",
    "定金",
    "成本",
    "进价",
    "进货",
    "批发",
    "评价",
    "性价比",
];

impl Role {
    /// The role of a column of numbers, by its folded name and its unit.
    pub(super) fn of(name: &str, unit: Option<Unit>) -> Self {
        let name = plain(name);
        let is_word = |part: &str| super::value::find(&name, part).is_some();
        match &*name {
            name if SALE.contains(&name) => Self::Sale,
            name if PRICE.contains(&name) => Self::Price,
            name if REGULAR.contains(&name) => Self::Regular,
            _ if BESIDE.iter().any(|beside| is_word(beside)) => Self::Beside,
            _ if LIKE.iter().any(|like| is_word(like)) => Self::Like,
            name if MONEY.contains(&name) || unit.is_some_and(|unit| unit.of == Measure::Money) => Self::Money,
            _ => Self::Other,
        }
    }

    /// Whether it can be what something costs.
    pub(super) fn is_price(self) -> bool {
        !matches!(self, Self::Beside | Self::Other)
    }
}

/// A folded name in plain words, without the money that it is in: `sale_price`, `price (usd)`, 「价格（元）」.
pub(super) fn plain(name: &str) -> String {
    let words = name.replace(['_', '-', '(', ')', '[', ']', '/', '（', '）'], " ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let is_money = |word: &str| unit::of(word).is_some_and(|unit| unit.of == Measure::Money);
    let words = match words.split_last() {
        Some((last, rest)) if !rest.is_empty() && is_money(last) => rest,
        _ => words.as_slice(),
    };
    words.join(" ")
}

/// The columns that an item's price is in, the first that it has; none where no column is one.
pub(super) fn columns(columns: &[Column]) -> Vec<usize> {
    let first = |role: Role| columns.iter().position(|column| column.role() == Some(role));
    let own = [Role::Price, Role::Regular].map(first);
    let own = match own {
        [None, None] => [first(Role::Like).or_else(|| first(Role::Money)), None],
        own => own,
    };
    first(Role::Sale).into_iter().chain(own.into_iter().flatten()).collect()
}

impl Column {
    /// What its numbers have to do with what an item costs; `None` where it has none.
    pub(super) fn role(&self) -> Option<Role> {
        match self.kind {
            Kind::Numbers { role, .. } => Some(role),
            _ => None,
        }
    }
}

impl Catalogue {
    /// The columns that an item's price is in, the first that it has.
    pub fn prices(&self) -> &[usize] {
        &self.prices
    }

    /// What an item costs, and the column that says so.
    pub fn price(&self, item: &Item) -> Option<(usize, f64)> {
        self.prices.iter().find_map(|&at| {
            // Some shops write a sale price of 0 where there is no sale.
            let is_sale = self.columns.get(at).and_then(Column::role) == Some(Role::Sale);
            item.number(at).filter(|price| *price > 0.0 || !is_sale).map(|price| (at, price))
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_column_is_a_price_by_its_whole_name_first() {
        #[track_caller]
        fn check(header: &str, expected: &[&str]) {
            let cells = vec!["1.5"; header.split(',').count()].join(",");
            let (catalogue, _) = Catalogue::read(format!("id,title,{header}\n1,a,{cells}\n").as_bytes()).unwrap();
            let prices: Vec<&str> = catalogue.prices().iter().map(|&at| catalogue.name(at)).collect();
            assert_eq!(prices, expected, "{header}");
        }
        check("shipping_cost,price", &["price"]);
        check("price for members,price", &["price"]);
        check("Low stock amount,Stock,Sale price,Regular price", &["Sale price", "Regular price"]);
        check("Variant Compare At Price,Variant Price,Cost per item", &["Variant Price"]);
        check("price,sale_price", &["sale_price", "price"]);
        check("Price (USD)", &["Price (USD)"]);
        check("price_cny", &["price_cny"]);
        check("运费,库存数量,单价", &["单价"]);
        check("成本价,原价,促销价", &["促销价", "原价"]);
        check("价格（元）", &["价格（元）"]);
        check("price for members,weight_g", &["price for members"]);
        check("sale price,member price", &["sale price", "member price"]);
        check("会员价,性价比", &["会员价"]);
        check("Price incl. tax", &["Price incl. tax"]);
        check("amount,weight_g", &["amount"]);
        check("fee_usd", &["fee_usd"]);
        check("shipping_cost,quantity,amount in stock,评价", &[]);
        check("cost per item,shipping_cny", &[]);
    }

    #[test]
    fn an_item_costs_the_first_price_that_it_has() {
        let table = "id,name,Regular price,Sale price,price_note\na,a,20,18,x\nb,b,45,,\nc,c,30,0,\nd,d,,,\n";
        let (catalogue, _) = Catalogue::read(table.as_bytes()).unwrap();
        let prices: Vec<Option<f64>> =
            catalogue.items().iter().map(|item| catalogue.price(item).map(|(_, price)| price)).collect();
        assert_eq!(prices, [Some(18.0), Some(45.0), Some(30.0), None]);
    }

    #[test]
    fn currencies_of_prices_are_told_with_their_first_lines() {
        #[track_caller]
        fn check(table: &str, expected: &[(&str, usize)], passing: &[usize]) {
            let (catalogue, _) = Catalogue::read(table.as_bytes()).unwrap();
            assert_eq!(catalogue.currencies(), expected, "{table}");
            assert_eq!(catalogue.passing(&catalogue.wish("under HK$90", &[])), passing, "{table}");
        }
        let mixed = "id,title,price\n1,a,20 USD\n2,b,¥100\n3,c,$30\n4,d,€15\n5,e,HK$80\n6,f,95\n";
        check(mixed, &[("USD", 2), ("CNY", 3), ("EUR", 5), ("HKD", 6)], &[0, 2, 3, 4]);
        check("编号,名称,价格\n1,水壶,¥299\n2,杯子,80元\n", &[("CNY", 2)], &[1]);
        check("id,title,price\n1,a,20\n2,b,100\n", &[], &[0]);
        // What nobody pays for an item isn't compared.
        check("id,title,price,shipping_cost\n1,a,20 USD,€5\n2,b,100 USD,€5\n", &[("USD", 2)], &[0]);
    }

    #[test]
    fn a_price_that_is_no_number_is_none_and_the_column_is_a_price_still() {
        #[track_caller]
        fn check(table: &str, prices: usize, passing: &[usize], unpriced: &[(usize, &str)]) {
            let (catalogue, notes) = Catalogue::read(table.as_bytes()).unwrap();
            assert_eq!(catalogue.prices().len(), prices, "{table}");
            assert_eq!(catalogue.passing(&catalogue.wish("under 100", &[])), passing, "{table}");
            let told: Vec<(usize, &str)> = catalogue.unpriced().iter().map(|it| (it.line, &*it.cell)).collect();
            assert_eq!(told, unpriced, "{table}");
            assert_eq!(notes.iter().count(), usize::from(!unpriced.is_empty()), "{table}");
        }
        check("id,title,price\n1,Sun,500\n2,Moon,ask us\n3,Star,70\n", 1, &[2], &[(3, "ask us")]);
        check("编号,名称,价格\n1,日灯,500\n2,月灯,面议\n3,星灯,70\n4,灯,\n", 1, &[2], &[(3, "面议")]);
        check("id,title,sale_price\n1,Sun,99\n2,Moon,on request\n3,Star,70\n", 1, &[0, 2], &[(3, "on request")]);
        // Words alone are no prices, and other columns are numbers only where all of their cells are.
        check("id,title,price note\n1,Sun,new\n2,Moon,old\n3,Star,5\n", 0, &[], &[]);
        check("id,title,weight_g\n1,Sun,5\n2,Moon,heavy\n3,Star,70\n", 0, &[], &[]);
        check("id,title,stock\n1,Sun,5\n2,Moon,some\n3,Star,70\n", 0, &[], &[]);
    }
}
