//! Which of the languages at hand answers a message.
//!
//! The contract: the language of the request's `locale`, else that of the text's script, else the first at hand.
//! **Invariant:** never fails. A locale is whatever the client sent, and one that says nothing known is passed over.

use std::cmp::Reverse;

/// Chooses from `available` the entry whose language, a BCP 47 tag that `tag` reads off it, suits a message best;
/// none only where nothing is available.
///
/// A locale is looked up as RFC 4647, section 3.4 does: whole, then shortened from its end down to its primary
/// language. Beyond that, another variety of the same language is better than another language: `zh-TW` is answered in
/// `zh-CN` where there is no nearer Chinese.
pub fn choose<'a, T>(available: &'a [T], tag: impl Fn(&T) -> &str, locale: Option<&str>, text: &str) -> Option<&'a T> {
    if let [] | [_] = available {
        return available.first();
    }
    by_locale(available, &tag, locale.unwrap_or_default())
        .or_else(|| languages_of_script(text).find_map(|language| by_locale(available, &tag, language)))
        .or_else(|| available.first())
}

/// Whether `tag` looks like a BCP 47 language tag, such as `en`, `zh-Hant` or `pt-BR`: a primary language of two or
/// three letters, then parts of one to eight letters or digits. Whether such a language exists isn't looked up.
pub fn is_plausible_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let primary = parts.next().unwrap_or_default();
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn by_locale<'a, T>(available: &'a [T], tag: &impl Fn(&T) -> &str, locale: &str) -> Option<&'a T> {
    // Systems write locales as `zh_CN.UTF-8` or `ca_ES@valencia`.
    let locale = locale.split(['.', '@']).next().unwrap_or_default().replace('_', "-");
    let mut range = locale.trim();
    if range.is_empty() {
        return None;
    }
    loop {
        if let Some(found) = available.iter().find(|entry| tag(entry).eq_ignore_ascii_case(range)) {
            return Some(found);
        }
        match range.rsplit_once('-') {
            Some((shorter, _)) => range = shorter,
            None => break,
        }
    }
    // `range` is the primary language now. `min_by_key` takes the first of equals, so that the file's order decides.
    available
        .iter()
        .filter(|entry| primary(tag(entry)).eq_ignore_ascii_case(range))
        .min_by_key(|entry| Reverse(parts_in_common(tag(entry), &locale)))
}

fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

fn parts_in_common(tag: &str, locale: &str) -> usize {
    tag.split('-').filter(|part| locale.split('-').any(|wanted| wanted.eq_ignore_ascii_case(part))).count()
}

/// The language that the script of a text speaks for the surest; none for letters that many languages share.
pub fn language_of_script(text: &str) -> Option<&'static str> {
    languages_of_script(text).next()
}

