//! The handlers that the intents file names, put together.

use std::sync::Arc;

use super::{
    BuildError,
    intents::{HandlerDefinition, IntentDefinition},
};
use crate::handler::{Handler, template::TemplateHandler};

/// What handlers are made of: documents, catalogues and services, each once for all that use it.
#[derive(Default)]
pub(super) struct Workshop {}

impl Workshop {
    /// A handler of an intent.
    pub(super) fn handler(
        &self,
        intent: &IntentDefinition,
        handler: &HandlerDefinition,
    ) -> Result<Arc<dyn Handler>, BuildError> {
        Ok(match handler {
            HandlerDefinition::Template { replies } => Arc::new(TemplateHandler::new(&intent.name, replies)?),
            HandlerDefinition::Search { .. }
            | HandlerDefinition::Recommend(_)
            | HandlerDefinition::Llm(_)
            | HandlerDefinition::Translate(_)
            | HandlerDefinition::Webhook { .. } => {
                return Err(BuildError::NotYet { intent: intent.name.clone() });
            }
        })
    }
}
