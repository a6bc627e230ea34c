//! The measures, each with the source of its formula.
//!
//! **Invariant:** every share is in 0..=1 and finite; what can't be told for want of texts is none.

use std::collections::BTreeMap;

use super::Answer;
use crate::domain::IntentName;

/// How many bins confidences are sorted into for [`ece`], as in Guo et al. 2017.
pub const ECE_BINS: usize = 15;

/// The share of in-scope texts whose likeliest intent is the right one, with any confidence.
pub fn accuracy(answers: &[Answer]) -> Option<f64> {
    let in_scope = answers.iter().filter(|answer| answer.expected.is_some());
    share(in_scope.map(Answer::is_right))
}

/// Where a share that was seen as `hits` of `n` lies with 95 % confidence: Wilson's score interval (Wilson 1927,
/// "Probable inference, the law of succession, and statistical inference").
pub fn wilson(hits: usize, n: usize) -> (f64, f64) {
    const Z: f64 = 1.959_963_985;
    if n == 0 {
        return (0.0, 1.0);
    }
    let (hits, n) = (hits as f64, n as f64);
    let (p, z2) = (hits / n, Z * Z);
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// How one intent fared among the in-scope texts, with no threshold applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntentCounts {
    /// Texts that have it and got it.
    pub right: usize,
    /// Texts that have it.
    pub expected: usize,
    /// Texts that got it.
    pub predicted: usize,
}

impl IntentCounts {
    /// Of the texts that got it, the share that has it; `None` if no text got it.
    pub fn precision(&self) -> Option<f64> {
        (self.predicted > 0).then(|| self.right as f64 / self.predicted as f64)
    }

    /// Of the texts that have it, the share that got it; `None` if no text has it.
    pub fn recall(&self) -> Option<f64> {
        (self.expected > 0).then(|| self.right as f64 / self.expected as f64)
    }

    /// The harmonic mean of precision and recall, 2·right / (expected + predicted); 0 where neither is to be had.
    pub fn f1(&self) -> f64 {
        let both = self.expected + self.predicted;
        if both == 0 { 0.0 } else { 2.0 * self.right as f64 / both as f64 }
    }
}

/// Every intent that an in-scope text has or got.
pub fn by_intent(answers: &[Answer]) -> BTreeMap<IntentName, IntentCounts> {
    let mut counts: BTreeMap<IntentName, IntentCounts> = BTreeMap::new();
    for answer in answers {
        let Some(expected) = &answer.expected else { continue };
        let count = counts.entry(expected.clone()).or_default();
        count.expected += 1;
        count.right += usize::from(answer.is_right());
        if let Some(predicted) = &answer.predicted {
            counts.entry(predicted.clone()).or_default().predicted += 1;
        }
    }
    counts
}

/// The mean of the intents' F1, each counting the same (Sokolova and Lapalme 2009, "A systematic analysis of performance
/// measures for classification tasks"; over the intents that are expected or predicted, as scikit-learn has it).
pub fn macro_f1(answers: &[Answer]) -> Option<f64> {
    mean(by_intent(answers).values().map(IntentCounts::f1))
}

/// How well confidence tells in-scope texts from out-of-scope ones: the probability that one of the former has more of
/// it than one of the latter, ties counting half (the area under the ROC curve; Hanley and McNeil 1982). What failed
/// doesn't count; `None` if an intent is named without a confidence.
pub fn auroc(answers: &[Answer]) -> Option<f64> {
    let answered = answers.iter().filter(|answer| !answer.failed);
    let sorted: Option<Vec<(f32, bool)>> =
        answered.map(|answer| Some((stated(answer)?, answer.expected.is_some()))).collect();
    let mut sorted = sorted?;
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won) = (0.0, 0.0);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        let inside = ties.iter().filter(|(_, in_scope)| *in_scope).count() as f64;
        let outside = ties.len() as f64 - inside;
        won += inside * (below + outside / 2.0);
        below += outside;
    }
    let pairs = (sorted.len() as f64 - below) * below;
    (pairs > 0.0).then(|| won / pairs)
}

