//! What a text doesn't want in words that are no values: "not heart", 「不要口腔的」.
//!
//! A "not" reaches over the words right behind it, up to what begins anew. They rank nothing, and an item that says all of
//! them is left out.

use std::ops::Range;

use super::{
    Catalogue, Item, Wish, general,
    negation::{self, is_unwanted},
    value,
    why::is_han,
    wish::overlap,
};
use crate::entity::folded;

/// What ends the reach of a "not", folded.
const ENDS: [char; 11] = [',', '.', ';', ':', '!', '?', '(', ')', '\n', '。', '…'];

/// English words that end it, as they begin anew, or say how much or that somebody does something.
const STOPS: &[&str] = &[
    "again",
    "all",
    "also",
    "anymore",
    "are",
    "as",
    "at",
    "because",
    "been",
    "below",
    "but",
    "can",
    "could",
    "either",
    "enough",
    "fewer",
    "for",
    "from",
    "get",
    "give",
    "got",
    "had",
    "has",
    "have",
    "i",
    "i'd",
    "i'll",
    "i'm",
    "i've",
    "idea",
    "if",
    "instead",
    "is",
    "it",
    "just",
    "know",
    "later",
    "less",
    "longer",
    "many",
    "matter",
    "more",
    "much",
    "necessarily",
    "need",
    "no",
    "not",
    "on",
    "only",
    "over",
    "please",
    "possible",
    "problem",
    "really",
    "recommend",
    "should",
    "show",
    "so",
    "still",
    "suggest",
    "sure",
    "than",
    "thank",
    "thanks",
    "that",
    "then",
    "there",
    "though",
    "to",
    "too",
    "under",
    "very",
    "was",
    "what",
    "when",
    "which",
    "who",
    "with",
    "without",
    "would",
    "yet",
    "you",
];
/// English words that say nothing themselves, and what may also stand between a "not" and its words.
const FILLERS: &[&str] =
    &["a", "an", "any", "the", "in", "of", "made", "my", "one", "ones", "kind", "type", "thing", "things"];
const LEADING: &[&str] =
    &["for", "with", "from", "need", "want", "like", "include", "including", "contain", "containing"];

/// What ends the reach of a "not" in Chinese.
const CHINESE_STOPS: [&str; 12] = ["都", "还", "也", "以外", "之外", "但", "而", "要", "请", "就", "推荐", "谢谢"];
/// What joins words that aren't wanted.
const JOINERS: [&str; 9] = ["或者", "或是", "以及", "和", "或", "与", "跟", "、", "/"];
/// What may stand between a "not" and its words in Chinese.
const CHINESE_LEADING: [&str; 9] = ["含有", "含", "带有", "包含", "包括", "那个", "这个", "那种", "任何"];
/// What says how much: 「不要太贵」 excludes nothing.
const DEGREES: [&str; 5] = ["太", "很", "那么", "这么", "特别"];
/// What may end a sentence.
const PARTICLES: [char; 10] = ['的', '了', '吗', '呢', '吧', '啊', '哦', '呀', '嘛', '么'];
/// What also states and asks: 「我没有体检过」, 「没有女性的吗」.
const STATING: [&str; 2] = ["没有", "不是"];
/// What may stand behind what isn't wanted: 「口腔的都不要」.
const BEHIND: [&str; 6] = ["不要", "不想要", "不喜欢", "不考虑", "不选", "除外"];

/// What a "not" reaches, with itself, and the words of which an item mustn't have all; a list for each that is joined.
struct Reach {
    at: Range<usize>,
    words: Vec<Vec<String>>,
}

/// Reads what a folded text doesn't want of a catalogue; what was read before isn't read again.
pub(super) fn exclude(catalogue: &Catalogue, text: &str, wish: &mut Wish, read: &mut Vec<Range<usize>>) {
    let mut from = 0;
    for not in negation::nots(text) {
        if not.start < from || read.iter().any(|other| overlap(other, &not)) {
            continue;
        }
        from = not.end;
        if let Some(Reach { at, words }) = reach(text, &not, read) {
            from = from.max(at.end);
            wish.excluded.extend(words.into_iter().map(|words| general::left_out(words, catalogue)));
            read.push(at);
        }
    }
}

/// Whether an item says all words of one of these lists.
pub(super) fn is_excluded(excluded: &[Vec<String>], catalogue: &Catalogue, item: &Item) -> bool {
    if excluded.is_empty() {
        return false;
    }
    let text = folded(&catalogue.text(item));
    excluded.iter().any(|words| says_all(&text, words))
}

/// Whether a folded text says all of some words, and not that it is without them.
pub(super) fn says_all(text: &str, words: &[String]) -> bool {
    words.iter().all(|word| {
        let singular = word.strip_suffix('s').filter(|it| it.is_ascii() && it.len() > 2 && !it.ends_with('s'));
        let mut forms = [Some(word.as_str()), singular].into_iter().flatten();
        forms.any(|form| {
            let before = value::find(text, form).and_then(|at| text.get(..at.start));
            before.is_some_and(|before| !is_unwanted(before))
        })
    })
}

