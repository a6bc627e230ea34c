//! The script of a bot's conversations: which intents steer, and what the others ask.

use std::collections::HashMap;

use crate::{
    domain::{Entity, IntentName},
    entity::{Definition, Extractor, InvalidPattern},
};

/// How often a slot is asked in all, where the file doesn't say; one that may stay empty is asked once.
pub const ATTEMPTS: u32 = 2;

/// What the intents of a bot mean to its conversations.
#[derive(Debug)]
pub struct Script {
    /// The intent that answers what was missed.
    pub fallback: IntentName,
    pub steering: Steering,
    /// What intents ask before their handlers are asked; only of those that ask anything.
    pub forms: HashMap<IntentName, Form>,
}

/// The intents that steer a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steering {
    pub yes: Option<IntentName>,
    pub no: Option<IntentName>,
    pub cancel: Option<IntentName>,
    pub person: Option<IntentName>,
}

/// What a steering intent means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    Yes,
    No,
    Cancel,
    Person,
}

/// What an intent asks.
#[derive(Debug, Default)]
pub struct Form {
    /// In the order in which they are asked.
    pub slots: Vec<Slot>,
    /// Whether the user has to say that it is right so.
    pub confirm: bool,
    /// Who answers where a question wasn't answered; else the fallback.
    pub give_up: Option<IntentName>,
}

/// A slot of an intent.
#[derive(Debug)]
pub struct Slot {
    pub name: String,
    pub fills: Fills,
    /// Whether the intent is answered without it.
    pub optional: bool,
    /// Whether there is a question for it.
    pub has_question: bool,
    /// How often it is asked in all, from 1.
    pub attempts: u32,
}

/// What fills a slot.
#[derive(Debug)]
pub enum Fills {
    /// An entity of the bot's. Of one that has nothing but listed values, these, with what users say for each.
    Entity { name: String, listed: Option<Vec<Listed>> },
    /// One of these.
    Choices(Box<Choices>),
    /// Whatever is said right after the question.
    Text,
}

/// A value, and what users say for it.
pub type Listed = (String, Vec<String>);

/// Values of a slot of its own.
#[derive(Debug)]
pub struct Choices {
    listed: Vec<Listed>,
    extractor: Option<Extractor>,
}

impl Steering {
    /// What an intent means, if it steers.
    pub fn of(&self, intent: &IntentName) -> Option<Steer> {
        let all = [
            (&self.yes, Steer::Yes),
            (&self.no, Steer::No),
            (&self.cancel, Steer::Cancel),
            (&self.person, Steer::Person),
        ];
        all.into_iter().find_map(|(name, steer)| (name.as_ref() == Some(intent)).then_some(steer))
    }

    /// The intent that means so, if there is one.
    pub fn named(&self, steer: Steer) -> Option<&IntentName> {
        let name = match steer {
            Steer::Yes => &self.yes,
            Steer::No => &self.no,
            Steer::Cancel => &self.cancel,
            Steer::Person => &self.person,
        };
        name.as_ref()
    }
}

impl Choices {
    /// These values, with what users say for each.
    ///
    /// # Errors
    /// [`InvalidPattern`] where they are too many to be looked for.
    pub fn new(listed: Vec<Listed>) -> Result<Self, InvalidPattern> {
        let extractor = Extractor::new(&[Definition { values: listed.clone(), ..Definition::default() }])?;
        Ok(Self { listed, extractor })
    }

    pub(super) fn found(&self, text: &str) -> Vec<Entity> {
        self.extractor.as_ref().map(|extractor| extractor.extract(text)).unwrap_or_default()
    }
}

impl Fills {
    /// The values that there are, where all of them are known.
    pub fn listed(&self) -> Option<&[Listed]> {
        match self {
            Self::Entity { listed, .. } => listed.as_deref(),
            Self::Choices(choices) => Some(&choices.listed),
            Self::Text => None,
        }
    }
}

impl Script {
    /// Whether a handler may put this into the slot: a value of one that has a list has to be in the list, as instructions
    /// of a language model may read it.
    pub fn admits(&self, name: &str, value: Option<&str>) -> bool {
        let slots: Vec<&Slot> = self.forms.values().filter_map(|form| form.slot(name)).collect();
        let Some(value) = value else { return !slots.is_empty() };
        let fits =
            |slot: &&Slot| slot.fills.listed().is_none_or(|listed| listed.iter().any(|(known, _)| known == value));
        !slots.is_empty() && slots.iter().all(fits)
    }
}

impl Form {
    /// The slot of that name.
    pub fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.name == name)
    }
}
