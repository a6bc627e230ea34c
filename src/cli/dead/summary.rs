//! How many letters, by queue and reason.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{
    amqp::dead::Letter,
    cli::{age::age, output},
};

/// How many letters, by queue and reason.
#[derive(Debug, Default)]
pub(in crate::cli) struct Summary(BTreeMap<(String, String), Count>);

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    letters: u64,
    oldest: Option<u64>,
    newest: Option<u64>,
}

/// One line of it, for programs.
#[derive(Debug, Serialize)]
struct Line<'a> {
    queue: &'a str,
    reason: &'a str,
    letters: u64,
    /// Unix milliseconds.
    oldest: Option<u64>,
    newest: Option<u64>,
}

/// All of it, for programs.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    letters: u64,
    by_reason: Vec<Line<'a>>,
    /// How many are in the queue of those that can't be read.
    died: u32,
}

impl Summary {
    /// Counts a letter.
    pub(in crate::cli) fn add(&mut self, letter: &Letter) {
        let reason = letter.reason.as_deref().unwrap_or("-");
        let count = self.0.entry((letter.queue.to_string(), output::one_line(reason))).or_default();
        count.letters += 1;
        count.oldest = count.oldest.min(letter.at).or(letter.at).or(count.oldest);
        count.newest = count.newest.max(letter.at);
    }

    /// How many for which reason, whatever the queue: `timeout 3, crashed 1`.
    pub(in crate::cli) fn reasons(&self) -> String {
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, reason), count) in &self.0 {
            *reasons.entry(reason).or_default() += count.letters;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|&(_, letters)| std::cmp::Reverse(letters));
        reasons.iter().map(|(reason, letters)| format!("{reason} {letters}")).collect::<Vec<_>>().join(", ")
    }

    /// For people, at `now` (Unix milliseconds).
    pub(super) fn table(&self, now: u64) -> String {
        let ago =
            |at: Option<u64>| at.map_or_else(String::new, |at| age(Duration::from_millis(now.saturating_sub(at))));
        let mut rows = vec![["QUEUE", "REASON", "LETTERS", "OLDEST", "NEWEST"].map(str::to_owned)];
        for ((queue, reason), count) in &self.0 {
            let letters = count.letters.to_string();
            rows.push([queue.clone(), reason.clone(), letters, ago(count.oldest), ago(count.newest)]);
        }
        output::table(&rows)
    }

    /// For programs; `died` is how many can't be read.
    pub(super) fn json(&self, died: u32) -> impl Serialize {
        let lines = self.0.iter().map(|((queue, reason), &Count { letters, oldest, newest })| Line {
            queue,
            reason,
            letters,
            oldest,
            newest,
        });
        Whole { letters: self.0.values().map(|count| count.letters).sum(), by_reason: lines.collect(), died }
    }
}
