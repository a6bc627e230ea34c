//! What an intent asks: its slots, its confirmation, and its way out.

use toml::de::{DeTable, DeValue};

use super::{
    super::{ConversationFault, FormDefinition, SlotDefinition, SlotFills},
    Key, Reader, Value, hint,
};
use crate::{conversation::script::ATTEMPTS, domain::is_valid_name, entity::Definition};

const SLOT_KEYS: [&str; 7] = ["entity", "choices", "text", "optional", "ask", "again", "attempts"];
/// The most slots of an intent.
pub(in crate::app) const MOST_SLOTS: usize = 32;
const MOST_ATTEMPTS: u32 = 10;

impl Reader<'_> {
    /// What an intent asks; none where it asks nothing.
    pub(super) fn form(&mut self, table: &DeTable<'_>, intents: &DeTable<'_>) -> Option<FormDefinition> {
        const CONFIRM: &str = "told by language, such as confirm.en = \"…\"";
        let give_up = self.name(table, "give_up", "give_up");
        if let Some(name) = &give_up {
            self.known_intent(name, intents);
        }
        let Some(first) = ["slots", "confirm"].into_iter().find_map(|key| table.get_key_value(key)) else {
            if let Some((key, _)) = table.get_key_value("give_up") {
                self.conversation_fault(key.span(), ConversationFault::GiveUpWithoutQuestion);
            }
            return None;
        };
        let position = self.lines.position(first.0.span().start);
        let mut slots = Vec::new();
        match table.get("slots").map(|value| (value, value.get_ref().as_table())) {
            None => {}
            Some((value, None)) => {
                const SLOTS: &str = "tables, each written slots.NAME = { … }";
                self.wrong_type("slots", value, SLOTS);
            }
            Some((value, Some(found))) => {
                if found.len() > MOST_SLOTS {
                    self.conversation_fault(value.span(), ConversationFault::TooManySlots(MOST_SLOTS));
                }
                slots.extend(found.iter().filter_map(|(key, value)| self.slot(key, value)));
            }
        }
        let confirm = self.questions(table, "confirm", "confirm", CONFIRM);
        Some(FormDefinition { slots, confirm, give_up, position })
    }

    fn slot(&mut self, key: &Key<'_>, value: &Value<'_>) -> Option<SlotDefinition> {
        let name = key.get_ref().to_string();
        let is_readable = |name: &str| !name.contains('-') && !name.starts_with(|c: char| c.is_ascii_digit());
        if !is_valid_name(&name) || !is_readable(&name) {
            self.conversation_fault(key.span(), ConversationFault::SlotName(name.clone()));
        }
        // Whatever is wrong with it, it is there for templates that read it.
        self.slot_names.push(name.clone());
        let path = format!("slots.{name}");
        let Some(table) = value.get_ref().as_table() else {
            const EXPECTED: &str = "a table, such as { entity = \"…\", ask.en = \"…\" }";
            self.wrong_type(&path, value, EXPECTED);
            return None;
        };
        self.unknown_keys(table, &SLOT_KEYS, |key, _| hint(key, &SLOT_KEYS));
        let fills = self.fills(key, table);
        let optional = self.truth(&format!("{path}.optional"), table.get("optional")).unwrap_or_default();
        const ASK: &str = "told by language, such as ask.en = \"…\"";
        let ask = self.questions(table, &format!("{path}.ask"), "ask", ASK);
        let again = self.questions(table, &format!("{path}.again"), "again", ASK);
        if table.get("ask").is_none_or(is_empty) {
            match (optional, table.get_key_value("again")) {
                (_, Some((again, _))) => {
                    let slot = name.clone();
                    self.conversation_fault(again.span(), ConversationFault::AgainWithoutAsk { slot });
                }
                (false, None) => {
                    self.conversation_fault(key.span(), ConversationFault::NoQuestion { slot: name.clone() });
                }
                (true, None) => {}
            }
        }
        let attempts = self.number(table, "attempts", "attempts", 1, MOST_ATTEMPTS);
        let attempts = attempts.unwrap_or(if optional { 1 } else { ATTEMPTS });
        Some(SlotDefinition { name, fills: fills?, optional, ask, again, attempts })
    }

    fn fills(&mut self, key: &Key<'_>, table: &DeTable<'_>) -> Option<SlotFills> {
        let slot = key.get_ref().to_string();
        let given: Vec<&str> = ["entity", "choices", "text"].into_iter().filter(|it| table.contains_key(*it)).collect();
        let path = |key: &str| format!("slots.{slot}.{key}");
        match given.as_slice() {
            ["entity"] => self.name(table, &path("entity"), "entity").map(SlotFills::Entity),
            ["text"] => {
                let value = table.get("text");
                if self.truth(&path("text"), value) == Some(false)
                    && let Some(value) = value
                {
                    self.conversation_fault(value.span(), ConversationFault::NotText { slot });
                }
                Some(SlotFills::Text)
            }
            ["choices"] => {
                let mut listed = Definition::default();
                self.values(table, "choices", &mut listed);
                if let Some(value) = table.get("choices").filter(|value| is_empty(value)) {
                    self.conversation_fault(value.span(), ConversationFault::NoChoices { slot });
                }
                Some(SlotFills::Choices(listed.values))
            }
            [] => {
                self.conversation_fault(key.span(), ConversationFault::Fills { slot });
                None
            }
            several => {
                let given = several.join(" and ");
                self.conversation_fault(key.span(), ConversationFault::FillsTwice { slot, given });
                None
            }
        }
    }

    fn questions(
        &mut self,
        table: &DeTable<'_>,
        path: &str,
        key: &str,
        expected: &'static str,
    ) -> Vec<(String, String)> {
        self.texts_by_language(table, path, key, expected, |reader, key, span, error| {
            reader.conversation_fault(span, ConversationFault::Question { key, error });
        })
    }

    fn truth(&mut self, path: &str, value: Option<&Value<'_>>) -> Option<bool> {
        let value = value?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            _ => {
                self.wrong_type(path, value, "true or false");
                None
            }
        }
    }
}

fn is_empty(value: &Value<'_>) -> bool {
    match value.get_ref() {
        DeValue::Table(table) => table.is_empty(),
        DeValue::Array(list) => list.is_empty(),
        _ => false,
    }
}
