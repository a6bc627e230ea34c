//! What is known of a conversation between two of its turns.
//!
//! **Invariant:** it is bounded, whatever was said: in turns, in their text, and in each slot's value. A field that an older
//! version didn't write has a default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Slots, slots::Value};
use crate::domain::{Address, IntentName, Role, Token, Turn};

/// The most turns of a history: the newest are kept.
pub const MOST_TURNS: usize = 50;
/// The most text of a history, in bytes.
pub const MOST_TEXT: usize = 32 * 1024;
/// The most intents that ask at the same time: one is asked, the others wait.
pub(super) const MOST_OPEN: usize = 3;

/// How often documents answer, in place of an answer to a question, what is no question by its form; from then on it is a miss.
pub(super) const MOST_ASIDES: u32 = 2;

/// How often a slot was asked that stays empty, as the user said or after too many misses.
pub const SKIPPED: u32 = u32::MAX;

/// What stands in a history where a person had the conversation: for a language model, which reads it.
const RELEASED: &str = "[A person spoke with the user here.]";

/// What is known of a conversation between two of its turns. The empty one is that of a conversation that begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What was said, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Turn>,
    /// What is known by name.
    #[serde(default, skip_serializing_if = "Slots::is_empty")]
    pub slots: Slots,
    /// The intents that ask: the last is the one that is asked, those before it wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Open>,
    /// Whether a person has the conversation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub person: bool,
    /// What lets a person's program speak in it, while a person has it: another one each time that it is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Where its user listened last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Address>,
    /// The language of the last answer, a BCP 47 tag, where it is known: an order number alone has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whether there was a conversation of that name, which isn't known any more: the user is told once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}

/// An intent that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    pub intent: IntentName,
    /// What it asks.
    pub asked: Asked,
    /// How often each slot was asked: once, and once more after each miss. [`SKIPPED`]: it is asked no more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub times: BTreeMap<String, u32>,
    /// How often it asked to confirm, likewise.
    #[serde(default)]
    pub confirmations: u32,
    /// How often documents answered what is no question by its form, since this was asked: [`MOST_ASIDES`] at most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asides: u32,
    /// Whether the last thing that the bot said was the question.
    #[serde(default)]
    pub fresh: bool,
    /// What its slots held before: it may be meant again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, String>,
    /// What its slots hold, while an intent that has slots of the same names goes first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aside: BTreeMap<String, Option<Value>>,
}

/// What an intent asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// A slot, by its name.
    Slot(String),
    /// Whether it is right so.
    Confirmation,
}

