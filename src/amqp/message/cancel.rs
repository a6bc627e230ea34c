//! Requests that their clients don't want to be answered any more, or whose clients have left: `chat.cancel`.
//!
//! A request may wait in a queue while it is cancelled, and any worker may get it; so every worker remembers for a while
//! what was cancelled.
//!
//! **Invariant:** only who could have sent a request cancels it: the same user, with the same address, correlation id and
//! name. What is remembered is bounded in number and time.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::BasicProperties;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{CANCEL_TYPE, Key};

/// How many cancelled requests are remembered.
const MOST: usize = 10_000;
/// For how long.
const KEPT_FOR: Duration = Duration::from_secs(5 * 60);

/// What was cancelled, and what could be.
#[derive(Debug, Default)]
pub struct Cancels {
    inner: Mutex<Inner>,
    /// Whether anything is remembered: the requests of a bot that answers at once are looked up only then.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    /// The requests in work. A request can be in work twice, as its connection was lost.
    running: HashMap<Key, Vec<CancellationToken>>,
    cancelled: HashMap<Key, Instant>,
    /// Those whose clients have left, and may come back and ask again.
    left: HashSet<Key>,
    /// Both, the oldest first.
    order: VecDeque<(Instant, Key)>,
}

/// A request in work, while it may be cancelled.
pub(crate) struct Cancellable {
    cancels: Arc<Cancels>,
    key: Key,
    /// That it is cancelled.
    pub(crate) token: CancellationToken,
}

/// What a message says of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Its client wants no more of the answer.
    Cancel(Key),
    /// Its client can't be answered any more: nobody is there.
    Left(Key),
}

impl Cancels {
    /// Heeds what was said of a request.
    pub(crate) fn heed(&self, word: Word) {
        match word {
            Word::Cancel(key) => self.cancel(key),
            Word::Left(key) => self.leave(key),
        }
    }

    /// Remembers that nobody is there any more for the answer to the request of this key.
    fn leave(&self, key: Key) {
        let now = Instant::now();
        let mut inner = self.inner();
        inner.forget(now);
        if inner.left.insert(key) {
            inner.order.push_back((now, key));
        }
    }

    /// Stops the request of this key, now or when it comes.
    fn cancel(&self, key: Key) {
        let now = Instant::now();
        let mut inner = self.inner();
        inner.forget(now);
        if inner.cancelled.insert(key, now).is_none() {
            inner.order.push_back((now, key));
        }
        inner.running.get(&key).into_iter().flatten().for_each(CancellationToken::cancel);
        self.any.store(true, Ordering::Relaxed);
    }

    /// Whether any request is cancelled, as far as is remembered.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Has the request of this key be cancelled while it is in work, also if it was before.
    pub(crate) fn watch(self: &Arc<Self>, key: Key) -> Cancellable {
        let token = CancellationToken::new();
        let mut inner = self.inner();
        inner.forget(Instant::now());
        if inner.cancelled.contains_key(&key) {
            token.cancel();
        }
        inner.running.entry(key).or_default().push(token.clone());
        self.any.store(!inner.cancelled.is_empty(), Ordering::Relaxed);
        Cancellable { cancels: self.clone(), key, token }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front()
            && (self.order.len() > MOST || now.saturating_duration_since(*at) >= KEPT_FOR)
        {
            self.cancelled.remove(key);
            self.left.remove(key);
            self.order.pop_front();
        }
    }
}

impl Cancellable {
    /// Whether its client was said to have left.
    pub(crate) fn has_left(&self) -> bool {
        self.cancels.inner().left.contains(&self.key)
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        let mut inner = self.cancels.inner();
        let Some(running) = inner.running.get_mut(&self.key) else { return };
        // Any of those that are as it: which one it was doesn't matter.
        if let Some(at) = running.iter().position(|token| token.is_cancelled() == self.token.is_cancelled()) {
            running.swap_remove(at);
        }
        if running.is_empty() {
            inner.running.remove(&self.key);
        }
    }
}

/// What tells a request that may be cancelled from every other.
pub(crate) fn key(properties: &BasicProperties, user_id: Option<&str>, id: Option<&str>) -> Key {
    let bytes = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let address = bytes(properties.reply_to().as_ref().map(|it| it.as_str()));
    let correlation_id = bytes(properties.correlation_id().as_ref().map(|it| it.as_str()));
    let parts = [bytes(user_id), address, correlation_id, bytes(id)];
    Key::of(parts.iter().map(|part| part.as_deref().map(str::as_bytes)))
}

