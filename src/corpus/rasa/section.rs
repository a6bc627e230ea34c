//! What the top-level keys of a file are: Rasa reads any of them from any of its files.

use super::{super::CorpusError, yaml::Node};

/// A top-level key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Nlu,
    Responses,
    Rules,
    Entities,
    Intents,
    Forms,
    Slots,
    Actions,
    Stories,
    /// There is nothing in it that a user would miss.
    Known,
    /// Nothing here does what it says.
    PassedOver(&'static str),
    /// Not Rasa's.
    Unknown,
}

/// What becomes of stories.
pub(super) const STORIES: &str = "stories are passed over, but for the forms that they begin with: each message is answered by its own intent's reply";
/// What becomes of actions.
pub(super) const ACTIONS: &str =
    "actions are passed over: what they do is for a program of yours (handler = \"external\")";

const FLOWS: Section = Section::PassedOver("flows are passed over: each message is answered by its own intent's reply");
const TESTS: Section = Section::PassedOver("tests are passed over");
const SETTINGS: Section =
    Section::PassedOver("Rasa's settings (config, endpoints, credentials) are passed over: this worker has its own");

/// The keys that Rasa gives a meaning.
const SECTIONS: [(&str, Section); 43] = [
    ("nlu", Section::Nlu),
    ("responses", Section::Responses),
    // Version 1's name.
    ("templates", Section::Responses),
    ("rules", Section::Rules),
    ("entities", Section::Entities),
    ("intents", Section::Intents),
    ("session_config", Section::Known),
    ("stories", Section::Stories),
    ("slots", Section::Slots),
    ("forms", Section::Forms),
    ("actions", Section::Actions),
    ("e2e_actions", Section::PassedOver(ACTIONS)),
    ("flows", FLOWS),
    ("test_cases", TESTS),
    ("fixtures", TESTS),
    ("assistant_id", SETTINGS),
    ("importers", SETTINGS),
    ("pipeline", SETTINGS),
    ("policies", SETTINGS),
    ("recipe", SETTINGS),
    ("action_endpoint", SETTINGS),
    ("event_broker", SETTINGS),
    ("lock_store", SETTINGS),
    ("model_groups", SETTINGS),
    ("nlg", SETTINGS),
    ("tracker_store", SETTINGS),
    ("vector_store", SETTINGS),
    ("botframework", SETTINGS),
    ("callback", SETTINGS),
    ("cisco", SETTINGS),
    ("facebook", SETTINGS),
    ("hangouts", SETTINGS),
    ("mattermost", SETTINGS),
    ("rasa", SETTINGS),
    ("rest", SETTINGS),
    ("rocketchat", SETTINGS),
    ("slack", SETTINGS),
    ("socketio", SETTINGS),
    ("telegram", SETTINGS),
    ("twilio", SETTINGS),
    ("twilio_voice", SETTINGS),
    ("webexteams", SETTINGS),
    ("rasa_webchat", SETTINGS),
];

/// Keys that other programs' files have, too: they don't make a file one of Rasa's.
const ANYWHERE: [&str; 4] = ["version", "language", "models", "name"];

/// The sections of a file.
pub(super) fn of(document: &Node) -> Result<Vec<(&Node, &Node, Section)>, CorpusError> {
    let entries = document.table().unwrap_or_default();
    let mut sections: Vec<_> = entries.iter().map(|(key, value)| (key, value, section(key, value))).collect();
    if sections.iter().all(|(.., section)| *section == Section::Unknown) {
        let keys = document.keys().take(5).map(|key| format!("'{key}'")).collect::<Vec<_>>();
        let found = match keys.len() {
            0 => "this has none".to_owned(),
            _ => format!("this has {}", keys.join(", ")),
        };
        let reason =
            "this is no file of a Rasa project: those have keys such as nlu, responses or rules at the top, and";
        return Err(CorpusError::unknown(document.line, format!("{reason} {found}")));
    }
    // Settings have keys of their own that nobody can list; one word for all of them is enough.
    let settings = sections.iter().any(|(.., section)| *section == SETTINGS);
    for (key, _, section) in &mut sections {
        let anywhere = key.scalar().is_some_and(|key| ANYWHERE.contains(&key));
        if *section == Section::Unknown && (settings || anywhere) {
            *section = Section::Known;
        }
    }
    Ok(sections)
}

fn section(key: &Node, value: &Node) -> Section {
    let Some(key) = key.scalar() else { return Section::Unknown };
    // In the endpoints it is a server.
    if key == "nlu" && value.get("url").is_some() {
        return SETTINGS;
    }
    // A channel's settings are under the name of its class, `channels.shop.ShopInput`.
    let is_class = key.contains('.')
        && key.split('.').all(|part| part.chars().all(|c| c.is_alphanumeric() || c == '_') && !part.is_empty());
    match SECTIONS.iter().find(|(name, _)| *name == key) {
        Some((_, section)) => *section,
        None if is_class => SETTINGS,
        None => Section::Unknown,
    }
}
