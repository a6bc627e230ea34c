//! What a sentence says, in words: what it is about, and whether it denies that.
//!
//! **Invariant:** pure, and linear in the text's length.

use std::collections::HashSet;

use crate::handler::claims::is_han;

/// The words that say what a text is about: those of four letters and more, by their first six, and pairs of Chinese
/// characters.
pub(super) fn words(text: &str) -> HashSet<String> {
    const COMMON: [&str; 28] = [
        "this", "that", "with", "from", "your", "have", "will", "they", "them", "their", "what", "when", "which",
        "where", "there", "these", "those", "than", "then", "into", "also", "been", "were", "would", "could", "should",
        "about", "please",
    ];
    let mut words = HashSet::new();
    for run in text.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
        let characters: Vec<char> = run.chars().collect();
        for pair in characters.windows(2).filter(|pair| pair.iter().all(|&c| is_han(c))) {
            words.insert(pair.iter().collect());
        }
        let is_word = characters.len() >= 4 && !characters.iter().any(|&c| is_han(c)) && !COMMON.contains(&run);
        if is_word {
            words.insert(characters.iter().take(6).collect());
        }
    }
    words
}

/// Whether a text denies something, an odd number of times.
pub(super) fn denies(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["not", "no", "never", "cannot", "none", "without", "neither", "nor", "unable", "nothing", "nobody", "except"];
    let lower = text.to_lowercase().replace('’', "'");
    let by_word = lower
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| WORDS.contains(word) || word.ends_with("n't"))
        .count();
    // 不 within 不仅, 不但 denies nothing; nor does 无论, or 非常.
    const CHINESE: [&str; 7] = ["不", "没", "无", "未", "别", "勿", "非"];
    const OTHERS: [&str; 10] = ["不仅", "不但", "不过", "不同", "不管", "无论", "非常", "特别", "分别", "不断"];
    let count = |list: &[&str]| list.iter().map(|word| lower.matches(word).count()).sum::<usize>();
    (by_word + count(&CHINESE).saturating_sub(count(&OTHERS))) % 2 == 1
}

/// The words of a text, in lower case, without those that affirm, deny, or only stand for what was asked; of Chinese, the
/// characters. "Yes, you can." has none: it says the same beside a passage that affirms and one that denies.
pub(super) fn substance(text: &str) -> HashSet<String> {
    // Without their "n't", "ca" and "wo" are of "can't" and "won't".
    const EMPTY: &str = "yes yep yeah no nope not never sure surely certainly absolutely definitely indeed correct right \
                         true false course ok okay well possible impossible able unable allowed permitted sorry please \
                         thanks unfortunately afraid i you we us he she it they them me that this these those there do \
                         does did can ca cannot could may might must will wo would shall should is are was were am be \
                         been has have had the a an of to so as too also and but your our my";
    const EMPTY_CHINESE: &str =
        "没问题 没关系 不好意思 当然 没错 肯定 确实 正确 可以 可能 能够 需要 支持 允许 应该 这样 抱歉 谢谢";
    const EMPTY_CHARACTERS: &str = "是有能会行要对好嗯的了吗呢呀啊哦吧也都不没无未否可您你我们它他她这那个请";
    let mut text = text.to_lowercase().replace('’', "'");
    for word in EMPTY_CHINESE.split(' ') {
        text = text.replace(word, " ");
    }
    let mut substance = HashSet::new();
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '\'') {
        if word.chars().any(is_han) {
            let about = word.chars().filter(|&c| c.is_alphanumeric() && !EMPTY_CHARACTERS.contains(c));
            substance.extend(about.map(String::from));
            continue;
        }
        // "that's" is "that", and "don't" is "do".
        let word = word.trim_matches('\'');
        let word = word.strip_suffix("n't").or_else(|| word.split('\'').next()).unwrap_or(word);
        if !word.is_empty() && EMPTY.split(' ').all(|empty| empty != word) {
            substance.insert(word.to_owned());
        }
    }
    substance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_yes_or_no_is_about_nothing() {
        for text in [
            "Yes .",
            "Yes, you can .",
            "No, we don't .",
            "No, you can’t.",
            "Of course!",
            "Yes, that's possible.",
            "Unfortunately not.",
            "能",
            "可以的。",
            "不可以",
            "是的，您可以。",
            "当然可以，没问题！",
            "没有。",
            "不支持",
            "",
            "!",
        ] {
            assert_eq!(substance(text), HashSet::new(), "{text}");
        }
    }

    #[test]
    fn what_a_sentence_is_about_stays_however_short() {
        for (text, expected) in [
            ("By bus.", &["by", "bus"][..]),
            ("Yes, for a fee.", &["for", "fee"]),
            ("No, it's free.", &["free"]),
            ("可以退。", &["退"]),
            ("不包邮", &["包", "邮"]),
            ("支持PayPal", &["paypal"]),
            ("30", &["30"]),
        ] {
            assert_eq!(substance(text), expected.iter().map(|it| (*it).to_owned()).collect(), "{text}");
        }
    }
}
