//! A request as a turn of a conversation: classified, taken by the script, answered, with the state that comes of it.
//!
//! **Invariant:** a turn that fails has changed nothing: its state isn't handed out. A request in no conversation is a turn
//! of its own, of which nothing is kept.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Dialogue, Job, Pipeline, Stage, Work, dialogue::Said, documents::InBetween, words};
use crate::{
    conversation::{
        self, Script, Slots, State, follow_up,
        state::Asked,
        turn::{Ended, Heard, Question, Run, Step, Why},
    },
    domain::{
        Classification, Entity, IntentName, MessageError, Outcome, Progress, Request, Role, Status, Turn, language,
    },
    handler::{Answer, Job as HandlerJob},
};

/// What becomes of a turn.
#[derive(Debug)]
pub enum Turned {
    Outcome(Outcome),
    /// It goes to a person.
    Person(Box<Handover>),
}

/// What a person is told of a conversation.
#[derive(Debug)]
pub struct Handover {
    /// The intent whose handlers answer where no person does.
    pub intent: IntentName,
    /// How this turn was classified; `None` where it wasn't, as the person had the conversation already.
    pub classification: Option<Box<Classification>>,
    /// Whether it goes to a person by this turn, and not by one before.
    pub is_new: bool,
    /// What was said, the oldest first; this turn's text is the last.
    pub history: Vec<Turn>,
    /// What is known by name.
    pub slots: Slots,
}

/// What is known of the conversation that a request belongs to.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) slots: Slots,
    /// What was said before; the request's own history where there is no state.
    pub(super) history: Option<Vec<Turn>>,
    /// What was said before a follow-up.
    pub(super) before: Option<String>,
    /// What each of those texts names.
    pub(super) named_before: Vec<Vec<Entity>>,
    /// The number of the turn; none for a request in no conversation.
    pub(super) turn: Option<u64>,
    /// What handlers said of the slots.
    pub(super) given: Vec<(String, Option<String>)>,
}

/// What was understood: an intent, and how.
type Understood = (IntentName, Option<Box<Classification>>);

impl Pipeline {
    /// How the bot speaks in its conversations; none for a bot without.
    pub fn dialogue(&self) -> Option<&Dialogue> {
        self.parts.dialogue.as_ref()
    }

