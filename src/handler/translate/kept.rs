//! What a translation has to keep: numbers, codes, addresses, markup, placeholders, names of Latin letters in another
//! script, and the author's glossary.
//!
//! **Invariant:** pure. What it keeps is found in the text that is translated; nothing of it is the model's to decide.

use std::collections::BTreeMap;

use super::languages::Language;
use crate::handler::claims::{Claims, in_digits, is_han, numbers, pattern};

/// A term in several languages, by their BCP 47 tags; in a language that isn't there it stays as it is.
pub type Term = BTreeMap<String, String>;

/// Markup and placeholders: `<b>`, `{{ name }}`, `{0}`, `${name}`, `%s`, `%(name)s`, `` `code` ``, `&nbsp;`.
const MARKS: &str = r"</?[A-Za-z][^<>\n]{0,200}>|\{\{[^{}\n]{0,100}\}\}|\$?\{[^{}\n]{0,100}\}|%\([a-zA-Z_]+\)[sdf]|%[sd]|`[^`\n]{1,100}`|&[a-z]{2,8};";
/// Codes and names that no language changes: SH12345678, A-17, iPhone, X200.
const CODES: &str = r"(?-u:\b)(?:[A-Za-z]+[-_]?[0-9][A-Za-z0-9_-]*|[0-9]+[A-Za-z]{2,}[0-9]+[A-Za-z0-9]*|[a-z]+[A-Z][A-Za-z]*|[A-Z][a-z]+[A-Z][A-Za-z]*)(?-u:\b)";
/// Words of Latin letters.
const LATIN: &str = r"[A-Za-z][A-Za-z0-9&'.-]*[A-Za-z0-9]";

/// The terms of a glossary that a text holds, with what has to stand for each in another language.
pub(super) fn terms<'g>(glossary: &'g [Term], text: &str, to: &Language) -> Vec<(&'g str, &'g str)> {
    let lower = text.to_lowercase();
    let wanted = |term: &'g Term| {
        let holds = |word: &str| !word.is_empty() && holds(&lower, &word.to_lowercase());
        let (_, found) = term.iter().filter(|(_, word)| holds(word)).max_by_key(|(_, word)| word.len())?;
        Some((found.as_str(), term.get(to.tag).unwrap_or(found).as_str()))
    };
    glossary.iter().filter_map(wanted).collect()
}

/// Whether a text holds a word: not as a part of another, where it is written in letters.
fn holds(text: &str, word: &str) -> bool {
    let joined = |a: Option<char>, b: Option<char>| {
        let is_letter = |c: char| c.is_alphanumeric() && c < '\u{2e80}';
        a.is_some_and(is_letter) && b.is_some_and(is_letter)
    };
    text.match_indices(word).any(|(at, found)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + found.len()..].chars().next());
        !joined(before, found.chars().next()) && !joined(found.chars().next_back(), after)
    })
}

/// What of a text its translation lost or added; `None` where it kept all.
pub(super) fn lost(text: &str, translation: &str, terms: &[(&str, &str)], to: &Language) -> Option<&'static str> {
    let marks = |text: &str| sorted(found(MARKS, text));
    // A model may also wrap its answer into JSON, or a fence.
    let braces = |text: &str| text.matches(['{', '}', '<', '>', '`']).count();
    if marks(text) != marks(translation) || braces(text) != braces(translation) {
        return Some("markup or a placeholder");
    }
    let (said, made) = (Claims::of(text), Claims::of(translation));
    if said.addresses != made.addresses {
        return Some("an address");
    }
    let codes = |text: &str| found(CODES, text);
    if codes(text).iter().any(|code| !translation.contains(code.as_str())) {
        return Some("a code");
    }
    // Only what stands in digits has to be there, as one is also "a", and 一 is a part of many words; and nothing in
    // digits may come from nowhere.
    let (in_text, in_translation) = (numbers(text), numbers(translation));
    if !in_digits(text).is_subset(&in_translation) || !in_digits(translation).is_subset(&in_text) {
        return Some("a number");
    }
    let lower = translation.to_lowercase();
    if terms.iter().any(|(_, wanted)| !holds(&lower, &wanted.to_lowercase())) {
        return Some("a term of the glossary");
    }
    // In Chinese a word of Latin letters is a name; it stays one, but into English it may get its capitals.
    let is_chinese =
        text.chars().filter(|&c| is_han(c)).count() * 2 > text.chars().filter(|c| c.is_alphabetic()).count();
    let in_glossary = |name: &str| terms.iter().any(|(found, _)| found.to_lowercase().contains(name));
    let names = found(LATIN, text).into_iter().map(|name| name.to_lowercase());
    let mut names = names.filter(|name| is_chinese && !to.tag.starts_with("zh") && !in_glossary(name));
    if names.any(|name| !holds(&lower, &name)) {
        return Some("a name");
    }
    None
}