/// The languages that the scripts in a text speak for, the surest first. Chinese characters are Chinese unless kana or
/// Hangul stand beside them, and even then Chinese is nearer than a language in another script.
fn languages_of_script(text: &str) -> impl Iterator<Item = &'static str> {
    let (mut kana, mut hangul, mut han) = (false, false, false);
    for c in text.chars() {
        match c {
            '\u{3041}'..='\u{3096}' | '\u{309D}'..='\u{309F}' => kana = true, // Hiragana
            // Katakana, but for its middle dot and its length mark, which turn up in Chinese names.
            '\u{30A1}'..='\u{30FA}' | '\u{30FD}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' => kana = true,
            '\u{FF66}'..='\u{FF6F}' | '\u{FF71}'..='\u{FF9D}' => kana = true, // half-width Katakana
            '\u{1100}'..='\u{11FF}' | '\u{3131}'..='\u{318E}' | '\u{AC00}'..='\u{D7A3}' => hangul = true,
            '\u{3005}' | '\u{3007}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' => han = true,
            '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' => han = true, // compatibility, and the further planes
            _ => {}
        }
    }
    [(kana, "ja"), (hangul, "ko"), (han, "zh")].into_iter().filter_map(|(seen, language)| seen.then_some(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_by_locale_then_script_then_order() {
        fn check(available: &[&str], locale: &str, text: &str, expected: &str) {
            let locale = (!locale.is_empty()).then_some(locale);
            let chosen = choose(available, |tag| tag, locale, text);
            assert_eq!(chosen, Some(&expected), "{available:?}, locale {locale:?}, text {text:?}");
        }
        // The locale, exactly.
        check(&["en", "zh"], "zh", "hello", "zh");
        check(&["en", "zh"], "ZH", "hello", "zh");
        check(&["zh", "zh-Hant", "zh-Hant-TW"], "zh-hant-tw", "", "zh-Hant-TW");
        check(&["zh", "en-GB"], "en_GB", "", "en-GB");
        // … shortened.
        check(&["en", "zh"], "en-GB", "你好", "en");
        check(&["en", "zh"], "zh_CN", "hello", "zh");
        check(&["en", "zh"], "zh_CN.UTF-8", "hello", "zh");
        check(&["zh", "zh-Hant"], "zh-Hant-TW", "", "zh-Hant");
        check(&["en", "zh-Hant", "zh"], "zh-Hans-CN", "", "zh");
        // … another variety of the same language, the nearest, else the first of them.
        check(&["en", "zh-CN"], "zh", "hello", "zh-CN");
        check(&["en", "zh-CN", "zh-TW"], "zh-Hant-TW", "hello", "zh-TW");
        check(&["en", "zh-CN", "zh-TW"], "zh-HK", "hello", "zh-CN");
        check(&["zh", "pt-PT", "pt-BR"], "pt", "", "pt-PT");
        // A locale that nothing answers, or that says nothing: the script.
        check(&["en", "zh"], "fr", "你好", "zh");
        check(&["en", "zh"], "*", "你好", "zh");
        check(&["en", "zh"], "und", "你好", "zh");
        check(&["en", "zh"], "-", "你好", "zh");
        check(&["en", "zh"], "_-_-", "你好", "zh");
        check(&["en", "zh"], ".", "你好", "zh");
        check(&["en", "zh"], "中文", "hello", "en");
        check(&["en", "zh"], "zhuang", "hello", "en");
        // The script.
        check(&["en", "zh"], "", "你好", "zh");
        check(&["en", "zh"], "", "我的order到哪了", "zh");
        check(&["en", "zh"], "", "where is 订单", "zh");
        check(&["en", "zh-CN"], "", "𠮷", "zh-CN");
        check(&["en", "zh", "ja"], "", "注文はどこですか", "ja");
        check(&["en", "zh", "ja"], "", "注文", "zh");
        check(&["en", "zh", "ja"], "", "约翰・史密斯", "zh");
        check(&["en", "zh", "ko"], "", "주문 確認", "ko");
        check(&["en", "zh"], "", "注文はどこですか", "zh");
        // No rule for it: the first in the file.
        check(&["en", "zh"], "", "hello", "en");
        check(&["zh", "en"], "", "hello", "zh");
        check(&["en", "zh"], "", "ｶﾀｶﾅ", "en");
        check(&["en", "zh"], "", "👋 123 …", "en");
        check(&["fr", "de"], "zh", "你好", "fr");
        check(&["de"], "zh", "你好", "de");
    }

    #[test]
    fn chooses_nothing_from_nothing() {
        assert_eq!(choose(&[], |tag: &&str| tag, Some("en"), "hello"), None);
    }

    #[test]
    fn survives_a_hostile_locale() {
        let locale = "a-".repeat(100_000);
        assert_eq!(choose(&["en", "zh"], |tag| tag, Some(&locale), "你好"), Some(&"zh"));
    }

    #[test]
    fn tells_tags_from_other_words() {
        fn check(tag: &str, expected: bool) {
            assert_eq!(is_plausible_tag(tag), expected, "{tag}");
        }
        for tag in ["en", "zh", "yue", "EN", "zh-Hant", "zh-Hant-TW", "pt-BR", "es-419", "de-CH-1996", "zh-x-shop"] {
            check(tag, true);
        }
        for tag in
            ["", "e", "english", "zh_CN", "中文", "en-", "-en", "en--GB", "e1", "en-abcdefghi", "en GB", "en.UTF-8"]
        {
            check(tag, false);
        }
    }
}
