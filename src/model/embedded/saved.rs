//! A trained model as bytes, so that a worker with many examples starts at once.
//!
//! Numbers are little-endian, one after the other:
//!
//! | what | type |
//! | --- | --- |
//! | [`MAGIC`], [`FORMAT`] | 8 bytes, u32 |
//! | SHA-256 of the source that trained it, the examples and the descriptions; of all that follows | 32 bytes each |
//! | the intents: how many, and each name's length and bytes | u32; u8, bytes |
//! | the score of none, the threshold, the weight of unseen n-grams | f32 each |
//! | the examples' mean vectors | [`WIDTH`] f32 |
//! | by intent: its bias and its dense weights | f32, [`WIDTH`] f32 |
//! | the n-grams: how many, and each one's hash, weight, and how many intents it speaks for or against | u32; u64, f32, u32 |
//! | and each of those: its number and the weight | u32, f32 |
//!
//! **Invariant:** whatever the bytes are, reading them ends in a model that answers or in an error, and takes no more
//! memory than a few times their length.

use sha2::{Digest, Sha256};

use super::{
    EmbeddedModel, NAME, TrainingData,
    dense::{Common, WIDTH},
    sparse::SparseRows,
    vocabulary::Vocabulary,
    weights::Weights,
};
use crate::domain::IntentName;

const MAGIC: [u8; 8] = *b"cbwmodel";
/// To be raised when the layout changes. What else makes a model another one (features, tables, training) is part of the
/// first hash.
const FORMAT: u32 = 2;
/// A hash of this folder's files, by the build script. A number to be raised by hand would be forgotten; this one changes
/// too often, as with a comment, and that only costs a training.
const SOURCE: &str = env!("CHATBOT_MODEL_SOURCE");
/// No number of a trained model comes near it; sums of larger ones could overflow.
const LARGEST: f32 = 1e6;

/// Whether bytes begin as a saved model's do.
pub fn is_saved(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Why bytes are no model for a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is something else.
    #[error("it isn't a saved model")]
    NotAModel,
    /// Its layout is another version's.
    #[error("its format is {found}, and this version reads {FORMAT}")]
    Format {
        /// What it has.
        found: u32,
    },
    /// It belongs to another bot, or to what the bot was.
    #[error("it was trained on other examples or descriptions, or by another version of this program")]
    Stale,
    /// It is not what was written.
    #[error("it is damaged")]
    Damaged,
}

impl EmbeddedModel {
    /// The model as bytes, to be loaded for the `data` that it was trained on.
    pub fn to_bytes(&self, data: &TrainingData<'_>) -> Vec<u8> {
        let body = self.body();
        let mut bytes = Vec::with_capacity(body.len() + 76);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(fingerprint(data, SOURCE));
        bytes.extend(Sha256::digest(&body));
        bytes.extend(body);
        bytes
    }

    /// A saved model, which answers as it did before, to the last bit.
    ///
    /// # Errors
    /// [`LoadError`], where it isn't the model that this version would train on this `data`.
    pub fn from_bytes(bytes: &[u8], data: &TrainingData<'_>) -> Result<Self, LoadError> {
        let mut from = Bytes(bytes);
        if from.take() != Some(MAGIC) {
            return Err(LoadError::NotAModel);
        }
        match from.u32().ok_or(LoadError::Damaged)? {
            FORMAT => {}
            found => return Err(LoadError::Format { found }),
        }
        let (trained_on, hash) = (from.take::<32>(), from.take::<32>());
        if trained_on.ok_or(LoadError::Damaged)? != fingerprint(data, SOURCE) {
            return Err(LoadError::Stale);
        }
        if hash != Some(Sha256::digest(from.0).into()) {
            return Err(LoadError::Damaged);
        }
        Self::of_body(from).ok_or(LoadError::Damaged)
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let numbers = |numbers: &[f32], body: &mut Vec<u8>| {
            body.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        };
        body.extend((self.intents.len() as u32).to_le_bytes());
        for name in &self.intents {
            body.push(name.as_str().len() as u8);
            body.extend(name.as_str().as_bytes());
        }
        numbers(&[self.none, self.threshold, self.vocabulary.unseen_weight()], &mut body);
        self.vocabulary.common().means.iter().for_each(|mean| numbers(mean, &mut body));
        for (bias, weights) in self.biases.iter().zip(self.dense.chunks_exact(WIDTH)) {
            numbers(&[*bias], &mut body);
            numbers(weights, &mut body);
        }
        let grams = self.vocabulary.grams();
        body.extend((grams.len() as u32).to_le_bytes());
        for (feature, (gram, weight)) in grams.into_iter().enumerate() {
            let row = self.weights.row(feature);
            body.extend(gram.to_le_bytes());
            numbers(&[weight], &mut body);
            body.extend((row.len() as u32).to_le_bytes());
            for (intent, weight) in row {
                body.extend(intent.to_le_bytes());
                numbers(&[weight], &mut body);
            }
        }
        body
    }

