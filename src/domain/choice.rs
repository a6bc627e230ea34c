//! Which intent answers: the one place for the rule that a model has to be sure enough.

use std::collections::HashMap;

use super::{Classification, Decision, IntentName, Prediction};

/// When the likeliest intent answers, and when the fallback does.
#[derive(Debug, Clone, PartialEq)]
pub struct ChoiceRule {
    /// The intent that answers where the model isn't sure.
    pub fallback: IntentName,
    /// The least confidence, in 0..=1, that isn't left to the fallback; none for what the model advises.
    pub threshold: Option<f32>,
    /// The intents that can be chosen, some with a threshold of their own.
    pub intents: HashMap<IntentName, Option<f32>>,
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
    /// The model named no intent that can be chosen.
    Nothing,
}

impl ChoiceRule {
    /// Why the intent that the model names doesn't answer; `None` if it does. What a model decided without a confidence
    /// isn't held against a threshold.
    pub fn doubt(&self, prediction: &Prediction) -> Option<Doubt> {
        if let Some(decision) = &prediction.decision {
            let chosen = matches!(decision, Decision::Intent(intent) if self.intents.contains_key(intent));
            return (!chosen).then_some(Doubt::Nothing);
        }
        let mut ranking =
            prediction.ranking.iter().filter_map(|scored| Some((scored, self.intents.get(&scored.name)?)));
        let Some((best, own)) = ranking.next() else { return Some(Doubt::Nothing) };
        let threshold = own.unwrap_or_else(|| self.threshold(prediction));
        if best.confidence < threshold {
            return Some(Doubt::Unsure(threshold));
        }
        let mut second = || ranking.next().map_or(0.0, |(second, _)| second.confidence);
        (self.margin > 0.0 && best.confidence - second() < self.margin).then_some(Doubt::Ambiguous)
    }

    /// The intent that answers, and why.
    pub fn choose(&self, mut prediction: Prediction) -> (IntentName, Classification) {
        prediction.ranking.retain(|scored| self.intents.contains_key(&scored.name));
        let doubt = self.doubt(&prediction);
        let Prediction { ranking, decision, model, .. } = prediction;
        let best = ranking.first().cloned();
        let model = Some(model);
        let (intent, confidence) = match (doubt, decision, best) {
            (None, Some(Decision::Intent(intent)), _) => (intent, None),
            (None, None, Some(best)) => (best.name, Some(best.confidence)),
            (_, _, predicted) => {
                let classification =
                    Classification { fallback: true, predicted, ranking, model, ..Classification::default() };
                return (self.fallback.clone(), classification);
            }
        };
        (intent, Classification { confidence, ranking, model, ..Classification::default() })
    }

    /// The least confidence with which an intent answers, where it has no threshold of its own.
    pub fn threshold(&self, prediction: &Prediction) -> f32 {
        self.threshold.unwrap_or(prediction.threshold)
    }

    /// The least confidence with which the likeliest intent answers.
    pub fn threshold_of_likeliest(&self, prediction: &Prediction) -> f32 {
        let own = prediction.ranking.iter().find_map(|scored| self.intents.get(&scored.name));
        own.copied().flatten().unwrap_or_else(|| self.threshold(prediction))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;
    use crate::domain::Scored;

    fn name(name: &str) -> IntentName {
        IntentName::new(name).unwrap()
    }

    fn rule() -> ChoiceRule {
        let own = [("help", None), ("price", None), ("stock", None), ("refund", Some(0.8)), ("hello", Some(0.2))];
        ChoiceRule {
            fallback: name("help"),
            threshold: Some(0.5),
            intents: own.into_iter().map(|(intent, threshold)| (name(intent), threshold)).collect(),
            margin: 0.1,
        }
    }

    fn ranked(ranking: &[(&str, f32)]) -> Prediction {
        let ranking = ranking.iter().map(|&(intent, confidence)| Scored::new(name(intent), confidence)).collect();
        Prediction::ranked(ranking, "m".into())
    }

    #[test]
    fn the_likeliest_answers_where_it_is_sure_enough() {
        let rule = rule();
        let check = |ranking: &[(&str, f32)], doubt: Option<Doubt>| {
            let prediction = ranked(ranking);
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

    #[test]
    fn the_threshold_is_that_of_the_model_where_none_is_set() {
        let prediction = ranked(&[("price", 0.6)]).advising(0.7);
        assert_eq!(rule().doubt(&prediction), None);
        let auto = ChoiceRule { threshold: None, ..rule() };
        assert_eq!(auto.doubt(&prediction), Some(Doubt::Unsure(0.7)));
        assert_eq!(auto.doubt(&ranked(&[("price", 0.5)])), None);
        assert_eq!(auto.doubt(&ranked(&[("price", 0.49)])), Some(Doubt::Unsure(0.5)));
        let own = ranked(&[("hello", 0.6)]).advising(0.7);
        assert_eq!((auto.doubt(&own), auto.threshold_of_likeliest(&own), auto.threshold(&own)), (None, 0.2, 0.7));
    }

    #[test]
    fn what_was_decided_without_a_confidence_is_held_against_no_threshold() {
        let rule = ChoiceRule { threshold: Some(1.0), ..rule() };
        let choose = |decision| rule.choose(Prediction::decided(decision, "m".into()));
        let (intent, classification) = choose(Decision::Intent(name("refund")));
        assert_eq!((intent, classification.fallback, classification.confidence), (name("refund"), false, None));
        for decision in [Decision::NoIntent, Decision::Intent(name("evil"))] {
            assert_eq!(rule.doubt(&Prediction::decided(decision.clone(), "m".into())), Some(Doubt::Nothing));
            let (intent, classification) = choose(decision);
            assert_eq!((intent, classification.fallback, classification.predicted), (name("help"), true, None));
        }
    }

    #[test]
    fn an_intent_that_there_is_not_cannot_be_chosen() {
        let prediction = ranked(&[("evil", 0.9), ("price", 0.6), ("worse", 0.55)]);
        assert_eq!((rule().doubt(&prediction), rule().threshold_of_likeliest(&prediction)), (None, 0.5));
        let (intent, classification) = rule().choose(prediction);
        assert_eq!((intent, classification.confidence), (name("price"), Some(0.6)));
        assert_eq!(classification.ranking, [Scored::new(name("price"), 0.6)]);
        assert_eq!(rule().doubt(&ranked(&[("evil", 0.9)])), Some(Doubt::Nothing));
    }
}
