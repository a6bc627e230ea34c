//! The inverted index: which passages hold a term, and how much it says of each (BM25F: Robertson, Zaragoza and Taylor
//! 2004, "Simple BM25 extension to multiple weighted fields").
//!
//! **Invariant:** postings are by passage, ascending; the same passages give the same index. It is built in two passes, so
//! that nothing in it has room to spare.

use super::{Passage, terms::TermReader};
use crate::model::embedded::gram::ByGram;

/// The fields of a passage.
const FIELDS: usize = 3;
/// What a term counts in each: text, headings, questions.
const WEIGHTS: [f32; FIELDS] = [1.0, 0.5, 1.5];
/// How much a field's length counts.
const LENGTHS: [f32; FIELDS] = [0.5, 0.3, 0.5];
/// How soon more of a term says nothing more.
const SATURATION: f32 = 1.5;
/// The steps in which it is kept what a term says of a passage.
const STEPS: f32 = 255.0;

/// Which passages hold which terms.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Ascending.
    hashes: Vec<u64>,
    /// Where the postings of each begin, and the end of the last.
    starts: Vec<u32>,
    /// By how many passages each is held.
    holding: Vec<u32>,
    /// For each passage that holds the term, the distance to the one before, seven bits a byte, and the steps.
    postings: Vec<u8>,
    passages: usize,
}

/// A term of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Index {
    pub(super) fn of(passages: &[Passage]) -> Self {
        let mut counted = Counted::default();
        let mut sums = [0.0_f32; FIELDS];
        let mut having = [0.0_f32; FIELDS];
        let mut lengths: Vec<[u32; FIELDS]> = Vec::with_capacity(passages.len());
        let mut sizes: ByGram<Size> = ByGram::default();
        for (at, passage) in (1_u32..).zip(passages) {
            let length = counted.read(passage);
            for (field, &length) in length.iter().enumerate().filter(|(_, length)| **length > 0) {
                sums[field] += length as f32;
                having[field] += 1.0;
            }
            lengths.push(length);
            for &(hash, _) in &counted.terms {
                let size = sizes.entry(hash).or_default();
                size.bytes += bytes_of(at - size.last) + 1;
                size.holding += 1;
                size.last = at;
            }
        }
        let means: [f32; FIELDS] = std::array::from_fn(|field| sums[field] / having[field].max(1.0));
        let mut terms: Vec<(u64, Size)> = sizes.into_iter().collect();
        terms.sort_unstable_by_key(|(hash, _)| *hash);
        let mut starts = Vec::with_capacity(terms.len() + 1);
        let mut end = 0_u32;
        starts.push(end);
        starts.extend(terms.iter().map(|(_, size)| {
            end = end.saturating_add(size.bytes);
            end
        }));
        let hashes: Vec<u64> = terms.iter().map(|(hash, _)| *hash).collect();
        let holding = terms.iter().map(|(_, size)| size.holding).collect();
        drop(terms);
        let mut postings = vec![0; end as usize];
        // Where the next posting of each goes, and the passage of the one before.
        let mut ends: Vec<(u32, u32)> = starts.iter().map(|&start| (start, 0)).collect();
        for ((at, passage), length) in (1_u32..).zip(passages).zip(lengths) {
            counted.read(passage);
            for &(hash, times) in &counted.terms {
                let Ok(place) = hashes.binary_search(&hash) else { continue };
                let (end, last) = &mut ends[place];
                let mut distance = at - std::mem::replace(last, at);
                let mut put = |byte| {
                    if let Some(posting) = postings.get_mut(*end as usize) {
                        *posting = byte;
                    }
                    *end += 1;
                };
                while distance > 0x7f {
                    put(distance as u8 | 0x80);
                    distance >>= 7;
                }
                put(distance as u8);
                put(steps(times, length, means));
            }
        }
        Self { hashes, starts, holding, postings, passages: passages.len() }
    }

    pub(super) fn find(&self, hash: u64) -> Option<Place> {
        self.hashes.binary_search(&hash).ok().map(Place)
    }

    /// By how many passages a term is held.
    pub(super) fn holding(&self, place: Place) -> usize {
        self.holding[place.0] as usize
    }

    /// Adds so much to the score of each passage that holds a term, by what it says of it.
    pub(super) fn add(&self, place: Place, weight: f32, scores: &mut [f32]) {
        let weight = weight / STEPS;
        let (start, end) = (self.starts[place.0] as usize, self.starts[place.0 + 1] as usize);
        let mut bytes = self.postings[start..end].iter();
        let mut passage = 0_usize;
        while let Some(&byte) = bytes.next() {
            let (mut distance, mut shift, mut byte) = (usize::from(byte & 0x7f), 7, byte);
            while byte > 0x7f {
                byte = bytes.next().copied().unwrap_or_default();
                distance |= usize::from(byte & 0x7f) << shift;
                shift += 7;
            }
            passage += distance;
            let steps = bytes.next().copied().unwrap_or_default();
            if let Some(score) = scores.get_mut(passage - 1) {
                *score += weight * f32::from(steps);
            }
        }
    }

    /// How much less usual a term is than one that every passage holds, where so many do: BM25's form of the inverse
    /// document frequency, never below 0 (as Lucene has it).
    pub(super) fn rarity(&self, holding: usize) -> f32 {
        let (all, holding) = (self.passages as f32, holding as f32);
        (1.0 + (all - holding + 0.5).max(0.0) / (holding + 0.5)).ln()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    bytes: u32,
    holding: u32,
    last: u32,
}

