//! Chains, on paused time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::HashMap;

use super::*;
use crate::domain::{Decision, IntentName, Scored};

const SECOND: Duration = Duration::from_secs(1);

/// What a model does with each text.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Answers with this confidence.
    Says(f32),
    /// Decides without one.
    Decides,
    Fails,
    Hangs,
    Panics,
}

struct Fake(&'static str, Does);

#[async_trait]
impl ModelClient for Fake {
    fn name(&self) -> &str {
        self.0
    }

    async fn classify(&self, _: &Query<'_>) -> Result<Prediction, ModelError> {
        let (name, model) = (IntentName::new("greeting").unwrap(), Arc::from(self.0));
        match self.1 {
            Does::Says(confidence) => Ok(Prediction::ranked(vec![Scored::new(name, confidence)], model)),
            Does::Decides => Ok(Prediction::decided(Decision::Intent(name), model)),
            Does::Fails => Err(ModelError::new(&model, Failure::Server, "500")),
            Does::Hangs => std::future::pending().await,
            Does::Panics => panic!("as the test wants it"),
        }
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        match self.1 {
            Does::Panics => panic!("as the test wants it"),
            Does::Fails => Err(ModelError::new(&Arc::from(self.0), Failure::Server, "500")),
            _ => Ok(()),
        }
    }
}

fn chain(models: &[Does]) -> Chain {
    let sure = ChoiceRule {
        fallback: IntentName::new("help").unwrap(),
        threshold: Some(0.5),
        intents: HashMap::from([(IntentName::new("greeting").unwrap(), None)]),
        margin: 0.0,
    };
    let links = ["a", "b", "c"].into_iter().zip(models);
    Chain::new(links.map(|(name, does)| Link { model: Box::new(Fake(name, *does)), sure: sure.clone() }).collect())
}

/// Who answers, or how the chain fails, and after how many milliseconds of ten seconds.
async fn check(models: &[Does], expected: Result<&str, Failure>, after: u64) {
    let started = Instant::now();
    let query = Query { text: "hi", locale: None, deadline: started + 10 * SECOND };
    let found = chain(models).classify(&query).await;
    let found = found.as_ref().map(|prediction| &*prediction.model).map_err(|error| error.failure);
    assert_eq!(found, expected, "{models:?}");
    assert_eq!(started.elapsed(), Duration::from_millis(after), "{models:?}");
}

use Does::{Decides, Fails, Hangs, Panics, Says};

#[tokio::test(start_paused = true)]
async fn the_next_is_asked_where_one_fails_or_is_not_sure() {
    check(&[Says(0.9), Says(0.9)], Ok("a"), 0).await;
    check(&[Says(0.1), Says(0.9)], Ok("b"), 0).await;
    check(&[Says(0.1), Says(0.2)], Ok("b"), 0).await;
    check(&[Says(0.1), Decides], Ok("b"), 0).await;
    check(&[Decides, Says(0.9)], Ok("a"), 0).await;
    check(&[Fails, Says(0.9)], Ok("b"), 0).await;
    check(&[Fails, Fails, Says(0.1)], Ok("c"), 0).await;
    check(&[Says(0.1), Fails], Ok("a"), 0).await;
    check(&[Fails, Fails], Err(Failure::Server), 0).await;
    check(&[], Err(Failure::NotReady), 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_leaves_a_fifth_of_the_time_to_those_behind_it() {
    check(&[Hangs, Says(0.9)], Ok("b"), 8000).await;
    check(&[Hangs, Hangs, Says(0.9)], Ok("c"), 9600).await;
    check(&[Says(0.1), Hangs], Ok("a"), 10_000).await;
    check(&[Hangs, Hangs], Err(Failure::Timeout), 10_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_panics_fails_alone() {
    check(&[Panics, Says(0.9)], Ok("b"), 0).await;
    check(&[Says(0.1), Panics], Ok("a"), 0).await;
    check(&[Panics], Err(Failure::Internal), 0).await;
    let prepared = chain(&[Panics, Says(0.9)]).prepare().await;
    assert_eq!(prepared.unwrap_err().failure, Failure::Internal);
    assert!(chain(&[Says(0.9), Says(0.9)]).prepare().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_model_that_cannot_be_prepared_keeps_none_from_being_prepared() {
    let prepared = chain(&[Fails, Says(0.9)]).prepare().await;
    assert_eq!(prepared.unwrap_err().failure, Failure::Server);
}