    // Lists grow as they are read, so that a wrong number of something takes no memory before its bytes are found missing.
    fn of_body(mut from: Bytes<'_>) -> Option<Self> {
        let intents: Vec<IntentName> = (0..from.u32()?).map(|_| from.name()).collect::<Option<_>>()?;
        let [none, threshold, unseen_weight] = [from.number()?, from.number()?, from.number()?];
        let mut common = Common::default();
        for value in common.means.iter_mut().flatten() {
            *value = from.number()?;
        }
        let (mut biases, mut dense) = (Vec::new(), Vec::new());
        for _ in &intents {
            biases.push(from.number()?);
            for _ in 0..WIDTH {
                dense.push(from.number()?);
            }
        }
        let (mut grams, mut rows) = (Vec::new(), SparseRows::default());
        let mut row = Vec::new();
        for _ in 0..from.u32()? {
            grams.push((from.u64()?, from.number()?));
            row.clear();
            for _ in 0..from.u32()? {
                let intent = from.u32().filter(|&intent| (intent as usize) < intents.len())?;
                row.push((intent, from.number()?));
            }
            rows.push(row.iter().copied());
        }
        // An n-gram's rarity is 1 where every example holds it, and else more; for politeness it weighs a tenth of that.
        let is_rarity = |weight: f32| weight >= 0.05;
        let is_sound = from.0.is_empty()
            && intents.len() >= 2
            && (0.0..=1.0).contains(&threshold)
            && is_rarity(unseen_weight)
            && grams.iter().all(|&(_, weight)| is_rarity(weight));
        let distinct = grams.len();
        let weights = Weights::new(&rows, intents.len());
        let vocabulary = Vocabulary::restored(grams, unseen_weight, common);
        (is_sound && vocabulary.len() == distinct).then(|| Self {
            name: NAME.into(),
            intents,
            vocabulary,
            weights,
            dense,
            biases,
            none,
            threshold,
        })
    }
}