impl Open {
    /// An intent that has asked nothing yet.
    pub(super) fn new(intent: IntentName, before: BTreeMap<String, String>) -> Self {
        Self {
            intent,
            asked: Asked::Confirmation,
            times: BTreeMap::new(),
            confirmations: 0,
            asides: 0,
            fresh: false,
            before,
            aside: BTreeMap::new(),
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl State {
    /// The state of a conversation that is anew where there was one before.
    pub fn expired() -> Self {
        Self { expired: true, ..Self::default() }
    }

    /// Adds to the history, and lets the oldest go where it is too much; an answer goes with what it answered.
    pub fn say(&mut self, role: Role, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let mut end = text.len().min(MOST_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.history.push(Turn { role, text: text[..end].to_owned() });
        let size = |history: &[Turn]| history.iter().map(|turn| turn.text.len()).sum::<usize>();
        let mut from = self.history.len().saturating_sub(MOST_TURNS);
        while size(&self.history[from..]) > MOST_TEXT {
            from += 1;
        }
        let last = self.history.len() - 1;
        while from > 0 && from < last && self.history[from].role == Role::Assistant {
            from += 1;
        }
        self.history.drain(..from);
    }

    /// A person has given the conversation back: nothing is asked any more, the slots stay, and the history says so.
    pub fn release(&mut self) {
        if self.person {
            self.say(Role::Assistant, RELEASED);
        }
        self.keep();
    }

    /// Nobody took the conversation: the bot keeps it, and nothing is asked any more.
    pub fn keep(&mut self) {
        (self.person, self.token) = (false, None);
        self.open.clear();
    }

    /// Whether a person has the conversation by this token.
    pub fn is_held_by(&self, token: &Token) -> bool {
        self.person && self.token.as_ref() == Some(token)
    }

    /// The answer ended with something else than the question, so that what comes isn't an answer to it.
    pub fn not_asked_last(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.fresh = false;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_history_keeps_the_newest_within_its_bounds() {
        let mut state = State::default();
        for number in 0..200 {
            state.say(if number % 2 == 0 { Role::User } else { Role::Assistant }, &format!("t{number}"));
            assert!(state.history.len() <= MOST_TURNS);
        }
        assert_eq!((state.history.len(), &*state.history[0].text, &*state.history[49].text), (50, "t150", "t199"));
        for _ in 0..10 {
            state.say(Role::User, &"字".repeat(4000));
            state.say(Role::Assistant, "ok");
        }
        assert!(state.history.iter().map(|turn| turn.text.len()).sum::<usize>() <= MOST_TEXT);
        assert_eq!(state.history[0].role, Role::User, "no answer without what it answers");
        // One text that is too large alone is cut, within no character.
        state.say(Role::User, &"字".repeat(20_000));
        assert_eq!((state.history.len(), state.history[0].text.len()), (1, MOST_TEXT / 3 * 3));
        state.say(Role::User, " \n");
        assert_eq!(state.history.len(), 1);
    }

    #[test]
    fn a_state_of_another_version_is_read() {
        assert_eq!(serde_json::from_str::<State>("{}").unwrap(), State::default());
        assert_eq!(serde_json::to_string(&State::default()).unwrap(), "{}");
        let older =
            r#"{"slots": {"order": {"text": "FL1"}}, "open": [{"intent": "cancel", "asked": {"slot": "why"}}]}"#;
        let state: State = serde_json::from_str(older).unwrap();
        assert_eq!((state.slots.get("order"), &state.open[0].asked), (Some("FL1"), &Asked::Slot("why".into())));
        let held = r#"{"person": true, "token": "0123456789abcdef0123456789abcdef", "reply_to": {"queue": "q"}}"#;
        let state: State = serde_json::from_str(held).unwrap();
        assert!(
            state.is_held_by(&Token::of(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)) && !state.is_held_by(&Token::of(0))
        );
        assert_eq!(serde_json::from_str::<State>(&serde_json::to_string(&state).unwrap()).unwrap(), state);
        let newer = r#"{"person": true, "mood": 3, "open": [{"intent": "a", "asked": "confirmation", "more": []}]}"#;
        let state: State = serde_json::from_str(newer).unwrap();
        assert!(state.person && state.open[0].asked == Asked::Confirmation);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }

    #[test]
    fn what_a_person_gives_back_is_answered_by_the_bot_again() {
        let mut state: State =
            serde_json::from_str(r#"{"person": true, "open": [{"intent": "a", "asked": "confirmation"}]}"#).unwrap();
        state.slots.say("order", "FL1");
        state.token = Some(Token::of(1));
        let mut kept = state.clone();
        state.release();
        assert!(!state.person && state.open.is_empty() && state.token.is_none());
        kept.keep();
        assert!(!kept.person && kept.open.is_empty() && kept.token.is_none());
        assert!(kept.history.is_empty(), "nobody was there");
        assert_eq!((state.slots.get("order"), state.history.len()), (Some("FL1"), 1));
        // Nothing is marked where nobody had it.
        state.release();
        assert_eq!(state.history.len(), 1);
    }

    #[test]
    fn a_value_is_bounded() {
        let mut slots = Slots::new();
        slots.say("why", &format!("  {}", "因".repeat(5000)));
        assert_eq!(slots.get("why").map(|text| text.chars().count()), Some(super::super::slots::LONGEST_VALUE));
    }
}
