//! What a text claims that can be held against another: its numbers, names, and addresses.
//!
//! A number is what stands in digits, with its thousands' commas left out, and what Chinese and English numerals stand
//! for. A name is a word with a capital letter that doesn't only begin a sentence, one with a digit in it, a word of Latin
//! letters in Chinese, and what stands in quotation marks or 《》. An address is a URL, an e-mail address, or a host.
//!
//! **Invariant:** pure, and linear in the text's length.

use std::collections::BTreeSet;

use regex::Regex;

use crate::{entity::chinese_number, simplified::simplified};

/// What a text claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// In decimal notation.
    pub numbers: BTreeSet<String>,
    /// In lower case.
    pub names: BTreeSet<String>,
    /// In lower case.
    pub addresses: BTreeSet<String>,
}

/// A regular expression that is a constant of the program: one that doesn't compile finds nothing, and a test fails.
macro_rules! pattern {
    ($pattern:expr) => {{
        static PATTERN: std::sync::LazyLock<Option<regex::Regex>> =
            std::sync::LazyLock::new(|| regex::Regex::new($pattern).ok());
        PATTERN.as_ref()
    }};
}
pub(super) use pattern;

impl Claims {
    /// What this text claims.
    pub fn of(text: &str) -> Self {
        let text = folded(text);
        let addresses = addresses(&text);
        // What is part of an address is claimed by it.
        // One may end its sentence.
        let gap = |found: &regex::Captures<'_>| if found[0].ends_with(['.', '!', '?']) { " . " } else { " " };
        let rest = pattern!(ADDRESS).map_or_else(|| text.clone(), |it| it.replace_all(&text, gap).into_owned());
        Self { numbers: numbers(&rest), names: names(&rest), addresses }
    }

    /// The addresses of what it claims, alone.
    pub fn of_addresses(text: &str) -> Self {
        Self { addresses: addresses(&folded(text)), ..Self::default() }
    }

    /// Whether there is nothing to hold against anything.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.names.is_empty() && self.addresses.is_empty()
    }

    /// What of it another text doesn't say; `None` where it says all.
    pub fn missing_in(&self, said: &Said) -> Option<&'static str> {
        if !self.numbers.iter().all(|number| said.numbers.contains(number)) {
            return Some("a number");
        }
        if !self.names.iter().all(|name| said.says(name)) {
            return Some("a name");
        }
        (!self.addresses.iter().all(|address| said.folded.contains(address.as_str()))).then_some("an address")
    }
}

/// A text that claims are held against.
#[derive(Debug, Clone, Default)]
pub struct Said {
    folded: String,
    numbers: BTreeSet<String>,
}

impl Said {
    pub fn of(text: &str) -> Self {
        let text = folded(text);
        // A number may be a part of another one here: the 9 of 9:00, the 2026 of a date.
        let numbers = numbers(&text);
        Self { folded: text.to_lowercase(), numbers }
    }

    /// Whether it holds a name: as a word, or as a part of a text without spaces.
    fn says(&self, name: &str) -> bool {
        let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && (c as u32) < 0x2e80);
        let whole = |(at, found): (usize, &str)| {
            let (before, after) = (self.folded[..at].chars().next_back(), self.folded[at + found.len()..].chars());
            let mut after = after.peekable();
            // The plural, or a genitive, is the same name.
            if after.peek() == Some(&'s') {
                after.next();
            }
            !in_word(before) && !in_word(after.next())
        };
        self.folded.match_indices(name).any(whole)
    }
}

const ADDRESS: &str = r"(?i)(?-u:\b)(?:https?|ftp)://[a-z0-9/?#&=%+._~:@!$*-]+|(?-u:\b)www\.[a-z0-9/?#&=%+._~:@!$*-]+|(?-u:\b)[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+|(?-u:\b)(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|cn|info|biz|example|test|dev|app|xyz|ru|tk|top|shop|site|online)(?-u:\b)(?:/[a-z0-9/?#&=%+._~:@!$*-]*)?";

/// The addresses of a text, in lower case.
fn addresses(text: &str) -> BTreeSet<String> {
    found(pattern!(ADDRESS), text).map(address).collect()
}

/// An address without what only ends its sentence.
fn address(text: &str) -> String {
    text.trim_end_matches(['.', ',', ';', ':', '!', '?']).to_lowercase()
}