    /// Takes a turn of a conversation: what becomes of the request, and the state after it. `number` is the turn's, from 1;
    /// the same turn has the same number when it is taken again. Answers aren't remembered by their identity: the state
    /// is.
    ///
    /// # Errors
    /// [`MessageError`] where there is no answer: the turn hasn't happened, and its state is the one before.
    pub async fn turn(&self, job: &Job, mut state: State, number: u64) -> Result<(Turned, State), MessageError> {
        let started = Instant::now();
        if let Some(outcome) = self.cancelled(job) {
            return Ok((Turned::Outcome(outcome), state));
        }
        let attached = match job.request.attachments.is_empty() {
            true => None,
            // Boxed, as it is rare: a delivery's task is as large as its largest branch.
            false => Some(Box::new(Box::pin(self.heard(job, started)).await?)),
        };
        let mut work = Work::new(job, started, attached);
        let expired = std::mem::take(&mut state.expired);
        if state.person {
            // Nobody is asked what it means: it is the person's.
            let person = self.parts.dialogue.as_ref().and_then(|dialogue| dialogue.script.steering.person.as_ref());
            let intent = person.unwrap_or(&self.parts.choice.fallback).clone();
            return Ok(handed_over(&work, state, intent, None, false));
        }
        self.localize(&mut work, &state);
        let before = follow_up::before(&state.history, &work.request().text);
        let (mut intent, mut classification) = self.understood(&work).await?;
        // Where an intent asks, what isn't understood is an answer or none.
        // What is meant for the fallback may be a follow-up, too, as "what about white?", unless it speaks to the bot.
        let is_left = intent == self.parts.choice.fallback && !follow_up::is_to_the_bot(&work.request().text);
        let is_missed = state.open.is_empty() && classification.as_ref().is_some_and(|it| it.fallback || is_left);
        if let Some(before) = before.as_deref().filter(|_| is_missed && work.job.stage == Stage::Classify)
            && let Some(together) = self.together(&work, before).await?
            && together.1.as_ref().and_then(|it| it.confidence) > classification.as_ref().and_then(|it| it.confidence)
        {
            (intent, classification) = together;
        }
        let in_between = match self.searching.is_some() && !state.open.is_empty() {
            // Boxed, as it is rare: a delivery's task is as large as its largest branch.
            true => Box::pin(self.in_between(&work, &state, &intent, classification.as_deref())).await,
            false => None,
        };
        let (mut state, step, answer) = match in_between {
            Some(InBetween { state, run, answer }) => (state, Step::Run(Box::new(run)), Some(answer)),
            None => {
                let (state, step) = self.taken(&work, state, &intent, classification.as_deref(), false);
                (state, step, None)
            }
        };
        let history = Some(std::mem::take(&mut state.history)).filter(|history| !history.is_empty());
        let named_before = before.as_deref().map(|before| self.entities_of(before)).unwrap_or_default();
        let slots = state.slots.clone();
        work.talk =
            Some(Box::new(Talk { slots, history, before, named_before, turn: Some(number), given: Vec::new() }));
        let mut outcome = match step {
            Step::Person(to) => {
                state.history = work.talk.take().and_then(|talk| talk.history).unwrap_or_default();
                return Ok(handed_over(&work, state, to, classification, true));
            }
            Step::Ask(question) => {
                let classification = if question.opens { classification } else { asking(classification) };
                self.asked(&work, &question, classification)?
            }
            Step::Run(run) => self.ran(&mut work, *run, answer, &intent, classification, &mut state).await?,
        };
        let talk = *work.talk.take().unwrap_or_default();
        state.history = talk.history.unwrap_or_default();
        state.say(Role::User, &work.request().text);
        match &mut outcome {
            Outcome::Reply(shared) => {
                let reply = Arc::make_mut(shared);
                state.say(Role::Assistant, &reply.text);
                state.language = reply.locale.clone().or(state.language);
                if expired {
                    reply.text = words::anew(&reply.text, work.request(), reply.locale.as_deref());
                }
            }
            _ => state.not_asked_last(),
        }
        Ok((Turned::Outcome(outcome), state))
    }

    /// A request in no conversation, of a bot that asks: its slots from its text, and the first question where one is
    /// missing. Nothing is kept.
    pub(super) async fn one_turn(
        &self,
        work: &mut Work<'_>,
        intent: IntentName,
        classification: Option<Box<Classification>>,
    ) -> Result<Outcome, MessageError> {
        let (state, step) = self.taken(work, State::default(), &intent, classification.as_deref(), false);
        work.talk = Some(Box::new(Talk { slots: state.slots, ..Talk::default() }));
        let mut outcome = match step {
            Step::Ask(question) => self.asked(work, &question, classification)?,
            Step::Run(run) => {
                work.talk = Some(Box::new(Talk { slots: run.slots, ..Talk::default() }));
                self.answered(work, run.intent, classification).await?
            }
            // It takes a conversation to hand one over.
            Step::Person(intent) => self.answered(work, intent, classification).await?,
        };
        if let Outcome::Reply(reply) = &mut outcome {
            Arc::make_mut(reply).details.state = None;
        }
        Ok(outcome)
    }

    /// Whether an intent asks before its handlers are asked.
    pub(super) fn asks(&self, intent: &IntentName) -> bool {
        self.parts.dialogue.as_ref().is_some_and(|dialogue| dialogue.script.forms.contains_key(intent))
    }

