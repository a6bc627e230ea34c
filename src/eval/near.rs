//! Examples of different intents that say almost the same.

use std::collections::{BTreeSet, HashMap};

use super::Case;

/// How alike two examples are that are told: the share of their words that both have (Jaccard's index).
pub const ALIKE: f64 = 0.8;

/// Two examples that are almost the same, though their intents differ.
#[derive(Debug, Clone, PartialEq)]
pub struct NearDuplicate {
    /// The place of the first among the cases.
    pub first: usize,
    /// The place of the second.
    pub second: usize,
    /// The share of their words that both have, [`ALIKE`] at the least.
    pub alike: f64,
}

/// All pairs of examples that are almost the same though their intents differ, the most alike first.
///
/// Sets of words are compared by their rarest words first, which two sets that are so much alike must share (the prefix
/// filter of Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search").
pub fn near_duplicates(cases: &[Case]) -> Vec<NearDuplicate> {
    let sets = rarest_first(cases);
    let mut index: HashMap<u32, Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for (second, set) in sets.iter().enumerate() {
        let prefix = &set[..set.len() - (ALIKE * set.len() as f64).ceil() as usize + usize::from(!set.is_empty())];
        let candidates: BTreeSet<usize> = prefix.iter().filter_map(|word| index.get(word)).flatten().copied().collect();
        for first in candidates.into_iter().filter(|&first| cases[first].intent != cases[second].intent) {
            let alike = jaccard(&sets[first], set);
            if alike >= ALIKE {
                found.push(NearDuplicate { first, second, alike });
            }
        }
        prefix.iter().for_each(|&word| index.entry(word).or_default().push(second));
    }
    found.sort_by(|a, b| b.alike.total_cmp(&a.alike));
    found
}

/// The words of each case that has an intent, as numbers, the rarest first.
fn rarest_first(cases: &[Case]) -> Vec<Vec<u32>> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut seen: Vec<u32> = Vec::new();
    let mut sets: Vec<BTreeSet<usize>> = Vec::with_capacity(cases.len());
    for case in cases {
        let words = if case.intent.is_some() { words(&case.text) } else { BTreeSet::new() };
        let mut set = BTreeSet::new();
        for word in words {
            let fresh = numbers.len();
            let number = *numbers.entry(word).or_insert(fresh);
            if number == seen.len() {
                seen.push(0);
            }
            seen[number] += 1;
            set.insert(number);
        }
        sets.push(set);
    }
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by_key(|&word| (seen[word], word));
    let mut rank = vec![0_u32; seen.len()];
    for (place, &word) in (0..).zip(&order) {
        rank[word] = place;
    }
    let ranked = sets.into_iter().map(|set| {
        let mut ranks: Vec<u32> = set.into_iter().map(|word| rank[word]).collect();
        ranks.sort_unstable();
        ranks
    });
    ranked.collect()
}

/// A text's words, in lower case; of a run of Chinese characters, its pairs.
fn words(text: &str) -> BTreeSet<String> {
    let text = text.to_lowercase();
    let mut words = BTreeSet::new();
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let characters: Vec<char> = run.chars().collect();
        for part in characters.chunk_by(|a, b| is_han(*a) == is_han(*b)) {
            match part {
                [first, _, ..] if is_han(*first) => words.extend(part.windows(2).map(String::from_iter)),
                other => {
                    words.insert(other.iter().collect());
                }
            }
        }
    }
    words
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// The share of two sorted sets' words that both have.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let both = a.iter().filter(|word| b.binary_search(word).is_ok()).count();
    let all = a.len() + b.len() - both;
    if all == 0 { 0.0 } else { both as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use proptest::prelude::*;

    use super::*;
    use crate::domain::IntentName;

    fn cases(of: &[(&str, &str)]) -> Vec<Case> {
        let case = |&(text, intent): &(&str, &str)| Case {
            text: text.to_owned(),
            intent: (!intent.is_empty()).then(|| IntentName::new(intent).unwrap()),
        };
        of.iter().map(case).collect()
    }

    #[test]
    fn near_duplicates_of_other_intents_are_found() {
        let found = near_duplicates(&cases(&[
            ("Where is my order?", "order"),
            ("where is my order", "order"),
            ("where's the shop", "store"),
            ("My order, where is", "complaint"),
            ("我想要退货", "return"),
            ("我想要退货！", "refund"),
            ("我想要换货", "exchange"),
            ("", "a"),
            ("?!", "b"),
            ("where is my order", ""),
        ]));
        let told: Vec<_> = found.iter().map(|it| (it.first, it.second)).collect();
        assert_eq!(told, [(0, 3), (1, 3), (4, 5)]);
    }

    proptest! {
        #[test]
        fn the_filter_loses_none(texts in proptest::collection::vec(("([abcd] ){0,12}", 0_usize..3), 0..25)) {
            let of: Vec<_> = texts.iter().map(|(text, intent)| (text.as_str(), ["a", "b", "c"][*intent])).collect();
            let cases = cases(&of);
            let sets: Vec<_> = cases.iter().map(|case| words(&case.text)).collect();
            let mut expected = 0;
            for second in 0..cases.len() {
                for first in 0..second {
                    let both = sets[first].intersection(&sets[second]).count();
                    let all = sets[first].union(&sets[second]).count();
                    let alike = all > 0 && both as f64 / all as f64 >= ALIKE;
                    expected += usize::from(alike && cases[first].intent != cases[second].intent);
                }
            }
            prop_assert_eq!(near_duplicates(&cases).len(), expected);
        }
    }
}