/// What has to be the same for a saved model to be the one that training would make.
fn fingerprint(data: &TrainingData<'_>, source: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    let intents_and_texts = data.examples.iter().flat_map(|example| [example.intent.as_str(), example.text]);
    // What is said of the intents: an empty name begins it, so that no example passes for a description.
    let descriptions = data.descriptions.iter().flat_map(|(intent, description)| [intent.as_str(), description]);
    let parts = [source].into_iter().chain(intents_and_texts).chain([""]).chain(descriptions);
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Bytes that are still to be read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn number(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes).filter(|number| number.abs() <= LARGEST)
    }

    fn name(&mut self) -> Option<IntentName> {
        let [length] = self.take()?;
        let (name, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        IntentName::new(std::str::from_utf8(name).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::embedded::{
        Example,
        tests::{TOY, bits, toy},
    };

    const BODY: usize = 76;

    fn names() -> Vec<IntentName> {
        TOY.iter().map(|(_, intent)| IntentName::new(intent).unwrap()).collect()
    }

    fn with_data<T>(work: impl FnOnce(TrainingData<'_>) -> T) -> T {
        let names = names();
        let examples = TOY.iter().zip(&names).map(|((text, _), intent)| Example { text, intent }).collect();
        work(TrainingData { examples, descriptions: BTreeMap::new() })
    }

    fn saved() -> Vec<u8> {
        with_data(|data| toy().to_bytes(&data))
    }

    fn load(bytes: &[u8]) -> Result<EmbeddedModel, LoadError> {
        with_data(|data| EmbeddedModel::from_bytes(bytes, &data))
    }

    #[test]
    fn a_loaded_model_is_the_trained_one() {
        let (trained, saved) = (toy(), saved());
        let loaded = load(&saved).unwrap();
        for (text, _) in TOY.into_iter().chain([("my money please 退款", ""), ("qwxz", ""), ("", "")]) {
            let scores = |model: &EmbeddedModel| -> Vec<u32> {
                let mut scratch = crate::model::embedded::Scratch::default();
                model.score(text, &mut scratch);
                scratch.scores.iter().map(|score| score.to_bits()).collect()
            };
            assert_eq!(scores(&loaded), scores(&trained), "{text:?}");
            assert_eq!(bits(&loaded.rank(text)), bits(&trained.rank(text)), "{text:?}");
        }
        assert_eq!(loaded.threshold.to_bits(), trained.threshold.to_bits());
        assert_eq!(with_data(|data| loaded.to_bytes(&data)), saved);
    }

    #[test]
    fn what_is_not_this_bot_s_model_is_told() {
        let saved = saved();
        let check = |bytes: &[u8], expected| assert_eq!(load(bytes).map(|_| ()), Err(expected));
        check(b"", LoadError::NotAModel);
        check(b"[intents.greeting]\n", LoadError::NotAModel);
        let mut other = saved.clone();
        other[8] += 1;
        check(&other, LoadError::Format { found: FORMAT + 1 });
        check(&saved[..saved.len() - 1], LoadError::Damaged);
        check(&[&saved[..], b"\0"].concat(), LoadError::Damaged);
        with_data(|data| {
            let TrainingData { examples, descriptions } = data.clone();
            let examples_are = |examples| TrainingData { examples, descriptions: descriptions.clone() };
            let fewer = examples_are(examples[1..].to_vec());
            let in_another_order = examples_are([&examples[1..], &examples[..1]].concat());
            let described = TrainingData { descriptions: [(examples[0].intent, "money back")].into(), ..data.clone() };
            for others in [fewer, in_another_order, described] {
                assert_eq!(EmbeddedModel::from_bytes(&saved, &others).map(|_| ()), Err(LoadError::Stale));
            }
        });
    }

    #[test]
    fn what_another_source_trained_is_stale() {
        with_data(|data| {
            let mut other = toy().to_bytes(&data);
            other[12..44].copy_from_slice(&fingerprint(&data, "0123456789abcdef"));
            assert_eq!(EmbeddedModel::from_bytes(&other, &data).map(|_| ()), Err(LoadError::Stale));
        });
        assert_eq!(SOURCE.len(), 16, "the build script tells a hash");
        assert_ne!(SOURCE, "cbf29ce484222325", "the build script reads no file");
    }

    /// As somebody would who wants to be believed.
    fn with_right_hash(mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.len() >= BODY {
            let hash = Sha256::digest(&bytes[BODY..]);
            bytes[BODY - 32..BODY].copy_from_slice(&hash);
        }
        bytes
    }

    proptest! {
        #[test]
        fn bytes_that_are_cut_or_changed_are_refused_or_answer(
            cut in any::<prop::sample::Index>(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 0..4),
            near_the_counts in any::<bool>(),
        ) {
            thread_local!(static SAVED: Vec<u8> = saved());
            SAVED.with(|saved| {
                let mut bytes = saved[..=cut.index(saved.len())].to_vec();
                if near_the_counts {
                    bytes = saved.clone();
                }
                for (place, bit) in flips {
                    let range = if near_the_counts { (BODY + 40).min(bytes.len()) } else { bytes.len() };
                    bytes[place.index(range)] ^= 1 << bit;
                }
                if bytes != *saved {
                    assert!(load(&bytes).is_err());
                }
                if let Ok(model) = load(&with_right_hash(bytes)) {
                    let ranking = model.rank("please refund my order 退款 你好");
                    assert!(!ranking.is_empty());
                    assert!(ranking.iter().all(|scored| (0.0..=1.0).contains(&scored.confidence)));
                }
            });
        }
    }
}
