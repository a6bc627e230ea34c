//! From which confidence on a cascade's first model is believed, so that the next, which costs more, is asked for no more
//! than a share of the texts.
//!
//! **Invariant:** read off answers to texts that neither model learnt from; what is worked out is what a chain of the two
//! would do (`model::Chain`), text by text.

use serde::Serialize;

use super::Answer;

/// The points of a curve that are told, less one.
const STEPS: usize = 100;
/// The margins that are tried.
const MARGINS: usize = 20;
/// By how many standard deviations a margin has to do better than none: 1 in 100 would by chance alone (McNemar 1947,
/// "Note on the sampling error of the difference between correlated proportions or percentages").
const BEYOND_CHANCE: f64 = 2.576;

/// What the settings say of both models' answers.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The least confidence with which an intent answers; none for what each model advises.
    pub threshold: Option<f32>,
    /// How far the second intent has to be behind.
    pub margin: f32,
}

/// When a cascade's first model is believed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sure {
    /// From this confidence on; `None` if it is the threshold for an answer.
    pub min_confidence: Option<f32>,
    /// Where the second intent is so far behind.
    pub min_margin: f32,
}

/// What a cascade would do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The first model is believed from this confidence on; `None` if it isn't set.
    pub min_confidence: Option<f32>,
    /// The share of texts that the next model is asked for.
    pub asked: f64,
    /// The share of texts that are treated rightly: the right intent answers, or the fallback what is out of scope.
    pub right: f64,
}

/// The best that was found, and what else there is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tuning {
    /// The texts that it was found on.
    pub n: usize,
    /// The share of texts that the next model may be asked for.
    pub budget: f64,
    /// What to set.
    pub min_confidence: f32,
    /// What to set; 0 unless a margin did better by more than chance.
    pub min_margin: f32,
    /// What that does. It asks for more than the budget only where nothing would ask for less.
    pub best: Point,
    /// What is done where neither is set.
    pub unset: Point,
    /// The share of texts that the first model by itself treats rightly.
    pub first_alone: f64,
    /// The same of the next.
    pub next_alone: f64,
    /// What each confidence would do, with the margin above: from that which asks for least on.
    pub curve: Vec<Point>,
}

/// Finds when to believe the first model, given both models' answers to the same texts. Of what does equally well, it is
/// what asks for least.
pub fn tune(first: &[Answer], next: &[Answer], rule: Rule, budget: f64) -> Tuning {
    let cascade = Cascade::new(first, next, rule);
    let n = cascade.texts.len();
    let most = (budget * n as f64 + 1e-9) as usize;
    let plain = cascade.best(rule.margin, most);
    let beyond_chance = |choice: &Choice| {
        let rights = |choice: &Choice| cascade.rights(choice.sure()).collect::<Vec<_>>();
        let differ = rights(&plain).iter().zip(rights(choice)).filter(|(a, b)| **a != *b).count();
        choice.right as f64 - plain.right as f64 > BEYOND_CHANCE * (differ as f64).sqrt()
    };
    let with_margin = cascade.margins().into_iter().map(|margin| cascade.best(margin, most));
    let best = with_margin
        .filter(|choice| choice.asked <= most && beyond_chance(choice))
        .max_by_key(|choice| (choice.right, n - choice.asked))
        .unwrap_or(plain);
    Tuning {
        n,
        budget,
        min_confidence: best.min_confidence,
        min_margin: best.min_margin,
        best: cascade.point(best.sure()),
        unset: cascade.point(Sure { min_confidence: None, min_margin: rule.margin }),
        first_alone: share(cascade.texts.iter().filter(|text| text.first_right).count(), n),
        next_alone: share(next.iter().filter(|answer| is_treated_rightly(answer, rule)).count(), n),
        curve: cascade.curve(best.min_margin),
    }
}

/// What a cascade does with these settings.
pub fn try_out(first: &[Answer], next: &[Answer], rule: Rule, sure: Sure) -> Point {
    Cascade::new(first, next, rule).point(sure)
}

/// A cascade of two, and what becomes of each text.
struct Cascade {
    texts: Vec<Text>,
}

struct Text {
    belief: Belief,
    /// Whether the text is treated rightly where the next model isn't asked, …
    first_right: bool,
    /// … and where it is: by its answer, or, where it fails, by the first's.
    next_right: bool,
}

/// When the next model isn't asked.
#[derive(Clone, Copy)]
enum Belief {
    /// Never: the first has no idea, or failed.
    Never,
    /// Always: the first decided without a confidence.
    Always,
    /// Where it is as sure as this.
    From { confidence: f32, lead: f32, threshold: f32 },
}

/// A cascade's settings, and how many texts that makes.
#[derive(Clone, Copy)]
struct Choice {
    min_confidence: f32,
    min_margin: f32,
    asked: usize,
    right: usize,
}

impl Choice {
    fn sure(&self) -> Sure {
        Sure { min_confidence: Some(self.min_confidence), min_margin: self.min_margin }
    }
}

impl Cascade {
    fn new(first: &[Answer], next: &[Answer], rule: Rule) -> Self {
        let text = |(first, next): (&Answer, &Answer)| {
            let belief = match (&first.predicted, first.confidence) {
                _ if first.failed => Belief::Never,
                (_, None) => Belief::Always,
                (None, _) => Belief::Never,
                (Some(_), Some(confidence)) => Belief::From {
                    confidence,
                    lead: confidence - first.second,
                    threshold: rule.threshold.unwrap_or(first.advised),
                },
            };
            let first_right = is_treated_rightly(first, rule);
            let next_right = if next.failed { first_right } else { is_treated_rightly(next, rule) };
            Text { belief, first_right, next_right }
        };
        Self { texts: first.iter().zip(next).map(text).collect() }
    }