/// The share of out-of-scope texts that are left to the fallback at this threshold. Where the model failed, none is.
pub fn oos_recall(answers: &[Answer], threshold: f32) -> Option<f64> {
    let outside = answers.iter().filter(|answer| answer.expected.is_none());
    share(outside.map(|answer| answer.is_refused(threshold)))
}

/// The share of in-scope texts that the right intent answers at this threshold.
pub fn in_scope_accuracy(answers: &[Answer], threshold: f32) -> Option<f64> {
    let in_scope = answers.iter().filter(|answer| answer.expected.is_some());
    share(in_scope.map(|answer| answer.is_right() && answer.is_accepted(threshold)))
}

/// Of the texts that an intent answers at this threshold, in scope or not, the share where it is the right one.
pub fn precision(answers: &[Answer], threshold: f32) -> Option<f64> {
    share(answers.iter().filter(|answer| answer.is_accepted(threshold)).map(Answer::is_right))
}

/// The share of texts, in scope or not, that an intent answers at this threshold.
pub fn answered(answers: &[Answer], threshold: f32) -> Option<f64> {
    share(answers.iter().map(|answer| answer.is_accepted(threshold)))
}

/// How far confidences are from the truth: the expected calibration error over 15 bins of equal width, of the in-scope
/// texts (Guo et al. 2017, "On calibration of modern neural networks", equation 5). What failed doesn't count; `None` if
/// an intent is named without a confidence.
pub fn ece(answers: &[Answer]) -> Option<f64> {
    let mut bins = [(0.0, 0.0); ECE_BINS]; // the sum of confidences, and the number of right answers
    let mut n = 0.0;
    for answer in answers.iter().filter(|answer| answer.expected.is_some() && !answer.failed) {
        let confidence = f64::from(stated(answer)?);
        // A bin takes its upper end, as theirs do: (0, 1/15], (1/15, 2/15], …
        let bin = ((confidence * ECE_BINS as f64).ceil() as usize).clamp(1, ECE_BINS) - 1;
        bins[bin].0 += confidence;
        bins[bin].1 += f64::from(u8::from(answer.is_right()));
        n += 1.0;
    }
    (n > 0.0).then(|| bins.iter().map(|(confidence, right)| (right - confidence).abs()).sum::<f64>() / n)
}

/// Two intents, of which one was taken for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// What the texts mean.
    pub expected: IntentName,
    /// What they were taken to mean.
    pub predicted: IntentName,
    pub count: usize,
}

/// Every pair of intents of which one was taken for the other, the worst first; then by name.
pub fn confusions(answers: &[Answer]) -> Vec<Confusion> {
    let mut counts: BTreeMap<(&IntentName, &IntentName), usize> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| !answer.is_right()) {
        if let (Some(expected), Some(predicted)) = (&answer.expected, &answer.predicted) {
            *counts.entry((expected, predicted)).or_default() += 1;
        }
    }
    let mut confusions: Vec<_> = counts
        .into_iter()
        .map(|((expected, predicted), count)| Confusion {
            expected: expected.clone(),
            predicted: predicted.clone(),
            count,
        })
        .collect();
    confusions.sort_by_key(|confusion| std::cmp::Reverse(confusion.count));
    confusions
}

/// The confidence in the likeliest intent; `None` if the model named one without. Where it named none, it has none.
fn stated(answer: &Answer) -> Option<f32> {
    answer.confidence.or(answer.predicted.is_none().then_some(0.0))
}

fn share(of: impl Iterator<Item = bool>) -> Option<f64> {
    mean(of.map(|hit| f64::from(u8::from(hit))))
}