    /// What the script makes of it; `answered` is whether documents answer it, where nothing else does.
    pub(super) fn taken(
        &self,
        work: &Work<'_>,
        state: State,
        intent: &IntentName,
        classification: Option<&Classification>,
        answered: bool,
    ) -> (State, Step) {
        let text = &work.request().text;
        let sure = classification.is_none_or(|it| !it.fallback);
        let heard = Heard { intent, sure, entities: self.entities(work), text, answered };
        match &self.parts.dialogue {
            Some(dialogue) => conversation::turn(&dialogue.script, state, &heard),
            None => {
                let fallback = self.parts.choice.fallback.clone();
                let script = Script { fallback, steering: Default::default(), forms: Default::default() };
                conversation::turn(&script, state, &heard)
            }
        }
    }

    /// A question as the reply.
    fn asked(
        &self,
        work: &Work<'_>,
        question: &Question,
        classification: Option<Box<Classification>>,
    ) -> Result<Outcome, MessageError> {
        let Said { text, locale, choices } = self.said(work, question, None)?;
        let mut answer = Answer::text(text, locale);
        answer.details.choices = choices;
        answer.details.state = Some(progress(question));
        Ok(self.replied(work, answer, question.intent.clone(), classification))
    }

    fn said(&self, work: &Work<'_>, question: &Question, locale: Option<&str>) -> Result<Said, MessageError> {
        let Some(dialogue) = &self.parts.dialogue else {
            return Err(super::errors::no_answer(&question.intent));
        };
        let asks = HandlerJob {
            entities: self.entities(work),
            labels: Some(&dialogue.labels),
            ..work.asks(&question.intent, Instant::now())
        };
        dialogue.said(question, locale, &asks)
    }

    /// An intent's handlers answer, unless there is an answer, and what is still asked is asked behind it.
    async fn ran(
        &self,
        work: &mut Work<'_>,
        run: Run,
        answer: Option<Answer>,
        heard: &IntentName,
        classification: Option<Box<Classification>>,
        state: &mut State,
    ) -> Result<Outcome, MessageError> {
        let Run { intent, why, slots, then, ended } = run;
        let classification = match why {
            // By its words, "yes, FL1" may mean another than the model heard.
            Why::Heard if intent == *heard || intent == self.parts.choice.fallback => classification,
            Why::InBetween if intent == *heard => classification,
            Why::Heard | Why::Filled => asking(classification),
            Why::GaveUp | Why::InBetween if intent == self.parts.choice.fallback => {
                classification.map(|it| match it.fallback {
                    true => it,
                    false => Box::new(it.left_to_fallback(heard.clone())),
                })
            }
            Why::GaveUp | Why::InBetween => asking(classification),
        };
        let known = std::mem::replace(&mut work.talk.get_or_insert_default().slots, slots);
        let mut outcome = match answer {
            Some(answer) => self.replied(work, answer, intent, classification),
            None => self.answered(work, intent, classification).await?,
        };
        let talk = work.talk.get_or_insert_default();
        talk.slots = known;
        for (name, value) in std::mem::take(&mut talk.given) {
            match self.parts.dialogue.as_ref().is_some_and(|it| it.script.admits(&name, value.as_deref())) {
                true => {
                    state.slots.give(&name, value.as_deref());
                    talk.slots.give(&name, value.as_deref());
                }
                false => tracing::warn!(
                    slot = name,
                    "a handler sets a slot that no intent has, or to a value that isn't one of its list; that is passed over"
                ),
            }
        }
        let Outcome::Reply(shared) = &mut outcome else { return Ok(outcome) };
        let reply = Arc::make_mut(shared);
        reply.details.state = match (&then, ended) {
            (Some(question), _) => Some(progress(question)),
            (None, Some(Ended::Done(intent))) => {
                Some(Progress { status: Status::Done, intent: Some(intent), slot: None })
            }
            (None, Some(Ended::Cancelled(intent))) => {
                Some(Progress { status: Status::Cancelled, intent: Some(intent), slot: None })
            }
            (None, None) => None,
        };
        if let Some(question) = then {
            let Said { text, locale, choices } = self.said(work, &question, reply.locale.as_deref())?;
            reply.text = format!("{}\n\n{text}", reply.text);
            reply.locale = reply.locale.take().or(locale);
            if !choices.is_empty() {
                reply.details.choices = choices;
            }
        }
        Ok(outcome)
    }

