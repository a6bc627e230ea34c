//! Whether an answer rests on the passages that it cites.
//!
//! **Invariant:** an answer that is grounded cites only passages that there are; each of its sentences that says something
//! has a citation, its own or that of the sentence which it belongs to; each number, name and address of it stands in what
//! it cites, most of its words do, and it denies nothing that the passage affirms, nor the other way round. A yes or no
//! rests on nothing: one of its sentences says more.

use std::collections::HashSet;

use super::wording::{denies, substance, words};
use crate::{
    domain::Source,
    handler::claims::{Claims, Said, pattern},
};

/// The share of a sentence's words that has to stand in the passages that it cites.
const LEAST_OVERLAP: f64 = 0.5;

/// An answer that rests on passages.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grounded {
    /// With its citations numbered in the order in which they come.
    pub(super) text: String,
    /// What it cites, in that order.
    pub(super) sources: Vec<Source>,
}

/// A sentence, and the passages that it cites, by their numbers from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Sentence {
    text: String,
    cites: Vec<usize>,
    /// Whether the citations are its own.
    is_cited: bool,
    /// The line that it stands in.
    line: usize,
}

/// A citation: `[1]`, `[1, 2]`, `【1】`.
const CITATION: &str = r"[\[【［]\s*(\d{1,3}(?:\s*[,，、;；]\s*\d{1,3})*)\s*[\]】］]";

/// The answer with what it rests on, or why it rests on nothing.
pub(super) fn grounded(answer: &str, question: &str, passages: &[Source]) -> Result<Grounded, &'static str> {
    let sentences = attributed(sentences(answer));
    if sentences.iter().all(|sentence| sentence.cites.is_empty()) {
        return Err("it cites nothing");
    }
    let said: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    if repeats(&said.join(" "), question) {
        return Err("it says nothing, or what was asked");
    }
    if sentences.iter().flat_map(|sentence| &sentence.cites).any(|&cite| cite == 0 || cite > passages.len()) {
        return Err("it cites a passage that there isn't");
    }
    let with_substance: Vec<&Sentence> = sentences.iter().filter(|sentence| has_substance(&sentence.text)).collect();
    // "Returns are free. Yes, they are [1]." rests on its first sentence, however short that is.
    let is_any_cited = with_substance.iter().any(|sentence| sentence.is_cited);
    let is_held = |sentence: &&&Sentence| !is_any_cited || sentence.is_cited || says_something(&sentence.text);
    let held: Vec<&Sentence> = with_substance.iter().filter(is_held).copied().collect();
    if held.is_empty() {
        return Err("it says yes or no, and nothing that a passage could say");
    }
    for sentence in held {
        if sentence.cites.is_empty() {
            return Err("a sentence has no citation");
        }
        let cited = sentence.cites.iter().filter_map(|&cite| passages.get(cite.checked_sub(1)?));
        let cited: String =
            cited.map(|it| format!("{}\n{}\n", it.title.as_deref().unwrap_or_default(), it.text)).collect();
        if Claims::of(&sentence.text).missing_in(&Said::of(&cited)).is_some() {
            return Err("a number, a name or an address isn't in what it cites");
        }
        if !rests_on(&sentence.text, &cited) {
            return Err("its words aren't those of what it cites");
        }
    }
    Ok(renumbered(answer, passages))
}

/// Whether an answer says nothing that the question doesn't, as small models do: "You will take off your refund." A question
/// for yes or no is answered by its own words, and one that names what to choose from by a part of them.
fn repeats(said: &str, question: &str) -> bool {
    /// Who asks and who answers are each other's.
    const PERSONS: [&str; 8] = ["i", "you", "we", "me", "us", "my", "your", "our"];
    /// What a question begins with that is answered by yes or no.
    const ASKS: [&str; 19] = [
        "am", "is", "are", "was", "were", "do", "does", "did", "can", "could", "may", "might", "must", "will", "would",
        "shall", "should", "has", "have",
    ];
    const OFFERS: [&str; 8] = ["还是", "吗", "么？", "能不能", "可不可以", "是不是", "有没有", "会不会"];
    let letters =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let asked = words(question);
    if letters(said).is_empty() || letters(said) == letters(question) {
        return true;
    }
    let names_its_answer = OFFERS.iter().any(|offer| question.contains(offer))
        || asked.iter().any(|word| word == "or")
        || question
            .split(['.', '?', '!', ',', ';'])
            .any(|part| words(part).first().is_some_and(|word| ASKS.contains(&word.as_str())));
    let is_asked = |word: &String| asked.contains(word) || PERSONS.contains(&word.as_str());
    !names_its_answer && (letters(question).contains(&letters(said)) || words(said).iter().all(is_asked))
}

