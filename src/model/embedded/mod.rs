//! The embedded intent model: trained from the bot's own examples when the worker starts, asked in microseconds.
//!
//! Texts become hashed n-grams of words and characters ([`features`]), weighted and scaled to vectors
//! ([`vocabulary`]), and the mean of what a sentence encoder made of their words ([`table`], [`dense`]). One linear
//! support vector machine an intent gives a margin ([`svm`], [`training`]); where examples are few, a logistic regression
//! on the dense vectors gives a second opinion ([`softmax`]). Both learn from the intents' names and descriptions too, as
//! from one more example each ([`about`]). Cross-validation on the examples decides how both count and what confidence
//! their sum is worth ([`calibration`]). As all of it is linear, it is one matrix in the end.
//!
//! **Invariant:** the same examples in the same order, with the same descriptions, give the same model, to the last bit;
//! the same text gets the same answer. No network, no file, no state that an answer changes.

mod about;
mod calibration;
mod counter;
mod dense;
mod features;
pub(crate) mod gram;
mod politeness;
mod saved;
mod softmax;
mod sparse;
mod svm;
mod table;
mod together;
pub mod tokens;
mod training;
mod vectors;
mod vocabulary;
mod weights;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    sync::Arc,
    thread,
};

use async_trait::async_trait;

use self::{
    calibration::{Calibration, confidences},
    dense::{Dense, WIDTH},
    features::{Features, Reader},
    sparse::{Entry, SparseRows},
    training::{Lessons, Trained},
    vocabulary::Vocabulary,
    weights::Weights,
};
pub use self::{
    saved::{LoadError, is_saved},
    vectors::VectorClassifier,
};
use super::{ModelClient, ModelError, Query};
use crate::domain::{IntentName, Prediction, Scored};

/// The model's name in replies and metrics.
pub const NAME: &str = "embedded";

/// The intents that an answer names at most.
const RANKING: usize = 5;

/// With more examples, an intent's name and description say nothing new, and would only take time. Judged on examples of
/// BANKING77 and CLINC150 that weren't trained on, they won 4.0 and 1.4 points of accuracy with 5 an intent, 1.2 and 0.4
/// with 10, 0.4 and 0.2 with 20, 0.3 and 0.0 with 30, and from 40 on nothing beyond chance; on the sample bot's, 1.2 with 35.
const ENOUGH_EXAMPLES: usize = 40;

/// Something that users say, and what they mean by it.
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    /// What they say, in any language.
    pub text: &'a str,
    /// What they mean.
    pub intent: &'a IntentName,
}

/// What a model learns from.
#[derive(Debug, Clone, Default)]
pub struct TrainingData<'a> {
    /// What users say.
    pub examples: Vec<Example<'a>>,
    /// What intents mean, in words, where somebody wrote it down.
    pub descriptions: BTreeMap<&'a IntentName, &'a str>,
}

/// What a training may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processors {
    /// All of it.
    All,
    /// All but one processor, where there is more than one: a bot serves meanwhile.
    AllButOne,
}

