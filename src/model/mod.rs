//! Model clients: what a text is taken to mean. One client a file.

use async_trait::async_trait;

use crate::domain::{ErrorCode, Prediction};

pub mod embedded;

/// Classifies a text's intent.
#[async_trait]
pub trait ModelClient: Send + Sync {
    /// The name that replies and metrics show.
    fn name(&self) -> &str;

    /// The least confidence with which an intent should answer, in 0..=1, where the model knows.
    fn threshold(&self) -> Option<f32> {
        None
    }

    /// The likeliest intents of a text, most confident first.
    ///
    /// # Errors
    /// [`ModelError`], which says whether it may pass.
    async fn classify(&self, text: &str) -> Result<Prediction, ModelError>;
}

/// Why a model didn't answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It can't be reached, or is overloaded: later it may answer.
    #[error("the model '{model}' is unavailable: {reason}")]
    Unavailable {
        /// The model's name.
        model: String,
        /// What happened; never the text.
        reason: String,
    },
}

impl ModelError {
    /// The code that the client is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable { .. } => ErrorCode::ModelUnavailable,
        }
    }
}
