//! How an intent is answered: by whom, and where.

use crate::handler::Handlers;

/// Whether an intent's handler runs in the worker that classified, or by way of the intent's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    Inline,
    Queue,
}

/// How an intent is answered.
pub struct Route {
    /// The handlers that are asked in turn.
    pub handlers: Handlers,
    /// Whether another program consumes the intent's queue, and so answers what no handler does.
    pub external: bool,
    pub dispatch: Dispatch,
}

impl Route {
    /// Answered by a worker.
    pub fn new(handlers: Handlers, dispatch: Dispatch) -> Self {
        Self { handlers, external: false, dispatch }
    }

    /// Answered by another program, where none of these handlers has an answer before.
    pub fn external(before: Handlers) -> Self {
        Self { handlers: before, external: true, dispatch: Dispatch::Inline }
    }
}
