//! Questions made of documents, to calibrate the gate with: a sentence of a passage, of which a part is asked for, and
//! words are left out or replaced, as whoever asks has other words than the author (after Taylor 1953, "Cloze procedure").
//!
//! **Invariant:** the same passages give the same questions. They are in no way a sample of what users ask.

use super::{Passage, sentences::sentences, terms::Script};
use crate::model::embedded::tokens::chinese_word;

/// A question, and the passage that it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cloze {
    pub(super) text: String,
    pub(super) of: usize,
}

/// The shares of its words that a question keeps.
const KEPT: [f32; 4] = [0.3, 0.45, 0.6, 0.8];
/// Of the words that it doesn't, how many others stand for them.
const REPLACED: f32 = 0.25;
const LEAST_WORDS: usize = 4;
const MOST_WORDS: usize = 18;

/// Up to so many questions, of passages that are spread evenly.
pub(super) fn questions(passages: &[Passage], most: usize) -> Vec<Cloze> {
    let mut random = Random(passages.len() as u64);
    let mut made = Vec::with_capacity(most);
    // Some passages have nothing to ask for.
    for attempt in 0..most * 2 {
        if made.len() == most || passages.is_empty() {
            break;
        }
        let of = attempt * (passages.len() / most.max(1)).max(1) % passages.len();
        let other = random.below(passages.len());
        let kept = KEPT[attempt % KEPT.len()];
        let words = some_words(&passages[of], &mut random);
        let others = some_words(&passages[other], &mut random);
        if words.len() >= LEAST_WORDS {
            made.push(Cloze { text: ask(&words, &others, kept, &mut random), of });
        }
    }
    made
}

/// The words of one of its sentences or questions.
fn some_words(passage: &Passage, random: &mut Random) -> Vec<String> {
    let texts: Vec<&str> = sentences(&passage.text).chain(passage.questions.iter().map(|it| &**it)).collect();
    let Some(text) = (!texts.is_empty()).then(|| texts[random.below(texts.len())]) else { return Vec::new() };
    let words = words(text);
    let length = LEAST_WORDS * 2 + random.below(MOST_WORDS - LEAST_WORDS * 2);
    let start = random.below(words.len().saturating_sub(length).max(1));
    words.into_iter().skip(start).take(length).collect()
}

fn ask(words: &[String], others: &[String], kept: f32, random: &mut Random) -> String {
    let cut = random.below(words.len());
    let cut = cut..cut + 1 + random.below(2);
    let mut text = String::new();
    let add = |text: &mut String, word: &str| {
        if !word.starts_with(|c| Script::of(c) == Script::Ideographs) {
            text.push(' ');
        }
        text.push_str(word);
    };
    for (_, word) in words.iter().enumerate().filter(|(at, _)| !cut.contains(at)) {
        // A name or a number is asked for by itself.
        let is_name = word.chars().any(|c| c.is_uppercase() || c.is_numeric());
        let kept = if is_name { (kept + 1.0) / 2.0 } else { kept };
        if random.share() < kept {
            add(&mut text, word);
        } else if random.share() < REPLACED && !others.is_empty() {
            add(&mut text, &others[random.below(others.len())]);
        }
    }
    let is_chinese = text.chars().any(|c| Script::of(c) == Script::Ideographs);
    let asking = if is_chinese {
        ["什么", "谁", "何时", "哪里", "多少", "哪个", "为什么", "是什么"]
    } else {
        ["what", "who", "when did", "where", "how many", "which", "what is", "why"]
    };
    add(&mut text, asking[random.below(asking.len())]);
    text
}

/// Words as they are spelled; of Chinese, the longest that are known.
fn words(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    for run in characters.chunk_by(|a, b| Script::of(*a) == Script::of(*b)) {
        match run.first().map_or(Script::None, |&c| Script::of(c)) {
            Script::None => {}
            Script::Letters => words.push(run.iter().collect()),
            Script::Ideographs => {
                let mut rest = run;
                while !rest.is_empty() {
                    let (word, after) = rest.split_at(chinese_word(rest));
                    words.push(word.iter().collect());
                    rest = after;
                }
            }
        }
    }
    words
}

/// Numbers that are the same each time: SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below another; 0 below 0.
    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    /// In 0..1.
    fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_made_of_the_words_of_passages() {
        let passages =
            ["Parcels leave our warehouse the same day and take four days.", "收到商品后三十天内可以退货。", "No."];
        let passages: Vec<Passage> =
            passages.iter().map(|text| Passage { text: (*text).to_owned(), ..Passage::default() }).collect();
        let made = questions(&passages, 40);
        assert!(made.len() > 10 && made.iter().all(|cloze| cloze.of < 2), "{made:?}");
        assert!(made.iter().any(|cloze| cloze.text.contains("warehouse")));
        assert!(made.iter().any(|cloze| cloze.text.contains("退货")));
        assert_eq!(questions(&passages, 40), made);
        assert!(questions(&[], 40).is_empty());
        assert!(questions(&[Passage::default()], 40).is_empty());
    }
}
