//! The n-grams of the examples, and a text as a vector over them, with its dense part.
//!
//! **Invariant:** a vector depends on the text and the vocabulary alone, to the last bit: n-grams are taken in the
//! order in which the text first holds them.

use super::{
    counter::Counted,
    dense::{Common, CommonOf, Dense},
    features::{Features, Reader},
    gram::ByGram,
    sparse::Entry,
};

/// The n-grams that the examples hold, each with a weight that falls with the number of examples that hold it, and with
/// the share of them that hold it for politeness only.
#[derive(Debug)]
pub(super) struct Vocabulary {
    known: ByGram<Known>,
    unseen_weight: f32,
    common: Common,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    feature: u32,
    weight: f32,
}

/// How many texts hold an n-gram, and how many of them because an example does, the example itself or a copy of it. The
/// others are copies that hold it for their politeness.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    holding: usize,
    own: usize,
}

/// What an n-gram weighs at least, of its rarity, when nothing but politeness has it.
const LEAST_SHARE: f32 = 0.1;

impl Vocabulary {
    /// Learns the n-grams of examples, and of copies, which come after them: `copies` tells of which example each is.
    /// Features are numbered from 0 as they come.
    ///
    /// One text after another is read, and forgotten: the features of all take far more memory than what is learned.
    pub(super) fn of<'a>(texts: impl ExactSizeIterator<Item = &'a str>, copies: &[usize], reader: &mut Reader) -> Self {
        let all = texts.len();
        let mut copied = vec![0; all - copies.len()];
        copies.iter().for_each(|&example| copied[example] += 1);
        let mut known = ByGram::<Known>::default();
        let mut counts: Vec<Count> = Vec::new();
        let (mut features, mut common) = (Features::default(), CommonOf::default());
        for (place, text) in texts.enumerate() {
            reader.read(text, &mut features);
            common.add(features.tokens());
            for counted in features.blocks().into_iter().flatten() {
                let next = Known { feature: counts.len() as u32, weight: 0.0 };
                let feature = known.entry(counted.gram).or_insert(next).feature as usize;
                if feature == counts.len() {
                    counts.push(Count::default());
                }
                counts[feature].holding += 1;
                counts[feature].own += copied.get(place).map_or(0, |copies| 1 + copies);
            }
        }
        for entry in known.values_mut() {
            let Count { holding, own } = counts[entry.feature as usize];
            let share = (own as f32 / holding as f32).max(LEAST_SHARE);
            entry.weight = share * rarity(all, holding);
        }
        Self { known, unseen_weight: rarity(all, 0), common: common.mean() }
    }

    /// What [`Self::grams`], [`Self::unseen_weight`] and [`Self::common`] told.
    pub(super) fn restored(grams: Vec<(u64, f32)>, unseen_weight: f32, common: Common) -> Self {
        let known = (0..).zip(grams).map(|(feature, (gram, weight))| (gram, Known { feature, weight })).collect();
        Self { known, unseen_weight, common }
    }

    /// Every n-gram with its weight, in the order of the features.
    pub(super) fn grams(&self) -> Vec<(u64, f32)> {
        let mut grams = vec![(0, 0.0); self.known.len()];
        self.known.iter().for_each(|(gram, known)| grams[known.feature as usize] = (*gram, known.weight));
        grams
    }

    /// The weight of an n-gram that no example holds.
    pub(super) fn unseen_weight(&self) -> f32 {
        self.unseen_weight
    }

    /// What the examples' dense vectors have in common.
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    /// How many features there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// A text as a vector, whose two blocks have a length of 1 each (of 0 where a text has no n-gram), and its dense part.
    ///
    /// N-grams that no example holds have no place in the vector, but they count towards its length: the less of a
    /// text is known, the closer to 0 its vector, and the lower the model's confidence.
    /// Both take the place of what `vector` and `dense` hold.
    pub(super) fn vector(&self, features: &Features, vector: &mut Vec<Entry>, dense: &mut Dense) {
        vector.clear();
        for block in features.blocks() {
            let start = vector.len();
            let mut squares = 0.0;
            for &Counted { gram, times } in block {
                let known = self.known.get(&gram);
                let weight = known.map_or(self.unseen_weight, |known| known.weight);
                // Sublinear: the tenth 'please' says little that the first didn't.
                let value = weight * if times == 1 { 1.0 } else { 1.0 + (times as f32).ln() };
                squares += value * value;
                if let Some(known) = known {
                    vector.push((known.feature, value));
                }
            }
            let scale = 1.0 / f32::sqrt(squares);
            vector[start..].iter_mut().for_each(|(_, value)| *value *= scale);
        }
        self.common.dense(features.tokens(), features.unknown(), dense);
    }
}

