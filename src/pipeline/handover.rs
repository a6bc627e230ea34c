//! To a person and back, and forgetting: what a turn of a conversation is for, and what comes of it.
//!
//! **Invariant:** a person's program may do in a conversation what a token allows that belongs to this one handover. Who
//! has another, or an old one, changes nothing.

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Job, Pipeline, Stage, Turned};
use crate::{
    answered::Identity,
    conversation::{Record, State, Who},
    domain::{
        Address, Classification, Command, Delivered, Done, ErrorCode, Handed, IntentName, Key, MessageError, Outcome,
        Pass, Role, Spoken, Token, codec::encode_handed,
    },
};

/// A message in the queue of its conversation.
#[derive(Debug)]
pub struct Incoming {
    pub purpose: Purpose,
    /// By what it is known again.
    pub identity: Identity,
}

/// What a message in the queue of its conversation is for.
#[derive(Debug)]
pub enum Purpose {
    /// A user says something, and listens there.
    Say { who: Who, reply_to: Option<Address> },
    /// It waited for a person, and nobody took it.
    Return { who: Who, token: Token },
    /// A person says something.
    Speak(Pass),
    /// A person gives the conversation back.
    Release(Pass),
    /// A user has the conversation forgotten.
    Forget(Who),
}

/// What holds for all conversations of a bot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How many texts of its history are remembered.
    pub(super) texts: usize,
    /// How long a person who has one may say nothing, nor its user.
    pub(super) idle: Duration,
}

impl Rules {
    /// Lets go of a history what isn't remembered.
    pub(super) fn trim(&self, state: &mut State) {
        state.history.drain(..state.history.len().saturating_sub(self.texts));
    }
}

/// Who knows whether a person could take a conversation.
pub trait Desk: Sync {
    /// Whether a program is there that takes what goes to people; `true` also where that can't be told.
    fn is_attended(&self) -> impl Future<Output = bool> + Send;
}

/// A request that goes to a person, as it is kept with its turn. Its body is made again of the message and the state,
/// which are the same when it comes again, and may be large.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    intent: IntentName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classification: Option<Box<Classification>>,
    token: Token,
}

impl Purpose {
    /// What the conversation is stored under.
    pub fn key(&self) -> Key {
        match self {
            Self::Say { who, .. } | Self::Return { who, .. } | Self::Forget(who) => {
                Record::key(who.user_id.as_deref(), who.sender.as_deref(), &who.conversation)
            }
            Self::Speak(pass) | Self::Release(pass) => pass.key,
        }
    }

    /// Whose it is, where the message says so: such a one may begin a conversation.
    pub(super) fn who(&self) -> Option<&Who> {
        match self {
            Self::Say { who, .. } | Self::Return { who, .. } | Self::Forget(who) => Some(who),
            Self::Speak(_) | Self::Release(_) => None,
        }
    }
}

impl Kept {
    pub(super) fn of(handed: &Handed) -> Self {
        let Handed { intent, classification, pass, .. } = handed;
        Self { intent: intent.clone(), classification: classification.clone(), token: pass.token.clone() }
    }

    /// What goes to a person: the request, with what was said and what is known by then.
    pub(super) fn handed(self, key: &Key, job: &Job, state: &State, wait: Duration) -> Handed {
        let Self { intent, classification, token } = self;
        let conversation = job.request.conversation.as_deref().unwrap_or_default();
        Handed {
            intent,
            classification,
            pass: Pass { lane: crate::domain::Lane::of(conversation), key: *key, token },
            body: Bytes::from(encode_handed(&job.request, &state.history, state.slots.iter())),
            wait,
        }
    }
}

