//! What documents answer while an intent asks: a question in between that no intent answers.
//!
//! **Invariant:** only the fallback's `search` is asked, and only of a text that the turn could make nothing of but data or a
//! miss; where it has no answer, the turn is taken as if it hadn't been asked.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Pipeline, Work, answering::reply, left};
use crate::{
    conversation::{
        State,
        turn::{Run, Step, Why},
    },
    domain::{Classification, IntentName, Outcome},
    handler::{Answer, Handlers, Job as HandlerJob},
};

/// A question in between, as documents answer it.
pub(super) struct InBetween {
    /// The conversation after it.
    pub(super) state: State,
    pub(super) run: Run,
    pub(super) answer: Answer,
}

/// What answers from documents of the fallback's handlers: the `search` that comes first, or first behind a language model.
/// What that model would say isn't asked for: by documents alone it is known whether there is an answer.
pub(super) fn searching(handlers: &Handlers) -> Option<Handlers> {
    let first = handlers.iter().find(|handler| handler.name() != "llm")?;
    (first.name() == "search").then(|| Handlers::new([Arc::clone(first)]))
}

impl Pipeline {
    /// A question in between, if documents answer it: of the text alone, as its conversation is about something else.
    pub(super) async fn in_between(
        &self,
        work: &Work<'_>,
        state: &State,
        intent: &IntentName,
        classification: Option<&Classification>,
    ) -> Option<InBetween> {
        let searching = self.searching.as_ref()?;
        let (state, step) = self.taken(work, state.clone(), intent, classification, true);
        let Step::Run(run) = step else { return None };
        if run.why != Why::InBetween {
            return None;
        }
        let deadline = Instant::now() + self.limit(self.parts.handler_timeout, left(work.job, work.started)).ok()?;
        let entities = self.entities(work);
        let asked = HandlerJob { classification, entities, ..work.asks(&run.intent, deadline) };
        let answer = self.handle(work.job, work.started, searching, &asked).await.ok()??;
        Some(InBetween { state, run: *run, answer })
    }

    /// A reply of what is known without an intent's handlers; nobody looks at attachments for it.
    pub(super) fn replied(
        &self,
        work: &Work<'_>,
        answer: Answer,
        intent: IntentName,
        classification: Option<Box<Classification>>,
    ) -> Outcome {
        let answer = match &work.attached {
            Some(attached) => attached.told(answer, &Handlers::default()),
            None => answer,
        };
        let entities = self.entities(work).to_vec();
        Outcome::Reply(Arc::new(reply(work.request(), answer, intent, classification.map(|boxed| *boxed), entities)))
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::handler::{Handler, HandlerError};

    struct Named(&'static str);

    #[async_trait]
    impl Handler for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        async fn handle(&self, _: &HandlerJob<'_>) -> Result<Option<Answer>, HandlerError> {
            Ok(None)
        }
    }

    #[test]
    fn documents_are_searched_where_search_is_the_first_or_behind_a_language_model() {
        let check = |names: &[&'static str], expected: bool| {
            let handlers = names.iter().map(|&name| -> Arc<dyn Handler> { Arc::new(Named(name)) });
            let found = searching(&Handlers::new(handlers));
            let found: Option<Vec<&str>> = found.as_ref().map(|it| it.iter().map(|handler| handler.name()).collect());
            assert_eq!(found, expected.then(|| vec!["search"]), "{names:?}");
        };
        check(&["search", "template"], true);
        check(&["llm", "search", "template"], true);
        check(&["template"], false);
        check(&["webhook", "search"], false);
        check(&["llm", "template"], false);
        check(&[], false);
    }
}
