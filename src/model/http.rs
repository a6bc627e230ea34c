//! Any service that takes JSON and gives JSON: the request is a template, what is read of the answer are JSON pointers.
//!
//! **Invariant:** whatever a text holds, the request is JSON with the text as one string in it.

use std::sync::Arc;

use async_trait::async_trait;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde_json::Value;
use tokio::time::Instant;

use super::{Catalogue, Failure, ModelClient, ModelError, Query};
use crate::{
    domain::{Decision, Prediction},
    outbound::Service,
};

/// What a request's template may cost to fill in: it has no need of long loops.
const FUEL: u64 = 100_000;
/// The template's name within its environment, which is to tell minijinja that it makes JSON.
const BODY: &str = "body";

/// Where in an answer things are: JSON pointers, RFC 6901; empty for the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointers {
    /// The intent's name.
    pub intent: String,
    /// Its confidence, a number from 0 to 1; none where the service states none.
    pub confidence: Option<String>,
    /// A list of intents, within whose entries the two above then are.
    pub ranking: Option<String>,
}

/// A service that takes and gives JSON.
#[derive(Debug)]
pub struct Http {
    service: Service,
    environment: Environment<'static>,
    pointers: Pointers,
    catalogue: Arc<Catalogue>,
}

impl Http {
    /// A model of a service.
    ///
    /// # Errors
    /// Why the template makes no request, in words.
    pub fn new(service: Service, body: String, pointers: Pointers, catalogue: Arc<Catalogue>) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_template_owned(BODY, body).map_err(|error| error.to_string())?;
        let model = Self { service, environment, pointers, catalogue };
        model.body("\"{{ text }}\"", Some("zh"))?;
        model.body("你好", None)?;
        Ok(model)
    }

    fn body(&self, text: &str, locale: Option<&str>) -> Result<Value, String> {
        let template = self.environment.get_template(BODY).map_err(|error| error.to_string())?;
        let body = template.render(context! { text, locale }).map_err(|error| error.to_string())?;
        serde_json::from_str(&body).map_err(|error| {
            format!("the template makes no JSON, {error} ({{{{ text }}}} brings its quotation marks along)")
        })
    }

    fn error(&self, failure: Failure, reason: &str) -> ModelError {
        ModelError::new(self.service.name(), failure, reason)
    }

    async fn ask(&self, text: &str, body: &Value, deadline: Instant) -> Result<Prediction, ModelError> {
        let endpoint = self.service.endpoint();
        let answer = endpoint.post(endpoint.url(), body, &[text], deadline).await?;
        self.prediction(&answer.read()?).map_err(|error| answer.error_within().map_or(error, ModelError::from))
    }

    fn prediction(&self, answer: &Value) -> Result<Prediction, ModelError> {
        let bad = |reason: &str| self.error(Failure::BadAnswer, reason);
        let entries: Vec<&Value> = match &self.pointers.ranking {
            Some(pointer) => {
                let list = answer.pointer(pointer).and_then(Value::as_array);
                list.ok_or_else(|| bad("it has no list where ranking_pointer points"))?.iter().collect()
            }
            None => vec![answer],
        };
        let name = |entry: &Value| entry.pointer(&self.pointers.intent).and_then(Value::as_str).map(str::to_owned);
        let no_name = || bad("it has no text where intent_pointer points");
        let Some(confidence) = &self.pointers.confidence else {
            let name = entries.first().and_then(|entry| name(entry)).ok_or_else(no_name)?;
            let intent = self.catalogue.intent(&name).ok_or_else(|| super::catalogue::unknown(self.service.name()))?;
            return Ok(Prediction::decided(Decision::Intent(intent.clone()), Arc::clone(self.service.name())));
        };
        let mut said = Vec::with_capacity(entries.len());
        for entry in entries {
            let confidence = entry.pointer(confidence).and_then(Value::as_f64);
            let confidence = confidence.ok_or_else(|| bad("it has no number where confidence_pointer points"))?;
            said.push((name(entry).ok_or_else(no_name)?, confidence));
        }
        self.catalogue.prediction(self.service.name(), said.iter().map(|(name, p)| (name.as_str(), *p)))
    }
}

