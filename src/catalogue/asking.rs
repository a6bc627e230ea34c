//! Words that ask for goods, and don't say which: "show me the products that you sell", 「推荐一件商品」.

use super::Wish;

/// Folded, as are those in Chinese.
const ENGLISH: [&str; 39] = [
    "available",
    "best",
    "buy",
    "find",
    "good",
    "goods",
    "got",
    "item",
    "items",
    "like",
    "look",
    "looking",
    "need",
    "now",
    "offer",
    "option",
    "options",
    "order",
    "price",
    "priced",
    "product",
    "products",
    "purchase",
    "really",
    "recommend",
    "search",
    "see",
    "sell",
    "selling",
    "shop",
    "show",
    "stock",
    "store",
    "stuff",
    "suggest",
    "thing",
    "things",
    "today",
    "want",
];
const CHINESE: [&str; 16] = [
    "有没有",
    "推荐",
    "介绍",
    "商品",
    "产品",
    "东西",
    "一点",
    "一些",
    "店里",
    "看看",
    "一下",
    "想买",
    "要买",
    "在卖",
    "价格",
    "一款",
];

impl Wish {
    /// The words that are searched, without those that ask for goods whatever they are.
    pub fn goods(&self) -> String {
        let rest = CHINESE.iter().fold(self.rest.clone(), |rest, word| rest.replace(word, " "));
        let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        rest.split_whitespace().filter(|word| !ENGLISH.contains(&&*bare(word))).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_anything_says_nothing_of_goods() {
        let goods = |rest: &str| Wish { rest: rest.to_owned(), ..Wish::default() }.goods();
        assert_eq!(goods("show me the  hoodie, that you sell!"), "me the hoodie, that you");
        assert_eq!(goods("the  product?"), "the");
        assert_eq!(goods("推荐一款 的卫衣"), "的卫衣");
        assert_eq!(goods("店里 的东西"), "的");
    }
}