    /// Whether each text is treated rightly.
    fn rights(&self, sure: Sure) -> impl Iterator<Item = bool> {
        self.texts.iter().map(move |text| if text.is_asked(sure) { text.next_right } else { text.first_right })
    }

    fn point(&self, sure: Sure) -> Point {
        let n = self.texts.len();
        let asked = self.texts.iter().filter(|text| text.is_asked(sure)).count();
        let right = self.rights(sure).filter(|right| *right).count();
        Point { min_confidence: sure.min_confidence, asked: share(asked, n), right: share(right, n) }
    }

    /// Each confidence that makes a difference with this margin, from that which asks for least on.
    fn choices(&self, min_margin: f32) -> Vec<Choice> {
        let none = Sure { min_confidence: Some(0.0), min_margin };
        let mut now = Choice { min_confidence: 0.0, min_margin, asked: 0, right: 0 };
        let mut open: Vec<(f32, &Text)> = Vec::new();
        for text in &self.texts {
            let asked = text.is_asked(none);
            now.asked += usize::from(asked);
            now.right += usize::from(if asked { text.next_right } else { text.first_right });
            if let (false, Belief::From { confidence, .. }) = (asked, text.belief) {
                open.push((confidence, text));
            }
        }
        open.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut choices = vec![now];
        let mut groups = open.chunk_by(|a, b| a.0 == b.0).peekable();
        while let Some(ties) = groups.next() {
            let here = ties[0].0;
            // Half-way to the next. What is as sure as can be is never asked about.
            let above = groups.peek().map_or(1.0, |next| next[0].0);
            if here >= above {
                break;
            }
            now.min_confidence = between(here, above);
            now.asked += ties.len();
            now.right += ties.iter().filter(|(_, text)| text.next_right).count();
            now.right -= ties.iter().filter(|(_, text)| text.first_right).count();
            choices.push(now);
        }
        choices
    }

    /// What treats most texts rightly and asks for `most` at the most; or, where nothing does, what asks for least.
    fn best(&self, min_margin: f32, most: usize) -> Choice {
        let choices = self.choices(min_margin);
        let affordable = choices.iter().filter(|choice| choice.asked <= most);
        *affordable.min_by_key(|choice| (std::cmp::Reverse(choice.right), choice.asked)).unwrap_or(&choices[0])
    }

    /// Some margins between those that the first model's answers have.
    fn margins(&self) -> Vec<f32> {
        let lead = |text: &Text| match text.belief {
            Belief::From { lead, .. } => Some(lead),
            _ => None,
        };
        let mut leads: Vec<f32> = self.texts.iter().filter_map(lead).collect();
        leads.sort_by(f32::total_cmp);
        leads.dedup();
        let margins: Vec<f32> = leads.windows(2).map(|pair| between(pair[0], pair[1])).collect();
        margins.iter().copied().step_by(margins.len().div_ceil(MARGINS).max(1)).collect()
    }

    /// What each per cent of the texts would buy.
    fn curve(&self, min_margin: f32) -> Vec<Point> {
        let n = self.texts.len();
        let choices = self.choices(min_margin);
        let mut curve: Vec<Choice> = Vec::new();
        for step in 0..=STEPS {
            let last = choices.iter().rev().find(|choice| choice.asked * STEPS <= step * n);
            if let Some(last) = last.filter(|last| curve.last().is_none_or(|before| before.asked < last.asked)) {
                curve.push(*last);
            }
        }
        let point = |choice: Choice| Point {
            min_confidence: Some(choice.min_confidence),
            asked: share(choice.asked, n),
            right: share(choice.right, n),
        };
        curve.into_iter().map(point).collect()
    }
}

impl Text {
    /// Whether the next model is asked; the rule of `model::Chain`.
    fn is_asked(&self, sure: Sure) -> bool {
        match self.belief {
            Belief::Never => true,
            Belief::Always => false,
            Belief::From { confidence, lead, threshold } => {
                let ambiguous = sure.min_margin > 0.0 && lead < sure.min_margin;
                confidence < sure.min_confidence.unwrap_or(threshold) || ambiguous
            }
        }
    }
}

/// About half-way between two numbers, with no more decimals than that takes.
fn between(below: f32, above: f32) -> f32 {
    let middle = f32::midpoint(below, above);
    let rounded = |steps: f64| ((f64::from(middle) * steps).round() / steps) as f32;
    [1e4, 1e5].map(rounded).into_iter().find(|it| below < *it && *it <= above).unwrap_or(middle)
}

/// Whether the right intent answers, or the fallback what is out of scope; by the rule of `domain::ChoiceRule`.
fn is_treated_rightly(answer: &Answer, rule: Rule) -> bool {
    let threshold = rule.threshold.unwrap_or(answer.advised);
    let ambiguous = answer.confidence.is_some_and(|it| rule.margin > 0.0 && it - answer.second < rule.margin);
    match answer.expected {
        Some(_) => answer.is_right() && answer.is_accepted(threshold) && !ambiguous,
        None => !answer.failed && (ambiguous || !answer.is_accepted(threshold)),
    }
}

fn share(of: usize, n: usize) -> f64 {
    if n == 0 { 0.0 } else { of as f64 / n as f64 }
}

#[cfg(test)]
mod tests {
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
        let mut first = answers(&[
            ("a", "", 0.0),
            ("a", "b", 0.9),
            ("a", "a", 0.9),
            ("", "a", 0.9),
            ("a", "a", 0.3),
            ("a", "", 0.0),
        ]);
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
}