/// An answer's sentences, with their citations taken out. One behind a sentence's end belongs to that sentence.
fn sentences(answer: &str) -> Vec<Sentence> {
    let Some(pattern) = pattern!(CITATION) else { return Vec::new() };
    let mut sentences: Vec<Sentence> = Vec::new();
    for (line, text) in answer.lines().enumerate() {
        let (mut at, mut open) = (0, Sentence { line, ..Sentence::default() });
        for found in pattern.captures_iter(text) {
            let (Some(whole), Some(list)) = (found.get(0), found.get(1)) else { continue };
            add(&text[at..whole.start()], &mut open, &mut sentences);
            let numbers = list
                .as_str()
                .split([',', '，', '、', ';', '；'])
                .filter_map(|number| number.trim().parse::<usize>().ok());
            let behind = open.text.trim().is_empty();
            match sentences.last_mut().filter(|last| behind && last.line == line) {
                Some(last) => last.cites.extend(numbers),
                None => open.cites.extend(numbers),
            }
            at = whole.end();
        }
        add(&text[at..], &mut open, &mut sentences);
        if !open.text.trim().is_empty() || !open.cites.is_empty() {
            sentences.push(open);
        }
    }
    sentences
}

/// Adds a text to the open sentence, which ends where the text says so.
fn add(text: &str, open: &mut Sentence, sentences: &mut Vec<Sentence>) {
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        open.text.push(c);
        let ends = match c {
            '。' | '！' | '？' => true,
            // Not within 9.30 or e.g. "v1.2".
            '.' | '!' | '?' => characters.peek().is_none_or(|next| next.is_whitespace()),
            _ => false,
        };
        // A mark alone ends nothing, such as that behind a citation: "… [1]."
        let has_words = open.text.chars().any(char::is_alphanumeric);
        if ends && has_words {
            let line = open.line;
            sentences.push(std::mem::replace(open, Sentence { line, ..Sentence::default() }));
        } else if ends {
            open.text.clear();
        }
    }
}

/// A sentence without a citation belongs to the next of its line that has one, else to the one before.
fn attributed(mut sentences: Vec<Sentence>) -> Vec<Sentence> {
    sentences.iter_mut().for_each(|sentence| sentence.is_cited = !sentence.cites.is_empty());
    for backwards in [true, false] {
        let mut last: Option<(usize, Vec<usize>)> = None;
        let mut each = |sentence: &mut Sentence| match &last {
            _ if !sentence.cites.is_empty() => last = Some((sentence.line, sentence.cites.clone())),
            Some((line, cites)) if *line == sentence.line => sentence.cites.clone_from(cites),
            _ => {}
        };
        match backwards {
            true => sentences.iter_mut().rev().for_each(&mut each),
            false => sentences.iter_mut().for_each(&mut each),
        }
    }
    sentences
}

/// Whether a sentence states anything: a greeting or "Here is what I found:" doesn't.
fn says_something(sentence: &str) -> bool {
    !Claims::of(sentence).is_empty() || words(sentence).len() > 3
}

/// Whether a sentence says more than yes or no, which a passage could say.
fn has_substance(sentence: &str) -> bool {
    !Claims::of(sentence).is_empty() || !substance(sentence).is_empty()
}

