//! Which of the values that a text names it doesn't want: "not white or black", 「白色黑色都不要」.
//!
//! A "not" reaches from its value over those that are joined to it, up to what begins anew ("not white but black",
//! "not white, black please").

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

/// What right before a value says that it isn't wanted; folded.
const NOT: [&str; 43] = [
    "not ",
    "no ",
    "nor ",
    "neither ",
    "non-",
    "non ",
    "without ",
    "except ",
    "except for ",
    "isn't ",
    "aren't ",
    "doesn't have ",
    "don't want ",
    "don't like ",
    "do not want ",
    "do not like ",
    "can't be ",
    "cannot be ",
    "mustn't be ",
    "shouldn't be ",
    "not be ",
    "anything but ",
    "other than ",
    "rather than ",
    "instead of ",
    "avoid ",
    "不要",
    "不想要",
    "不是",
    "不含",
    "不带",
    "不选",
    "别",
    "别要",
    "非",
    "除了",
    "没有",
    "无",
    "不用",
    "不能是",
    "不能有",
    "不喜欢",
    "不考虑",
];

/// Those of these that begin other words too, as 非常, 无线 and "non-stick" do: of values alone they say that.
const BEGINNING_WORDS: [&str; 6] = ["non-", "non ", "别", "别要", "非", "无"];

/// Words that end in 别 and say no "not": 特别红.
const ENDING_IN_DONT: [&str; 8] = ["特", "分", "类", "差", "个", "区", "级", "性"];

/// What may stand between a "not" and its value.
const FILLERS: [&str; 7] = ["a ", "an ", "any ", "the ", "in ", "of ", "made "];

/// A value that a text names: where, and the columns that have it.
#[derive(Debug, Clone)]
pub(super) struct Mention<'a> {
    pub(super) at: Range<usize>,
    pub(super) columns: &'a [usize],
}

/// How two values that follow each other are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// A "not" of the first is one of the second.
    Joined,
    /// By the last joint of a list, which joins those before it that commas part: "no plastic, glass or steel".
    Last,
    Comma,
    /// The first says which of the second: 「红色水壶」.
    Describes,
    /// The second begins anew.
    Apart,
}

/// What may stand between joined values.
static BETWEEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let form = r"(?x)^的?\s*
        (?: (?<or>,?\s*(?:or|nor)) | (?<any>和|或者|或是|或|以及|及|与|跟|还有)
          | (?<and>,?\s*and|&) | (?<alike>/|、|也) | (?<comma>,) | )
        \s*(?<article>(?:(?:a|an|any|the|in)\s)*)$";
    Regex::new(form).ok()
});

/// What behind a value says that it isn't wanted; `all` where it may say so of several.
static BEHIND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let form = r"(?x)^(?<own>的)?\s*(?:我|我们|也|就|还是)*
        (?<all>,?\s*(?:我|我们)?(?:都|全都|全|统统|一概)(?:也|就)?)?\s*
        (?:不要|不想要|不喜欢|不行|不考虑|不选|不可以|除外)
        (?:$|\W|[了的啊吧哦呢呀])";
    Regex::new(form).ok()
});

/// What right before a value says that it is wanted.
const WANTED: [&str; 5] = ["要", "想", "买", "选", "want "];