#[async_trait]
impl ModelClient for Http {
    fn name(&self) -> &str {
        self.service.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let body = self
            .body(query.text, query.locale)
            .map_err(|_| self.error(Failure::Refused, "its template can't be filled in with this text"))?;
        self.service.call(query.deadline, |deadline| self.ask(query.text, &body, deadline)).await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use serde_json::json;

    use super::*;
    use crate::{model::catalogue::tests::shop, outbound::tests::nowhere};

    fn service(body: &str, pointers: [&str; 3]) -> Result<Http, String> {
        let [intent, confidence, ranking] = pointers.map(str::to_owned);
        let some = |text: String| (text != "-").then_some(text);
        let pointers = Pointers { intent, confidence: some(confidence), ranking: some(ranking) };
        Http::new(nowhere("own"), body.to_owned(), pointers, shop())
    }

    #[test]
    fn whatever_the_text_the_request_is_json_with_the_text_in_it() {
        let service = service(r#"{"q": {{ text }}, "lang": {{ locale or "en" }}}"#, ["/i", "-", "-"]).unwrap();
        for text in ["hi", "\"}, \"admin\": true, {\"", "你好\n\u{0}\u{1f600}", "{{ locale }}", "</script>\\"] {
            assert_eq!(service.body(text, None).unwrap(), json!({"q": text, "lang": "en"}), "{text}");
        }
        assert_eq!(service.body("hi", Some("zh")).unwrap()["lang"], "zh");
    }

    #[test]
    fn a_template_that_makes_no_request_is_told_at_the_start() {
        fn check(body: &str, fault: &str) {
            let error = service(body, ["/i", "-", "-"]).map(|_| ()).unwrap_err();
            assert!(error.contains(fault), "{body}: {error}");
        }
        check(r#"{"q": "{{ text }}"}"#, "brings its quotation marks along");
        check(r#"{"q": {{ texte }}}"#, "undefined");
        check(r#"{"q": {{ text }"#, "syntax error");
        check("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "fuel");
    }

    #[test]
    fn what_the_pointers_point_to_is_read() {
        fn check(pointers: [&str; 3], answer: Value, expected: Result<&str, &str>) {
            let found = service("{}", pointers).unwrap().prediction(&answer).map(|prediction| {
                let ranking: Vec<String> =
                    prediction.ranking.iter().map(|it| format!("{} {}", it.name, it.confidence)).collect();
                match prediction.decision {
                    Some(Decision::Intent(intent)) => format!("{intent} decided"),
                    _ => ranking.join(", "),
                }
            });
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(fault)) => assert!(error.reason.contains(fault), "{error}"),
                _ => unreachable!("{answer}: {found:?}"),
            }
        }
        let one = json!({"result": {"label": "refund", "score": 0.75}});
        check(["/result/label", "/result/score", "-"], one.clone(), Ok("refund 0.75"));
        check(["/result/label", "-", "-"], one.clone(), Ok("refund decided"));
        check(["/result/name", "-", "-"], one.clone(), Err("intent_pointer"));
        check(["/result/label", "/result/label", "-"], one.clone(), Err("confidence_pointer"));
        check(["/label", "/score", "/result"], one, Err("ranking_pointer"));
        let list = json!([{"n": "order", "p": 0.25}, {"n": "refund", "p": 0.5}, {"n": "evil", "p": 0.9}]);
        check(["/n", "/p", ""], list.clone(), Ok("refund 0.5, order 0.25"));
        check(["/n", "-", ""], list, Ok("order decided"));
        check(["/n", "-", "-"], json!({"n": "evil"}), Err("no intent that this bot has"));
    }
}