fn mean(of: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = of.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use proptest::prelude::*;

    use super::*;

    /// Answers from (expected, predicted, confidence), where "" is none.
    pub(in crate::eval) fn answers(of: &[(&str, &str, f32)]) -> Vec<Answer> {
        let name = |name: &str| (!name.is_empty()).then(|| IntentName::new(name).unwrap());
        let answers = of.iter().map(|&(expected, predicted, confidence)| Answer {
            text: format!("{expected} as {predicted}"),
            expected: name(expected),
            predicted: name(predicted),
            confidence: Some(confidence),
            second: 0.0,
            advised: 0.5,
            failed: false,
        });
        answers.collect()
    }

    /// Worked out by hand in the tests' comments.
    const SIX: [(&str, &str, f32); 6] =
        [("a", "a", 0.9), ("a", "b", 0.6), ("b", "b", 0.8), ("b", "b", 0.3), ("", "a", 0.6), ("", "b", 0.1)];

    #[track_caller]
    fn near(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-6, "{found:?} is not {expected}");
    }

    #[test]
    fn by_hand() {
        let six = answers(&SIX);
        near(accuracy(&six), 3.0 / 4.0);
        // a: precision 1/1, recall 1/2, F1 2/3; b: precision 2/3, recall 2/2, F1 4/5.
        near(macro_f1(&six), (2.0 / 3.0 + 4.0 / 5.0) / 2.0);
        // Pairs of in and out: 0.9 beats both, 0.8 both, 0.6 ties one and beats one, 0.3 beats one: 6.5 of 8.
        near(auroc(&six), 6.5 / 8.0);
        near(oos_recall(&six, 0.5), 1.0 / 2.0);
        near(in_scope_accuracy(&six, 0.5), 2.0 / 4.0);
        near(in_scope_accuracy(&six, 0.3), 3.0 / 4.0);
        // At 0.5, four are answered: two of them rightly.
        near(answered(&six, 0.5), 4.0 / 6.0);
        near(precision(&six, 0.5), 2.0 / 4.0);
        // Each in a bin of its own: |1 − 0.9|, |0 − 0.6|, |1 − 0.8|, |1 − 0.3|, over 4.
        near(ece(&six), (0.1 + 0.6 + 0.2 + 0.7) / 4.0);
    }

    #[test]
    fn confidences_in_one_bin_make_up_for_each_other() {
        // 2 of 4 right at 0.5 on the average: perfectly calibrated; at 1.0 it is off by a half.
        near(ece(&answers(&[("a", "a", 0.49), ("a", "b", 0.51), ("b", "b", 0.5), ("b", "a", 0.5)])), 0.0);
        near(ece(&answers(&[("a", "a", 1.0), ("a", "b", 1.0)])), 0.5);
        near(ece(&answers(&[("a", "b", 0.0)])), 0.0);
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        for found in [accuracy(&[]), macro_f1(&[]), auroc(&[]), ece(&[]), precision(&[], 0.0), answered(&[], 0.0)] {
            assert_eq!(found, None);
        }
        let inside = answers(&[("a", "a", 0.9)]);
        assert_eq!((auroc(&inside), oos_recall(&inside, 0.5)), (None, None));
        let outside = answers(&[("", "a", 0.9)]);
        assert_eq!((auroc(&outside), accuracy(&outside), ece(&outside)), (None, None, None));
    }

    #[test]
    fn what_failed_is_wrong_and_isnt_refused() {
        let mut six = answers(&SIX);
        for failed in [0, 5] {
            six[failed] = Answer { predicted: None, confidence: Some(0.0), failed: true, ..six[failed].clone() };
        }
        near(accuracy(&six), 2.0 / 4.0);
        near(oos_recall(&six, 0.5), 0.0);
        near(oos_recall(&six, 0.7), 1.0 / 2.0);
        // Of in scope, 0.6, 0.8 and 0.3 are left; of out of scope, 0.6.
        near(auroc(&six), 1.5 / 3.0);
        near(ece(&six), (0.6 + 0.2 + 0.7) / 3.0);
    }

    #[test]
    fn of_what_states_no_confidence_none_is_measured() {
        let mut six = answers(&SIX);
        // Naming none says it all.
        six.push(Answer { predicted: None, confidence: None, ..six[5].clone() });
        near(auroc(&six), 10.5 / 12.0);
        six[1].confidence = None;
        assert_eq!((auroc(&six), ece(&six)), (None, None));
        near(accuracy(&six), 3.0 / 4.0);
        // It answers whatever the threshold is.
        near(answered(&six, 1.0), 1.0 / 7.0);
    }

    #[test]
    fn an_intent_that_is_only_predicted_counts_for_the_mean() {
        // a: F1 of 1 right in 2 expected and 1 predicted; c was never right.
        near(macro_f1(&answers(&[("a", "a", 0.9), ("a", "c", 0.9)])), (2.0 / 3.0 + 0.0) / 2.0);
        // No prediction is a wrong one.
        near(macro_f1(&answers(&[("a", "a", 0.9), ("a", "", 0.0)])), 2.0 / 3.0);
    }

    #[test]
    fn the_interval_is_wilsons() {
        let check = |hits, n, low: f64, high: f64| {
            let (found_low, found_high) = wilson(hits, n);
            assert!((found_low - low).abs() < 5e-4 && (found_high - high).abs() < 5e-4, "{found_low} {found_high}");
        };
        // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
        check(81, 263, 0.2553, 0.3662);
        check(15, 148, 0.0624, 0.1605);
        check(0, 20, 0.0, 0.1611);
        check(1, 29, 0.0061, 0.1718);
        check(0, 0, 0.0, 1.0);
    }

    #[test]
    fn the_worst_confusions_come_first() {
        let found = confusions(&answers(&[
            ("a", "b", 0.1),
            ("b", "a", 0.1),
            ("b", "a", 0.1),
            ("a", "a", 0.1),
            ("", "a", 0.1),
            ("a", "", 0.0),
        ]));
        let told: Vec<_> = found.iter().map(|it| (it.expected.as_str(), it.predicted.as_str(), it.count)).collect();
        assert_eq!(told, [("b", "a", 2), ("a", "b", 1)]);
    }

    fn some_answers() -> impl Strategy<Value = Vec<Answer>> {
        let name = || proptest::sample::select(&["", "a", "b", "c"]);
        proptest::collection::vec((name(), name(), 0.0_f32..=1.0), 0..60).prop_map(|of| answers(&of))
    }

    proptest! {
        #[test]
        fn every_share_is_one(all in some_answers(), threshold in 0.0_f32..=1.0) {
            let shares = [
                accuracy(&all),
                macro_f1(&all),
                auroc(&all),
                ece(&all),
                oos_recall(&all, threshold),
                in_scope_accuracy(&all, threshold),
                precision(&all, threshold),
                answered(&all, threshold),
            ];
            for share in shares.into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&share), "{share}");
            }
        }

        #[test]
        fn the_area_is_that_of_all_pairs(all in some_answers()) {
            let (inside, outside): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.expected.is_some());
            let pairs = inside.iter().flat_map(|a| outside.iter().map(move |b| (a.confidence, b.confidence)));
            let expected = mean(pairs.map(|(a, b)| if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 }));
            match (auroc(&all), expected) {
                (Some(found), Some(expected)) => prop_assert!((found - expected).abs() < 1e-9),
                (found, expected) => prop_assert_eq!(found, expected),
            }
        }

        #[test]
        fn an_interval_holds_what_was_seen(n in 1_usize..500, share in 0.0_f64..=1.0) {
            let hits = (share * n as f64) as usize;
            let (low, high) = wilson(hits, n);
            let seen = hits as f64 / n as f64;
            prop_assert!(low <= seen + 1e-9 && seen <= high + 1e-9 && low >= 0.0 && high <= 1.0);
        }
    }
}
