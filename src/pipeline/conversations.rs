//! A conversation's turn: what is kept is read, the turn is taken, and kept before anything is published for it.
//!
//! **Invariants:** a turn is one compare-and-set of state, version and outcome. What is published is what the store holds.
//! Whoever finds that another has gone on gives up, and publishes nothing. A turn that ends as an error hasn't happened, nor has
//! one whose answer was stopped because nobody was there to hear it.

mod kept;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep};

use super::{
    Job, Pipeline,
    handover::{self, Desk, Incoming, Purpose, Rules},
    left,
};
use crate::{
    answered::Identity,
    conversation::{Lookup, Put, Record, RecordError, Store, StoreError, record},
    domain::{ErrorCode, Finish, Key, MessageError, Outcome},
};

/// How long a turn is tried again in its place, in all. Whatever comes after it waits as long.
const TRIED_FOR: Duration = Duration::from_secs(5 * 60);
/// The longest pause while the store is away.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// How long is waited before a write is tried again of which it isn't known whether it was made.
const WRITE_AGAIN: Duration = Duration::from_millis(100);
/// How often that is done before the turn is taken anew.
const WRITES: u32 = 20;
/// How long a person who has a conversation may say nothing, where nobody says otherwise.
const PERSON_IDLE: Duration = Duration::from_secs(30 * 60);

/// The conversations of a bot, and where they are kept.
pub struct Conversations {
    store: Arc<dyn Store>,
    rules: Rules,
}

/// What became of a turn.
#[derive(Debug)]
pub enum Taken {
    /// To be settled.
    Settle(Outcome),
    /// Another worker has gone on with the conversation, or what is kept can't be read by this one: nothing may be
    /// published. Why, in words.
    Fenced(String),
}

/// Why one try ended without an outcome.
enum Ended {
    Failed(MessageError),
    /// The store is away; that is no fault of the turn's.
    Away {
        error: MessageError,
        /// Whether it stays so until somebody does something.
        is_unusable: bool,
    },
    Fenced(String),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        let why = format!("the store of conversations: {error}");
        match error {
            StoreError::Away(_) | StoreError::Unusable(_) => Self::Away {
                error: MessageError::new(ErrorCode::Internal, why),
                is_unusable: matches!(error, StoreError::Unusable(_)),
            },
            StoreError::TooLarge { .. } => Self::Failed(MessageError::new(ErrorCode::HandlerFailed, why)),
        }
    }
}

impl From<MessageError> for Ended {
    fn from(error: MessageError) -> Self {
        Self::Failed(error)
    }
}

impl Conversations {
    /// Conversations that are kept in `store`, with so many texts remembered of each.
    pub fn new(store: Arc<dyn Store>, texts: usize) -> Self {
        Self { store, rules: Rules { texts, idle: PERSON_IDLE } }
    }

