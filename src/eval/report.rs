//! The report: one page of HTML for people, with nothing to load and no script.
//!
//! **Invariant:** what users said is data: the template engine escapes it, here as everywhere.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::ErrorKind;
use serde::Serialize;

use self::tuning::Chart;
use super::{
    Answer, Case, Measured,
    advice::surer,
    metrics,
    page::{rendered, template},
    tuning::Tuning,
};
use crate::{corpus::LabelNames, domain::IntentName};

mod tuning;

const TEMPLATE: &str = template!("report.html");

/// The bars of a histogram.
const BINS: usize = 20;
/// The points of a curve, less one.
const STEPS: usize = 100;
/// The rows and columns of the confusion matrix at most.
const MATRIX: usize = 18;
/// The confused pairs at most.
const PAIRS: usize = 30;
/// The confused pairs at most of which one text tells.
const SINGLE_PAIRS: usize = 10;
/// The mistakes at most.
const MISTAKES: usize = 500;

/// What a report shows.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What was measured, such as a file's name.
    pub title: &'a str,
    /// What the models were tried on, in words.
    pub data: &'a str,
    /// Every model's measures; the details are the first one's.
    pub models: &'a [Measured],
    /// The examples that it learnt from.
    pub train: &'a [Case],
    pub answers: &'a [Answer],
    /// What the author calls the intents.
    pub names: &'a LabelNames,
    /// What a cascade of the models would do.
    pub tuning: Option<&'a Tuning>,
}

/// All that the template reads.
#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    data: &'a str,
    models: &'a [Measured],
    /// The first of them.
    main: &'a Measured,
    cascade: Option<Chart>,
    histograms: Vec<Histogram>,
    curves: Vec<Curve>,
    /// Where the threshold stands on the x axis; `None` if the model decides without one.
    mark: Option<f64>,
    pairs: Vec<Pair<'a>>,
    matrix: Matrix<'a>,
    intents: Vec<Intent<'a>>,
    n_mistakes: usize,
    mistakes: Vec<Mistake<'a>>,
}

#[derive(Serialize)]
struct Histogram {
    what: &'static str,
    class: &'static str,
    n: usize,
    most: usize,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    x: f64,
    height: f64,
    width: f64,
    said: String,
}

#[derive(Serialize)]
struct Curve {
    what: &'static str,
    class: &'static str,
    points: String,
    /// At the threshold.
    value: Option<f64>,
}

#[derive(Serialize)]
struct Pair<'a> {
    expected: &'a str,
    predicted: &'a str,
    count: usize,
    of: usize,
    texts: Vec<&'a str>,
}

#[derive(Serialize)]
struct Matrix<'a> {
    labels: Vec<&'a str>,
    rows: Vec<Row<'a>>,
    all: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    label: &'a str,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    count: usize,
    right: bool,
    /// How strongly it is coloured, in percent.
    strength: f64,
    said: String,
}

#[derive(Serialize)]
struct Intent<'a> {
    label: &'a str,
    examples: usize,
    texts: usize,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: f64,
    taken_for: Option<(&'a str, usize)>,
}

#[derive(Serialize)]
struct Mistake<'a> {
    text: &'a str,
    expected: Option<&'a str>,
    predicted: Option<&'a str>,
    confidence: Option<f32>,
    answered: bool,
}

