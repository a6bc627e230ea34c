//! Models asked in turn, within one deadline: the next where one fails (fallback), or isn't sure (cascade).
//!
//! **Invariant:** a model that isn't the last leaves a fifth of the time to those behind it, so that the chain answers
//! in time if the last one is quick. A panic is a failure of the model that panicked.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{FutureExt, future::join_all};
use tokio::time::{Instant, timeout_at};

use super::{Failure, ModelClient, ModelError, Query};
use crate::domain::{ChoiceRule, Prediction};

/// How much of what is left of the time a model may take that isn't the last.
pub const SHARE: f64 = 0.8;

const PANICKED: &str = "it panicked; the worker's standard error says where";

/// A model of a chain, and when the next isn't asked.
pub struct Link {
    /// The model.
    pub model: Box<dyn ModelClient>,
    /// By which its answer is sure.
    pub sure: ChoiceRule,
}

impl Link {
    /// Whether the next needn't be asked. What a model decides without a confidence is taken at its word.
    fn is_sure(&self, prediction: &Prediction) -> bool {
        prediction.decision.is_some() || self.sure.doubt(prediction).is_none()
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        let panicked = || ModelError::new(&Arc::from(self.model.name()), Failure::Internal, PANICKED);
        AssertUnwindSafe(self.model.prepare()).catch_unwind().await.unwrap_or_else(|_| Err(panicked()))
    }
}

/// Models asked in turn.
pub struct Chain {
    name: String,
    links: Vec<Link>,
}

impl Chain {
    /// The chain of these models, of which there is at least one.
    pub fn new(links: Vec<Link>) -> Self {
        let names: Vec<&str> = links.iter().map(|link| link.model.name()).collect();
        Self { name: names.join(","), links }
    }

    async fn ask(&self, at: usize, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let (link, now) = (&self.links[at], Instant::now());
        let left = query.deadline.saturating_duration_since(now);
        let is_last = at + 1 == self.links.len();
        let query = Query { deadline: if is_last { query.deadline } else { now + left.mul_f64(SHARE) }, ..*query };
        let error = |failure, reason: &str| Err(ModelError::new(&Arc::from(link.model.name()), failure, reason));
        match timeout_at(query.deadline, AssertUnwindSafe(link.model.classify(&query)).catch_unwind()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => error(Failure::Internal, PANICKED),
            Err(_) => error(Failure::Timeout, "no answer in time"),
        }
    }
}

#[async_trait]
impl ModelClient for Chain {
    fn name(&self) -> &str {
        &self.name
    }

    /// The answer of the first model that is sure; else that of the last one that answered.
    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let (mut unsure, mut failed) = (None, None);
        for (at, link) in self.links.iter().enumerate() {
            match self.ask(at, query).await {
                Ok(prediction) if link.is_sure(&prediction) => return Ok(prediction),
                Ok(prediction) => unsure = Some(prediction),
                Err(error) => {
                    tracing::debug!(%error, "a model of the chain didn't answer");
                    failed = Some(error);
                }
            }
        }
        match (unsure, failed) {
            (Some(prediction), _) => Ok(prediction),
            (None, Some(error)) => Err(error),
            (None, None) => Err(ModelError::new(&Arc::from(self.name()), Failure::NotReady, "the chain is empty")),
        }
    }

    /// Prepares all of them, each until it succeeds or for the last time here.
    async fn prepare(&self) -> Result<(), ModelError> {
        join_all(self.links.iter().map(Link::prepare)).await.into_iter().collect()
    }
}

/// Prepares a model, again and again until it succeeds; told once.
pub async fn prepared(model: &dyn ModelClient) {
    /// Between two tries.
    const PAUSE: Duration = Duration::from_secs(5);
    let mut told = false;
    while let Err(error) = model.prepare().await {
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "a model can't be prepared yet; it is tried again, and the others answer meanwhile");
        }
        tokio::time::sleep(PAUSE).await;
    }
    if told {
        tracing::info!("the model is prepared");
    }
}

#[cfg(test)]
mod tests {
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
}
