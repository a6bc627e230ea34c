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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use std::sync::Mutex;

    use super::*;

    pub(super) const TOY: [(&str, &str); 14] = [
        ("where is my order", "order"),
        ("track my parcel", "order"),
        ("when does my order arrive", "order"),
        ("我的订单到哪里了", "order"),
        ("查一下快递", "order"),
        ("i want my money back", "refund"),
        ("please refund me", "refund"),
        ("give me a refund", "refund"),
        ("我要退款", "refund"),
        ("钱什么时候退给我", "refund"),
        ("hello", "greeting"),
        ("good morning", "greeting"),
        ("你好", "greeting"),
        ("早上好", "greeting"),
    ];

    fn train_on(examples: &[(&str, &str)], threads: usize) -> Result<EmbeddedModel, TrainError> {
        let names: Vec<IntentName> = examples.iter().map(|(_, intent)| IntentName::new(intent).unwrap()).collect();
        let examples: Vec<Example<'_>> =
            examples.iter().zip(&names).map(|((text, _), intent)| Example { text, intent }).collect();
        let data = TrainingData { examples, ..TrainingData::default() };
        EmbeddedModel::train_by(&data, NonZeroUsize::new(threads).unwrap(), &|_, _| {})
    }

    pub(super) fn toy() -> EmbeddedModel {
        train_on(&TOY, 2).unwrap()
    }

    pub(super) fn bits(ranking: &[Scored]) -> Vec<(&str, u32)> {
        ranking.iter().map(|scored| (scored.name.as_str(), scored.confidence.to_bits())).collect()
    }

    #[test]
    fn it_learns_from_a_handful_of_examples() {
        let model = toy();
        let check = |text: &str, expected: &str| assert_eq!(model.rank(text)[0].name.as_str(), expected, "{text:?}");
        TOY.iter().for_each(|(text, intent)| check(text, intent));
        check("where's the order I made?", "order");
        check("REFUND, PLEASE", "refund");
        check("你好呀", "greeting");
        check("请问我的订单在哪里", "order");
        check("我想退款 refund", "refund");
    }

    #[test]
    fn what_names_and_descriptions_say_is_learned() {
        const SAID: [&str; 6] =
            ["make it look nice", "it's for my mum", "with a ribbon", "it is too late", "where is it", "not here yet"];
        let confidence = |names: [&str; 2], description: Option<&str>, text| {
            let names = names.map(|name| IntentName::new(name).unwrap());
            let examples = SAID.iter().enumerate().map(|(at, text)| Example { text, intent: &names[at / 3] }).collect();
            let descriptions = description.map(|description| (&names[0], description)).into_iter().collect();
            let model = EmbeddedModel::train(&TrainingData { examples, descriptions }).unwrap();
            model.rank(text).into_iter().find(|scored| scored.name == names[0]).unwrap().confidence
        };
        let nothing = confidence(["intent_1", "intent_2"], None, "can you wrap the present");
        let name = confidence(["gift_wrap", "order_status"], None, "can you wrap the present");
        let described = confidence(["intent_1", "intent_2"], Some("Wraps gifts."), "can you wrap the present");
        assert!(name > nothing + 0.1 && described > nothing + 0.1, "{nothing} {name} {described}");
    }

    #[test]
    fn names_that_say_nothing_change_nothing() {
        let called = |names: [&str; 3]| {
            let call =
                |intent: &str| names[["order", "refund", "greeting"].iter().position(|it| *it == intent).unwrap()];
            let model = train_on(&TOY.map(|(text, intent)| (text, call(intent))), 1).unwrap();
            ["where is my order", "我的钱", "intent", "faq"].map(|text| {
                let mut scratch = Scratch::default();
                model.score(text, &mut scratch);
                scratch.scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>()
            })
        };
        let numbers = called(["1", "2", "3"]);
        assert_eq!(called(["intent_1", "intent_2", "intent_3"]), numbers);
        assert_eq!(called(["faq-7", "FAQ_8", "Faq9"]), numbers);
        assert_ne!(called(["order", "refund", "greeting"]), numbers);
    }

    #[test]
    fn where_examples_are_many_names_change_nothing() {
        let scores = |count: usize, names: [&'static str; 2]| {
            let texts: Vec<_> =
                (0..2 * count).map(|at| format!("{} number {at}", ["parcel", "money"][at % 2])).collect();
            let examples: Vec<_> = texts.iter().enumerate().map(|(at, text)| (text.as_str(), names[at % 2])).collect();
            let mut scratch = Scratch::default();
            train_on(&examples, 1).unwrap().score("where is my order", &mut scratch);
            scratch.scores
        };
        let differ = |count| scores(count, ["order", "refund"]) != scores(count, ["intent_1", "intent_2"]);
        assert!(differ(ENOUGH_EXAMPLES) && !differ(ENOUGH_EXAMPLES + 1));
    }

    #[test]
    fn rankings_are_sorted_and_in_range() {
        let model = toy();
        let long = "refund ".repeat(150_000);
        for text in ["where is my order", "你好", "", "?!", "zzz", "\u{0}\u{feff}", &long] {
            let ranking = model.rank(text);
            assert_eq!(ranking.len(), 3);
            assert!(ranking.is_sorted_by(|a, b| a.confidence >= b.confidence), "{ranking:?}");
            assert!(ranking.iter().all(|scored| (0.0..=1.0).contains(&scored.confidence)), "{ranking:?}");
        }
    }

    #[test]
    fn nonsense_gets_no_confidence() {
        let two: Vec<(&str, &str)> = TOY.into_iter().filter(|(_, intent)| *intent != "greeting").collect();
        for model in [toy(), train_on(&two, 1).unwrap()] {
            for text in ["", " ", "?!", "😀", "zzz qqq", "ぬるぽ"] {
                let ranking = model.rank(text);
                assert!(ranking[0].confidence < 0.5, "{text:?}: {ranking:?}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let models = [1, 2, 7].map(|threads| train_on(&TOY, threads).unwrap());
        for (text, _) in TOY.into_iter().chain([("my money", ""), ("", "")]) {
            let [one, two, seven] = models.each_ref().map(|model| model.rank(text));
            assert_eq!(bits(&one), bits(&two), "{text:?}");
            assert_eq!(bits(&one), bits(&seven), "{text:?}");
        }
    }

    #[test]
    fn a_bot_that_serves_is_left_a_processor() {
        let all = Processors::All.threads().get();
        assert_eq!(Processors::AllButOne.threads().get(), (all - 1).max(1));
    }

    #[test]
    fn training_tells_how_far_it_is() {
        let names: Vec<IntentName> = TOY.iter().map(|(_, intent)| IntentName::new(intent).unwrap()).collect();
        let examples: Vec<_> = TOY.iter().zip(&names).map(|((text, _), intent)| Example { text, intent }).collect();
        let told = Mutex::new(Vec::new());
        let data = TrainingData { examples, ..TrainingData::default() };
        EmbeddedModel::train_telling(&data, &|done, all| told.lock().unwrap().push((done, all))).unwrap();
        assert_eq!(told.into_inner().unwrap(), [(1, 3), (2, 3), (3, 3)]);
    }

    #[test]
    fn case_and_width_change_nothing() {
        let model = toy();
        let check = |a: &str, b: &str| assert_eq!(bits(&model.rank(a)), bits(&model.rank(b)), "{a:?} {b:?}");
        check("ＲＥＦＵＮＤ　ＭＥ！", "refund me!");
        check("Where Is\tMy  Order", "where is my order");
    }

    #[test]
    fn only_the_beginning_of_a_long_text_counts() {
        let model = toy();
        let beginning = "hello ".repeat(1000);
        let text = beginning.clone() + &"refund ".repeat(150_000);
        assert_eq!(bits(&model.rank(&text)), bits(&model.rank(&beginning)));
    }

    #[test]
    fn the_highest_come_first_and_equals_keep_their_order() {
        let check = |margins: &[f32], expected: &[usize]| {
            assert_eq!(highest(margins).collect::<Vec<_>>(), expected, "{margins:?}");
        };
        check(&[0.5, 0.7, 0.5], &[1, 0, 2]);
        check(&[-1.0; 7], &[0, 1, 2, 3, 4]);
        check(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.45, 0.6, 0.0], &[6, 4, 5, 3, 2]);
        check(&[], &[]);
    }

    #[test]
    fn at_most_five_intents_are_ranked() {
        let many = [("one", "a"), ("two", "b"), ("three", "c"), ("four", "d"), ("five", "e"), ("six", "f")];
        assert_eq!(train_on(&many, 2).unwrap().rank("six").len(), 5);
    }

    #[test]
    fn examples_that_make_no_model_are_refused() {
        let check =
            |examples: &[(&str, &str)], expected| assert_eq!(train_on(examples, 1).map(|_| ()).unwrap_err(), expected);
        check(&[], TrainError::TooFewIntents { found: 0 });
        check(&[("hello", "a"), ("hi", "a")], TrainError::TooFewIntents { found: 1 });
        let nothing = |intent| TrainError::NothingToLearn { intent: IntentName::new(intent).unwrap() };
        check(&[("hello", "a"), ("?!", "b"), ("  ", "b")], nothing("b"));
        assert!(train_on(&[("hello", "a"), ("?!", "b"), ("bye", "b")], 1).is_ok());
    }

    #[tokio::test]
    async fn it_answers_as_a_client() {
        let model = toy();
        let query = Query { text: "我要退款", locale: None, deadline: tokio::time::Instant::now() };
        let prediction = model.classify(&query).await.unwrap();
        assert_eq!((model.name(), &*prediction.model), (NAME, NAME));
        assert_eq!((prediction.ranking, prediction.threshold), (model.rank("我要退款"), model.threshold()));
    }
}
