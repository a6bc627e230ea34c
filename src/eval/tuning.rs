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
mod tests;
