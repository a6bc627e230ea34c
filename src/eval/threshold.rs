//! The threshold that does best on texts which the model wasn't trained on.

use super::Answer;

/// The threshold where the most texts are treated rightly: the right intent answers, or, where the likeliest intent is
/// a wrong one or the text is out of scope, the fallback does. That is Chow's rule for equal costs (Chow 1970, "On
/// optimum recognition error and reject tradeoff"), read off the texts. Of thresholds that do equally well, the highest:
/// what is less sure than anything that was right is left to the fallback.
///
/// None where no answer is to be accepted at all, or none states a confidence.
pub fn fit(answers: &[Answer]) -> Option<f32> {
    let mut sorted: Vec<(f32, bool)> = answers
        .iter()
        .filter(|answer| answer.predicted.is_some())
        .filter_map(|answer| Some((answer.confidence?, answer.is_right())))
        .collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut gain, mut best_gain, mut best) = (0_i64, 0_i64, None);
    let mut groups = sorted.chunk_by(|a, b| a.0 == b.0).peekable();
    while let Some(ties) = groups.next() {
        // Accepting these too: each right one is one more treated rightly, each other one less.
        gain += ties.iter().map(|(_, right)| if *right { 1 } else { -1 }).sum::<i64>();
        if gain > best_gain {
            best_gain = gain;
            let here = ties[0].0;
            // Half-way to the next: a text that is a little less sure than this one isn't worse.
            best = Some(groups.peek().map_or(here, |next| f32::midpoint(here, next[0].0)));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::metrics::tests::answers, *};

    #[test]
    fn the_most_texts_are_treated_rightly() {
        let check = |of: &[(&str, &str, f32)], expected: Option<f32>| assert_eq!(fit(&answers(of)), expected, "{of:?}");
        check(&[], None);
        check(&[("a", "b", 0.9), ("", "b", 0.5)], None);
        check(&[("a", "a", 0.75)], Some(0.75));
        check(&[("a", "a", 0.75), ("", "a", 0.25)], Some(0.5));
        check(&[("a", "a", 0.75), ("b", "a", 0.5), ("a", "a", 0.25)], Some(0.625));
        check(&[("a", "a", 0.75), ("b", "a", 0.5), ("a", "a", 0.25), ("a", "a", 0.125)], Some(0.125));
        check(&[("a", "a", 0.5), ("", "a", 0.5), ("a", "a", 0.5)], Some(0.5));
        check(&[("a", "a", 0.75), ("a", "", 0.5)], Some(0.75));
    }

    proptest! {
        #[test]
        fn no_other_threshold_does_better(
            of in proptest::collection::vec((proptest::sample::select(&["", "a", "b"]), 0_u8..20), 1..40),
            other in 0_u8..=20,
        ) {
            let all: Vec<_> = of.iter().map(|&(expected, c)| (expected, "a", f32::from(c) / 20.0)).collect();
            let all = answers(&all);
            let treated_rightly =
                |threshold: f32| all.iter().filter(|it| it.is_accepted(threshold) == it.is_right()).count();
            let best = treated_rightly(fit(&all).unwrap_or(2.0));
            prop_assert!(best >= treated_rightly(f32::from(other) / 20.0));
        }
    }
}
