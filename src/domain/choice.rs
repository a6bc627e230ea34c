//! Which intent answers: the one place for the rule that a model has to be sure enough.

use std::collections::HashMap;

use super::{Classification, IntentName, Prediction};

/// When the likeliest intent answers, and when the fallback does.
#[derive(Debug, Clone, PartialEq)]
pub struct ChoiceRule {
    /// The intent that answers where the model isn't sure.
    pub fallback: IntentName,
    /// The least confidence, in 0..=1, that isn't left to the fallback.
    pub threshold: f32,
    /// The same for some intents.
    pub thresholds: HashMap<IntentName, f32>,
    /// How far the second has to be behind, in 0..=1.
    pub margin: f32,
}

/// Why the fallback answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Doubt {
    /// The confidence doesn't reach this threshold.
    Unsure(f32),
    /// The second is nearer than the margin.
    Ambiguous,
    /// The model named no intent that there is.
    Nothing,
}

impl ChoiceRule {
    /// Why the likeliest intent doesn't answer; none where it does.
    pub fn doubt(&self, prediction: &Prediction) -> Option<Doubt> {
        let Some(best) = prediction.ranking.first() else { return Some(Doubt::Nothing) };
        let threshold = self.threshold_of(&best.name);
        let second = prediction.ranking.get(1).map_or(0.0, |second| second.confidence);
        if best.confidence < threshold {
            Some(Doubt::Unsure(threshold))
        } else {
            (best.confidence - second < self.margin).then_some(Doubt::Ambiguous)
        }
    }

    /// The intent that answers, and why.
    pub fn choose(&self, prediction: Prediction) -> (IntentName, Classification) {
        let doubt = self.doubt(&prediction);
        let Prediction { ranking, model } = prediction;
        let best = ranking.first().cloned();
        let model = Some(model);
        match best {
            Some(best) if doubt.is_none() => {
                let confidence = Some(best.confidence);
                (best.name, Classification { confidence, ranking, model, ..Classification::default() })
            }
            predicted => {
                let classification =
                    Classification { fallback: true, predicted, ranking, model, ..Classification::default() };
                (self.fallback.clone(), classification)
            }
        }
    }

    /// The least confidence with which an intent answers.
    pub fn threshold_of(&self, intent: &IntentName) -> f32 {
        self.thresholds.get(intent).copied().unwrap_or(self.threshold)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;
    use crate::domain::Scored;

    #[test]
    fn the_likeliest_answers_where_it_is_sure_enough() {
        let name = |name: &str| IntentName::new(name).unwrap();
        let rule = ChoiceRule {
            fallback: name("help"),
            threshold: 0.5,
            thresholds: HashMap::from([(name("refund"), 0.8), (name("hello"), 0.2)]),
            margin: 0.1,
        };
        let check = |ranking: &[(&str, f32)], doubt: Option<Doubt>| {
            let ranking = ranking.iter().map(|&(intent, confidence)| Scored::new(name(intent), confidence)).collect();
            let prediction = Prediction { ranking, model: "m".into() };
            assert_eq!(rule.doubt(&prediction), doubt, "{prediction:?}");
            let best = prediction.ranking.first().cloned();
            let (intent, classification) = rule.choose(prediction.clone());
            assert_eq!(classification.ranking, prediction.ranking);
            assert_eq!(classification.fallback, doubt.is_some());
            if doubt.is_some() {
                assert_eq!((intent, classification.predicted, classification.confidence), (name("help"), best, None));
            } else {
                let best = best.unwrap();
                assert_eq!((intent, classification.confidence), (best.name, Some(best.confidence)));
            }
        };
        check(&[("price", 0.5), ("stock", 0.3)], None);
        check(&[("price", 0.49)], Some(Doubt::Unsure(0.5)));
        check(&[("refund", 0.79)], Some(Doubt::Unsure(0.8)));
        check(&[("refund", 0.8)], None);
        check(&[("hello", 0.25), ("price", 0.1)], None);
        check(&[("price", 0.5), ("stock", 0.45)], Some(Doubt::Ambiguous));
        check(&[], Some(Doubt::Nothing));
    }
}