/// What a message says of the request that it cancels; none where the message is something else. The request's name stands in the
/// body, or is the message's own.
pub(crate) fn cancelled(properties: &BasicProperties, body: &[u8]) -> Option<Word> {
    #[derive(Default, Deserialize)]
    struct Json {
        #[serde(rename = "type")]
        kind: Option<String>,
        id: Option<String>,
        left: Option<Value>,
    }
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    let text = |text: &Option<lapin::types::ShortString>| {
        text.as_ref().map(|text| text.as_str()).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    if text(properties.kind()).or(json.kind)? != CANCEL_TYPE {
        return None;
    }
    let id = json.id.or(text(properties.message_id()));
    let key = key(properties, properties.user_id().as_ref().map(|it| it.as_str()), id.as_deref());
    Some(if json.left == Some(Value::Bool(true)) { Word::Left(key) } else { Word::Cancel(key) })
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn properties(address: &str, correlation_id: &str) -> BasicProperties {
        BasicProperties::default().with_reply_to(address.into()).with_correlation_id(correlation_id.into())
    }

    fn number(number: usize) -> Key {
        Key::of([Some(number.to_le_bytes().as_slice())])
    }

    #[test]
    fn only_who_sent_a_request_cancels_it() {
        let request = key(&properties("a", "c"), Some("u"), Some("7"));
        let check = |properties: BasicProperties, body: &str, expected: bool| {
            let word = Some(Word::Cancel(request));
            assert_eq!(cancelled(&properties, body.as_bytes()) == word, expected, "{properties:?} {body}");
        };
        let by = |user: &str, address: &str, correlation_id: &str| {
            properties(address, correlation_id).with_user_id(user.into())
        };
        let typed = |properties: BasicProperties| properties.with_type(CANCEL_TYPE.into());
        check(typed(by("u", "a", "c")), r#"{"id":"7"}"#, true);
        check(by("u", "a", "c"), r#"{"type":"chat.cancel","id":"7"}"#, true);
        check(typed(by("u", "a", "c").with_message_id("7".into())), "", true);
        check(typed(by("u", "a", "c").with_message_id("8".into())), r#"{"id":"7"}"#, true);
        for other in [by("v", "a", "c"), by("u", "b", "c"), by("u", "a", "d"), properties("a", "c")] {
            check(typed(other), r#"{"id":"7"}"#, false);
        }
        check(typed(by("u", "a", "c")), r#"{"id":"8"}"#, false);
        check(typed(by("u", "a", "c")), "", false);
        check(by("u", "a", "c"), r#"{"id":"7","body":"hi"}"#, false);
    }

    #[test]
    fn who_has_left_is_not_who_cancels() {
        let properties = properties("a", "c").with_type(CANCEL_TYPE.into()).with_message_id("7".into());
        let request = key(&properties, None, Some("7"));
        let check = |body: &str, expected: Word| {
            assert!(cancelled(&properties, body.as_bytes()) == Some(expected), "{body}");
        };
        check(r#"{"left":true}"#, Word::Left(request));
        check(r#"{"id":"7","left":true}"#, Word::Left(request));
        check(r#"{"id":"7","left":false}"#, Word::Cancel(request));
        check(r#"{"id":"7","left":"yes"}"#, Word::Cancel(request));
        let cancels = Arc::<Cancels>::default();
        let (of_it, other) = (cancels.watch(request), cancels.watch(number(1)));
        cancels.heed(Word::Left(request));
        for (watched, has_left) in [(of_it, true), (other, false)] {
            assert_eq!((watched.has_left(), watched.token.is_cancelled()), (has_left, false));
        }
    }

    #[test]
    fn what_is_in_work_is_stopped_and_so_is_what_comes_later() {
        let cancels = Arc::<Cancels>::default();
        let (first, other) = (cancels.watch(number(1)), cancels.watch(number(2)));
        let again = cancels.watch(number(1));
        assert!(!cancels.any());
        cancels.cancel(number(1));
        let is_stopped = [&first, &other, &again].map(|it| it.token.is_cancelled());
        assert_eq!((is_stopped, cancels.any()), ([true, false, true], true));
        drop((first, again, other));
        assert!(cancels.inner().running.is_empty());
        assert!(cancels.watch(number(1)).token.is_cancelled());
        assert!(!cancels.watch(number(2)).token.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_remembered_for_so_long() {
        let cancels = Arc::<Cancels>::default();
        (0..=2 * MOST).for_each(|at| cancels.leave(number(at)));
        assert!(cancels.inner().left.len() <= MOST + 1);
        (0..=2 * MOST).for_each(|at| cancels.cancel(number(at)));
        assert!(cancels.inner().cancelled.len() <= MOST + 1);
        assert!(cancels.inner().left.is_empty());
        assert!(!cancels.watch(number(0)).token.is_cancelled());
        assert!(cancels.watch(number(2 * MOST)).token.is_cancelled());
        advance(KEPT_FOR).await;
        assert!(!cancels.watch(number(2 * MOST)).token.is_cancelled());
        assert!(!cancels.any());
    }
}
