//! What of a passage answers a question: its best sentence, with those around it.
//!
//! **Invariant:** it is a part of the passage as it stands, whole sentences of it.

use super::{Passage, question::Question, reading::size, sentences::sentences, terms::TermReader};

/// How long an answer is at the most, where its sentences allow: in words, or twice as many characters of Chinese.
const MOST: usize = 90;

/// The part that answers best; all of a passage that is short, and of an answer that its author wrote as one.
pub(super) fn excerpt<'p>(question: &Question, passage: &'p Passage) -> &'p str {
    let text = passage.text.as_str();
    if !passage.questions.is_empty() || size(text) <= MOST {
        return text.trim();
    }
    let sentences: Vec<&str> = sentences(text).collect();
    let mut reader = TermReader::default();
    let mut held = |sentence: &str| {
        let mut seen = vec![false; question.terms.len()];
        let mut sum = 0.0;
        reader.read(sentence, |term| {
            if let Some(&at) = question.places.get(&term.hash)
                && !std::mem::replace(&mut seen[at], true)
            {
                sum += question.terms[at].weight;
            }
        });
        sum
    };
    let scores: Vec<f32> = sentences.iter().map(|sentence| held(sentence)).collect();
    // The first of equals: what comes first in a text is what the rest is about.
    let best = (0..scores.len()).fold(0, |best, at| if scores[at] > scores[best] { at } else { best });
    let (mut first, mut last) = (best, best);
    let mut length = sentences.get(best).map_or(0, |sentence| size(sentence));
    loop {
        let fits = |at: Option<usize>| {
            at.and_then(|at| Some((at, size(sentences.get(at)?)))).filter(|(_, more)| length + more <= MOST)
        };
        // What comes after explains; what comes before, only where nothing after fits.
        if let Some((at, more)) = fits(last.checked_add(1)) {
            (last, length) = (at, length + more);
        } else if let Some((at, more)) = fits(first.checked_sub(1)) {
            (first, length) = (at, length + more);
        } else {
            break;
        }
    }
    // A table is whole or misleads: the row before may be the one that was meant.
    let is_row =
        |at: usize| sentences.get(at).is_some_and(|sentence| sentence.contains("; ") && sentence.contains(": "));
    while first > 0 && is_row(first) && is_row(first - 1) {
        first -= 1;
    }
    while is_row(last) && is_row(last + 1) {
        last += 1;
    }
    let place = |sentence: &&str| (sentence.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let start = sentences.get(first).map_or(0, place);
    let end = sentences.get(last).map_or(text.len(), |sentence| place(sentence) + sentence.len());
    text.get(start..end).unwrap_or(text).trim()
}
