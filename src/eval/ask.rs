//! Asks a model client for every text of a test, one after the other.

use std::time::{Duration, Instant};

use super::{Answer, Case};
use crate::{
    domain::Decision,
    model::{ModelClient, ModelError, Query},
};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(600);

/// The model's answers, in the order of the cases, and how long each took.
///
/// # Errors
/// The first [`ModelError`]: a test with gaps would measure something else.
pub async fn ask(client: &dyn ModelClient, cases: &[Case]) -> Result<(Vec<Answer>, Vec<Duration>), ModelError> {
    let mut answers = Vec::with_capacity(cases.len());
    let mut times = Vec::with_capacity(cases.len());
    for case in cases {
        let begin = Instant::now();
        let deadline = tokio::time::Instant::now() + LIMIT;
        let prediction = client.classify(&Query { text: &case.text, locale: None, deadline }).await?;
        times.push(begin.elapsed());
        let best = prediction.ranking.into_iter().next();
        let (predicted, confidence) = match (prediction.decision, best) {
            // It decided by itself, and says not how sure it is.
            (Some(Decision::Intent(intent)), _) => (Some(intent), 1.0),
            (None, Some(best)) => (Some(best.name), best.confidence),
            _ => (None, 0.0),
        };
        let (text, expected) = (case.text.clone(), case.intent.clone());
        answers.push(Answer { text, expected, predicted, confidence });
    }
    Ok((answers, times))
}

/// The time that half of the answers, and 99 in 100, take at most: the nearest rank, in microseconds; 0 without any.
pub fn latencies(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let micros = |share: f64| {
        let rank = (share * times.len() as f64).ceil() as usize;
        times.get(rank.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    (micros(0.5), micros(0.99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_the_nearest_ranks() {
        let micros = |times: &[u64]| latencies(times.iter().copied().map(Duration::from_micros).collect());
        assert_eq!(micros(&[]), (0.0, 0.0));
        assert_eq!(micros(&[7]), (7.0, 7.0));
        assert_eq!(micros(&[4, 1, 3, 2]), (2.0, 4.0));
        assert_eq!(micros(&(1..=200).collect::<Vec<_>>()), (100.0, 198.0));
    }
}
