//! The model of a bot whose intents have no examples: it finds none of them, so that the fallback answers everything.

use std::sync::Arc;

use async_trait::async_trait;

use super::{ModelClient, ModelError, Query};
use crate::domain::Prediction;

/// The name that replies and metrics show.
const NAME: &str = "none";

/// A model that finds no intent.
#[derive(Debug)]
pub struct Nothing;

#[async_trait]
impl ModelClient for Nothing {
    fn name(&self) -> &str {
        NAME
    }

    async fn classify(&self, _: &Query<'_>) -> Result<Prediction, ModelError> {
        Ok(Prediction::ranked(Vec::new(), Arc::from(NAME)))
    }
}
