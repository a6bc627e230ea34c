//! Handler `search`: the passage that answers, from the author's documents, with its source.
//!
//! A question with an answer of the author's gets that; of a longer text, the sentences that answer best. It has no answer
//! where the documents' gate is shut; for a follow-up, where it is shut with what was said before as well.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;

use super::{
    Answer, Handler, HandlerError, Job,
    documents::{Documents, source},
};
use crate::{
    domain::{Details, language},
    outbound::ServiceError,
};

/// How many passages are shown as sources.
const SOURCES: usize = 3;
/// The share of the first one's score from which on another is shown beside it.
const NEAR: f32 = 0.7;

/// Answers from documents.
#[derive(Debug)]
pub struct Search {
    documents: Arc<Documents>,
}

impl Search {
    /// A handler of these documents.
    pub fn new(documents: Arc<Documents>) -> Self {
        Self { documents }
    }
}

#[async_trait]
impl Handler for Search {
    fn name(&self) -> &'static str {
        "search"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let mut question = Cow::Borrowed(&*job.request.text);
        let mut found = self.documents.find(&question, SOURCES, job.deadline).await;
        if let Some(before) = job.before.filter(|_| !found.is_open) {
            question = Cow::Owned(format!("{before}\n{question}"));
            found = self.documents.find(&question, SOURCES, job.deadline).await;
        }
        let Some(first) = found.hits.first().filter(|_| found.is_open) else { return Ok(None) };
        let text = self.documents.knowledge().excerpt(&question, first.passage).to_owned();
        let locale = language::language_of_script(&text).map(str::to_owned);
        let near = found.hits.iter().filter(|hit| hit.score >= NEAR * first.score);
        let details = Details { sources: near.map(source).collect(), ..Details::default() };
        Ok(Some(Answer { text, locale, details, slots: Vec::new() }))
    }

    async fn prepare(&self) -> Result<(), ServiceError> {
        self.documents.prepare().await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use tokio::time::Instant;

    use super::*;
    use crate::{
        domain::{IntentName, Request},
        knowledge::{Knowledge, Passage},
        outbound::Vectors,
    };

    fn passage(id: &str, title: &str, text: &str) -> Passage {
        Passage { id: id.into(), title: title.into(), text: text.into(), path: "help.md".into(), ..Passage::default() }
    }

    async fn asked(text: &str) -> Option<Answer> {
        asked_behind(None, text).await
    }

    async fn asked_behind(before: Option<&str>, text: &str) -> Option<Answer> {
        let passages = vec![
            passage("returns", "Returns", "You can return a kettle within 30 days if it is unused."),
            passage("delivery", "Delivery", "Parcels arrive within two working days."),
            passage("descaling", "Descaling", "Boil water with vinegar to take the limescale out."),
            passage("hours", "营业时间", "客服每天九点到二十一点在线。"),
        ];
        let documents = Documents::new("help", Knowledge::build(passages), None, Vectors::new(1 << 20));
        let (request, intent) = (Request { text: text.into(), ..Request::default() }, IntentName::new("help").unwrap());
        let job = Job { before, ..Job::new(&request, &intent, Instant::now()) };
        Search::new(Arc::new(documents)).handle(&job).await.unwrap()
    }

    #[tokio::test]
    async fn the_passage_that_answers_is_the_answer_with_its_source() {
        let answer = asked("within how many days can I return my kettle?").await.unwrap();
        assert_eq!(answer.text, "You can return a kettle within 30 days if it is unused.");
        let source = &answer.details.sources[0];
        assert_eq!(
            (&*source.id, source.title.as_deref(), source.path.as_deref()),
            ("returns", Some("Returns"), Some("help.md"))
        );
        assert!((0.0..=1.0).contains(&source.score));
        let answer = asked("客服每天几点在线").await.unwrap();
        assert_eq!((answer.text.as_str(), answer.locale.as_deref()), ("客服每天九点到二十一点在线。", Some("zh")));
    }

    #[tokio::test]
    async fn a_follow_up_is_looked_for_with_what_went_before() {
        assert!(asked("and for how many days?").await.is_none());
        let before = Some("can I return an unused kettle");
        let answer = asked_behind(before, "and for how many days?").await.unwrap();
        assert_eq!(answer.text, "You can return a kettle within 30 days if it is unused.");
        // What answers alone is answered alone.
        let answer = asked_behind(before, "when do parcels arrive").await.unwrap();
        assert_eq!(answer.details.sources[0].id, "delivery");
    }

    #[tokio::test]
    async fn what_no_passage_answers_is_left_to_the_next() {
        assert!(asked("who wrote Hamlet?").await.is_none());
        assert!(asked("").await.is_none());
    }
}