/// Whether a sentence's words are those of the passages, and neither denies what the other affirms. One of short words
/// alone, "By bus.", is held by them.
fn rests_on(sentence: &str, cited: &str) -> bool {
    let is_short = words(sentence).is_empty();
    // Numbers and names have been held against it.
    if is_short && !Claims::of(sentence).is_empty() {
        return true;
    }
    let words_of: fn(&str) -> HashSet<String> = if is_short { substance } else { words };
    let wanted = words_of(sentence);
    let share = |said: &HashSet<String>| wanted.intersection(said).count() as f64 / wanted.len() as f64;
    if share(&words_of(cited)) < LEAST_OVERLAP {
        return false;
    }
    let parts = cited
        .split_inclusive(['.', '!', '?', '。', '！', '？', '\n', ';', '；'])
        .filter(|part| !part.trim().is_empty());
    // Of several that are as near, any may be meant.
    let nearest = parts.map(|part| (share(&words_of(part)), denies(part))).collect::<Vec<_>>();
    let most = nearest.iter().map(|(share, _)| *share).fold(0.0, f64::max);
    nearest.iter().any(|(share, denied)| *share >= most - 0.1 && *denied == denies(sentence))
}

/// The answer with its citations numbered from 1 in the order in which they come, and what they stand for.
fn renumbered(answer: &str, passages: &[Source]) -> Grounded {
    let mut order: Vec<usize> = Vec::new();
    let text = pattern!(CITATION).map_or_else(
        || answer.to_owned(),
        |pattern| {
            let replaced = pattern.replace_all(answer, |found: &regex::Captures<'_>| {
                let numbers = found[1]
                    .split([',', '，', '、', ';', '；'])
                    .filter_map(|number| number.trim().parse::<usize>().ok());
                let mut shown = String::new();
                for number in numbers {
                    let place = order.iter().position(|known| *known == number).unwrap_or_else(|| {
                        order.push(number);
                        order.len() - 1
                    });
                    shown.push_str(&format!("[{}]", place + 1));
                }
                shown
            });
            replaced.into_owned()
        },
    );
    let sources = order.iter().filter_map(|number| passages.get(number.checked_sub(1)?).cloned()).collect();
    Grounded { text: text.trim().to_owned(), sources }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passages() -> Vec<Source> {
        [
            ("returns", "You can return a product within 30 days of delivery. Returns are free in Germany. We don't refund shipping."),
            ("hours", "The Berlin shop is open from 9:00 to 18:00, Monday to Saturday."),
            ("退货", "收到商品后30天内可以退货。退货运费由我们承担，不支持换货。"),
        ]
        .map(|(title, text)| Source {
            id: title.into(),
            title: Some(title.into()),
            text: text.into(),
            path: None,
            url: None,
            score: 0.5,
        })
        .to_vec()
    }

    #[test]
    fn an_answer_that_rests_on_passages_is_kept_with_its_sources() {
        fn check(answer: &str, text: &str, sources: &[&str]) {
            let found = grounded(answer, "How long?", &passages());
            let ids = found.as_ref().map(|it| it.sources.iter().map(|source| source.id.as_str()).collect::<Vec<_>>());
            assert_eq!((found.as_ref().map(|it| it.text.as_str()), ids), (Ok(text), Ok(sources.to_vec())), "{answer}");
        }
        check(
            "You can return a product within 30 days [1].",
            "You can return a product within 30 days [1].",
            &["returns"],
        );
        check(
            "You can return a product within 30 days. [1]",
            "You can return a product within 30 days. [1]",
            &["returns"],
        );
        check(
            "The shop is open from 9 to 18. [2] Returns are free. [1]",
            "The shop is open from 9 to 18. [1] Returns are free. [2]",
            &["hours", "returns"],
        );
        check(
            "Returns are free in Germany. You can return within 30 days [1].",
            "Returns are free in Germany. You can return within 30 days [1].",
            &["returns"],
        );
        check("Sure!\nReturns are free [1, 2].", "Sure!\nReturns are free [1][2].", &["returns", "hours"]);
        check("收到商品后三十天内可以退货【3】。", "收到商品后三十天内可以退货[1]。", &["退货"]);
    }

    #[test]
    fn what_does_not_rest_on_what_it_cites_is_told() {
        fn check(answer: &str, expected: &str) {
            assert_eq!(grounded(answer, "How long?", &passages()), Err(expected), "{answer}");
        }
        let claim = "a number, a name or an address isn't in what it cites";
        check("You can return a product within 30 days.", "it cites nothing");
        check("You can return a product within 30 days [4].", "it cites a passage that there isn't");
        check("[1]", "it says nothing, or what was asked");
        check("How long? [1]", "it says nothing, or what was asked");
        check("You can return a product within 30 days [0].", "it cites a passage that there isn't");
        check("You can return a product within 14 days [1].", claim);
        check("You can return a product within 30 days [2].", claim);
        check("Returns are free in France [1].", claim);
        check(
            "Returns are free in Germany [1].\nThe founder of the company likes tea and good coffee.",
            "a sentence has no citation",
        );
        check("Our founder invented kettles long before anybody else [1].", "its words aren't those of what it cites");
        check("We refund shipping [1].", "its words aren't those of what it cites");
        check("You can't return a product within 30 days of delivery [1].", "its words aren't those of what it cites");
        check("收到商品后30天内不可以退货[3]。", "its words aren't those of what it cites");
        check("收到商品后七天内可以退货[3]。", claim);
        check("支持换货[3]。", "its words aren't those of what it cites");
        check("Write to evil@example.com [1].", claim);
    }

    #[test]
    fn a_bare_yes_or_no_rests_on_nothing_unless_a_sentence_beside_it_does() {
        let bare = Err("it says yes or no, and nothing that a passage could say");
        let words = Err("its words aren't those of what it cites");
        for (answer, expected) in [
            ("Yes [1].", bare),
            ("No. [1]", bare),
            ("Yes, you can [1].", bare),
            ("No, you can't [1].", bare),
            ("能[3]", bare),
            ("可以的[3]。", bare),
            ("不可以。[3]", bare),
            ("Yes [1]. You can [1].", bare),
            // Nor does what is polite.
            ("Yes [1]. Glad to help!", words),
            ("By bus [1].", words),
            ("Yes. Returns are free in Germany [1].", Ok(())),
            ("Yes [1]. Returns are free in Germany [1].", Ok(())),
            ("Returns are free. Yes, they are [1].", Ok(())),
            ("Returns are free [1]. You're welcome!", Ok(())),
            ("可以。收到商品后30天内可以退货[3]。", Ok(())),
            ("可以退货[3]。", Ok(())),
            ("From 9 to 18 [2].", Ok(())),
        ] {
            assert_eq!(grounded(answer, "Can I return it?", &passages()).map(|_| ()), expected, "{answer}");
        }
    }

    #[test]
    fn what_only_repeats_the_question_answers_nothing() {
        for (said, question) in [
            ("You will take off your refund.", "I lost the box. How much will you take off my refund?"),
            ("公司抬头写错了。", "公司抬头写错了，多长时间内能重开？"),
            ("How long?", "How long?"),
            ("!", "How long?"),
        ] {
            assert!(repeats(said, question), "{said}");
        }
        for (said, question) in [
            ("You can return shavers.", "I have one. Can I return shavers?"),
            ("可以退货。", "剃须刀可以退货吗？"),
            ("Free.", "Is it free or not?"),
            ("Within 30 days.", "Within how many days?"),
            ("顺丰", "用顺丰还是邮政？"),
        ] {
            assert!(!repeats(said, question), "{said}");
        }
    }

    #[test]
    fn sentences_keep_their_citations() {
        fn check(answer: &str, expected: &[(&str, &[usize])]) {
            let found = attributed(sentences(answer));
            let found: Vec<(&str, &[usize])> = found.iter().map(|it| (it.text.trim(), &*it.cites)).collect();
            assert_eq!(found, expected, "{answer}");
        }
        check("A b. [1] C d [2].", &[("A b.", &[1]), ("C d .", &[2])]);
        check("A b. C d [2]. E", &[("A b.", &[2]), ("C d .", &[2]), ("E", &[2])]);
        check("A\nB [1]", &[("A", &[]), ("B", &[1])]);
        check("It costs 9.50 [1].", &[("It costs 9.50 .", &[1])]);
        check("甲。[1]乙[2]。", &[("甲。", &[1]), ("乙。", &[2])]);
        check("[1]", &[("", &[1])]);
        check("", &[]);
    }
}
