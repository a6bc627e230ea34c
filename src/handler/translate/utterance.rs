//! What is to be translated, and to which language, by what a user says: 翻译成英文：…, "…"用日语怎么说, translate to
//! French: …, how do you say … in German.

use std::sync::LazyLock;

use regex::Regex;

use super::languages::Language;
use crate::simplified::simplified_text;

/// What a user wants translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted<'t> {
    pub(super) what: What<'t>,
    /// None where the user names no language.
    pub(super) to: Option<&'static Language>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'t> {
    /// This, as it was written.
    Text(&'t str),
    /// What was said last.
    Last,
}

/// Ways to ask, the clearer first; LANG stands for the languages' names. `to` and `text` are what is taken out.
const WAYS: [&str; 12] = [
    // 请把“…”翻译成英文 (吗？); 把下面这句话翻译成英文：…
    r"^(?:请|麻烦|帮我|帮忙|你?能不能|你?可以|你?能|再)*(?:把|将)(?P<text>.+?)(?:翻译|翻|译)(?:一下)?(?:成|为|到|作)(?P<to>LANG)(?:语|文)?(?:吗|吧|好吗)?[。？?！!]*$",
    r"^(?:请|麻烦|帮我|帮忙|你?能不能|你?可以|你?能|再)*(?:(?:把|将)?(?:下面|以下|这)[^：:\n]{0,8})?(?:翻译|翻|译)(?:一下)?(?:成|为|到|作)(?P<to>LANG)(?:吗|吧)?(?:[：:，,。？?！!\s]+(?P<text>.*))?$",
    r"^(?:请|麻烦|帮我|帮忙|再)*用(?P<to>LANG)(?:翻译|说|表达)(?:一下)?[：:，,\s]*(?P<text>.+)$",
    r"^(?P<text>.+?)[，,\s]*(?:用|的)(?P<to>LANG)(?:怎么说|怎么讲|怎么写|怎么表达|是什么|咋说)[？?。!！]*$",
    r"^(?:请问)?用?(?P<to>LANG)(?:怎么说|怎么讲|怎么表达)[：:，,\s]*(?P<text>.+?)[？?]*$",
    r"^(?:请|麻烦|帮我|帮忙)*(?:翻译|译)(?:一下)?(?:这句话|这段话|这个)?[：:]\s*(?P<text>.+)$",
    // translate to French: …; translate this into French
    r"^(?:please\s+|can you\s+|could you\s+|would you\s+|now\s+)*translate\s+(?:(?:this|the following|the text|this text|this sentence|it|that)\s+)?(?:from\s+\w+\s+)?(?:in)?to\s+(?P<to>LANG)(?:\s*,?\s*please)?(?:\s*[:：,\-–—]\s*|\s*[?.!]*$|\s+)(?P<text>.*)$",
    r"^(?:please\s+|can you\s+|could you\s+|would you\s+)*translate\s+(?P<text>.+?)\s+(?:from\s+\w+\s+)?(?:in)?to\s+(?P<to>LANG)(?:\s*,?\s*please)?\s*[?.!]*$",
    r"^(?:please\s+)?how\s+(?:do|would|can|should)\s+(?:you|i|we|one)\s+say\s+(?P<text>.+?)\s+in\s+(?P<to>LANG)\s*[?.!]*$",
    r"^(?:what\s+is|what's|what\s+does|say)\s+(?P<text>.+?)\s+(?:mean\s+)?in\s+(?P<to>LANG)\s*[?.!]*$",
    r"^(?:what\s+is|what's)\s+the\s+(?P<to>LANG)\s+(?:word\s+|translation\s+|phrase\s+)?(?:for|of)\s+(?P<text>.+?)\s*[?.!]*$",
    r"^(?:please\s+)?translate\s*[:：]\s*(?P<text>.+)$",
];

/// What the user wants translated; none where it isn't said in any of these ways.
pub(super) fn wanted(utterance: &str) -> Option<Wanted<'_>> {
    static COMPILED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        let names = Language::all_names();
        let compile = |way: &&str| Regex::new(&format!("(?is){}", way.replace("LANG", &names))).ok();
        WAYS.iter().filter_map(compile).collect()
    });
    let utterance = utterance.trim();
    // Each character as long as its own: what is found stands at the same place.
    let simplified = simplified_text(utterance);
    COMPILED.iter().find_map(|way| {
        let found = way.captures(&simplified)?;
        let to = found.name("to").map(|to| Language::named(to.as_str()));
        // A language that isn't one: the next way may read it otherwise.
        let to = match to {
            Some(None) => return None,
            Some(to) => to,
            None => None,
        };
        let text = found.name("text").and_then(|text| utterance.get(text.range())).unwrap_or_default();
        Some(Wanted { what: what(text), to })
    })
}

