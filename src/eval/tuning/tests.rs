//! Tests of the tuning: from which confidence on the first model is believed, and what a chain then does.

use proptest::prelude::*;

use super::{super::metrics::tests::answers, *};

const RULE: Rule = Rule { threshold: None, margin: 0.0 };

/// Ten texts: the first model is right from 0.7 on and wrong below, the next is always right and sure.
fn ten() -> (Vec<Answer>, Vec<Answer>) {
    let of = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.625, 0.6, 0.55];
    let first: Vec<_> = of.iter().map(|&c| ("a", if c >= 0.7 { "a" } else { "b" }, c)).collect();
    (answers(&first), answers(&[("a", "a", 0.9); 10]))
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn the_first_model_is_believed_from_where_it_is_right() {
    let (first, next) = ten();
    let check = |budget: f64, min_confidence: f32, asked: f64, right: f64| {
        let found = tune(&first, &next, RULE, budget);
        assert!((found.min_confidence - min_confidence).abs() < 1e-6, "{budget}: {found:?}");
        assert_eq!(found.min_margin, 0.0);
        near(found.best.asked, asked);
        near(found.best.right, right);
    };
    check(0.0, 0.0, 0.0, 0.6);
    check(0.1, 0.575, 0.1, 0.7);
    check(0.25, 0.6125, 0.2, 0.8);
    check(0.4, 0.675, 0.4, 1.0);
    // More would cost more and be no better.
    check(1.0, 0.675, 0.4, 1.0);
    let found = tune(&first, &next, RULE, 0.4);
    near(found.first_alone, 0.6);
    near(found.next_alone, 1.0);
    // By itself the first is believed from the threshold on, which all of its answers reach.
    assert_eq!(found.unset, Point { min_confidence: None, asked: 0.0, right: 0.6 });
    let curve: Vec<_> = found.curve.iter().map(|point| ((point.asked * 10.0).round(), point.right)).collect();
    assert_eq!(curve.len(), 11);
    assert_eq!((curve[0], curve[4], curve[10]), ((0.0, 0.6), (4.0, 1.0), (10.0, 1.0)));
}

#[test]
fn a_next_model_that_is_no_better_isnt_asked() {
    let (first, next) = ten();
    let found = tune(&next, &first, RULE, 1.0);
    assert_eq!((found.min_confidence, found.best.asked, found.best.right), (0.0, 0.0, 1.0));
}

#[test]
fn what_a_chain_does_is_what_is_counted() {
    let mut first =
        answers(&[("a", "", 0.0), ("a", "b", 0.9), ("a", "a", 0.9), ("", "a", 0.9), ("a", "a", 0.3), ("a", "", 0.0)]);
    let mut next = answers(&[("a", "a", 0.9); 6]);
    (first[1].confidence, first[5].failed, next[2].failed, next[3].expected) = (None, true, true, None);
    next[2].predicted = None;
    // Always asked: that without an idea, and that which failed. Never: what decided. The last out of scope is wrong
    // either way.
    let at = |min_confidence| try_out(&first, &next, RULE, Sure { min_confidence, min_margin: 0.0 });
    assert_eq!(at(Some(0.0)), Point { min_confidence: Some(0.0), asked: 2.0 / 6.0, right: 3.0 / 6.0 });
    assert_eq!(at(None), Point { min_confidence: None, asked: 3.0 / 6.0, right: 4.0 / 6.0 });
    // Where the next fails, the first's answer stands.
    assert_eq!(at(Some(1.0)), Point { min_confidence: Some(1.0), asked: 5.0 / 6.0, right: 4.0 / 6.0 });
    // More than the budget is asked for only where nothing asks for less.
    let found = tune(&first, &next, RULE, 0.1);
    assert_eq!((found.min_confidence, found.best.asked), (0.0, 2.0 / 6.0));
    // Thresholds and margins of the settings leave to the fallback what they would in a worker.
    let strict = |threshold, margin| {
        try_out(&first, &next, Rule { threshold, margin }, Sure { min_confidence: Some(0.0), min_margin: 0.0 })
    };
    assert_eq!(strict(Some(0.95), 0.0).right, 1.0 / 6.0);
    assert_eq!(strict(Some(0.2), 0.0).right, 4.0 / 6.0);
    assert_eq!(strict(None, 0.95).right, 1.0 / 6.0);
}

#[test]
fn a_margin_is_set_where_it_helps_by_more_than_chance() {
    // All are as sure; what has a second behind it is wrong.
    let of = |wrong: usize, all: usize| -> Vec<Answer> {
        let mut first = answers(&vec![("a", "a", 0.9); all]);
        for answer in first.iter_mut().take(wrong) {
            (answer.second, answer.predicted) = (0.8, answers(&[("a", "b", 0.0)])[0].predicted.clone());
        }
        first
    };
    let next = answers(&[("a", "a", 0.9); 40]);
    let found = tune(&of(10, 40), &next, RULE, 0.25);
    assert!((found.min_margin - 0.5).abs() < 1e-6, "{found:?}");
    assert_eq!((found.min_confidence, found.best.asked, found.best.right), (0.0, 0.25, 1.0));
    let found = tune(&of(2, 40), &next, RULE, 0.25);
    assert_eq!((found.min_margin, found.best.asked), (0.0, 0.0), "two texts may be chance");
}

#[test]
fn nothing_is_made_of_nothing() {
    let found = tune(&[], &[], RULE, 0.5);
    assert_eq!((found.n, found.best.asked, found.best.right), (0, 0.0, 0.0));
    assert_eq!(found.curve.len(), 1);
}

proptest! {
    #[test]
    fn no_other_confidence_does_better_within_the_budget(
        of in proptest::collection::vec((0_u8..20, any::<bool>(), any::<bool>()), 1..40),
        budget in 0.0_f64..=1.0,
        other in 0_u8..=20,
    ) {
        let said = |right: bool| if right { "a" } else { "b" };
        let first: Vec<_> = of.iter().map(|&(c, right, _)| ("a", said(right), f32::from(c) / 20.0)).collect();
        let next: Vec<_> = of.iter().map(|&(.., right)| ("a", said(right), 0.9)).collect();
        let (first, next) = (answers(&first), answers(&next));
        let found = tune(&first, &next, RULE, budget);
        prop_assert!(found.best.asked <= budget + 1e-9);
        let sure = Sure { min_confidence: Some(f32::from(other) / 20.0), min_margin: 0.0 };
        let point = try_out(&first, &next, RULE, sure);
        prop_assert!(point.asked > budget + 1e-9 || point.right <= found.best.right + 1e-9, "{point:?} {found:?}");
    }
}