/// The square root of the smoothed inverse document frequency, `ln((1 + n) / (1 + df)) + 1`. With ten examples an intent
/// of CLINC150 and BANKING77 the root did better than the plain value and than none, with all of them no worse.
fn rarity(examples: usize, holding: usize) -> f32 {
    (((1 + examples) as f32 / (1 + holding) as f32).ln() + 1.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        of(["where is my order", "i want a refund", "我想退货"])
    }

    fn of<const N: usize>(examples: [&str; N]) -> Vocabulary {
        with_copies(&examples, &[])
    }

    fn with_copies(texts: &[&str], copies: &[usize]) -> Vocabulary {
        Vocabulary::of(texts.iter().copied(), copies, &mut Reader::default())
    }

    fn entries(vocabulary: &Vocabulary, text: &str) -> Vec<Entry> {
        let (mut vector, mut dense) = Default::default();
        vocabulary.vector(&Features::of(text), &mut vector, &mut dense);
        vector
    }

    fn squared_length(text: &str) -> f32 {
        entries(&vocabulary(), text).iter().map(|(_, value)| value * value).sum()
    }

    #[test]
    fn every_known_text_has_the_same_length() {
        for text in ["where is my order", "i want a refund", "我想退货", "order"] {
            assert!((squared_length(text) - 2.0).abs() < 1e-5, "{text}");
        }
    }

    #[test]
    fn the_less_is_known_the_shorter_the_vector() {
        let lengths = ["my order", "my order please", "my xyzzy please plugh", "zzz qqq"].map(squared_length);
        assert!(lengths.is_sorted_by(|a, b| a > b), "{lengths:?}");
        assert!(entries(&vocabulary(), "zzz qqq 天").is_empty());
        assert!(entries(&vocabulary(), "").is_empty());
    }

    #[test]
    fn rare_n_grams_weigh_more() {
        let vocabulary = of(["a b", "a c", "a d"]);
        let values = |text| entries(&vocabulary, text).into_iter().map(|entry| entry.1).collect::<Vec<_>>();
        let (both, common) = (values("a b"), rarity(3, 3) / rarity(3, 1));
        assert!(both.iter().any(|value| both.iter().any(|other| (value / other - common).abs() < 1e-6)));
        assert_eq!(rarity(3, 3), 1.0);
    }

    #[test]
    fn what_only_copies_hold_weighs_little() {
        let texts = ["refund", "order", "please refund thanks", "hi refund", "hi order", "please order"];
        let vocabulary = with_copies(&texts, &[0, 0, 1, 1]);
        let weight = |word: &str| {
            let features = Features::of(word);
            vocabulary.known[&features.blocks()[0][0].gram].weight
        };
        assert_eq!(weight("refund"), rarity(6, 3));
        assert_eq!(weight("hi"), LEAST_SHARE * rarity(6, 2));
        // One of the three holds it for politeness only.
        let texts = ["please refund", "order", "hi please refund", "please order"];
        let vocabulary = with_copies(&texts, &[0, 1]);
        let please = Features::of("please").blocks()[0][0].gram;
        assert!((vocabulary.known[&please].weight - 2.0 / 3.0 * rarity(4, 3)).abs() < 1e-6);
    }

    #[test]
    fn features_are_numbered_without_gaps() {
        let vocabulary = vocabulary();
        let mut numbers: Vec<u32> = vocabulary.known.values().map(|known| known.feature).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..vocabulary.len() as u32).collect::<Vec<_>>());
    }
}