fn found<'t>(pattern: Option<&'static Regex>, text: &'t str) -> impl Iterator<Item = &'t str> {
    pattern.into_iter().flat_map(move |pattern| pattern.find_iter(text)).map(|found| found.as_str())
}

/// Full-width forms as ordinary ones, traditional characters as simplified ones.
fn folded(text: &str) -> String {
    let fold = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{a0}' => ' ',
        '\u{2019}' => '\'',
        other => simplified(other),
    };
    text.chars().map(fold).collect()
}

/// The numbers that a text writes in digits.
pub(super) fn in_digits(text: &str) -> BTreeSet<String> {
    // The digits of X200 are a part of a name.
    let in_word = |at: usize| text[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphabetic());
    pattern!(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
        .into_iter()
        .flat_map(|pattern| pattern.find_iter(text))
        .filter(|found| !in_word(found.start()))
        .map(|found| plain(found.as_str()))
        .collect()
}

/// The numbers of a text: in digits, in Chinese characters, and the English words for small ones.
pub(super) fn numbers(text: &str) -> BTreeSet<String> {
    const UNITS: &str = "天日号月年周岁点时分秒个次件元块角折倍人名位米斤克公里小章楼层";
    let mut numbers = in_digits(text);
    for run in pattern!("[零〇一二两三四五六七八九十百千万亿]+").into_iter().flat_map(|pattern| pattern.find_iter(text))
    {
        let next = text[run.end()..].chars().next();
        // One character alone is a part of many words that count nothing: 一起, 万能.
        let in_number = text[..run.start()].ends_with(|c: char| c.is_ascii_digit());
        let counts = !in_number && (run.as_str().chars().count() > 1 || next.is_some_and(|c| UNITS.contains(c)));
        numbers.extend(chinese_number(run.as_str()).filter(|_| counts).map(|number| number.to_string()));
    }
    // 3万, 2.5亿: by their digits, as they were found, and as the whole that they stand for.
    for run in pattern!(r"(\d+)([万亿])").into_iter().flat_map(|pattern| pattern.captures_iter(text)) {
        let unit: u64 = if &run[2] == "万" { 10_000 } else { 100_000_000 };
        numbers.extend(run[1].parse::<u64>().ok().and_then(|it| it.checked_mul(unit)).map(|it| it.to_string()));
    }
    const WORDS: [(&str, &str); 20] = [
        ("two", "2"),
        ("three", "3"),
        ("four", "4"),
        ("five", "5"),
        ("six", "6"),
        ("seven", "7"),
        ("eight", "8"),
        ("nine", "9"),
        ("ten", "10"),
        ("eleven", "11"),
        ("twelve", "12"),
        ("fifteen", "15"),
        ("twenty", "20"),
        ("thirty", "30"),
        ("forty", "40"),
        ("fifty", "50"),
        ("sixty", "60"),
        ("ninety", "90"),
        ("hundred", "100"),
        ("thousand", "1000"),
    ];
    for word in found(pattern!("[A-Za-z]+"), text) {
        let known = WORDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        numbers.extend(known.map(|(_, number)| (*number).to_owned()));
    }
    numbers
}

/// A number without commas, and without zeros that say nothing: 1,299.00 as 1299.
fn plain(number: &str) -> String {
    let digits: String = number.chars().filter(|c| *c != ',').collect();
    let digits = match digits.split_once('.') {
        Some(_) => digits.trim_end_matches('0').trim_end_matches('.'),
        None => &digits,
    };
    let short = digits.trim_start_matches('0');
    if short.is_empty() || short.starts_with('.') { format!("0{short}") } else { short.to_owned() }
}

fn names(text: &str) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        found(pattern!("《[^》\n]{1,40}》|「[^」\n]{1,40}」|『[^』\n]{1,40}』|“[^”\n]{1,40}”|\"[^\"\n]{1,40}\""), text)
            .map(|quoted| {
                quoted
                    .trim_matches(['《', '》', '「', '」', '『', '』', '“', '”', '"', ' ', '.', ',', '。', '，'])
                    .to_lowercase()
            })
            .filter(|quoted| !quoted.is_empty())
            .collect();
    let Some(words) = pattern!(r"\p{L}[\p{L}\p{N}'&-]*|\p{N}+\p{L}[\p{L}\p{N}-]*") else { return names };
    for found in words.find_iter(text) {
        for (at, word) in latin_words(found.as_str()) {
            let before = text[..found.start() + at].trim_end_matches([' ', '"', '“', '(', '*', '_']);
            let last = before.chars().next_back();
            let begins =
                last.is_none_or(|c| matches!(c, '.' | '!' | '?' | ':' | '\n' | '。' | '！' | '？' | '•' | '-' | ']'));
            let within_chinese = last.is_some_and(is_han)
                || text[found.start() + at + word.len()..].trim_start().chars().next().is_some_and(is_han);
            let has = |test: fn(char) -> bool| word.chars().any(test);
            let inner_capital = word.chars().skip(1).any(char::is_uppercase);
            let counts = match word.chars().next() {
                _ if word.len() < 2 || !has(char::is_alphabetic) => false,
                _ if has(|c| c.is_ascii_digit()) || inner_capital => true,
                Some(first) if first.is_uppercase() => !begins,
                _ => within_chinese,
            };
            let word = word.trim_end_matches("'s").trim_end_matches('\'').trim_end_matches('-');
            // A contraction is no name, and what many sentences hold with a capital isn't either.
            if counts && !word.contains('\'') && !["I", "OK", "FAQ"].contains(&word) {
                names.insert(word.to_lowercase());
            }
        }
    }
    names
}