/// Whether a translation into a language of letters still holds Chinese characters, as where a model gave up at a word.
pub(super) fn holds_untranslated(translation: &str, to: &Language) -> bool {
    let is_written_with_them = ["zh", "ja", "ko"].iter().any(|tag| to.tag.starts_with(tag));
    !is_written_with_them && translation.contains(is_han)
}

fn found(pattern: &'static str, text: &str) -> Vec<String> {
    let compiled = match pattern {
        MARKS => pattern!(MARKS),
        CODES => pattern!(CODES),
        _ => pattern!(LATIN),
    };
    compiled.into_iter().flat_map(|it| it.find_iter(text)).map(|found| found.as_str().to_owned()).collect()
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(tag: &str) -> &'static Language {
        Language::of_tag(tag).unwrap_or_else(|| unreachable!("{tag}"))
    }

    fn glossary() -> Vec<Term> {
        let term = |words: &[(&str, &str)]| words.iter().map(|(tag, word)| ((*tag).into(), (*word).into())).collect();
        vec![term(&[("en", "kettle"), ("zh", "电热水壶")]), term(&[("en", "Acme")])]
    }

    #[test]
    fn a_translation_keeps_what_is_no_languages() {
        fn check(text: &str, translation: &str, to: &str, expected: Option<&str>) {
            let (glossary, to) = (glossary(), language(to));
            let terms = terms(&glossary, text, to);
            assert_eq!(lost(text, translation, &terms, to), expected, "{text} → {translation}");
        }
        check("订单 SH12345678 在3天内发货。", "Order SH12345678 ships within 3 days.", "en", None);
        check("订单 SH12345678 在3天内发货。", "Order SH12345679 ships within 3 days.", "en", Some("a code"));
        check("订单在3天内发货。", "The order ships within three days.", "en", None);
        check("订单在3天内发货。", "The order ships within 5 days.", "en", Some("a number"));
        check("订单很快发货。", "The order ships within 5 days.", "en", Some("a number"));
        check("三天内发货", "Ships within 3 days", "en", None);
        check("It costs 1,299.00 yuan.", "价格为1299元。", "zh", None);
        check("See https://a.example/x.", "请看 https://a.example/x 。", "zh", None);
        check("See https://a.example/x.", "请看 https://b.example/x 。", "zh", Some("an address"));
        check("See the page.", "请看 https://b.example/x 。", "zh", Some("an address"));
        check("Hello {{ name }}, <b>welcome</b>!", "你好{{ name }}，<b>欢迎</b>！", "zh", None);
        check("Hello {{ name }}!", "你好{{ 姓名 }}！", "zh", Some("markup or a placeholder"));
        check("你好", "{\n\"text\": \"Hello\"}", "en", Some("markup or a placeholder"));
        check("Hello!", "<b>你好</b>！", "zh", Some("markup or a placeholder"));
        check("%s left %d items", "%s 留下 %d 件", "zh", None);
        check("我想买Lego的积木", "I want to buy Lego bricks", "en", None);
        check("我想买Lego的积木", "I want to buy toy bricks", "en", Some("a name"));
        check("My iPhone is broken", "我的手机坏了", "zh", Some("a code"));
        check("The kettle is broken", "电热水壶坏了", "zh", None);
        check("The kettle is broken", "水壶坏了", "zh", Some("a term of the glossary"));
        check("The Acme shop", "Acme 商店", "zh", None);
        check("The Acme shop", "艾克米商店", "zh", Some("a term of the glossary"));
        check("Kettles? No, a kettledrum.", "定音鼓。", "zh", None);
    }
}
