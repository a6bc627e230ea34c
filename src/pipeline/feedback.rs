//! Feedback of users: counted by what the answer was, and answered.
//!
//! **Invariant:** a client makes no label: an intent or a handler that the bot hasn't is counted as `unknown`.

use metrics::counter;
use uuid::Uuid;

use super::{Job, Pipeline};
use crate::domain::{Command, Done, Feedback, Outcome};

/// The label for an intent or a handler that the client didn't name, or that the bot hasn't.
const UNKNOWN: &str = "unknown";

impl Pipeline {
    /// Counts what a user thinks of an answer.
    pub(super) fn rated(&self, job: &Job, feedback: &Feedback) -> Outcome {
        let (intent, handler) = self.of(feedback);
        let value = feedback.value.as_str();
        tracing::debug!(intent, handler, value, "feedback");
        let labels = [("intent", intent.to_owned()), ("handler", handler.to_owned()), ("value", value.to_owned())];
        counter!("chatbot_feedback_total", &labels).increment(1);
        Outcome::Done(Box::new(Done {
            id: Uuid::now_v7().to_string(),
            in_reply_to: job.request.id.clone(),
            command: Command::Feedback,
            conversation: job.request.conversation.clone(),
            forgotten: None,
            delivered: None,
        }))
    }

    /// The intent and the handler that feedback is about, as far as the bot has such.
    fn of(&self, feedback: &Feedback) -> (&str, &'static str) {
        let routes = &self.parts.routes;
        let known = |name: &String| routes.keys().map(|intent| intent.as_str()).find(|intent| intent == name);
        let intent = feedback.intent.as_ref().and_then(known);
        let mut handlers = routes.values().flat_map(|route| route.handlers.iter()).map(|handler| handler.name());
        let handler = handlers.find(|name| feedback.handler.as_deref() == Some(name));
        (intent.unwrap_or(UNKNOWN), handler.unwrap_or(UNKNOWN))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

    use std::sync::Arc;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::super::tests::answering;
    use super::*;
    use crate::{
        answered::{Answers, Bounds, Identity},
        domain::{Key, Rating, Request},
    };

    fn job(intent: Option<&str>, handler: Option<&str>) -> Job {
        let name = |name: Option<&str>| name.map(str::to_owned);
        let (intent, handler) = (name(intent), name(handler));
        let feedback = Feedback { in_reply_to: "r".to_owned(), value: Rating::Down, intent, handler };
        Job::new(Request {
            kind: Some("chat.feedback".to_owned()),
            id: Some("f".to_owned()),
            conversation: Some("c".to_owned()),
            feedback: Some(Box::new(feedback)),
            ..Request::default()
        })
    }

    fn done(outcome: Outcome) -> Done {
        match outcome {
            Outcome::Done(done) => *done,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn it_is_counted_by_what_the_bot_has_and_no_client_makes_a_label() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let _counts = metrics::set_default_local_recorder(&recorder);
        let pipeline = answering();
        for (intent, handler) in [
            (Some("refund"), Some("test")),
            (Some("refund"), Some("test")),
            (Some("refund"), Some("s3cret")),
            (Some("s3cret"), Some("test")),
            (None, None),
            (Some(""), Some("")),
        ] {
            let done = done(pipeline.run(&job(intent, handler)).await.0);
            let told = (done.command, done.in_reply_to.as_deref(), done.conversation.as_deref());
            assert_eq!(told, (Command::Feedback, Some("f"), Some("c")));
        }
        let text = metrics.render();
        let mut counted: Vec<_> = text.lines().filter(|line| line.starts_with("chatbot_feedback_total{")).collect();
        counted.sort_unstable();
        let expected =
            [("refund", "test", 2), ("refund", "unknown", 1), ("unknown", "test", 1), ("unknown", "unknown", 2)];
        let expected = expected.map(|(intent, handler, count)| {
            format!(r#"chatbot_feedback_total{{intent="{intent}",handler="{handler}",value="down"}} {count}"#)
        });
        assert_eq!(counted, expected, "{text}");
    }

    #[tokio::test]
    async fn what_comes_again_is_counted_once() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let _counts = metrics::set_default_local_recorder(&recorder);
        let bounds = Bounds { entries: 10, bytes: 1 << 20, age: std::time::Duration::from_secs(600) };
        let pipeline = answering().remembering(Arc::new(Answers::new(bounds, None)));
        let (key, mut told) = (Key::of([Some(&b"f"[..])]), Vec::new());
        for repeated in [false, true, true] {
            let job = Job { identity: Some(Identity { key, repeated }), ..job(Some("refund"), None) };
            told.push(done(pipeline.run(&job).await.0));
        }
        assert!(told.iter().all(|done| *done == told[0]), "{told:?}");
        assert!(metrics.render().contains(r#"value="down"} 1"#), "{}", metrics.render());
        let asked = metrics.render().lines().find(|line| line.starts_with("chatbot_answered_total")).map(str::to_owned);
        assert_eq!(asked.unwrap(), r#"chatbot_answered_total{result="memory"} 2"#);
    }
}
