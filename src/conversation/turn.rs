//! A turn of a conversation: what was heard changes the state, and says what the bot does.
//!
//! Eight steps, the first that applies: a person has it; an intent that steers; values of slots; a confirmation; another
//! intent, and the question again; what documents answer, likewise; free text; the question once more, and then the way out.
//!
//! **Invariant:** pure. The fallback is a missed answer, and never an interruption, but where its documents are known to answer.

mod step;

use std::collections::BTreeMap;

pub use self::step::{Ended, Question, Run, Step, Why};
use super::{
    Slots, State,
    filling::{Said, Unclear, said},
    script::{ATTEMPTS, Fills, Form, Script, Slot, Steer},
    state::{Asked, MOST_ASIDES, MOST_OPEN, Open, SKIPPED},
    wording::{is_nothing, stops},
};
use crate::{
    domain::{Entity, IntentName, is_question},
    entity::folded,
};

/// What a user said.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// What it was taken to mean.
    pub intent: &'a IntentName,
    /// Whether that is certain: the model is sure enough, or the client said so.
    pub sure: bool,
    /// What the text names, in its order.
    pub entities: &'a [Entity],
    pub text: &'a str,
    /// Whether the fallback has an answer of documents to it, for where it answers nothing that is asked.
    pub answered: bool,
}

/// Takes one turn.
pub fn turn(script: &Script, mut state: State, heard: &Heard<'_>) -> (State, Step) {
    let step = Taking { script, state: &mut state }.step(heard);
    (state, step)
}

/// A turn that is being taken.
struct Taking<'a> {
    script: &'a Script,
    state: &'a mut State,
}

impl<'a> Taking<'a> {
    fn step(mut self, heard: &Heard<'_>) -> Step {
        if self.state.person {
            let person = self.script.steering.person.as_ref();
            return Step::Person(person.unwrap_or(heard.intent).clone());
        }
        self.renew();
        let sure = heard.sure && *heard.intent != self.script.fallback;
        let steer = self.script.steering.of(heard.intent).filter(|_| sure);
        let Some((open, form)) = self.asking() else {
            return match steer {
                Some(Steer::Person) => self.hand_over(heard.intent),
                _ if sure => self.begin(heard.intent, heard),
                _ => self.fall_back(),
            };
        };
        let (intent, is_fresh) = (open.intent.clone(), open.fresh);
        let slot = if let Asked::Slot(name) = &open.asked { form.slot(name) } else { None };
        let asked = slot.map(|slot| &*slot.name);
        let said = said(form, asked, &self.state.slots, heard.entities, heard.text);
        let Said { mut changes, corrects, answer, repeats, unclear } = said;
        let another = sure && *heard.intent != intent && steer.is_none();
        if another && !corrects {
            // What is said about something else fills what is asked for, but corrects nothing.
            changes.retain(|(name, _)| slot.is_some() && self.state.slots.get(name).is_none());
        }
        let is_undone = corrects && self.undo(form, &unclear);
        if !changes.is_empty() || is_undone {
            self.say(&changes);
            return offering(self.go_on(false), unclear);
        }
        let is_unclear = unclear.iter().any(|it| Some(&*it.slot) == asked);
        if is_unclear && (!another || corrects) && !matches!(steer, Some(Steer::Cancel | Steer::Person)) {
            return offering(self.missed(&intent, form, slot, true), unclear);
        }
        // Whatever the model takes it for, but a way out.
        if let Some(slot) = slot.filter(|slot| is_fresh && slot.optional && is_nothing(heard.text, &slot.name))
            && !matches!(steer, Some(Steer::Cancel | Steer::Person))
            && !stops(heard.text, intent.as_str())
        {
            self.skip(slot);
            return self.go_on(false);
        }
        // "Yes, FL1" answers the confirmation, whatever a number alone means.
        let steering = &self.script.steering;
        let answer = answer.filter(|_| slot.is_none() && is_fresh);
        let answer = answer.and_then(|answer| Some((answer, steering.named(answer)?)));
        let (steer, meant) = answer.map_or((steer, heard.intent), |(answer, meant)| (Some(answer), meant));
        let heard = &Heard { intent: meant, ..*heard };
        if let Some(steer) = steer
            && let Some(step) = self.steered(steer, &intent, slot, heard)
        {
            return step;
        }
        if another {
            return self.begin(heard.intent, heard);
        }
        let taking = slot.filter(|slot| is_fresh && matches!(slot.fills, Fills::Text));
        let taking = taking.filter(|_| steer.is_none() && !heard.text.trim().is_empty());
        // Where free text is asked, and where an intent is surely meant, only what asks is a question to documents.
        let asks = heard.answered && is_question(&folded(heard.text));
        if asks || (heard.answered && taking.is_none() && !sure && self.takes_aside()) {
            return self.run(&self.script.fallback, Why::InBetween, None);
        }
        if let Some(slot) = taking {
            self.state.slots.say(&slot.name, heard.text);
            return self.go_on(false);
        }
        if repeats && slot.is_none() && is_fresh && steer.is_none() {
            // What is held, said again, is no yes, and no miss either.
            return self.ask(true, false).map_or_else(|| self.fall_back(), Step::Ask);
        }
        self.missed(&intent, form, slot, false)
    }