/// A text without the quotation marks around it; what only points to something means what was said last.
fn what(text: &str) -> What<'_> {
    const MARKS: [(char, char); 7] =
        [('"', '"'), ('“', '”'), ('\'', '\''), ('‘', '’'), ('「', '」'), ('『', '』'), ('«', '»')];
    const POINTERS: [&str; 20] = [
        "",
        "this",
        "that",
        "it",
        "this sentence",
        "that sentence",
        "your answer",
        "the last answer",
        "your last answer",
        "the above",
        "这",
        "这个",
        "这句",
        "这句话",
        "上面的",
        "上面的话",
        "上面这句话",
        "刚才的",
        "刚才的回答",
        "你的回答",
    ];
    let text = text.trim();
    let unquoted = MARKS.iter().find_map(|(begin, end)| {
        let inner = text.strip_prefix(*begin)?.strip_suffix(*end)?;
        (!inner.contains([*begin, *end])).then_some(inner.trim())
    });
    match POINTERS.contains(&simplified_text(text).to_lowercase().as_str()) {
        true => What::Last,
        false => What::Text(unquoted.filter(|it| !it.is_empty()).unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_a_regular_expression() {
        for way in WAYS {
            assert!(Regex::new(&format!("(?is){}", way.replace("LANG", &Language::all_names()))).is_ok(), "{way}");
        }
    }

    #[test]
    fn what_and_to_which_language_is_taken_out_of_what_is_said() {
        fn check(utterance: &str, expected: Option<(&str, Option<&str>)>) {
            let found = wanted(utterance);
            let found = found.as_ref().map(|found| {
                let text = if let What::Text(text) = found.what { text } else { "LAST" };
                (text, found.to.map(|to| to.tag))
            });
            assert_eq!(found, expected, "{utterance}");
        }
        check("翻译成英文：今天天气很好。", Some(("今天天气很好。", Some("en"))));
        check("请帮我翻译成日语:我想退货", Some(("我想退货", Some("ja"))));
        check("请把“我想退货”翻译成法语", Some(("我想退货", Some("fr"))));
        check("把我想退货翻译成繁体中文", Some(("我想退货", Some("zh-Hant"))));
        check("把下面这句话翻译成英文：我想退货", Some(("我想退货", Some("en"))));
        check("「谢谢」用日语怎么说？", Some(("谢谢", Some("ja"))));
        check("谢谢的德语怎么说", Some(("谢谢", Some("de"))));
        check("用英语怎么说：谢谢", Some(("谢谢", Some("en"))));
        check("翻译：where is my order", Some(("where is my order", None)));
        check("翻譯成日文：包裹明天到", Some(("包裹明天到", Some("ja"))));
        check("請幫我把「我想退貨」翻譯成繁體中文", Some(("我想退貨", Some("zh-Hant"))));
        check("把這句話翻譯成韓語", Some(("LAST", Some("ko"))));
        check("謝謝用法語怎麼說？", Some(("謝謝", Some("fr"))));
        check("翻译成英文", Some(("LAST", Some("en"))));
        check("把这句话翻译成韩语", Some(("LAST", Some("ko"))));
        check("translate to French: where is my order?", Some(("where is my order?", Some("fr"))));
        check(
            "Please translate the following into Chinese: see https://a.example",
            Some(("see https://a.example", Some("zh"))),
        );
        check("translate \"good morning\" into Spanish, please", Some(("good morning", Some("es"))));
        check("Translate good morning to spanish", Some(("good morning", Some("es"))));
        check("How do you say \"thank you\" in German?", Some(("thank you", Some("de"))));
        check("what's the French word for bread?", Some(("bread", Some("fr"))));
        check("What is thank you in Korean", Some(("thank you", Some("ko"))));
        check("translate that into Russian", Some(("LAST", Some("ru"))));
        check("translate: 谢谢", Some(("谢谢", None)));
        check("translate to German: line one\nline two", Some(("line one\nline two", Some("de"))));
        check("how are you?", None);
        check("你好", None);
        check("translate to Klingon: hello", None);
    }
}