impl Report<'_> {
    /// The page.
    ///
    /// # Errors
    /// The template engine's, which would be a fault of this program.
    pub fn html(&self) -> Result<String, minijinja::Error> {
        let main = self.models.first().ok_or_else(|| {
            minijinja::Error::new(ErrorKind::InvalidOperation, "a report needs at least one model's measures")
        })?;
        let threshold = main.threshold.unwrap_or(0.0);
        let mut mistakes = self.mistakes(threshold);
        let n_mistakes = mistakes.len();
        mistakes.truncate(MISTAKES);
        let page = Page {
            title: self.title,
            data: self.data,
            models: self.models,
            main,
            cascade: self.tuning.map(|tuning| Chart::new(tuning, self.models)),
            histograms: self.histograms(),
            curves: self.curves(threshold),
            mark: main.threshold.map(|threshold| x(f64::from(threshold))),
            pairs: self.pairs(),
            matrix: self.matrix(),
            intents: self.intents(),
            n_mistakes,
            mistakes,
        };
        rendered(TEMPLATE, page)
    }

    fn label<'a>(&'a self, name: &'a IntentName) -> &'a str {
        self.names.label(name)
    }

    /// How confident the right answers were, the wrong ones, and those to texts out of scope; each to its own scale.
    fn histograms(&self) -> Vec<Histogram> {
        type Kind = fn(&Answer) -> bool;
        let kinds: [(&str, &str, Kind); 3] = [
            ("right", "right", Answer::is_right),
            ("wrong", "wrong", |answer| answer.expected.is_some() && !answer.is_right()),
            ("out of scope", "outside", |answer| answer.expected.is_none()),
        ];
        let histogram = |(what, class, is_one): (&'static str, &'static str, Kind)| {
            let mut counts = [0_usize; BINS];
            let these = self.answers.iter().filter(|answer| is_one(answer) && !answer.failed);
            for confidence in these.filter_map(|answer| answer.confidence) {
                counts[((confidence * BINS as f32) as usize).min(BINS - 1)] += 1;
            }
            let most = counts.into_iter().max().unwrap_or_default();
            let bar = |(bin, count): (usize, usize)| {
                let [from, to] = [bin, bin + 1].map(|edge| edge as f64 / BINS as f64);
                // One text among hundreds has to be seen.
                let height = if count == 0 { 0.0 } else { (60.0 * count as f64 / most as f64).max(1.5) };
                let said = format!("{from:.2} to {to:.2}: {count}");
                Bar { x: x(from) + 1.0, height, width: x(to) - x(from) - 2.0, said }
            };
            let bars = (0..).zip(counts).map(bar).collect();
            Histogram { what, class, n: counts.iter().sum(), most, bars }
        };
        kinds.into_iter().map(histogram).filter(|histogram| histogram.n > 0).collect()
    }

    /// What a threshold would do, from 0 to 1.
    fn curves(&self, threshold: f32) -> Vec<Curve> {
        type Measure = fn(&[Answer], f32) -> Option<f64>;
        let measures: [(&str, &str, Measure); 4] = [
            ("in scope, answered by the right intent", "right", metrics::in_scope_accuracy),
            ("of what an intent answers, right", "precision", metrics::precision),
            ("out of scope, left to the fallback", "outside", metrics::oos_recall),
            ("answered by an intent at all", "answered", metrics::answered),
        ];
        let curve = |(what, class, measure): (&'static str, &'static str, Measure)| {
            let points = (0..=STEPS).filter_map(|step| {
                let at = step as f64 / STEPS as f64;
                Some(format!("{:.1},{:.1}", x(at), y(measure(self.answers, at as f32)?)))
            });
            let points = points.collect::<Vec<_>>().join(" ");
            Curve { what, class, points, value: measure(self.answers, threshold) }
        };
        measures.into_iter().map(curve).filter(|curve| !curve.points.is_empty()).collect()
    }

    fn pairs(&self) -> Vec<Pair<'_>> {
        let counts = metrics::by_intent(self.answers);
        // Single texts are among the mistakes; here they tell something only where there is nothing worse.
        let worth_it = |(place, confusion): &(usize, metrics::Confusion)| confusion.count > 1 || *place < SINGLE_PAIRS;
        let confusions = metrics::confusions(self.answers).into_iter().take(PAIRS).enumerate().filter(worth_it);
        let pairs = confusions.filter_map(|(_, confusion)| {
            let is_one = |answer: &&Answer| {
                answer.expected.as_ref() == Some(&confusion.expected)
                    && answer.predicted.as_ref() == Some(&confusion.predicted)
            };
            let first = self.answers.iter().find(is_one)?;
            Some(Pair {
                expected: self.label(first.expected.as_ref()?),
                predicted: self.label(first.predicted.as_ref()?),
                count: confusion.count,
                of: counts.get(&confusion.expected).map_or(0, |count| count.expected),
                texts: self.answers.iter().filter(is_one).take(3).map(|answer| answer.text.as_str()).collect(),
            })
        });
        pairs.collect()
    }

    /// The intents that are confused most, against each other. Those with the most mistakes may be confused with others
    /// each, which would leave the matrix empty.
    fn matrix(&self) -> Matrix<'_> {
        let mut cells: BTreeMap<(&IntentName, &IntentName), usize> = BTreeMap::new();
        for answer in self.answers {
            let (Some(expected), Some(predicted)) = (&answer.expected, &answer.predicted) else { continue };
            *cells.entry((expected, predicted)).or_default() += 1;
        }
        let all = cells.keys().flat_map(|(expected, predicted)| [expected, predicted]).collect::<BTreeSet<_>>().len();
        let mut pairs: Vec<_> = cells.iter().filter(|((expected, predicted), _)| expected != predicted).collect();
        pairs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let mut worst: Vec<&IntentName> = Vec::new();
        for name in pairs.iter().flat_map(|((expected, predicted), _)| [*expected, *predicted]) {
            if worst.len() < MATRIX && !worst.contains(&name) {
                worst.push(name);
            }
        }
        let row = |expected: &'_ IntentName| {
            let texts: usize = cells.iter().filter(|((of, _), _)| *of == expected).map(|(_, count)| count).sum();
            let cell = |&predicted: &&IntentName| {
                let count = cells.get(&(expected, predicted)).copied().unwrap_or_default();
                // The root makes few mistakes among many texts seen.
                let strength = if texts == 0 { 0.0 } else { (100.0 * (count as f64 / texts as f64).sqrt()).round() };
                let (label, other) = (self.label(expected), self.label(predicted));
                let said = format!("{count} of {texts} texts of {label} taken for {other}");
                Cell { count, right: expected == predicted, strength, said }
            };
            worst.iter().map(cell).collect::<Vec<_>>()
        };
        let rows = worst.iter().map(|name| Row { label: self.names.label(name), cells: row(name) }).collect();
        Matrix { labels: worst.iter().map(|name| self.names.label(name)).collect(), rows, all }
    }

    /// Every intent, the worst first.
    fn intents(&self) -> Vec<Intent<'_>> {
        let mut learnt: BTreeMap<&IntentName, usize> = BTreeMap::new();
        self.train
            .iter()
            .filter_map(|case| case.intent.as_ref())
            .for_each(|name| *learnt.entry(name).or_default() += 1);
        let confusions = metrics::confusions(self.answers);
        let counts = metrics::by_intent(self.answers);
        let names = self.answers.iter().flat_map(|answer| [&answer.expected, &answer.predicted]).flatten();
        let names: BTreeSet<_> = names.filter(|name| counts.contains_key(*name)).collect();
        let mut intents: Vec<Intent<'_>> = names
            .into_iter()
            .map(|name| {
                let count = &counts[name];
                let taken_for = confusions.iter().find(|confusion| confusion.expected == *name).and_then(|confusion| {
                    let is_one = |answer: &&Answer| answer.predicted.as_ref() == Some(&confusion.predicted);
                    let predicted = self.answers.iter().find(is_one)?.predicted.as_ref()?;
                    Some((self.label(predicted), confusion.count))
                });
                Intent {
                    label: self.label(name),
                    examples: learnt.get(name).copied().unwrap_or_default(),
                    texts: count.expected,
                    precision: count.precision(),
                    recall: count.recall(),
                    f1: count.f1(),
                    taken_for,
                }
            })
            .collect();
        intents.sort_by(|a, b| a.f1.total_cmp(&b.f1));
        intents
    }

    /// What was treated wrongly, the surest first.
    fn mistakes(&self, threshold: f32) -> Vec<Mistake<'_>> {
        let wrong = |answer: &&Answer| match answer.expected {
            Some(_) => !answer.is_right(),
            None => answer.is_accepted(threshold),
        };
        let mut mistakes: Vec<&Answer> = self.answers.iter().filter(wrong).collect();
        mistakes.sort_by(|a, b| surer(a, b));
        mistakes
            .iter()
            .map(|answer| Mistake {
                text: &answer.text,
                expected: answer.expected.as_ref().map(|name| self.label(name)),
                predicted: answer.predicted.as_ref().map(|name| self.label(name)),
                confidence: answer.confidence,
                answered: answer.is_accepted(threshold),
            })
            .collect()
    }
}

/// Where a share stands on the drawings' x axis, in their units.
fn x(share: f64) -> f64 {
    40.0 + 600.0 * share
}

/// Where a share stands on the curves' y axis.
fn y(share: f64) -> f64 {
    10.0 + 220.0 * (1.0 - share)
}

#[cfg(test)]
mod tests;