    /// Empties the slots that are corrected by several values, so that they are asked; whether there are any.
    fn undo(&mut self, form: &Form, unclear: &[Unclear]) -> bool {
        let is_asked = |it: &&Unclear| form.slot(&it.slot).is_some_and(|slot| slot.has_question);
        let held = unclear.iter().filter(is_asked).filter_map(|it| self.state.slots.put(&it.slot, None));
        held.count() > 0
    }

    /// Whether documents may once more answer what is no question by its form, which is counted: else whoever never answers
    /// is never let go.
    fn takes_aside(&mut self) -> bool {
        let Some(open) = self.state.open.last_mut().filter(|open| open.asides < MOST_ASIDES) else { return false };
        open.asides += 1;
        true
    }

    /// What an intent that steers does; none where it means nothing here.
    fn steered(&mut self, steer: Steer, intent: &IntentName, slot: Option<&Slot>, heard: &Heard<'_>) -> Option<Step> {
        let cancelled = || Some(Ended::Cancelled(intent.clone()));
        match (steer, slot) {
            (Steer::Person, _) => Some(self.hand_over(heard.intent)),
            (Steer::Cancel, _) => {
                self.state.open.clear();
                Some(self.run(heard.intent, Why::Heard, cancelled()))
            }
            // A yes to something else confirms nothing.
            (Steer::Yes, None) if self.state.open.last().is_some_and(|open| open.fresh) => Some(self.done(intent)),
            (Steer::Yes, _) => None,
            (Steer::No, Some(slot)) if slot.optional && !stops(heard.text, intent.as_str()) => {
                self.skip(slot);
                Some(self.go_on(false))
            }
            (Steer::No, _) => {
                self.close(intent);
                Some(self.run(heard.intent, Why::Heard, cancelled()))
            }
        }
    }

    fn hand_over(&mut self, intent: &IntentName) -> Step {
        self.state.open.clear();
        self.state.person = true;
        Step::Person(intent.clone())
    }

    /// An intent is meant: it asks what it needs, or answers, and then what was asked before is asked again.
    fn begin(&mut self, intent: &IntentName, heard: &Heard<'_>) -> Step {
        let Some(form) = self.script.forms.get(intent) else {
            return self.run(intent, Why::Heard, None);
        };
        self.state.open.retain(|open| open.intent != *intent);
        if self.state.open.len() == MOST_OPEN {
            self.state.open.remove(0);
        }
        let before = self.set_aside(form);
        self.state.open.push(Open::new(intent.clone(), before));
        let said = said(form, None, &self.state.slots, heard.entities, heard.text);
        self.say(&said.changes);
        offering(self.go_on(true), said.unclear)
    }

    /// Makes room for an intent's slots. What an intent that waits knows is kept for it, and holds for this one as well;
    /// what was said another time is asked anew, and is handed back.
    fn set_aside(&mut self, form: &Form) -> BTreeMap<String, String> {
        let State { slots, open, .. } = &mut *self.state;
        let mut before = BTreeMap::new();
        for Slot { name, .. } in &form.slots {
            let has = |open: &&mut Open| self.script.forms.get(&open.intent).is_some_and(|it| it.slot(name).is_some());
            if let Some(owner) = open.iter_mut().rev().find(has) {
                owner.aside.insert(name.clone(), slots.value(name).cloned());
            } else if slots.value(name).is_some_and(|value| !value.given) {
                before.extend(slots.put(name, None).map(|value| (name.clone(), value.text)));
            }
        }
        before
    }

    /// Asks what is missing; where nothing is, to confirm; and then the handlers.
    fn go_on(&mut self, opens: bool) -> Step {
        let Self { script, state } = &mut *self;
        let Some(open) = state.open.last_mut() else { return self.fall_back() };
        let Some(form) = script.forms.get(&open.intent) else { return self.fall_back() };
        open.asides = 0;
        match missing(form, open, &state.slots) {
            Some(slot) => {
                open.asked = Asked::Slot(slot.name.clone());
                open.times.entry(slot.name.clone()).or_insert(1);
            }
            None if form.confirm => {
                open.asked = Asked::Confirmation;
                open.confirmations = 1;
            }
            None => {
                let intent = open.intent.clone();
                return match self.done(&intent) {
                    Step::Run(run) if opens => Step::Run(Box::new(Run { why: Why::Heard, ..*run })),
                    step => step,
                };
            }
        }
        self.ask(false, opens).map_or_else(|| self.fall_back(), Step::Ask)
    }

