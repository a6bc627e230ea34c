//! Whether a text asks, by its form alone: a mark or a particle at its end, or how it begins.

/// How questions begin in English, each a whole word or more. "When" and "can" alone don't ask: "when I chew it hurts", "can
/// you call me before".
const BEGINNINGS: [&str; 26] = [
    "how",
    "what",
    "where",
    "which",
    "who",
    "whom",
    "whose",
    "why",
    "when is",
    "when are",
    "when do",
    "when does",
    "when can",
    "when will",
    "when should",
    "is there",
    "are there",
    "is it",
    "does it",
    "do you",
    "do i",
    "do we",
    "can i",
    "can we",
    "may i",
    "may we",
];
/// The same in Chinese. 几天 and the like aren't here: 几天前开始疼 tells.
const CHINESE: [&str; 22] = [
    "请问",
    "什么",
    "怎么",
    "怎样",
    "如何",
    "为什么",
    "为何",
    "哪",
    "谁",
    "几点",
    "几号",
    "几楼",
    "多少",
    "多久",
    "多长",
    "多远",
    "能不能",
    "可不可以",
    "有没有",
    "是不是",
    "是否",
    "能否",
];
/// What makes all of a word that asks: 什么都没有, 哪里都疼.
const ALL: [char; 2] = ['都', '也'];
/// How far behind it.
const NEAR: usize = 2;

/// Whether a text asks. It is folded: in lower case, and in simplified characters.
pub fn is_question(folded: &str) -> bool {
    let text = folded.trim_start();
    let end = text.trim_end_matches(|c: char| c.is_whitespace() || ['.', '!', '。', '！', '"', '”', '」'].contains(&c));
    if end.ends_with(['?', '？', '吗', '呢']) {
        return true;
    }
    let is_whole = |rest: &str| !rest.starts_with(char::is_alphanumeric);
    let asks = |rest: &str| !rest.chars().take(NEAR).any(|c| ALL.contains(&c));
    BEGINNINGS.iter().any(|beginning| text.strip_prefix(beginning).is_some_and(is_whole))
        || CHINESE.iter().any(|beginning| text.strip_prefix(beginning).is_some_and(asks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_known_by_its_form() {
        for text in [
            "is it possible to park there?",
            "how much is a dental cleaning",
            "what's the price",
            "is there parking",
            "my dog, may he come? ",
            "当天能拿到吗",
            "那周日呢。",
            "怎么去你们那里",
            "请问停车要钱",
            "哪里可以停车",
            "有停车位？",
        ] {
            assert!(is_question(text), "{text}");
        }
        for text in [
            "",
            "i am allergic to penicillin",
            "however it hurts",
            "whatever you have",
            "when i chew it hurts",
            "can you call me before",
            "will bring my dog",
            "对青霉素过敏",
            "什么都不用",
            "哪里都疼",
            "几天前开始疼",
        ] {
            assert!(!is_question(text), "{text}");
        }
    }
}
