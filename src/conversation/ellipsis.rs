//! Texts that leave out what they are about: "in red", "the cheapest one", 两百以内的.
//!
//! **Invariant:** pure. Every word of such a text is known to name nothing: one that isn't known may.

use crate::entity::folded;

/// The most words in English, and the most characters in Chinese.
const MOST_WORDS: usize = 8;
const LONGEST: usize = 20;

/// What one thing is told from others by.
const TOLD_BY: &str = "\
    cheaper|cheapest|smaller|smallest|bigger|biggest|larger|largest|lighter|lightest|quieter|quietest|stronger|\
    strongest|faster|fastest|better|best|expensive|red|white|black|blue|green|yellow|pink|grey|gray|silver|gold|\
    purple|orange|brown|beige";
/// What bounds a number.
const BOUNDS: &str = "\
    under|below|above|over|than|most|least|up|to|between|around|about|within|max|less|more|cheaper";
/// Words that name nothing.
const SMALL: &str = "\
    a|an|the|one|ones|it|any|anything|something|some|do|you|have|got|is|are|there|show|me|in|of|at|or|and|but|not|\
    no|please|only|just|even|much|little|bit|what|which|what's|what about|how|yuan|rmb|cny|dollar|dollars|bucks|\
    euro|euros|usd|eur|l|litre|litres|liter|liters|kg|kilo|kilos";
/// Words of numbers.
const NUMBERS: &str = "hundred|thousand|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|forty|fifty";

/// The same in Chinese; what holds another goes first.
const CHINESE_TOLD_BY: &str = "\
    红色|白色|黑色|蓝色|绿色|黄色|粉色|灰色|银色|金色|紫色|橙色|棕色|米色|便宜|安静|\
    红|白|黑|蓝|绿|黄|粉|灰|银|贵|大|小|轻";
const CHINESE_BOUNDS: &str = "\
    不超过|以内|以下|以上|之内|左右|低于|高于|大于|小于|至少|最多|不到|到|至";
const CHINESE_SMALL: &str = "\
    有没有|有什么|想要|我要|不要|一点|一些|有点|一个|一款|人民币|块钱|哪个|哪款|或者|还有|个|款|有|要|最|更|比较|再|不|\
    的|吗|呢|吧|啊|点|些|元|块|升|号|或|和|那|就";
const CHINESE_NUMBERS: &str = "零|一|二|两|三|四|五|六|七|八|九|十|百|千|万";

/// Whether a text leaves out what it is about.
pub(super) fn is_elliptical(text: &str) -> bool {
    let text = folded(text);
    if text.is_ascii() { is_english(&text) } else { is_chinese(&text) }
}

fn is_english(text: &str) -> bool {
    let is_of = |list: &str, word: &str| list.split('|').any(|it| it == word);
    let is_number =
        |word: &str| word.trim_start_matches('$').starts_with(|c: char| c.is_ascii_digit()) || is_of(NUMBERS, word);
    let words: Vec<&str> = text
        .split([' ', ',', '?', '!', ';'])
        .map(|word| word.trim_end_matches('.'))
        .filter(|it| !it.is_empty())
        .collect();
    let is_known = |word: &&str| is_of(TOLD_BY, word) || is_of(BOUNDS, word) || is_of(SMALL, word) || is_number(word);
    let is_told = words.iter().any(|word| is_of(TOLD_BY, word));
    let is_bound = words.iter().any(|word| is_of(BOUNDS, word)) && words.iter().any(|word| is_number(word));
    words.len() <= MOST_WORDS && words.iter().all(is_known) && (is_told || is_bound)
}

fn is_chinese(text: &str) -> bool {
    if text.chars().nth(LONGEST).is_some() {
        return false;
    }
    let mut rest = text.to_owned();
    let mut takes = |list: &str| {
        let before = rest.len();
        for word in list.split('|') {
            rest = rest.replace(word, " ");
        }
        rest.len() < before
    };
    // 一点 is no number, and 大于 no size.
    let is_bound = takes(CHINESE_BOUNDS);
    takes(CHINESE_SMALL);
    let is_told = takes(CHINESE_TOLD_BY);
    let is_number = takes(CHINESE_NUMBERS) || text.chars().any(|c| c.is_ascii_digit());
    let is_known = !rest.chars().any(|c| c.is_alphabetic());
    is_known && (is_told || (is_bound && is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_nothing_of_its_own_leaves_it_out() {
        for text in [
            "in red",
            "under 150",
            "below $200, please",
            "between 100 and 200",
            "less than 1.5 litres",
            "under two hundred",
            "the cheapest one",
            "anything cheaper?",
            "what about white",
            "do you have it in black?",
            "Not the red ones",
            "两百以内的",
            "有红色的吗",
            "那红色的呢？",
            "最便宜的",
            "便宜一点的",
            "有没有大一点的",
            "1.5升以上的",
            "一百到三百",
            "不要白色的",
        ] {
            assert!(is_elliptical(text), "{text}");
        }
        for text in [
            "headphones under two hundred",
            "a red kettle please",
            "the cheapest kettle",
            "where is my order",
            "is there one",
            "under the weather",
            "over 200 people wrote to me",
            "no",
            "yes please",
            "two",
            "black friday",
            "a toaster",
            "红色的水壶",
            "300元以内的水壶",
            "好的",
            "没有",
            "不要了",
            "有没有",
            "一个",
            "多少钱",
            "大家好",
            "我的订单到哪了",
            "",
            "?",
        ] {
            assert!(!is_elliptical(text), "{text}");
        }
    }
}