fn bytes_of(distance: u32) -> u32 {
    (u32::BITS - distance.leading_zeros()).div_ceil(7).max(1)
}

fn steps(times: [u16; FIELDS], lengths: [u32; FIELDS], means: [f32; FIELDS]) -> u8 {
    let mut sum = 0.0;
    for field in 0..FIELDS {
        let length = lengths[field] as f32 / means[field].max(1.0);
        sum += WEIGHTS[field] * f32::from(times[field]) / (1.0 - LENGTHS[field] + LENGTHS[field] * length);
    }
    (STEPS * sum / (SATURATION + sum)).ceil().max(1.0) as u8
}

/// The terms of one passage after another.
#[derive(Debug, Default)]
struct Counted {
    reader: TermReader,
    found: Vec<(u64, usize)>,
    terms: Vec<(u64, [u16; FIELDS])>,
}

impl Counted {
    /// Counts a passage's terms, by field; and how long the fields are.
    fn read(&mut self, passage: &Passage) -> [u32; FIELDS] {
        self.found.clear();
        let mut lengths = [0; FIELDS];
        let heads = std::iter::once(&passage.title).chain(&passage.headings).map(|it| (1, &**it));
        let texts = std::iter::once((0, &*passage.text));
        for (field, text) in texts.chain(heads).chain(passage.questions.iter().map(|it| (2, &**it))) {
            self.reader.read(text, |term| {
                self.found.push((term.hash, field));
                lengths[field] += 1;
            });
        }
        self.found.sort_unstable();
        self.terms.clear();
        for same in self.found.chunk_by(|a, b| a.0 == b.0) {
            let mut times = [0_u16; FIELDS];
            same.iter().for_each(|&(_, field)| times[field] = times[field].saturating_add(1));
            self.terms.push((same[0].0, times));
        }
        lengths
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    fn hash(word: &str) -> u64 {
        let mut found = None;
        TermReader::default().read(word, |term| found = Some(term.hash));
        found.unwrap()
    }

    #[test]
    fn terms_lead_to_the_passages_that_hold_them_however_far_apart() {
        let text = |at: usize| match at {
            3 | 300 | 40_000 => "a kettle",
            _ => "something else",
        };
        let passages: Vec<Passage> =
            (0..40_001).map(|at| Passage { text: text(at).to_owned(), ..Passage::default() }).collect();
        let index = Index::of(&passages);
        let place = index.find(hash("kettles")).unwrap();
        assert_eq!(index.holding(place), 3);
        let mut scores = vec![0.0; passages.len()];
        index.add(place, 2.0, &mut scores);
        let held: Vec<usize> = (0..scores.len()).filter(|&at| scores[at] > 0.0).collect();
        assert_eq!(held, [3, 300, 40_000]);
        assert!(index.find(hash("teapot")).is_none());
        assert!(index.rarity(3) > index.rarity(30_000) && index.rarity(40_001) >= 0.0);
    }

    #[test]
    fn what_stands_in_a_heading_or_a_question_counts_beside_the_text() {
        let passage = |title: &str, text: &str, question: &str| Passage {
            title: title.into(),
            text: text.to_owned(),
            questions: vec![question.to_owned()],
            ..Passage::default()
        };
        let passages = [passage("kettle", "x", "x"), passage("x", "kettle", "x"), passage("x", "x", "kettle")];
        let index = Index::of(&passages);
        let mut scores = vec![0.0; 3];
        index.add(index.find(hash("kettle")).unwrap(), 1.0, &mut scores);
        assert!(scores[0] > 0.0 && scores[0] < scores[1] && scores[1] < scores[2], "{scores:?}");
    }
}
