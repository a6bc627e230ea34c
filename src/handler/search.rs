//! Handler `search`: the passage of the author's documents that answers, and where it stands.
//!
//! It has no answer where none of them answers, which the documents' own gate decides.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Answer, Handler, HandlerError, Job, Retriever};
use crate::domain::{Details, language};

/// Answers by the author's documents.
pub struct SearchHandler {
    documents: Arc<dyn Retriever>,
}

impl SearchHandler {
    pub fn new(documents: Arc<dyn Retriever>) -> Self {
        Self { documents }
    }
}

#[async_trait]
impl Handler for SearchHandler {
    fn name(&self) -> &'static str {
        "search"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let Some(sources) = self.documents.find(&job.request.text, job.deadline).await else { return Ok(None) };
        let Some(best) = sources.first() else { return Ok(None) };
        let locale = language::language_of_script(&best.text).map(str::to_owned);
        let text = best.text.clone();
        Ok(Some(Answer { text, locale, details: Details { sources, ..Details::default() } }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use tokio::time::Instant;

    use super::*;
    use crate::{
        domain::{IntentName, Request},
        handler::documents::Documents,
        knowledge::{Knowledge, Passage},
    };

    fn passage(id: &str, title: &str, text: &str) -> Passage {
        Passage { id: id.into(), title: title.into(), text: text.into(), path: "help.md".into(), ..Passage::default() }
    }

    async fn asked(text: &str) -> Option<Answer> {
        let passages = vec![
            passage("returns", "Returns", "You can return a kettle within 30 days if it is unused."),
            passage("delivery", "Delivery", "Parcels arrive within two working days."),
            passage("descaling", "Descaling", "Boil water with vinegar to take the limescale out."),
            passage("hours", "营业时间", "客服每天九点到二十一点在线。"),
        ];
        let documents = Documents::new(Arc::new(Knowledge::build(passages)));
        let (request, intent) = (Request { text: text.into(), ..Request::default() }, IntentName::new("help").unwrap());
        let job = Job {
            request: &request,
            intent: &intent,
            classification: None,
            entities: &[],
            key: None,
            deadline: Instant::now(),
        };
        SearchHandler::new(Arc::new(documents)).handle(&job).await.unwrap()
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
    async fn what_no_passage_answers_is_left_to_the_next() {
        assert!(asked("who wrote Hamlet?").await.is_none());
        assert!(asked("").await.is_none());
    }
}
