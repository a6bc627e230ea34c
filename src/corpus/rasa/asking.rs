//! Forms become what their intents ask, once all files of a project are there.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use super::{
    super::{Ask, Filler, Form, Notes, Slot},
    forms::{FormFound, Mapping, Source},
    project::Project,
};

/// What is known of a project.
pub(super) struct Known<'a> {
    pub(super) project: &'a Project,
    /// The text of each response.
    pub(super) texts: &'a HashMap<&'a str, &'a str>,
    /// The intents that have examples.
    pub(super) intents: HashSet<&'a str>,
    pub(super) entities: HashSet<&'a str>,
}

/// What intents ask.
#[derive(Default)]
pub(super) struct Asking<'a> {
    pub(super) forms: Vec<Form>,
    /// What is said once an intent has all that it asks for: responses by their names.
    pub(super) replies: HashMap<&'a str, &'a [String]>,
    /// The responses that are questions.
    pub(super) questions: HashSet<String>,
}

impl<'a> Known<'a> {
    /// What intents ask; what can't be kept is told.
    pub(super) fn asking(&self, notes: &mut Notes) -> Asking<'a> {
        let project = self.project;
        let mut asking = Asking::default();
        let (mut slots, mut starts) = (HashMap::<&str, Vec<Slot>>::new(), HashMap::<&str, &str>::new());
        let mut told = HashSet::new();
        let ruled: HashSet<&str> = project.starts.iter().filter(|it| it.is_rule).map(|it| it.form.as_str()).collect();
        let by_rules = project.starts.iter().filter(|start| start.is_rule);
        let by_stories = project.starts.iter().filter(|start| !ruled.contains(start.form.as_str()));
        for start in by_rules.chain(by_stories) {
            let name = start.form.as_str();
            let Some(form) = project.forms.iter().find(|form| form.name == name) else {
                if told.insert(name) {
                    let kind = "forms that are in none of the files were left out: give the domain, too";
                    notes.add_shown(kind, format!("'{name}'"));
                }
                continue;
            };
            let slots = slots.entry(name).or_insert_with(|| self.slots(form, &mut asking.questions, notes));
            for intent in &start.intents {
                if !self.intents.contains(intent.as_str()) {
                    if told.insert(intent) {
                        let kind = "intents that start forms and have no examples were left out";
                        notes.add_shown(kind, format!("'{intent}'"));
                    }
                    continue;
                }
                match starts.entry(intent) {
                    Entry::Occupied(first) if *first.get() != name => {
                        let shown = format!("'{intent}' starts {}, not {name}", first.get());
                        notes.add_shown("an intent that starts several forms starts the first", shown);
                    }
                    Entry::Occupied(_) => {}
                    Entry::Vacant(entry) => {
                        entry.insert(name);
                        if !slots.is_empty() {
                            asking.forms.push(Form { of: intent.clone(), slots: slots.clone() });
                            let submit = project.submits.iter().find(|submit| submit.form == name);
                            asking.replies.extend(submit.map(|it| (intent.as_str(), it.responses.as_slice())));
                        }
                    }
                }
            }
        }
        for form in &project.forms {
            let kind = match slots.get(form.name.as_str()) {
                None => "forms that no rule starts, and no story begins with, were left out",
                Some(slots) if slots.is_empty() => {
                    "forms of which no slot can be kept were left out: what they ask is for a program of yours"
                }
                Some(_) => continue,
            };
            notes.add_shown(kind, format!("'{}'", form.name));
        }
        let asked: HashSet<&str> =
            project.forms.iter().flat_map(|form| &form.slots).map(|(name, _)| name.as_str()).collect();
        for slot in project.slots.iter().filter(|slot| !asked.contains(slot.name.as_str())) {
            notes.add_shown("slots that no form asks for were left out", format!("'{}'", slot.name));
        }
        asking
    }

    fn slots(&self, form: &FormFound, questions: &mut HashSet<String>, notes: &mut Notes) -> Vec<Slot> {
        let slots = form.slots.iter();
        slots
            .filter_map(|(name, mappings)| self.slot(&form.name, name, mappings.as_deref(), questions, notes))
            .collect()
    }

    fn slot(
        &self,
        form: &str,
        name: &str,
        mappings: Option<&[Mapping]>,
        questions: &mut HashSet<String>,
        notes: &mut Notes,
    ) -> Option<Slot> {
        let found = self.project.slots.iter().find(|slot| slot.name == name);
        let filler = match mappings.or_else(|| found?.mappings.as_deref()) {
            Some(mappings) => filler(form, name, mappings, notes),
            // Version 2 fills a slot by the entity of its name.
            None => self.entities.contains(name).then(|| (Filler::Entity(name.to_owned()), false)),
        };
        let has_value = found.is_some_and(|slot| slot.has_value);
        // Without its question, text never comes.
        let Some((filler, optional)) = filler.filter(|(filler, _)| !has_value || *filler != Filler::Text) else {
            let kind = "slots of forms that neither an entity nor an answer fills were left out";
            notes.add_shown(kind, format!("'{name}' of {form}"));
            return None;
        };
        let names = [format!("utter_ask_{form}_{name}"), format!("utter_ask_{name}")];
        let question = names.into_iter().find_map(|question| {
            let text = (*self.texts.get(question.as_str())?).to_owned();
            questions.insert(question);
            Some(text)
        });
        let ask = match question {
            _ if has_value => Ask::Never,
            Some(text) => Ask::Text(text),
            None => {
                let kind = "questions of forms that are in none of the files say TODO";
                notes.add_shown(kind, format!("utter_ask_{name} of {form}"));
                Ask::Missing
            }
        };
        Some(Slot { name: name.to_owned(), filler, optional: optional || has_value, ask })
    }
}

/// What fills a slot in a form, one of what Rasa tries one after the other; and whether it is optional.
fn filler(form: &str, name: &str, mappings: &[Mapping], notes: &mut Notes) -> Option<(Filler, bool)> {
    let sources: Vec<&Source> = mappings.iter().filter(|it| it.holds_in(form)).map(|it| &it.source).collect();
    let mut entities = sources.iter().filter_map(|source| match source {
        Source::Entity(entity) => Some(entity),
        _ => None,
    });
    let (entity, has_others) = match entities.next() {
        Some(first) => (Some(first), entities.any(|other| other != first)),
        None => (None, false),
    };
    let has = |wanted: &Source| sources.contains(&wanted);
    let (is_text, intents) = (has(&Source::Text), sources.iter().filter(|source| ***source == Source::Intent).count());
    let shown = || format!("'{name}' of {form}");
    match entity {
        Some(_) if is_text && intents < 2 => {
            notes.add_shown("slots that an entity or any text fills take any text", shown());
            Some((Filler::Text, intents == 1))
        }
        Some(entity) => {
            if has_others {
                notes.add_shown("slots that several entities fill take the first", shown());
            }
            Some((Filler::Entity(entity.clone()), false))
        }
        // A question of yes or no: both would be taken for what else the user wants.
        None if intents > 1 => None,
        // The intent is a no, which leaves out what is optional.
        None if intents == 1 => is_text.then_some((Filler::Text, true)),
        None => (is_text || has(&Source::TextOfIntents)).then_some((Filler::Text, false)),
    }
}