/// The parts of a run of letters that aren't Chinese, with where they begin: 我要iPhone手机 has one.
fn latin_words(run: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in run.char_indices().chain([(run.len(), '一')]) {
        match (start, is_han(c) || is_kana_or_hangul(c)) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                words.push((from, &run[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    words
}

pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

pub(super) fn is_kana_or_hangul(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
        let Claims { numbers, names, addresses } = Claims::of(text);
        let list = |set: BTreeSet<String>| set.into_iter().collect();
        (list(numbers), list(names), list(addresses))
    }

    #[test]
    fn numbers_names_and_addresses_are_found() {
        fn check(text: &str, numbers: &[&str], names: &[&str], addresses: &[&str]) {
            let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
            assert_eq!(of(text), (list(numbers), list(names), list(addresses)), "{text}");
        }
        check("You can return it within 30 days.", &["30"], &[], &[]);
        check("It costs 1,299.00 yuan or two coupons.", &["1299", "2"], &[], &[]);
        check("We ship to Norway and to the UK.", &[], &["norway", "uk"], &[]);
        check("Returns are free. Call Anna's desk.", &[], &["anna"], &[]);
        check("The X200 and the iPhone don't.", &[], &["iphone", "x200"], &[]);
        check("三十天内可以退货，运费两百元。", &["200", "30"], &[], &[]);
        check("我们一起看看，万能的。", &[], &[], &[]);
        check("３０天", &["30"], &[], &[]);
        check("3万件", &["3", "30000"], &[], &[]);
        check("请用iPhone打开《用户手册》或“帮助”。", &[], &["iphone", "帮助", "用户手册"], &[]);
        check(
            "See https://Shop.example/help?a=1. Or mail Me@shop.com!",
            &[],
            &[],
            &["https://shop.example/help?a=1", "me@shop.com"],
        );
        check("请访问www.evil.com，谢谢", &[], &[], &["www.evil.com"]);
        check("", &[], &[], &[]);
        check("I'm here. It's OK.", &[], &[], &[]);
    }

    #[test]
    fn a_claim_is_missing_where_the_other_text_says_nothing_of_it() {
        fn check(claim: &str, said: &str, missing: Option<&str>) {
            assert_eq!(Claims::of(claim).missing_in(&Said::of(said)), missing, "{claim} / {said}");
        }
        let passage = "Returns: within 30 days, at the Berlin desk (9:00 to 18:00), by the X200 form. help@shop.com";
        check("You have 30 days; ask at the Berlin desk from 9 to 18.", passage, None);
        check("You have thirty days.", passage, None);
        check("You have 14 days.", passage, Some("a number"));
        check("Go to the Hamburg desk.", passage, Some("a name"));
        check("Go to the Berli desk.", passage, Some("a name"));
        check("Use the X20 form.", passage, Some("a name"));
        check("Mail help@shop.com", passage, None);
        check("Mail help@evil.com", passage, Some("an address"));
        check("三十天内可以退", "30天内可退", None);
        check("四十天内可以退", "30天内可退", Some("a number"));
        check("用“极速退款”", "极速退款服务", None);
    }
}
