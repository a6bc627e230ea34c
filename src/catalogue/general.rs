//! General nouns, which only say that something is one of what stands before them: "dental items", 「口腔项目」.
//!
//! **Invariant:** one that an item says with the others belongs to them: who wants no room service may want a room.

use super::{Catalogue, Item, excluded::says_all};
use crate::entity::folded;

/// Those that are the last of several words in English.
const NOUNS: [&str; 14] = [
    "category",
    "categories",
    "item",
    "items",
    "option",
    "options",
    "product",
    "products",
    "service",
    "services",
    "sort",
    "sorts",
    "stuff",
    "types",
];
/// And those that a word ends with in Chinese.
const ENDINGS: [&str; 12] =
    ["项目", "类别", "类型", "种类", "类", "系列", "服务", "产品", "商品", "物品", "东西", "选项"];

/// Words without the general nouns that they end with, as long as no item says all of them: 「口腔」 of 「口腔类项目」.
pub(super) fn left_out(mut words: Vec<String>, catalogue: &Catalogue) -> Vec<String> {
    while let Some(others) = others(&words) {
        let is_said = |item: &Item| says_all(&folded(&catalogue.text(item)), &words);
        if catalogue.items().iter().any(is_said) {
            break;
        }
        words = others;
    }
    words
}

/// The words without the general noun that they end with; none where there is none, or little is left.
fn others(words: &[String]) -> Option<Vec<String>> {
    /// Of less nothing can be told: 「这类」, 「水产品」.
    const SHORTEST: usize = 2;
    let (last, before) = words.split_last()?;
    if !before.is_empty() && NOUNS.contains(&last.as_str()) {
        return Some(before.to_vec());
    }
    let stem = ENDINGS.iter().find_map(|ending| last.strip_suffix(ending))?.trim_end_matches('的');
    if stem.chars().count() < SHORTEST {
        return None;
    }
    let mut others = before.to_vec();
    others.push(stem.to_owned());
    Some(others)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[track_caller]
    fn check(table: &str, text: &str, expected: &[&str]) {
        let (catalogue, _) = Catalogue::read(table.as_bytes()).unwrap();
        let wish = catalogue.wish(text, &[]);
        let found: Vec<&str> = catalogue.passing(&wish).into_iter().map(|at| &*catalogue.items()[at].id).collect();
        assert_eq!(found, expected, "{text}: {wish:?}");
    }

    #[test]
    fn a_general_noun_behind_what_is_not_wanted_need_not_be_said_by_an_item() {
        const CHECK_UPS: &str = "\
id,title,title_zh
1,Dental check-up,口腔检查
2,Heart check-up,心脏检查
3,Women's check-up,女性体检
";
        check(CHECK_UPS, "a check-up, not dental items", &["2", "3"]);
        check(CHECK_UPS, "a check-up without dental or heart services", &["3"]);
        check(CHECK_UPS, "no dental things please", &["2", "3"]);
        check(CHECK_UPS, "不要口腔项目", &["2", "3"]);
        check(CHECK_UPS, "體檢，不要口腔類項目", &["2", "3"]);
        check(CHECK_UPS, "不要口腔和心脏类的", &["3"]);
        check(CHECK_UPS, "口腔服务都不要", &["2", "3"]);
    }

    #[test]
    fn one_that_an_item_says_belongs_to_the_words_and_one_alone_is_meant() {
        const HOTEL: &str = "id,title,title_zh\n1,Room service,客房服务\n2,Room for two,双人客房\n3,Dinner,晚餐\n";
        check(HOTEL, "no room service", &["2", "3"]);
        check(HOTEL, "不要客房服务", &["2", "3"]);
        check(HOTEL, "no service", &["2", "3"]);
        check(HOTEL, "不要服务", &["2", "3"]);
        check(HOTEL, "不要这类", &["1", "2", "3"]);
    }
}