impl Processors {
    /// How many threads train, the one that asks for it among them.
    fn threads(self) -> NonZeroUsize {
        let all = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        match self {
            Self::All => all,
            Self::AllButOne => NonZeroUsize::new(all.get() - 1).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Is told how many intents of how many have been learned, each time one has: never fewer than before. It is called by
/// the threads that train.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Why examples make no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// There is nothing to tell apart.
    #[error("the examples are of {found} intent(s), and a model tells at least 2 apart: add examples of other intents")]
    TooFewIntents {
        /// How many intents have examples.
        found: usize,
    },
    /// An intent that no text could ever be found to have.
    #[error("no example of the intent '{intent}' has a letter or digit to learn from: add some that have")]
    NothingToLearn {
        /// The intent.
        intent: IntentName,
    },
}

/// A trained model.
#[derive(Debug)]
pub struct EmbeddedModel {
    name: Arc<str>,
    intents: Vec<IntentName>,
    vocabulary: Vocabulary,
    weights: Weights,
    /// [`WIDTH`] numbers an intent.
    dense: Vec<f32>,
    biases: Vec<f32>,
    /// The score of none of the intents.
    none: f32,
    threshold: f32,
}

impl EmbeddedModel {
    /// Trains a model, on all processors: a tenth of a second for a thousand examples of twenty intents. It blocks, so
    /// async code calls it by `spawn_blocking`.
    ///
    /// # Errors
    /// [`TrainError`], where the examples are of fewer than two intents, or one has no usable example.
    pub fn train(data: &TrainingData<'_>) -> Result<Self, TrainError> {
        Self::train_telling(data, &|_, _| {})
    }

    /// The same, and tells how far it is.
    ///
    /// # Errors
    /// As [`Self::train`].
    pub fn train_telling(data: &TrainingData<'_>, progress: Progress<'_>) -> Result<Self, TrainError> {
        Self::train_on(data, Processors::All, progress)
    }

    /// The same, on so many processors. That changes how long it takes, and nothing else.
    ///
    /// # Errors
    /// As [`Self::train`].
    pub fn train_on(
        data: &TrainingData<'_>,
        processors: Processors,
        progress: Progress<'_>,
    ) -> Result<Self, TrainError> {
        Self::train_by(data, processors.threads(), progress)
    }

    fn train_by(data: &TrainingData<'_>, threads: NonZeroUsize, progress: Progress<'_>) -> Result<Self, TrainError> {
        let examples = &data.examples;
        let (intents, all_labels) = number_of(examples.iter().map(|example| example.intent));
        if intents.len() < 2 {
            return Err(TrainError::TooFewIntents { found: intents.len() });
        }
        let (mut reader, mut features) = (Reader::default(), Features::default());
        let (mut texts, mut labels) = (Vec::new(), Vec::new());
        for (example, label) in examples.iter().zip(all_labels) {
            reader.read(example.text, &mut features);
            if features.blocks().iter().any(|block| !block.is_empty()) {
                texts.push(example.text);
                labels.push(label);
            }
        }
        if let Some(unusable) = (0..intents.len()).find(|label| !labels.contains(label)) {
            return Err(TrainError::NothingToLearn { intent: intents[unusable].clone() });
        }
        let copies = politeness::copies(&texts, &labels, intents.len());
        texts.extend(copies.iter().map(|copy| copy.text.as_str()));
        let of: Vec<usize> = copies.iter().map(|copy| copy.of).collect();
        let vocabulary = Vocabulary::of(texts.iter().copied(), &of, &mut reader);
        // Names and descriptions are read with the n-grams of the examples. Those that only they hold ("the customer
        // asks whether") would explain a name by itself, so that the others learn less from it: on examples that weren't
        // trained on that was better for BANKING77, and no worse for CLINC150.
        let mut vector_of = |text: &str| {
            let (mut sparse, mut meaning) = (Vec::new(), Dense::default());
            reader.read(text, &mut features);
            vocabulary.vector(&features, &mut sparse, &mut meaning);
            (sparse, meaning)
        };
        let mut abouts = about::abouts(&intents, &data.descriptions);
        abouts.retain(|about| {
            if labels.iter().filter(|&&label| label == about.intent).count() > ENOUGH_EXAMPLES {
                return false;
            }
            let (sparse, meaning) = vector_of(&about.text);
            !sparse.is_empty() || !meaning.values().is_empty()
        });
        let examples = labels.len();
        texts.splice(examples..examples, abouts.iter().map(|about| about.text.as_str()));
        labels.extend(abouts.iter().map(|about| about.intent));
        let (mut rows, mut dense) = (SparseRows::default(), Vec::with_capacity(texts.len()));
        for text in texts {
            let (sparse, meaning) = vector_of(text);
            rows.push(sparse);
            dense.push(meaning);
        }
        let lessons = Lessons { rows, dense, features: vocabulary.len(), labels, abouts: abouts.len(), copies: of };
        let trained = training::train(lessons, intents.len(), threads, progress);
        Ok(Self::of(trained, intents, vocabulary))
    }

    /// Adds up the classifiers, each by its scale.
    fn of(trained: Trained, intents: Vec<IntentName>, vocabulary: Vocabulary) -> Self {
        let calibration = Calibration::fit(&trained.held_out, 1 + usize::from(trained.softmax.is_some()));
        let threshold = calibration.threshold(&trained.held_out);
        let [of_machines, of_softmax] = calibration.scales();
        let mut weights = trained.weights.transposed(vocabulary.len());
        weights.scale(of_machines);
        let weights = Weights::new(&weights, intents.len());
        let mut dense: Vec<f32> = trained.dense.concat();
        let mut biases = trained.biases;
        dense.iter_mut().chain(&mut biases).for_each(|weight| *weight *= of_machines);
        if let Some(softmax) = trained.softmax {
            let more = softmax.planes.iter().flatten();
            dense.iter_mut().zip(more).for_each(|(weight, more)| *weight += of_softmax * more);
        }
        Self { name: NAME.into(), intents, vocabulary, weights, dense, biases, none: calibration.none(), threshold }
    }

    /// The five likeliest intents of a text (all, where there are fewer), most confident first; equals in the order in
    /// which the examples first name them.
    ///
    /// A confidence is the share of such answers that are right, among texts like the examples. Confidences add up to
    /// less than 1, the rest being that of no intent; for a text of which no word is known they are close to 0. Only
    /// the first 4,096 characters count.
    pub fn rank(&self, text: &str) -> Vec<Scored> {
        SCRATCH.with_borrow_mut(|scratch| {
            self.score(text, scratch);
            let scores = &mut scratch.scores;
            let likeliest = highest(scores);
            confidences(scores, self.none);
            let scored = |intent: usize| Scored::new(self.intents[intent].clone(), scores[intent]);
            likeliest.map(scored).collect()
        })
    }

    /// The confidence from which on an intent should answer, by cross-validation on the examples; in 0..=1.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The same as [`Self::rank`], as an answer of this model's.
    pub fn predict(&self, text: &str) -> Prediction {
        Prediction::ranked(self.rank(text), Arc::clone(&self.name)).advising(self.threshold)
    }

    /// Every intent's score, left in the scratch.
    fn score(&self, text: &str, scratch: &mut Scratch) {
        let Scratch { reader, features, sparse, dense, scores } = scratch;
        reader.read(text, features);
        self.vocabulary.vector(features, sparse, dense);
        scores.clear();
        scores
            .extend(self.dense.chunks_exact(WIDTH).zip(&self.biases).map(|(weights, bias)| dense.dot(weights) + bias));
        scores.resize(self.weights.width(), 0.0);
        sparse.iter().for_each(|&(feature, value)| self.weights.add_to(scores, feature, value));
        scores.truncate(self.intents.len());
    }
}

/// What an answer needs beside the model: kept for the next, as most messages are alike in size. Its size is bounded, as
/// a text's length is.
#[derive(Debug, Default)]
struct Scratch {
    reader: Reader,
    features: Features,
    sparse: Vec<Entry>,
    dense: Dense,
    scores: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The places of the highest scores, the highest first; equals in their order.
fn highest(scores: &[f32]) -> impl Iterator<Item = usize> + use<> {
    let (mut count, mut found) = (0, [0; RANKING]);
    for (place, &score) in scores.iter().enumerate() {
        if count < RANKING {
            count += 1;
        } else if score <= scores[found[RANKING - 1]] {
            continue;
        }
        let mut at = count - 1;
        while at > 0 && scores[found[at - 1]] < score {
            found[at] = found[at - 1];
            at -= 1;
        }
        found[at] = place;
    }
    found.into_iter().take(count)
}

#[async_trait]
impl ModelClient for EmbeddedModel {
    fn name(&self) -> &str {
        &self.name
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        Ok(self.predict(query.text))
    }
}

/// The intents in the order in which they first occur, and each example's place among them.
fn number_of<'a>(examples: impl Iterator<Item = &'a IntentName>) -> (Vec<IntentName>, Vec<usize>) {
    let mut intents = Vec::new();
    let mut numbers = HashMap::new();
    let labels = examples
        .map(|intent| {
            *numbers.entry(intent).or_insert_with(|| {
                intents.push(intent.clone());
                intents.len() - 1
            })
        })
        .collect();
    (intents, labels)
}

#[cfg(test)]
mod tests;
