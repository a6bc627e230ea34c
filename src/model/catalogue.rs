//! What a bot understands, for models that aren't trained here: its intents, and the examples that are most like a text.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{Failure, ModelError, embedded::Example};
use crate::domain::{IntentName, Labels, Prediction, Scored};

/// The intents that an answer names at most, as the embedded model's.
const RANKING: usize = 5;

/// An intent that a model may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its name.
    pub name: IntentName,
    /// What other programs call it.
    pub labels: Vec<String>,
    /// What it means, in a sentence.
    pub description: Option<String>,
    /// What users say when they mean it.
    pub examples: Vec<String>,
}

/// The intents that a model may choose. **Invariant:** nothing made by it names another.
#[derive(Debug)]
pub struct Catalogue {
    intents: Vec<Intent>,
    labels: Labels,
    /// The examples that hold a pair of characters, by the pair; each once.
    holding: HashMap<[char; 2], Vec<usize>>,
    /// Every example: its intent, its text, and how many pairs it has.
    examples: Vec<(usize, String, usize)>,
}

impl Catalogue {
    /// The catalogue of these intents.
    pub fn new(intents: Vec<Intent>) -> Self {
        let mut labels = Labels::default();
        for intent in &intents {
            labels.add(&intent.name, intent.labels.iter().map(String::as_str));
        }
        let (mut holding, mut examples) = (HashMap::<_, Vec<usize>>::new(), Vec::new());
        for (at, intent) in intents.iter().enumerate() {
            for text in &intent.examples {
                let pairs = pairs(text);
                for &pair in &pairs {
                    holding.entry(pair).or_default().push(examples.len());
                }
                examples.push((at, text.clone(), pairs.len()));
            }
        }
        Self { intents, labels, holding, examples }
    }

    /// The intents, in the bot's order.
    pub fn intents(&self) -> &[Intent] {
        &self.intents
    }

    /// The bot's intent that another program calls so: by its labels, its name, or the rule by which import makes names.
    pub fn intent(&self, name: &str) -> Option<&IntentName> {
        self.labels.find(name)
    }

    /// Every example.
    pub fn examples(&self) -> impl ExactSizeIterator<Item = Example<'_>> {
        self.examples.iter().map(|(intent, text, _)| Example { text, intent: &self.intents[*intent].name })
    }

    /// The examples that share most pairs of characters with a text, the rare ones counting more; the likest first.
    pub fn nearest(&self, text: &str, count: usize) -> Vec<Example<'_>> {
        let mut scores: HashMap<usize, f32> = HashMap::new();
        for pair in pairs(text) {
            let Some(holding) = self.holding.get(&pair) else { continue };
            let rarity = (self.examples.len() as f32 / holding.len() as f32).ln();
            for &example in holding {
                *scores.entry(example).or_default() += rarity;
            }
        }
        // Long examples share more pairs with anything.
        let mut scores: Vec<(f32, usize)> = scores
            .into_iter()
            .map(|(example, score)| (score / (self.examples[example].2 as f32).sqrt(), example))
            .collect();
        scores.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scores.truncate(count);
        scores
            .into_iter()
            .map(|(_, example)| &self.examples[example])
            .map(|(intent, text, _)| Example { text, intent: &self.intents[*intent].name })
            .collect()
    }

    /// A prediction of what a model called `model` said: names and confidences, in any order. Names that the bot hasn't
    /// are left out.
    ///
    /// # Errors
    /// [`Failure::BadAnswer`] where no name is an intent of the bot, or a confidence isn't from 0 to 1.
    pub fn prediction<'a>(
        &self,
        model: &Arc<str>,
        said: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<Prediction, ModelError> {
        let mut ranking = Vec::new();
        for (name, confidence) in said {
            // A hair above 1 is rounding.
            if !(-1e-3..=1.001).contains(&confidence) {
                let reason = "it gave a confidence that isn't from 0 to 1";
                return Err(ModelError::new(model, Failure::BadAnswer, reason));
            }
            if let Some(name) = self.intent(name)
                && !ranking.iter().any(|scored: &Scored| scored.name == *name)
            {
                ranking.push(Scored::new(name.clone(), confidence as f32));
            }
        }
        if ranking.is_empty() {
            return Err(unknown(model));
        }
        ranking.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        ranking.truncate(RANKING);
        Ok(Prediction::ranked(ranking, Arc::clone(model)))
    }
}