/// Whether each of a folded text's values, which are in its order, is wanted.
pub(super) fn wanted(text: &str, mentions: &[Mention<'_>]) -> Vec<bool> {
    let joints = joints(text, mentions);
    let reaches = |second: usize| matches!(joint(&joints, second), Joint::Joined | Joint::Last);
    // From the value before on: what stands before that is said of that.
    let before = |at: usize| {
        let from = at.checked_sub(1).and_then(|before| mentions.get(before)).map_or(0, |before| before.at.end);
        mentions.get(at).and_then(|mention| text.get(from..mention.at.start)).unwrap_or_default()
    };
    let mut wanted: Vec<bool> = Vec::with_capacity(mentions.len());
    for at in 0..mentions.len() {
        let carried = reaches(at) && wanted.last() == Some(&false);
        wanted.push(!carried && !is_unwanted(before(at)));
    }
    for (place, mention) in mentions.iter().enumerate() {
        let found = BEHIND.as_ref().and_then(|form| form.captures(text.get(mention.at.end..)?));
        let Some(found) = found else { continue };
        let mut at = place;
        // 「红色水壶不要」 is 「不要红色水壶」.
        while found.name("own").is_none() && joint(&joints, at) == Joint::Describes {
            at -= 1;
        }
        // 「要红色，白色黑色都不要」 has its two; 「白色，黑色都不要」 needs the one before the comma.
        let over_commas = found.name("all").is_some() && !reaches(at);
        let unwanted = |at: usize| {
            let comma = over_commas && joint(&joints, at) == Joint::Comma;
            reaches(at) || (comma && !WANTED.iter().any(|word| before(at - 1).ends_with(word)))
        };
        let mut first = at;
        while unwanted(first) {
            first -= 1;
        }
        wanted.iter_mut().take(at + 1).skip(first).for_each(|it| *it = false);
    }
    wanted
}

/// Where a folded text says "not", whatever follows; of those that begin together the longest first.
pub(super) fn nots(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for not in NOT.iter().copied().chain(["除外"]).filter(|not| !BEGINNING_WORDS.contains(not)) {
        for spelt in [not.to_owned(), not.replace('\'', "’")] {
            let places = text.match_indices(&spelt).map(|(start, _)| start);
            let said = places.filter(|&start| text.get(..start).is_some_and(|rest| is_not(not, rest)));
            found.extend(said.map(|start| start..start + spelt.len()));
        }
    }
    found.sort_by_key(|range: &Range<usize>| (range.start, std::cmp::Reverse(range.end)));
    found
}

/// How a value is joined to the one before it; the first to none.
fn joint(joints: &[Joint], second: usize) -> Joint {
    let before = second.checked_sub(1).and_then(|first| joints.get(first));
    before.copied().unwrap_or(Joint::Apart)
}

fn joints(text: &str, mentions: &[Mention<'_>]) -> Vec<Joint> {
    let pairs = mentions.iter().zip(mentions.iter().skip(1));
    let mut joints: Vec<Joint> = pairs.map(|(first, second)| between(text, first, second)).collect();
    let mut is_list = false;
    for joint in joints.iter_mut().rev() {
        if is_list && *joint == Joint::Comma {
            *joint = Joint::Last;
        }
        is_list = *joint == Joint::Last;
    }
    joints
}

fn between(text: &str, first: &Mention<'_>, second: &Mention<'_>) -> Joint {
    let alike = first.columns.iter().any(|column| second.columns.contains(column));
    let gap = text.get(first.at.end..second.at.start).unwrap_or_default();
    let Some(found) = BETWEEN.as_ref().and_then(|form| form.captures(gap)) else { return Joint::Apart };
    let is = |name: &str| found.name(name).is_some();
    let has_article = found.name("article").is_some_and(|article| !article.is_empty());
    // Values without anything between them are a list in Chinese: 白色黑色. "not white black" may be anything.
    let is_tight = matches!(gap, "" | "的");
    match alike {
        // "isn't plastic or a flask" may go on with another thing.
        _ if is("or") && (alike || !has_article) => Joint::Last,
        _ if is("any") => Joint::Joined,
        true if is("and") => Joint::Last,
        true if is("alike") || is_tight => Joint::Joined,
        true if is("comma") => Joint::Comma,
        false if is_tight => Joint::Describes,
        _ => Joint::Apart,
    }
}

/// Whether what stands before a value says that it isn't wanted.
pub(super) fn is_unwanted(before: &str) -> bool {
    let before = before.replace('’', "'");
    let before = without_fillers(&before);
    says_not(before) || before_alternative(before).is_some_and(|before| says_not(without_fillers(before)))
}

fn without_fillers(mut before: &str) -> &str {
    let is_word = |rest: &&str| !rest.ends_with(|c: char| c.is_ascii_alphanumeric());
    while let Some(rest) = FILLERS.iter().find_map(|filler| before.strip_suffix(filler).filter(is_word)) {
        before = rest;
    }
    before
}

/// What stands before a word that the catalogue doesn't know and an "or": "not purple or ", 「不要紫色和」.
fn before_alternative(before: &str) -> Option<&str> {
    const LONGEST: usize = 3;
    if let Some(list) = [" or ", " nor "].iter().find_map(|or| before.strip_suffix(or)) {
        let word = list.rsplit(' ').next().filter(|word| word.chars().all(char::is_alphabetic))?;
        return list.strip_suffix(word);
    }
    let list = ["和", "或", "或者"].iter().find_map(|or| before.strip_suffix(or))?;
    let ends = list.char_indices().rev().take(LONGEST).take_while(|(_, c)| c.is_alphabetic());
    ends.filter_map(|(at, _)| list.get(..at)).find(|rest| says_not(rest))
}

/// Whether a text ends with a "not".
fn says_not(text: &str) -> bool {
    NOT.iter().any(|not| text.strip_suffix(not).is_some_and(|rest| is_not(not, rest)))
}

/// Whether a "not" is one behind what stands before it.
fn is_not(not: &str, rest: &str) -> bool {
    if not.is_ascii() {
        // "piano red" isn't "no red".
        return !rest.ends_with(|c: char| c.is_ascii_alphanumeric());
    }
    if not == "别" {
        return !ENDING_IN_DONT.iter().any(|word| rest.ends_with(word));
    }
    // 有没有 and 要不要 ask.
    let verb = not.strip_prefix(['不', '没']).unwrap_or_default();
    !verb.chars().next().is_some_and(|first| rest.ends_with(first) || rest.ends_with(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of these is wanted: colours are in column 0, materials in 1, kinds in 2.
    fn wanted_of(text: &str) -> Vec<&'static str> {
        const WORDS: [(&str, &[usize]); 14] = [
            ("white", &[0]),
            ("black", &[0]),
            ("red", &[0]),
            ("白色", &[0]),
            ("黑色", &[0]),
            ("红色", &[0]),
            ("plastic", &[1]),
            ("glass", &[1]),
            ("塑料", &[1]),
            ("玻璃", &[1]),
            ("kettle", &[2]),
            ("flask", &[2]),
            ("水壶", &[2]),
            ("杯子", &[2]),
        ];
        let mut found: Vec<(Mention<'_>, &str)> = WORDS
            .iter()
            .filter_map(|&(word, columns)| {
                let start = text.find(word)?;
                Some((Mention { at: start..start + word.len(), columns }, word))
            })
            .collect();
        found.sort_by_key(|(mention, _)| mention.at.start);
        let mentions: Vec<Mention<'_>> = found.iter().map(|(mention, _)| mention.clone()).collect();
        let wanted = wanted(text, &mentions);
        found.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|((_, word), _)| *word).collect()
    }

    fn check(cases: &[(&str, &[&str])]) {
        for (text, expected) in cases {
            assert_eq!(wanted_of(text), *expected, "{text}");
        }
    }

    #[test]
    fn a_not_reaches_over_the_values_that_are_joined_to_its_own() {
        check(&[
            ("a kettle that isn't white or black", &["kettle"]),
            ("a kettle that isn’t white or black", &["kettle"]),
            ("a kettle, neither white nor black", &["kettle"]),
            ("a kettle, neither in white nor in black", &["kettle"]),
            ("a kettle, not in white and black", &["kettle"]),
            ("kettle without plastic or glass", &["kettle"]),
            ("a kettle without white, black, or red", &["kettle"]),
            ("no white, black or red kettle", &["kettle"]),
            ("a kettle without white, black and red", &["kettle"]),
            ("no white/black kettle", &["kettle"]),
            ("a kettle that isn't plastic or white", &["kettle"]),
            ("a kettle, not purple or black", &["kettle"]),
            ("不要白色和黑色的水壶", &["水壶"]),
            ("不要白色或黑色的水壶", &["水壶"]),
            ("不要白色的或者黑色的水壶", &["水壶"]),
            ("不要白色、黑色的水壶", &["水壶"]),
            ("不要白色黑色的水壶", &["水壶"]),
            ("不要白色和塑料的水壶", &["水壶"]),
            ("不要紫色和黑色的水壶", &["水壶"]),
        ]);
    }

    #[test]
    fn a_not_behind_values_is_one_of_all_of_them() {
        check(&[
            ("水壶,白色黑色都不要", &["水壶"]),
            ("水壶,白色和黑色都不要", &["水壶"]),
            ("水壶,白色的、黑色的我都不要", &["水壶"]),
            ("白色,黑色都不要", &[]),
            ("白色黑色,都不要了", &[]),
            ("水壶,白色除外", &["水壶"]),
            ("红色水壶不要", &["水壶"]),
            ("要红色,白色黑色都不要", &["红色"]),
            ("要红色,白色不要", &["红色"]),
            ("白色不要,黑色可以", &["黑色"]),
        ]);
    }

    #[test]
    fn what_begins_anew_is_wanted() {
        check(&[
            ("a kettle, not white but black", &["kettle", "black"]),
            ("a kettle, not white, black please", &["kettle", "black"]),
            ("not a white kettle", &["kettle"]),
            ("a kettle, not plastic and black", &["kettle", "black"]),
            ("a kettle without plastic or a flask", &["kettle", "flask"]),
            ("a black or red kettle, not white", &["black", "red", "kettle"]),
            ("not white black", &["black"]),
            ("a piano white or black", &["white", "black"]),
            ("white or black", &["white", "black"]),
            ("不要白色,要黑色", &["黑色"]),
            ("不要白色要黑色", &["黑色"]),
            ("不要白色,黑色的水壶", &["黑色", "水壶"]),
            ("不是白色而是黑色", &["黑色"]),
            ("要白色不要黑色", &["白色"]),
            ("水壶不要白色", &["水壶"]),
            ("水壶不要太贵", &["水壶"]),
            ("不要红色的水壶和杯子", &["水壶", "杯子"]),
        ]);
    }

    #[test]
    fn a_question_and_a_word_that_looks_like_it_are_no_not() {
        check(&[
            ("有没有红色的水壶", &["红色", "水壶"]),
            ("有没有红色或黑色的水壶", &["红色", "黑色", "水壶"]),
            ("是不是红色", &["红色"]),
            ("特别红色", &["红色"]),
            ("还没有水壶", &[]),
            ("别红色", &[]),
        ]);
    }
}
