//! Asks a model client for every text of a test.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::{Answer, Case};
use crate::{
    domain::{Decision, Prediction},
    model::{Failure, ModelClient, ModelError, Query},
};

/// How long one answer may take. Models that another program serves have a limit of their own.
const LIMIT: Duration = Duration::from_secs(600);
/// Where so many texts at the beginning failed, and none was answered, the others aren't asked.
const HOPELESS: usize = 10;
/// For so long in all is a text kept back for a model that asks to be left alone.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a test's texts.
#[derive(Debug, Default)]
pub struct Asked {
    /// The answers, in the order of the cases.
    pub answers: Vec<Answer>,
    /// How long each took that is one.
    pub times: Vec<Duration>,
    /// Why the others aren't; fewer than those where the model was given up.
    pub errors: Vec<ModelError>,
}

/// Asks the model for every case, `at_once` of them at the same time, and calls `told` after each with how many are done.
///
/// What fails is an answer that failed: a model that is asked for a text does not get another chance, unless it asked to
/// be left alone for a while.
pub async fn ask(client: &dyn ModelClient, cases: &[Case], at_once: usize, told: &(dyn Fn(usize) + Sync)) -> Asked {
    let mut asked = Asked::default();
    let mut said = stream::iter(cases).map(|case| patiently(client, &case.text)).buffered(at_once.max(1));
    for case in cases {
        let given_up = asked.times.is_empty() && asked.errors.len() >= HOPELESS;
        let next = if given_up { None } else { said.next().await };
        let prediction = match next {
            Some(Ok((prediction, time))) => {
                asked.times.push(time);
                Some(prediction)
            }
            Some(Err(error)) => {
                asked.errors.push(error);
                None
            }
            None => None,
        };
        asked.answers.push(answer(case, prediction));
        told(asked.answers.len());
    }
    asked
}