    /// A text without a language of its own, such as an order number, is answered in that of the answer before.
    fn localize(&self, work: &mut Work<'_>, state: &State) {
        let request = work.request();
        let Some(language) = &state.language else { return };
        if request.locale.is_some() || self.has_language(work) {
            return;
        }
        let locale = Some(language.clone());
        match &mut work.attached {
            Some(attached) => attached.request.locale = locale,
            None => work.localized = Some(Box::new(Request { locale, ..work.job.request.clone() })),
        }
    }

    fn has_language(&self, work: &Work<'_>) -> bool {
        /// Words that are as short as this are said in many languages: "ok".
        const SHORT: usize = 2;
        let text = &work.request().text;
        if language::language_of_script(text).is_some() {
            return true;
        }
        let entities = self.entities(work);
        let is_named = |at: usize| entities.iter().any(|entity| (entity.start..entity.end).contains(&at));
        let rest: String = text.chars().enumerate().map(|(at, c)| if is_named(at) { ' ' } else { c }).collect();
        let mut words = rest.split(|c: char| !c.is_alphanumeric());
        words.any(|word| word.chars().count() > SHORT && word.chars().all(char::is_alphabetic))
    }

    /// What a follow-up means with what was said before; none where that isn't sure either.
    async fn together(&self, work: &Work<'_>, before: &str) -> Result<Option<Understood>, MessageError> {
        let text = format!("{before}\n{}", work.request().text);
        let (intent, classification) = self.classified(work, &text).await?;
        Ok((!classification.fallback).then(|| (intent, Some(Box::new(classification)))))
    }

    /// What a request means: as its client says, or as it is classified.
    pub(super) async fn understood(&self, work: &Work<'_>) -> Result<Understood, MessageError> {
        Ok(match &work.job.stage {
            Stage::Handle { intent, classification } => (intent.clone(), classification.clone()),
            // There is nothing to classify.
            Stage::Classify if !work.request().has_text() => {
                let classification = Classification { fallback: true, ..Classification::default() };
                (self.parts.choice.fallback.clone(), Some(Box::new(classification)))
            }
            Stage::Classify => {
                let (intent, classification) = self.classify(work).await?;
                (intent, Some(Box::new(classification)))
            }
        })
    }
}

impl Work<'_> {
    /// An intent's handlers are asked this.
    pub(super) fn asks<'w>(&'w self, intent: &'w IntentName, deadline: Instant) -> HandlerJob<'w> {
        let asked = HandlerJob::new(self.request(), intent, deadline);
        match self.talk.as_deref() {
            None => asked,
            Some(Talk { slots, history, before, named_before, turn, .. }) => {
                let history = history.as_deref().unwrap_or(asked.history);
                HandlerJob { slots, history, before: before.as_deref(), named_before, turn: *turn, ..asked }
            }
        }
    }
}

fn handed_over(
    work: &Work<'_>,
    mut state: State,
    intent: IntentName,
    classification: Option<Box<Classification>>,
    is_new: bool,
) -> (Turned, State) {
    state.say(Role::User, &work.request().text);
    let (history, slots) = (state.history.clone(), state.slots.clone());
    (Turned::Person(Box::new(Handover { intent, classification, is_new, history, slots })), state)
}

/// How a turn was classified that an intent takes which asked: it isn't the one that was heard.
fn asking(classification: Option<Box<Classification>>) -> Option<Box<Classification>> {
    let of = |it: Classification| Classification { confidence: None, fallback: false, predicted: None, ..it };
    classification.map(|boxed| Box::new(of(*boxed)))
}

fn progress(question: &Question) -> Progress {
    let intent = Some(question.intent.clone());
    match &question.asked {
        Asked::Slot(slot) => Progress { status: Status::Asking, intent, slot: Some(slot.clone()) },
        Asked::Confirmation => Progress { status: Status::Confirming, intent, slot: None },
    }
}
