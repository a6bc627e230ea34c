//! Conversations: who steers them, and what holds of all intents that ask.

use toml::de::DeTable;

use super::{
    super::{ConversationDefinition, ConversationFault, IntentDefinition, Name, Position, Problem, SlotFills},
    Reader, hint,
};
use crate::{
    entity,
    handler::template::{ReplyText, SlotVariable},
};

const KEYS: [&str; 4] = ["yes", "no", "cancel", "person"];
/// What stands in the operator's section of the same name.
const SETTINGS: [&str; 7] = ["store", "path", "redis_url", "expires", "max", "max_bytes", "max_turns"];

/// What a template reads of the slots.
pub(super) struct SlotRead {
    position: Option<Position>,
    intent: Option<String>,
    /// Where the template stands, such as `reply.en`.
    key: String,
    read: SlotVariable,
    /// Whether it is an instruction of a language model.
    instructs: bool,
}

impl Reader<'_> {
    /// The table `conversation`.
    pub(super) fn conversation(
        &mut self,
        table: &DeTable<'_>,
        intents: &DeTable<'_>,
    ) -> Option<ConversationDefinition> {
        let value = table.get("conversation")?;
        let Some(found) = value.get_ref().as_table() else {
            self.wrong_type("conversation", value, "a table, written [conversation]");
            return None;
        };
        for (key, _) in found {
            let name = &**key.get_ref();
            match name {
                _ if KEYS.contains(&name) => {}
                _ if SETTINGS.contains(&name) => {
                    self.conversation_fault(key.span(), ConversationFault::Setting { key: name.to_owned() });
                }
                _ => {
                    let hint = hint(name, &KEYS);
                    self.add(key.span(), Problem::UnknownKey { key: format!("conversation.{name}"), hint });
                }
            }
        }
        let [yes, no, cancel, person] = KEYS.map(|key| {
            let name = self.name(found, &format!("conversation.{key}"), key)?;
            self.known_intent(&name, intents);
            Some(name)
        });
        let named = [&yes, &no, &cancel, &person];
        for (at, name) in named.iter().enumerate() {
            let same = named[..at].iter().position(|other| other.is_some() && other == name);
            if let (Some(other), Some(name)) = (same, name) {
                let intent = name.name.clone();
                let fault = ConversationFault::SteersTwice { key: KEYS[at], other: KEYS[other], intent };
                self.put(Some(name.position), Problem::Conversation(fault));
            }
        }
        Some(ConversationDefinition { yes, no, cancel, person })
    }

    pub(super) fn known_intent(&mut self, name: &Name, intents: &DeTable<'_>) {
        if !intents.contains_key(&*name.name) {
            let known: Vec<&str> = intents.keys().map(|key| &**key.get_ref()).collect();
            let hint = hint(&name.name, &known);
            let word = name.name.clone();
            self.put(Some(name.position), Problem::UnknownWord { key: "intent", word, hint });
        }
    }

    /// Notes which slots and entities a template reads.
    pub(super) fn reads(&mut self, key: &str, at: usize, text: &ReplyText, instructs: bool) {
        let position = Some(self.lines.position(at));
        self.slot_reads.extend(text.slots().iter().map(|read| SlotRead {
            position,
            intent: self.intent.clone(),
            key: key.to_owned(),
            read: read.clone(),
            instructs,
        }));
        self.entities_read(key, at, text);
    }

    /// Checks what can be told once every intent is known.
    pub(super) fn forms(
        &mut self,
        intents: &[IntentDefinition],
        conversation: Option<&ConversationDefinition>,
        fallback: Option<&str>,
    ) {
        let entities: Vec<String> = self.entities.iter().map(|entity| entity.name.clone()).collect();
        let entities: Vec<&str> = entities.iter().map(String::as_str).collect();
        let answers_yes = conversation.is_some_and(|it| it.yes.is_some() && it.no.is_some());
        for intent in intents {
            let Some(form) = &intent.form else { continue };
            self.intent = Some(intent.name.as_str().to_owned());
            let mut fault = |fault| self.put(Some(form.position), Problem::Conversation(fault));
            if !form.confirm.is_empty() && !answers_yes {
                fault(ConversationFault::ConfirmWithoutYes);
            }
            if let Some(role) = role(intent.name.as_str(), intents, conversation, fallback) {
                fault(ConversationFault::Asks { role });
            }
            for slot in &form.slots {
                if let SlotFills::Entity(entity) = &slot.fills
                    && !entities.contains(&&*entity.name)
                {
                    let hint = match entities.is_empty() {
                        true => format!("write a table [entities.{}]", entity.name),
                        false => hint(&entity.name, &entities),
                    };
                    let word = entity.name.clone();
                    self.put(Some(entity.position), Problem::UnknownWord { key: "entity", word, hint });
                }
            }
        }
        self.intent = None;
        self.templates(intents);
    }

    /// Every template reads slots that there are, and instructions only what this file lists.
    fn templates(&mut self, intents: &[IntentDefinition]) {
        let slots = || intents.iter().filter_map(|intent| intent.form.as_ref()).flat_map(|form| &form.slots);
        let names = std::mem::take(&mut self.slot_names);
        let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        for read in std::mem::take(&mut self.slot_reads) {
            let SlotRead { position, intent, key, read, instructs } = read;
            let path = read.path();
            let fault = match read.slot {
                Some(slot) if !known.contains(&&*slot) => {
                    let hint = match known.is_empty() {
                        true => format!("write such as slots.{slot} = {{ text = true, ask.en = \"…\" }} into one"),
                        false => hint(&slot, &known),
                    };
                    ConversationFault::UnknownSlot { key, slot: path, hint }
                }
                Some(slot)
                    if instructs
                        && !slots().filter(|it| it.name == slot).all(|it| is_listed(&it.fills, &self.entities)) =>
                {
                    ConversationFault::FreeInstruction { key, slot: path }
                }
                None if instructs => ConversationFault::FreeInstruction { key, slot: path },
                _ => continue,
            };
            self.intent = intent;
            self.put(position, Problem::Conversation(fault));
        }
        self.intent = None;
    }

    pub(super) fn conversation_fault(&mut self, span: std::ops::Range<usize>, fault: ConversationFault) {
        self.add(span, Problem::Conversation(fault));
    }
}

/// Whether all values that there are stand in the file.
fn is_listed(fills: &SlotFills, entities: &[entity::Definition]) -> bool {
    match fills {
        SlotFills::Entity(name) => entities.iter().any(|it| it.name == name.name && it.is_listed()),
        SlotFills::Choices(_) => true,
        SlotFills::Text => false,
    }
}

/// What an intent is that has to answer at once.
fn role(
    name: &str,
    intents: &[IntentDefinition],
    conversation: Option<&ConversationDefinition>,
    fallback: Option<&str>,
) -> Option<String> {
    if fallback == Some(name) {
        return Some("the fallback".to_owned());
    }
    let is = |it: &Option<Name>| it.as_ref().is_some_and(|it| it.name == name);
    let steers = conversation.and_then(|it| {
        let named = [&it.yes, &it.no, &it.cancel, &it.person];
        KEYS.iter().zip(named).find(|(_, named)| is(named)).map(|(key, _)| format!("conversation.{key}"))
    });
    steers.or_else(|| {
        let gives_up = |intent: &&IntentDefinition| intent.form.as_ref().is_some_and(|form| is(&form.give_up));
        intents.iter().find(gives_up).map(|intent| format!("the give_up of intent '{}'", intent.name))
    })
}