    /// The question wasn't answered: it is asked once more, and then the way out is taken. An answer that is only unclear
    /// has one time more.
    fn missed(&mut self, intent: &IntentName, form: &Form, slot: Option<&Slot>, is_unclear: bool) -> Step {
        let Some(open) = self.state.open.last_mut() else { return self.fall_back() };
        let (times, attempts) = match slot {
            Some(slot) => (open.times.entry(slot.name.clone()).or_insert(1), slot.attempts),
            None => (&mut open.confirmations, ATTEMPTS),
        };
        let attempts = attempts + u32::from(is_unclear);
        // Something else was said since the question: that it wasn't answered means nothing.
        let again = open.fresh;
        if !again || *times < attempts {
            *times += u32::from(again);
            return self.ask(again, false).map_or_else(|| self.fall_back(), Step::Ask);
        }
        if let Some(slot) = slot.filter(|slot| slot.optional) {
            self.skip(slot);
            return self.go_on(false);
        }
        self.state.open.clear();
        match &form.give_up {
            Some(person) if self.script.steering.of(person) == Some(Steer::Person) => self.hand_over(person),
            other => {
                let answers = other.as_ref().unwrap_or(&self.script.fallback);
                self.run(answers, Why::GaveUp, Some(Ended::Cancelled(intent.clone())))
            }
        }
    }

    /// A slot stays empty.
    fn skip(&mut self, slot: &Slot) {
        if let Some(open) = self.state.open.last_mut() {
            open.times.insert(slot.name.clone(), SKIPPED);
        }
    }

    /// The intent has all that it needs.
    fn done(&mut self, intent: &IntentName) -> Step {
        let slots = self.state.slots.clone();
        self.close(intent);
        match self.run(intent, Why::Filled, Some(Ended::Done(intent.clone()))) {
            Step::Run(run) => Step::Run(Box::new(Run { slots, ..*run })),
            step => step,
        }
    }

    /// An intent asks no more; the one that waited has again what it knew.
    fn close(&mut self, intent: &IntentName) {
        let State { slots, open, .. } = &mut *self.state;
        open.retain(|open| open.intent != *intent);
        let Some(open) = open.last_mut() else { return };
        for (name, value) in std::mem::take(&mut open.aside) {
            let was_empty = value.is_none();
            // What was said to the other may be meant here too: it is offered, and not taken.
            if let Some(said) = slots.put(&name, value).filter(|_| was_empty) {
                open.before.insert(name, said.text);
            }
        }
    }

    fn fall_back(&mut self) -> Step {
        self.run(&self.script.fallback, Why::Heard, None)
    }

    /// An intent's handlers answer, and what is still asked is asked again.
    fn run(&mut self, intent: &IntentName, why: Why, ended: Option<Ended>) -> Step {
        let slots = self.state.slots.clone();
        let then = self.ask(false, false);
        Step::Run(Box::new(Run { intent: intent.clone(), why, slots, then, ended }))
    }

    /// The question that is open.
    fn ask(&mut self, again: bool, opens: bool) -> Option<Question> {
        let open = self.state.open.last_mut()?;
        open.fresh = true;
        let before = if let Asked::Slot(name) = &open.asked { open.before.get(name).cloned() } else { None };
        let (intent, asked) = (open.intent.clone(), open.asked.clone());
        Some(Question { intent, asked, again, opens, before, said: Vec::new() })
    }

    fn say(&mut self, changes: &[(String, String)]) {
        changes.iter().for_each(|(name, value)| self.state.slots.say(name, value));
    }

    /// The intent that is asked, and what it asks.
    fn asking(&self) -> Option<(&Open, &'a Form)> {
        let open = self.state.open.last()?;
        Some((open, self.script.forms.get(&open.intent)?))
    }

    /// Lets go what the bot doesn't have any more, as after a change of its file, and asks what is missing now.
    fn renew(&mut self) {
        let Self { script, state } = self;
        state.slots.retain(|name| script.forms.values().any(|form| form.slot(name).is_some()));
        state.open.retain(|open| {
            let form = script.forms.get(&open.intent);
            form.is_some_and(|form| form.confirm || missing(form, open, &state.slots).is_some())
        });
        let Some(open) = state.open.last_mut() else { return };
        let Some(form) = script.forms.get(&open.intent) else { return };
        let asked = missing(form, open, &state.slots);
        let asked = asked.map_or(Asked::Confirmation, |slot| Asked::Slot(slot.name.clone()));
        if asked != open.asked {
            open.asked = asked;
            open.fresh = false;
        }
    }
}

/// Has the question for a slot that several values were said for offer these.
fn offering(step: Step, unclear: Vec<Unclear>) -> Step {
    match step {
        Step::Ask(question) => {
            let is_of = |it: &Unclear| matches!(&question.asked, Asked::Slot(slot) if *slot == it.slot);
            let said = unclear.into_iter().find(is_of).map(|it| it.values).unwrap_or_default();
            Step::Ask(Question { said, ..question })
        }
        step => step,
    }
}

/// The first slot that is empty and is asked.
fn missing<'f>(form: &'f Form, open: &Open, slots: &Slots) -> Option<&'f Slot> {
    let is_asked = |slot: &&Slot| slot.has_question && open.times.get(&slot.name) != Some(&SKIPPED);
    form.slots.iter().filter(is_asked).find(|slot| slots.get(&slot.name).is_none())
}

#[cfg(test)]
mod tests;