fn reach(text: &str, not: &Range<usize>, read: &[Range<usize>]) -> Option<Reach> {
    let after = text.get(not.end..)?;
    let until = read.iter().map(|other| other.start).filter(|start| *start >= not.end).min().unwrap_or(text.len());
    let behind = text.get(not.end..until)?.split(ENDS).next()?;
    let first = after.trim_start().chars().next();
    if first.is_none_or(|first| ENDS.contains(&first) || PARTICLES.contains(&first)) {
        return before(text, not, read);
    }
    match behind.trim_start().starts_with(is_han) {
        true => chinese(text, not, behind),
        false => english(text, not, behind),
    }
}

fn english(text: &str, not: &Range<usize>, behind: &str) -> Option<Reach> {
    const LONGEST: usize = 4;
    if ["why ", "or ", "if "].iter().any(|asks| text.get(..not.start).is_some_and(|before| before.ends_with(asks))) {
        return None;
    }
    let mut lists: Vec<Vec<String>> = Vec::new();
    let mut list: Vec<String> = Vec::new();
    let (mut at, mut end, mut is_behind_and) = (not.end, not.end, false);
    for said in behind.split(' ') {
        at += said.len();
        let stop = at;
        at += 1;
        let word = said.trim_matches(|c: char| !c.is_alphanumeric());
        let word = ["'s", "’s"].iter().find_map(|own| word.strip_suffix(own)).unwrap_or(word);
        let is_leading = lists.is_empty() && list.is_empty() && LEADING.contains(&word);
        // "Without dental and a heart test" begins anew with its article.
        let begins_anew = is_behind_and && matches!(word, "a" | "an" | "the");
        match word {
            "" => {}
            "or" | "nor" | "and" => {
                lists.push(std::mem::take(&mut list));
                is_behind_and = word == "and";
            }
            _ if begins_anew || word.contains(is_han) || list.len() == LONGEST => break,
            _ if is_leading => {}
            _ if STOPS.contains(&word) => break,
            _ if FILLERS.contains(&word) => end = if list.is_empty() { end } else { stop },
            _ => {
                list.push(word.to_owned());
                (end, is_behind_and) = (stop, false);
            }
        }
    }
    lists.push(list);
    lists.retain(|list| !list.is_empty());
    (!lists.is_empty()).then_some(Reach { at: not.start..end, words: lists })
}

fn chinese(text: &str, not: &Range<usize>, behind: &str) -> Option<Reach> {
    let phrase = behind.trim_start();
    if DEGREES.iter().any(|degree| phrase.starts_with(degree)) {
        return None;
    }
    let stops = CHINESE_STOPS.iter().filter_map(|stop| phrase.find(stop)).chain(phrase.find(char::is_whitespace));
    let whole = phrase.get(..stops.min().unwrap_or(phrase.len()))?;
    let part = modifier(whole);
    let said = text.get(not.clone())?;
    let asks = behind.ends_with(['吗', '么']) || text.get(not.end + behind.len()..)?.starts_with('?');
    if STATING.contains(&said) && (part.len() == whole.len() || asks) {
        return None;
    }
    let end = not.end + (behind.len() - phrase.len()) + part.len();
    let words = alternatives(if said == "除了" { part.strip_suffix('外').unwrap_or(part) } else { part });
    (!words.is_empty()).then_some(Reach { at: not.start..end, words })
}

/// What stands before a "not" that ends its sentence.
fn before(text: &str, not: &Range<usize>, read: &[Range<usize>]) -> Option<Reach> {
    /// What is longer has more in it than what isn't wanted, in characters.
    const LONGEST: usize = 8;
    if !BEHIND.contains(&text.get(not.clone())?) {
        return None;
    }
    let before = text.get(..not.start)?;
    let ends = before.char_indices().rev().find(|(_, c)| ENDS.contains(c) || c.is_whitespace());
    let start = ends.map_or(0, |(at, c)| at + c.len_utf8());
    // Of values it is known already what is wanted.
    if read.iter().any(|other| overlap(other, &(start..not.start))) {
        return None;
    }
    let part = before.get(start..)?.trim_end_matches(['都', '全', '也', '就', '我', '们']);
    let words = alternatives(part);
    let fits = !words.is_empty() && part.chars().count() <= LONGEST;
    fits.then_some(Reach { at: start..not.end, words })
}

/// What says which of the things that a phrase ends with: 「女性」 of 「女性的体检」, 「口腔的和心脏」 of 「口腔的和心脏的」.
fn modifier(phrase: &str) -> &str {
    let is_joined = |rest: &str| JOINERS.iter().any(|joiner| rest.starts_with(joiner));
    let mut parts = phrase.match_indices('的').filter_map(|(at, of)| Some((at, phrase.get(at + of.len()..)?)));
    let at = parts.find(|(_, rest)| !is_joined(rest)).map(|(at, _)| at);
    at.and_then(|at| phrase.get(..at)).unwrap_or(phrase)
}