    /// The same, in which a person who has one may say nothing for so long.
    #[must_use]
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.rules.idle = idle;
        self
    }

    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Takes a turn; what may pass is tried again in its place. `now` tells the time in Unix milliseconds.
    pub async fn turn(
        &self,
        pipeline: &Pipeline,
        job: &mut Job,
        incoming: &Incoming,
        desk: &impl Desk,
        now: impl Fn() -> u64 + Send,
    ) -> Taken {
        let (began, time_left) = (Instant::now(), job.time_left);
        let key = incoming.purpose.key();
        let (mut identity, mut pauses, mut told) = (incoming.identity, pauses(), false);
        loop {
            job.time_left = time_left.map(|left| left.saturating_sub(began.elapsed()));
            let mut seen = None;
            let tried = Instant::now();
            let error = match self.once(pipeline, job, &incoming.purpose, desk, &key, identity, &mut seen, &now).await {
                Ok(outcome) => return Taken::Settle(outcome),
                Err(Ended::Fenced(why)) => return Taken::Fenced(why),
                Err(Ended::Away { error, is_unusable }) => {
                    let pause = pauses.next().unwrap_or(MAX_PAUSE);
                    if began.elapsed() + pause > TRIED_FOR || left(job, tried).is_some_and(|left| left <= pause) {
                        return Taken::Settle(Outcome::DeadLetter(error.into()));
                    }
                    // A store that is away says so itself.
                    if is_unusable && !std::mem::replace(&mut told, true) {
                        tracing::warn!(error = error.message, "a turn waits for the store");
                    } else {
                        tracing::debug!(error = error.message, "a turn waits for the store");
                    }
                    sleep(pause).await;
                    // A write may have been made.
                    identity.repeated = true;
                    continue;
                }
                Err(Ended::Failed(error)) => error,
            };
            match pipeline.retry().decide(error, job.attempt, left(job, tried)) {
                Outcome::Retry { delay, error } if began.elapsed() + delay > TRIED_FOR => {
                    return self.failed(&key, seen, Outcome::DeadLetter(error.into())).await;
                }
                Outcome::Retry { delay, error } => {
                    tracing::warn!(attempt = job.attempt, ?delay, error = error.message, "a turn is tried again");
                    sleep(delay).await;
                    job.attempt = job.attempt.saturating_add(1);
                    // The try before may have been kept.
                    identity.repeated = true;
                }
                outcome => return self.failed(&key, seen, outcome).await,
            }
        }
    }

    /// What becomes of a turn that failed after version `seen` was read. Where another has gone on meanwhile, it isn't ours
    /// to say that it failed.
    async fn failed(&self, key: &Key, seen: Option<u64>, outcome: Outcome) -> Taken {
        if let (Some(seen), Ok(there)) = (seen, self.store.get(key).await)
            && there.map_or(0, |stored| stored.version) != seen
        {
            return Taken::Fenced("another worker has gone on with a conversation".to_owned());
        }
        Taken::Settle(outcome)
    }

    #[expect(clippy::too_many_arguments, reason = "one try of what `turn` was given")]
    async fn once(
        &self,
        pipeline: &Pipeline,
        job: &Job,
        purpose: &Purpose,
        desk: &impl Desk,
        key: &Key,
        identity: Identity,
        seen: &mut Option<u64>,
        now: &(impl Fn() -> u64 + Send),
    ) -> Result<Outcome, Ended> {
        let mut record = self.read(key, purpose).await?;
        *seen = Some(record.version());
        if identity.repeated
            && let Some(outcome) = self.known(key, &record, &identity.key, job, now())
        {
            return Ok(outcome);
        }
        let (outcome, mut state) =
            handover::turn(pipeline, job, purpose, &mut record, desk, &self.rules, now()).await?;
        // Who sends it again from elsewhere, as its connection broke, wants the whole.
        if matches!(purpose, Purpose::Say { .. }) && is_unheard(job, &outcome) {
            return Ok(outcome);
        }
        let Some(written) = kept::written(&outcome) else { return Ok(outcome) };
        self.rules.trim(&mut state);
        if matches!(purpose, Purpose::Forget(_)) {
            record = record.forgotten();
        }
        let next = record.after(identity.key, state, written, now());
        let others = self.keep(key, next, &identity.key).await?;
        Ok(others.and_then(|there| self.known(key, &there, &identity.key, job, now())).unwrap_or(outcome))
    }

    /// What a turn came to that has happened; to try again would change nothing.
    fn known(&self, key: &Key, record: &Record, identity: &Key, job: &Job, now: u64) -> Option<Outcome> {
        let kept = match record.look_up(identity, now) {
            Lookup::Unknown => return None,
            Lookup::Kept(outcome) => kept::read(outcome),
            Lookup::NoLonger => None,
        };
        let outcome = kept.and_then(|kept| kept.outcome(key, job, &record.state, self.rules.idle));
        Some(outcome.unwrap_or_else(no_longer))
    }

    async fn read(&self, key: &Key, purpose: &Purpose) -> Result<Record, Ended> {
        let Some(stored) = self.store.get(key).await? else {
            let who = purpose.who().ok_or_else(|| Ended::Failed(handover::no_handover()))?;
            return Ok(Record::begin(who.clone()));
        };
        let mut record = Record::read(key, &stored).map_err(|error| match error {
            // A worker that knows it may take over.
            RecordError::Newer { .. } => Ended::Fenced(error.to_string()),
            RecordError::Damaged { .. } => {
                tracing::error!(%error, "a conversation can't go on");
                let why = "what is kept of the conversation can't be read; the worker's log says how to forget it";
                Ended::Failed(MessageError::new(ErrorCode::HandlerFailed, why))
            }
        })?;
        if let Some(who) = purpose.who() {
            record.is_whose(who);
        }
        Ok(record)
    }

    /// Keeps a turn. Where it isn't known whether that was done, what is there tells: this, or what another made of the same
    /// turn, which is given back.
    async fn keep(&self, key: &Key, next: Record, identity: &Key) -> Result<Option<Record>, Ended> {
        let version = next.version();
        let stored = next.stored().map_err(|error| {
            MessageError::new(ErrorCode::HandlerFailed, format!("the conversation can't be written: {error}"))
        })?;
        let mut last = None;
        for _ in 0..WRITES {
            match self.store.put(key, stored.clone()).await {
                Ok(Put::Done) => return Ok(None),
                Ok(Put::Conflict) => {}
                Err(error @ StoreError::TooLarge { .. }) => return Err(error.into()),
                Err(error) => last = Some(error),
            }
            match self.store.get(key).await {
                Ok(Some(there)) if there == stored => return Ok(None),
                Ok(there) => {
                    let there = there.map(|stored| Record::read(key, &stored)).transpose();
                    let there = there.map_err(|error| Ended::Fenced(error.to_string()))?;
                    // Whoever wrote it, and though the conversation began with it.
                    if there.as_ref().is_some_and(|there| there.ended_with(identity)) {
                        return Ok(there);
                    }
                    if there.map_or(0, |there| there.version()) + 1 != version {
                        return Err(Ended::Fenced("another worker has gone on with a conversation".to_owned()));
                    }
                }
                Err(error) => last = Some(error),
            }
            sleep(WRITE_AGAIN).await;
        }
        Err(last.unwrap_or_else(|| StoreError::Away("it takes no turn".to_owned())).into())
    }
}

/// Whether an answer was stopped in the middle because nobody was there to hear it.
fn is_unheard(job: &Job, outcome: &Outcome) -> bool {
    let is_cut = matches!(outcome, Outcome::Reply(reply) if reply.details.finish == Some(Finish::Cancelled));
    is_cut && job.listener.as_ref().is_some_and(|listener| listener.is_gone())
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(MAX_PAUSE)
        .without_max_times()
        .build()
}

fn no_longer() -> Outcome {
    let minutes = record::KEPT_FOR.as_secs() / 60;
    let why = format!(
        "this turn was taken before, and its answer is no longer kept: that is so after {minutes} minutes, or beyond {} bytes",
        record::MAX_OUTCOME
    );
    Outcome::DeadLetter(MessageError::new(ErrorCode::Internal, why).into())
}
