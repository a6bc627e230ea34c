//! What a webhook answers: `{"text": "…"}`, or `{"texts": {"en": "…", "zh": "…"}}` of which the one is taken that suits the
//! message; with it `data`, any JSON, `choices`, `[{"title", "value"}]`, and `slots`, an object: what slots hold from now on,
//! null for nothing. `{"answer": null}` and the
//! status 204 mean that it has no answer. Other members are passed over.
//!
//! **Invariant:** an answer of another form is a failure that says what is wrong with it, and never quotes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, value::RawValue};

use crate::{
    conversation::slots::LONGEST_VALUE,
    domain::{Choice, Details, Request, language},
    handler::{Answer, template::MAX_LENGTH},
    outbound::{self, Failure, ServiceError},
};

/// The most choices, and the longest title and value, in characters.
const MOST_CHOICES: usize = 32;
const LONGEST_CHOICE: usize = 1024;
const MOST_SLOTS: usize = 32;

/// What it says, or that it has no answer.
pub(super) fn read(answer: &outbound::Answer, request: &Request) -> Result<Option<Answer>, ServiceError> {
    if answer.status() == 204 {
        return Ok(None);
    }
    let bad = |reason: &str| answer.error(Failure::BadAnswer, reason);
    if answer.status() < 300 && answer.is_empty() {
        return Err(bad("it is empty: it has to be JSON, or 204 where there is no answer"));
    }
    // In no order: an object of Python's may be in any.
    let members: BTreeMap<String, Box<RawValue>> = answer.read()?;
    let member = |name: &str| members.get(name).map(|raw| raw.get()).filter(|raw| raw.trim() != "null");
    let has_none = members.get("answer").is_some_and(|raw| raw.get().trim() == "null");
    let (text, locale) = match (has_none, member("text"), member("texts")) {
        (true, None, None) => return Ok(None),
        (true, ..) => return Err(bad("it says both that it has no answer and what it is")),
        (false, Some(_), Some(_)) => return Err(bad("it has both 'text' and 'texts'")),
        (false, Some(text), None) => {
            let text: Option<String> = serde_json::from_str(text).ok();
            (text.ok_or_else(|| bad("its 'text' is no text"))?, None)
        }
        (false, None, Some(texts)) => {
            let texts = texts_of(texts)
                .ok_or_else(|| bad("its 'texts' is no object of texts by language, as {\"en\": \"…\"}"))?;
            let chosen = language::choose(&texts, |(tag, _)| tag, request.locale.as_deref(), &request.text);
            let (tag, text) = chosen.cloned().ok_or_else(|| bad("its 'texts' is empty"))?;
            (text, Some(tag))
        }
        (false, None, None) => {
            let no_text = bad("it has neither 'text' nor 'texts', nor says that it has none by {\"answer\": null}");
            return Err(answer.error_within().unwrap_or(no_text));
        }
    };
    if text.trim().is_empty() {
        return Err(bad("its text is empty: {\"answer\": null} says that there is none"));
    }
    if text.len() > MAX_LENGTH {
        return Err(bad("its text is longer than 1 MiB"));
    }
    let choices = member("choices").map(choices).transpose().map_err(|reason| bad(&reason))?.unwrap_or_default();
    let slots = member("slots").map(slots).transpose().map_err(|reason| bad(&reason))?.unwrap_or_default();
    let data = members.get("data").filter(|raw| raw.get().trim() != "null").cloned();
    Ok(Some(Answer { text, locale, details: Details { data, choices, ..Details::default() }, slots }))
}

fn texts_of(raw: &str) -> Option<Vec<(String, String)>> {
    let texts: BTreeMap<String, String> = serde_json::from_str(raw).ok()?;
    texts.keys().all(|tag| language::is_plausible_tag(tag)).then(|| texts.into_iter().collect())
}

/// What it says of slots: texts, numbers and truths; null empties one.
fn slots(raw: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let slots: Map<String, Value> = serde_json::from_str(raw).map_err(|_| "its 'slots' is no object".to_owned())?;
    if slots.len() > MOST_SLOTS {
        return Err(format!("it sets more than {MOST_SLOTS} slots"));
    }
    let value = |(name, value)| {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err("its 'slots' holds a list or an object: a slot holds a text".to_owned());
            }
        };
        match &text {
            Some(text) if text.trim().is_empty() => {
                Err("its 'slots' holds an empty text: null empties a slot".to_owned())
            }
            Some(text) if text.chars().count() > LONGEST_VALUE => {
                Err(format!("its 'slots' holds a text of more than {LONGEST_VALUE} characters"))
            }
            _ => Ok((name, text)),
        }
    };
    slots.into_iter().map(value).collect()
}

fn choices(raw: &str) -> Result<Vec<Choice>, String> {
    let form = || "its 'choices' is no list of {\"title\": \"…\", \"value\": \"…\"}".to_owned();
    let choices: Vec<Choice> = serde_json::from_str(raw).map_err(|_| form())?;
    if choices.len() > MOST_CHOICES {
        return Err(format!("it has more than {MOST_CHOICES} choices"));
    }
    let is_wrong = |text: &str| text.trim().is_empty() || text.chars().count() > LONGEST_CHOICE;
    match choices.iter().any(|choice| is_wrong(&choice.title) || is_wrong(&choice.value)) {
        true => Err(format!("a choice's title or value is empty, or longer than {LONGEST_CHOICE} characters")),
        false => Ok(choices),
    }
}
