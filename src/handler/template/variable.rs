//! What a reply template may read of a request.

use minijinja::Value;

use crate::{domain::Entity, handler::Job};

/// A variable of reply templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Text,
    Intent,
    Confidence,
    Sender,
    Receiver,
    Conversation,
    Locale,
    Metadata,
    Entities,
    Slots,
    Labels,
}

impl Variable {
    const ALL: [Self; 11] = [
        Self::Text,
        Self::Intent,
        Self::Confidence,
        Self::Sender,
        Self::Receiver,
        Self::Conversation,
        Self::Locale,
        Self::Metadata,
        Self::Entities,
        Self::Slots,
        Self::Labels,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Intent => "intent",
            Self::Confidence => "confidence",
            Self::Sender => "sender",
            Self::Receiver => "receiver",
            Self::Conversation => "conversation",
            Self::Locale => "locale",
            Self::Metadata => "metadata",
            Self::Entities => "entities",
            Self::Slots => "slots",
            Self::Labels => "labels",
        }
    }

    pub(super) fn names() -> [&'static str; 11] {
        Self::ALL.map(Self::name)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.name() == name)
    }

    /// Its value for a request that is answered in this language; `None` if the request doesn't tell.
    ///
    /// # Errors
    /// Metadata that JSON's grammar allows and no program can read: nested too deeply, or half a surrogate pair.
    pub(super) fn value(self, job: &Job<'_>, language: &str) -> Result<Option<Value>, serde_json::Error> {
        let request = job.request;
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        Ok(match self {
            Self::Text => Some(Value::from(&*request.text)),
            Self::Intent => Some(Value::from(job.intent.as_str())),
            Self::Confidence => job.classification.and_then(|classification| classification.confidence).map(shortest),
            Self::Sender => text(&request.sender),
            Self::Receiver => text(&request.receiver),
            Self::Conversation => text(&request.conversation),
            Self::Locale => text(&request.locale),
            Self::Entities => Some(values(job.entities)),
            Self::Slots => Some(Value::from_pairs(job.slots.iter().map(|(name, value)| (name, Value::from(value))))),
            Self::Labels => Some(labels(job, language)),
            Self::Metadata => request.metadata.as_deref().map(|raw| serde_json::from_str(raw.get())).transpose()?,
        })
    }

    /// A value for each variable, to try a template with.
    pub(super) fn samples() -> Vec<(&'static str, Value)> {
        Self::ALL
            .into_iter()
            .map(|variable| {
                let value = match variable {
                    Self::Confidence => Value::from(0.97),
                    Self::Metadata | Self::Entities | Self::Slots | Self::Labels => {
                        Value::from_pairs(Vec::<(&str, Value)>::new())
                    }
                    Self::Locale => Value::from("en"),
                    other => Value::from(other.name()),
                };
                (variable.name(), value)
            })
            .collect()
    }
}

/// The value of each entity by its name; of several with one name, the first.
fn values(entities: &[Entity]) -> Value {
    let mut values: Vec<(&str, Value)> = Vec::new();
    for entity in entities {
        if values.iter().all(|(name, _)| *name != entity.name) {
            values.push((&entity.name, Value::from(&*entity.value)));
        }
    }
    Value::from_pairs(values)
}

/// What the value of each slot is called in a language.
fn labels(job: &Job<'_>, language: &str) -> Value {
    Value::from_pairs(job.slots.iter().map(|(name, value)| match job.labels {
        Some(labels) => (name, Value::from(labels.label(name, value, language))),
        None => (name, Value::from(value)),
    }))
}

/// A confidence as replies write it: 0.97, and not the 0.9700000286102295 that the same number is in 64 bits.
fn shortest(confidence: f32) -> Value {
    Value::from(confidence.to_string().parse::<f64>().unwrap_or(f64::from(confidence)))
}