/// The words of a Chinese phrase that are joined, each as a list of its own.
fn alternatives(phrase: &str) -> Vec<Vec<String>> {
    let phrase = phrase.trim_end_matches(PARTICLES);
    // What begins with such a character is a word that has it: 和牛.
    let is_word = JOINERS.iter().any(|joiner| phrase.starts_with(joiner));
    let joined = match is_word {
        true => phrase.to_owned(),
        false => JOINERS.iter().fold(phrase.to_owned(), |phrase, joiner| phrase.replace(joiner, "\n")),
    };
    let words = joined.lines().map(|mut word| {
        while let Some(rest) = CHINESE_LEADING.iter().find_map(|leading| word.strip_prefix(leading)) {
            word = rest;
        }
        word.trim_end_matches(PARTICLES).trim()
    });
    words.filter(|word| !word.is_empty()).map(|word| vec![word.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    fn shop() -> Catalogue {
        let table = "\
id,title,title_zh,sex
1,Dental check-up,口腔检查,both
2,Heart check-up,心脏检查,both
3,Women's check-up,女性体检,female
4,Full check-up without teeth,全面体检（无口腔）,both
";
        Catalogue::read(table.as_bytes()).unwrap().0
    }

    #[track_caller]
    fn check(said: &[&str], expected: &[&str]) {
        let shop = shop();
        let wish = said.iter().fold(Wish::default(), |wish, said| wish.then(shop.wish(said, &[])));
        let found: Vec<&str> = shop.passing(&wish).into_iter().map(|at| &*shop.items()[at].id).collect();
        assert_eq!(found, expected, "{said:?}: {wish:?}");
    }

    #[test]
    fn an_item_that_says_all_words_behind_a_not_is_left_out() {
        check(&["a check-up, not the women's one"], &["1", "2", "4"]);
        check(&["a check-up, not the women’s one"], &["1", "2", "4"]);
        check(&["not heart"], &["1", "3", "4"]);
        check(&["a check-up without dental"], &["2", "3", "4"]);
        check(&["a check-up without dental or heart"], &["3", "4"]);
        check(&["a check-up without dental and heart"], &["3", "4"]);
        check(&["neither heart nor dental please"], &["3", "4"]);
        check(&["I don’t want dental"], &["2", "3", "4"]);
        check(&["anything but the heart check-up"], &["1", "3", "4"]);
        check(&["a check-up, not for women"], &["1", "2", "4"]);
        check(&["a check-up, not female, not heart"], &["1", "4"]);
        check(&["a check-up without dental and a heart test"], &["2", "3", "4"]);
    }

    #[test]
    fn so_it_is_in_chinese() {
        check(&["体检，不要女性的"], &["1", "2", "4"]);
        check(&["體檢，不要女性的"], &["1", "2", "4"]);
        check(&["体检套餐，不要口腔"], &["2", "3", "4"]);
        check(&["体检套餐，不含口腔"], &["2", "3", "4"]);
        check(&["不要口腔和心脏的体检"], &["3", "4"]);
        check(&["不要口腔的或者心脏的"], &["3", "4"]);
        check(&["除了女性体检还有什么"], &["1", "2", "4"]);
        check(&["除了口腔外"], &["2", "3", "4"]);
        check(&["没有口腔的体检"], &["2", "3", "4"]);
        check(&["体检，口腔的都不要"], &["2", "3", "4"]);
        check(&["体检，口腔和心脏不要"], &["3", "4"]);
        check(&["女性除外"], &["1", "2", "4"]);
    }

    #[test]
    fn what_only_looks_like_it_excludes_nothing() {
        for text in [
            "why not a heart check-up",
            "not sure, a heart check-up",
            "I do not have a heart check-up",
            "not too dental",
            "a non-dental check-up",
            "a check-up without teeth",
            "有没有女性体检",
            "没有女性的吗",
            "我没有体检过",
            "还有别的体检吗",
            "非常好的体检",
            "不要太贵",
            "不用了谢谢",
        ] {
            check(&[text], &["1", "2", "3", "4"]);
        }
    }

    #[test]
    fn the_words_rank_nothing_and_others_still_do() {
        let rest = |text: &str| shop().wish(text, &[]).rest;
        assert!(!rest("a check-up, not heart").contains("heart"));
        assert!(rest("not heart but lungs").contains("lungs"));
        assert!(rest("a check-up without dental for my lungs").contains("lungs"));
        assert!(!rest("不要口腔的体检").contains("口腔"));
        assert!(rest("不要口腔的体检").contains("体检"));
    }

    #[test]
    fn it_holds_in_what_follows_until_it_is_wanted() {
        check(&["a check-up, not heart", "and no dental"], &["3", "4"]);
        check(&["a check-up, not heart", "a heart check-up then"], &["1", "2", "3", "4"]);
        check(&["体检，不要女性的", "那女性的呢"], &["1", "2", "3", "4"]);
    }
}