/// The answer and how long it took, the waiting for a model that asked to be left alone not counted.
async fn patiently(client: &dyn ModelClient, text: &str) -> Result<(Prediction, Duration), ModelError> {
    let (mut pause, mut waited) = (Duration::from_secs(1), Duration::ZERO);
    loop {
        let begin = Instant::now();
        let deadline = tokio::time::Instant::now() + LIMIT;
        let error = match client.classify(&Query { text, locale: None, deadline }).await {
            Ok(prediction) => return Ok((prediction, begin.elapsed())),
            Err(error) => error,
        };
        // While its breaker is open it says not for how long.
        let wait = error.retry_after.unwrap_or(pause);
        if !matches!(error.failure, Failure::Throttled | Failure::Open) || waited + wait > PATIENCE {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        waited += wait;
        pause *= 2;
    }
}

fn answer(case: &Case, prediction: Option<Prediction>) -> Answer {
    let (text, expected) = (case.text.clone(), case.intent.clone());
    let failed = prediction.is_none();
    let advised = prediction.as_ref().map_or(Prediction::EVEN, |prediction| prediction.threshold);
    let Prediction { ranking, decision, .. } = prediction.unwrap_or_else(|| Prediction::ranked(Vec::new(), "".into()));
    let mut ranking = ranking.into_iter();
    let (predicted, confidence) = match (decision, ranking.next()) {
        // It decided by itself, and says not how sure it is.
        (Some(Decision::Intent(intent)), _) => (Some(intent), None),
        (Some(Decision::NoIntent), _) => (None, None),
        (None, Some(best)) => (Some(best.name), Some(best.confidence)),
        (None, None) => (None, Some(0.0)),
    };
    let second = ranking.next().map_or(0.0, |second| second.confidence);
    Answer { text, expected, predicted, confidence, second, advised, failed }
}

/// The time that half of the answers, and 99 in 100, take at most: the nearest rank, in microseconds; none without any.
pub fn latencies(mut times: Vec<Duration>) -> Option<(f64, f64)> {
    times.sort_unstable();
    let micros = |share: f64| {
        let rank = (share * times.len() as f64).ceil() as usize;
        Some(times.get(rank.saturating_sub(1))?.as_secs_f64() * 1e6)
    };
    Some((micros(0.5)?, micros(0.99)?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use async_trait::async_trait;

    use super::*;
    use crate::domain::{IntentName, Scored};

    #[test]
    fn latencies_are_the_nearest_ranks() {
        let micros = |times: &[u64]| latencies(times.iter().copied().map(Duration::from_micros).collect());
        assert_eq!(micros(&[]), None);
        assert_eq!(micros(&[7]), Some((7.0, 7.0)));
        assert_eq!(micros(&[4, 1, 3, 2]), Some((2.0, 4.0)));
        assert_eq!(micros(&(1..=200).collect::<Vec<_>>()), Some((100.0, 198.0)));
    }

    /// Answers with the text as the intent, with 0.75; but "down" fails, "decided" and "none" are decided, and "busy"
    /// asks to be left alone the first time.
    #[derive(Default)]
    struct Echo {
        asked: AtomicUsize,
        was_busy: AtomicUsize,
    }

    #[async_trait]
    impl ModelClient for Echo {
        fn name(&self) -> &str {
            "echo"
        }

        async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let (name, model): (_, Arc<str>) = (IntentName::new(query.text).unwrap(), "echo".into());
            match query.text {
                "down" => Err(ModelError::new(&model, Failure::Server, "500")),
                "decided" => Ok(Prediction::decided(Decision::Intent(name), model)),
                "none" => Ok(Prediction::decided(Decision::NoIntent, model)),
                "busy" if self.was_busy.fetch_add(1, Ordering::SeqCst) == 0 => {
                    let error = ModelError::new(&model, Failure::Throttled, "429");
                    Err(ModelError { retry_after: Some(Duration::from_millis(1)), ..error })
                }
                _ => {
                    let next = Scored::new(IntentName::new("next").unwrap(), 0.25);
                    Ok(Prediction::ranked(vec![Scored::new(name, 0.75), next], model).advising(0.5))
                }
            }
        }
    }

    fn cases(texts: &[&str]) -> Vec<Case> {
        texts.iter().map(|text| Case { text: (*text).to_owned(), intent: IntentName::new(text).ok() }).collect()
    }

    #[tokio::test]
    async fn what_fails_is_counted_and_what_asks_for_time_gets_it() {
        for at_once in [1, 3] {
            let (echo, done) = (Echo::default(), AtomicUsize::new(0));
            let told = |count| done.store(count, Ordering::SeqCst);
            let asked = ask(&echo, &cases(&["a", "down", "decided", "none", "busy"]), at_once, &told).await;
            let all: Vec<_> = asked.answers.iter().map(|it| (it.is_right(), it.confidence, it.failed)).collect();
            let sure = (true, Some(0.75), false);
            assert_eq!(all, [sure, (false, Some(0.0), true), (true, None, false), (false, None, false), sure]);
            assert_eq!((asked.answers[0].second, asked.times.len(), asked.errors.len()), (0.25, 4, 1));
            assert_eq!(done.into_inner(), 5);
        }
    }

    #[tokio::test]
    async fn a_model_that_never_answers_is_given_up() {
        let echo = Echo::default();
        let asked = ask(&echo, &cases(&["down"; 50]), 1, &|_| {}).await;
        assert_eq!((asked.answers.len(), asked.errors.len(), echo.asked.into_inner()), (50, HOPELESS, HOPELESS));
        assert!(asked.answers.iter().all(|answer| answer.failed) && asked.times.is_empty());
        // One that answered once is asked to the end.
        let echo = Echo::default();
        let asked = ask(&echo, &cases(&[&["a"][..], &["down"; 50]].concat()), 1, &|_| {}).await;
        assert_eq!((asked.errors.len(), asked.times.len()), (50, 1));
    }
}
