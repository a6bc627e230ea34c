//! How a bot speaks in its conversations, of its intents file.

use std::collections::HashMap;

use super::{
    BuildError,
    intents::{ConversationDefinition, FormDefinition, IntentDefinition, IntentsFile, Name, SlotDefinition, SlotFills},
};
use crate::{
    conversation::{
        Labels, Script,
        script::{Choices, Fills, Form, Slot, Steering},
    },
    domain::{IntentName, language::language_of_script},
    handler::template::{ReplyText, ReplyTextError, TemplateError},
    pipeline::{Dialogue, Questions, Texts},
};

/// The dialogue of an intents file; none where its intents ask nothing and it has no conversations.
///
/// # Errors
/// [`BuildError`] where a question doesn't compile.
pub(super) fn dialogue(intents: &IntentsFile) -> Result<Option<Dialogue>, BuildError> {
    let asks = intents.intents.iter().any(|intent| intent.form.is_some());
    if intents.conversation.is_none() && !asks {
        return Ok(None);
    }
    let (mut forms, mut questions) = (HashMap::new(), HashMap::new());
    for intent in &intents.intents {
        if let Some(form) = &intent.form {
            forms.insert(intent.name.clone(), form_of(form, intents)?);
            questions.insert(intent.name.clone(), questions_of(&intent.name, form)?);
        }
    }
    let steering = intents.conversation.as_ref().map(steering).unwrap_or_default();
    let said = |name: &Option<IntentName>| {
        let intent = intents.intents.iter().find(|intent| Some(&intent.name) == name.as_ref());
        intent.map(said).unwrap_or_default()
    };
    Ok(Some(Dialogue {
        remembers: intents.conversation.is_some(),
        yes: said(&steering.yes),
        no: said(&steering.no),
        script: Script { fallback: intents.fallback.clone(), steering, forms },
        questions,
        labels: labels(intents),
    }))
}

fn steering(definition: &ConversationDefinition) -> Steering {
    let ConversationDefinition { yes, no, cancel, person } = definition;
    // One that isn't valid was told.
    let name = |name: &Option<Name>| name.as_ref().and_then(|name| IntentName::new(&name.name).ok());
    Steering { yes: name(yes), no: name(no), cancel: name(cancel), person: name(person) }
}

/// What a user can say to mean an intent: its first example of each language.
fn said(intent: &IntentDefinition) -> Vec<(String, String)> {
    let mut said: Vec<(String, String)> = Vec::new();
    for example in &intent.examples {
        let language = example.language.as_deref().or(language_of_script(&example.text)).unwrap_or("en");
        if said.iter().all(|(known, _)| known != language) {
            said.push((language.to_owned(), example.text.clone()));
        }
    }
    said
}

fn form_of(definition: &FormDefinition, intents: &IntentsFile) -> Result<Form, BuildError> {
    let slot = |slot: &SlotDefinition| {
        let SlotDefinition { name, fills, optional, ask, again: _, attempts } = slot;
        let fills = match fills {
            SlotFills::Text => Fills::Text,
            SlotFills::Choices(choices) => Fills::Choices(Box::new(Choices::new(choices.clone())?)),
            SlotFills::Entity(entity) => {
                let listed = intents.entities.iter().find(|it| it.name == entity.name && it.is_listed());
                Fills::Entity { name: entity.name.clone(), listed: listed.map(|it| it.values.clone()) }
            }
        };
        let (name, has_question) = (name.clone(), !ask.is_empty());
        Ok::<_, BuildError>(Slot { name, fills, optional: *optional, has_question, attempts: *attempts })
    };
    Ok(Form {
        slots: definition.slots.iter().map(slot).collect::<Result<_, _>>()?,
        confirm: !definition.confirm.is_empty(),
        give_up: definition.give_up.as_ref().and_then(|name| IntentName::new(&name.name).ok()),
    })
}

/// What the values of all slots are called, the file's first slot of a name first.
fn labels(intents: &IntentsFile) -> Labels {
    let mut labels = Labels::default();
    let slots = intents.intents.iter().filter_map(|intent| intent.form.as_ref()).flat_map(|form| &form.slots);
    for SlotDefinition { name, fills, .. } in slots {
        match fills {
            SlotFills::Text => {}
            SlotFills::Choices(choices) => labels.add(name, choices, None),
            SlotFills::Entity(entity) => {
                for found in intents.entities.iter().filter(|it| it.name == entity.name) {
                    labels.add(name, &found.values, found.built_in);
                }
            }
        }
    }
    labels
}

fn questions_of(intent: &IntentName, definition: &FormDefinition) -> Result<Questions, BuildError> {
    let compiled = |key: &str, texts: &[(String, String)]| -> Result<Texts, BuildError> {
        let compile = |(language, source): &(String, String)| match ReplyText::compile(source) {
            Ok(text) => Ok((language.clone(), text)),
            Err(source) => Err(fault(intent, key, language, source)),
        };
        texts.iter().map(compile).collect()
    };
    let mut slots = HashMap::new();
    for SlotDefinition { name, ask, again, .. } in &definition.slots {
        let asked = |key: &str, texts| compiled(&format!("slots.{name}.{key}"), texts);
        slots.insert(name.clone(), [asked("ask", ask)?, asked("again", again)?]);
    }
    Ok(Questions { slots, confirm: compiled("confirm", &definition.confirm)? })
}

fn fault(intent: &IntentName, key: &str, language: &str, source: ReplyTextError) -> BuildError {
    let intent = intent.clone();
    BuildError::Template(TemplateError::Question { intent, key: format!("{key}.{language}"), source })
}

#[cfg(test)]
mod tests;