/// That a model named an intent that the bot hasn't.
pub(super) fn unknown(model: &Arc<str>) -> ModelError {
    ModelError::new(model, Failure::BadAnswer, "it named no intent that this bot has")
}

/// The distinct pairs of neighbouring characters, in lower case, with a space at either end.
fn pairs(text: &str) -> BTreeSet<[char; 2]> {
    /// What comes after can't change what a text is like.
    const MAX_CHARS: usize = 1024;
    let lower = text.chars().take(MAX_CHARS).flat_map(char::to_lowercase);
    let characters: Vec<char> = [' '].into_iter().chain(lower).chain([' ']).collect();
    characters.windows(2).map(|pair| [pair[0], pair[1]]).collect()
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    /// A bot with three intents, in both languages.
    pub(in crate::model) fn shop() -> Arc<Catalogue> {
        let intent = |name: &str, description: &str, examples: &[&str]| Intent {
            name: IntentName::new(name).unwrap(),
            labels: Vec::new(),
            description: Some(description.to_owned()),
            examples: examples.iter().map(|&text| text.to_owned()).collect(),
        };
        Arc::new(Catalogue::new(vec![
            intent("refund", "Wants money back.", &["I want my money back", "please refund me", "我要退款"]),
            intent("order", "Asks where an order is.", &["where is my order", "track my parcel", "我的订单到哪里了"]),
            intent("greeting", "Says hello.", &["hello", "good morning", "你好"]),
        ]))
    }

    #[test]
    fn the_nearest_examples_are_those_that_share_most() {
        let shop = shop();
        let check = |text: &str, expected: &str| assert_eq!(shop.nearest(text, 1)[0].text, expected, "{text}");
        check("WHERE IS MY PARCEL ORDER", "where is my order");
        check("can you refund me please", "please refund me");
        check("订单到哪了", "我的订单到哪里了");
        check("你好呀", "你好");
        assert_eq!(shop.nearest("my", 2).len(), 2);
        assert_eq!(shop.nearest("ぬ", 2).len(), 0);
    }

    #[test]
    fn an_intent_is_found_by_what_other_programs_call_it() {
        let intent = |name: &str, labels: &[&str]| Intent {
            name: IntentName::new(name).unwrap(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            description: None,
            examples: Vec::new(),
        };
        let bot = Catalogue::new(vec![
            intent("faq_contact_info", &[]),
            intent("intent", &["退货"]),
            intent("faq_ask_name_2", &["faq/ask name"]),
        ]);
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(bot.intent(name).map(IntentName::as_str), expected, "{name}");
        };
        check("faq/contact_info", Some("faq_contact_info"));
        check("退货", Some("intent"));
        check("退款", None);
        check("faq/ask name", Some("faq_ask_name_2"));
        check("faq_ask_name", None);
    }

    #[test]
    fn a_prediction_names_only_intents_of_the_bot_the_likeliest_first() {
        let (shop, model) = (shop(), Arc::from("m"));
        let said = [("greeting", 0.1), ("nlu_fallback", 0.9), ("refund", 0.7), ("refund", 0.2)];
        let prediction = shop.prediction(&model, said).unwrap();
        let names: Vec<&str> = prediction.ranking.iter().map(|scored| scored.name.as_str()).collect();
        assert_eq!(names, ["refund", "greeting"]);
        for wrong in [&[("evil", 1.0)][..], &[], &[("refund", 1.5)], &[("refund", f64::NAN)]] {
            let error = shop.prediction(&model, wrong.iter().copied()).unwrap_err();
            assert_eq!(error.failure, Failure::BadAnswer, "{wrong:?}");
        }
    }
}
