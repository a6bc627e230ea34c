//! The report of a search: one page of HTML for people, with nothing to load and no script.
//!
//! **Invariant:** what users said, and what documents say, is data: the template engine escapes it.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    in_words,
    page::{rendered, template},
    search::{SearchAnswer, SearchMeasured},
};
use crate::knowledge::Passage;

const TEMPLATE: &str = template!("search_report.html");

/// The bars of a histogram.
const BINS: usize = 20;
/// The mistakes at most.
const MISTAKES: usize = 500;
/// The characters of a passage at most.
const SHOWN: usize = 300;

/// What a report shows.
#[derive(Debug, Clone, Copy)]
pub struct SearchReport<'a> {
    /// What was measured, such as a file's name.
    pub title: &'a str,
    pub measured: &'a SearchMeasured,
    pub answers: &'a [SearchAnswer],
    pub passages: &'a [Passage],
}

#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    measured: &'a SearchMeasured,
    time: String,
    histograms: Vec<Histogram>,
    n_mistakes: usize,
    mistakes: Vec<Mistake<'a>>,
}

/// Whether an answer is of a kind.
type Is = fn(&SearchAnswer) -> bool;

/// How probable answers were, of one kind of question.
#[derive(Serialize)]
struct Histogram {
    what: &'static str,
    class: &'static str,
    n: usize,
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
struct Mistake<'a> {
    question: &'a str,
    expected: &'a str,
    found: Option<&'a str>,
    rank: Option<usize>,
    text: String,
    instead: String,
    answerable: f32,
}

impl SearchReport<'_> {
    /// The page.
    ///
    /// # Errors
    /// None that a search can cause: the template is the program's own.
    pub fn html(&self) -> Result<String, minijinja::Error> {
        let time = self.measured.latency_us.p50.map_or("–".to_owned(), in_words);
        let mut texts: HashMap<&str, &Passage> = HashMap::new();
        for passage in self.passages {
            texts.entry(&passage.id).or_insert(passage);
        }
        let shown = |id: Option<&str>| {
            let text = id.and_then(|id| texts.get(id)).map_or("", |passage| passage.text.as_str());
            let mut shown: String = text.chars().take(SHOWN).collect();
            if text.chars().nth(SHOWN).is_some() {
                shown.push('…');
            }
            shown
        };
        let wrong = || self.answers.iter().filter(|it| it.case.passage.is_some() && it.rank() != Some(0));
        let mistakes = wrong().take(MISTAKES).map(|it| {
            let expected = it.case.passage.as_deref();
            let found = it.found.first().map(String::as_str);
            Mistake {
                question: &it.case.question,
                expected: expected.unwrap_or_default(),
                found,
                rank: it.rank().map(|rank| rank + 1),
                text: shown(expected),
                instead: shown(found),
                answerable: it.answerable,
            }
        });
        let page = Page {
            title: self.title,
            measured: self.measured,
            time,
            histograms: self.histograms(),
            n_mistakes: wrong().count(),
            mistakes: mistakes.collect(),
        };
        rendered(TEMPLATE, page)
    }

    fn histograms(&self) -> Vec<Histogram> {
        let kinds: [(_, _, Is); 3] = [
            ("their passage comes first", "right", |it| it.rank() == Some(0)),
            ("another comes first", "wrong", |it| it.case.passage.is_some() && it.rank() != Some(0)),
            ("no passage answers", "outside", |it| it.case.passage.is_none()),
        ];
        let histogram = |(what, class, is): (&'static str, &'static str, Is)| {
            let mut counts = [0_usize; BINS];
            for answer in self.answers.iter().filter(|it| is(it)) {
                counts[((answer.answerable * BINS as f32) as usize).min(BINS - 1)] += 1;
            }
            let most = counts.iter().copied().max().unwrap_or_default().max(1);
            let width = 100.0 / BINS as f64;
            let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| Bar {
                x: at as f64 * width,
                height: *count as f64 / most as f64 * 100.0,
                width,
                said: format!("{count} at {:.2} to {:.2}", at as f64 / BINS as f64, (at + 1) as f64 / BINS as f64),
            });
            Histogram { what, class, n: counts.iter().sum(), bars: bars.collect() }
        };
        kinds.into_iter().map(histogram).filter(|it| it.n > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::time::Duration;

    use super::*;
    use crate::eval::search::{SearchCase, Without};

    #[test]
    fn the_page_shows_mistakes_and_escapes_what_was_said() {
        let answer = |passage: &str, found: &str| SearchAnswer {
            case: SearchCase { question: "<b>where?</b>".into(), passage: Some(passage.into()) },
            found: vec![found.to_owned()],
            answerable: 1.0,
            is_open: true,
        };
        let answers = [answer("a", "a"), answer("b", "a")];
        let passage = |id: &str| Passage { id: id.into(), text: "<i>退货</i>".repeat(99), ..Passage::default() };
        let passages = [passage("a"), passage("b")];
        let measured = SearchMeasured::of(2, &answers, (&answers, Without::Test), Duration::ZERO, Vec::new());
        let report = SearchReport { title: "t", measured: &measured, answers: &answers, passages: &passages };
        let html = report.html().unwrap();
        assert!(
            html.contains("&lt;b&gt;where?") && html.contains("&lt;i&gt;退货") && html.contains("50.0 %"),
            "{html}"
        );
        assert!(!html.contains("<b>where") && !html.contains("<script") && !html.contains("<i>退"));
    }
}