/// Takes the turn that a message is for, after `record`, of which it takes the state: what becomes of it, and the state
/// after it.
///
/// # Errors
/// [`MessageError`]: the turn hasn't happened.
pub(super) async fn turn(
    pipeline: &Pipeline,
    job: &Job,
    purpose: &Purpose,
    record: &mut Record,
    desk: &impl Desk,
    rules: &Rules,
    now: u64,
) -> Result<(Outcome, State), MessageError> {
    let mut state = std::mem::take(&mut record.state);
    // What nobody took may have waited as long, and then nobody was there.
    let is_untaken = matches!(purpose, Purpose::Return { token, .. } if state.is_held_by(token));
    if state.person && !is_untaken && u128::from(now.saturating_sub(record.changed)) >= rules.idle.as_millis() {
        state.release();
    }
    match purpose {
        Purpose::Say { reply_to, .. } => {
            state.reply_to = reply_to.clone().or(state.reply_to);
            said(pipeline, job, state, record, desk, rules).await
        }
        Purpose::Return { .. } => {
            if is_untaken {
                state.keep();
            }
            let (intent, classification) = match &job.stage {
                Stage::Handle { intent, classification } => (intent.clone(), classification.clone()),
                Stage::Classify => (pipeline.fallback().clone(), None),
            };
            by_bot(pipeline, job, state, intent, classification).await
        }
        Purpose::Speak(pass) => {
            held(&state, pass)?;
            let request = &job.request;
            state.say(Role::Assistant, &request.text);
            let spoken = Spoken {
                id: Uuid::now_v7().to_string(),
                receiver: record.who().sender.clone(),
                conversation: record.who().conversation.clone(),
                text: request.text.clone(),
                locale: request.locale.clone(),
                metadata: request.metadata.clone(),
            };
            let to = state.reply_to.clone();
            let delivered = if to.is_some() { None } else { Some(Delivered::No) };
            let done = Box::new(Done { delivered, ..done(job, Command::Message, record) });
            Ok((Outcome::Speak { to, spoken: Box::new(spoken), done }, state))
        }
        Purpose::Release(pass) => {
            held(&state, pass)?;
            state.release();
            Ok((Outcome::Done(Box::new(done(job, Command::Release, record))), state))
        }
        Purpose::Forget(_) => {
            // Of one that has expired, or was forgotten before, there is nothing left.
            let forgotten = Some(!state.expired && state != State::default());
            let done = Box::new(Done { forgotten, ..done(job, Command::Forget, record) });
            Ok((Outcome::Done(done), State::default()))
        }
    }
}

/// A user's turn: the bot answers, or it goes to a person, where there may be one.
async fn said(
    pipeline: &Pipeline,
    job: &Job,
    state: State,
    record: &Record,
    desk: &impl Desk,
    rules: &Rules,
) -> Result<(Outcome, State), MessageError> {
    let (turned, mut state) = pipeline.turn(job, state, record.version() + 1).await?;
    let handover = match turned {
        Turned::Outcome(outcome) => return Ok((outcome, state)),
        Turned::Person(handover) => *handover,
    };
    if !desk.is_attended().await {
        state.keep();
        return by_bot(pipeline, job, state, handover.intent, handover.classification).await;
    }
    // Before it is told, so that a repetition is told the same.
    rules.trim(&mut state);
    let token = state.token.get_or_insert_with(|| Token::of(Uuid::new_v4().as_u128())).clone();
    let kept = Kept { intent: handover.intent, classification: handover.classification, token };
    let Who { user_id, sender, conversation } = record.who();
    let key = Record::key(user_id.as_deref(), sender.as_deref(), conversation);
    Ok((Outcome::Person(Box::new(kept.handed(&key, job, &state, rules.idle))), state))
}

/// Nobody is there, or takes it: the intent's own handlers answer. What the user said is in the history already.
async fn by_bot(
    pipeline: &Pipeline,
    job: &Job,
    mut state: State,
    intent: IntentName,
    classification: Option<Box<Classification>>,
) -> Result<(Outcome, State), MessageError> {
    let outcome = pipeline.by_handlers(job, intent, classification, state.slots.clone()).await?;
    if let Outcome::Reply(reply) = &outcome {
        state.say(Role::Assistant, &reply.text);
        state.language = reply.locale.clone().or(state.language);
    }
    Ok((outcome, state))
}

/// Whether a person's program may do something in a conversation.
fn held(state: &State, pass: &Pass) -> Result<(), MessageError> {
    if state.is_held_by(&pass.token) {
        return Ok(());
    }
    Err(no_handover())
}

pub(super) fn no_handover() -> MessageError {
    let why = "the header chatbot-conversation belongs to no handover that goes on: the conversation was given back to the \
               bot, by chat.release, as nobody took it, or as nothing was said for long; it was forgotten, has expired, or the worker that kept it \
               in a memory of its own is gone";
    MessageError::new(ErrorCode::InvalidMessage, why)
}

fn done(job: &Job, command: Command, record: &Record) -> Done {
    Done {
        id: Uuid::now_v7().to_string(),
        in_reply_to: job.request.id.clone(),
        command,
        conversation: Some(record.who().conversation.clone()),
        forgotten: None,
        delivered: None,
    }
}
