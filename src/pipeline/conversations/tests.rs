//! Tests of what becomes of a turn that another worker takes as well.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    conversation::{Bounds, Cursor, MemoryStore, Page, Stored, Who},
    domain::{IntentName, Request},
    handler::{Answer, Handler, HandlerError, Handlers, Job as HandlerJob},
    listener::{Listener, tests::Desk as Seat},
    pipeline::{Dispatch, Parts, Route, tests::answering},
};

/// A store in which another worker keeps the same turn just before, with another answer.
struct Overtaken {
    store: MemoryStore,
    /// Whether that has happened.
    overtaken: Mutex<bool>,
    /// Whether that one began the conversation by itself.
    began: bool,
}

#[async_trait]
impl Store for Overtaken {
    fn name(&self) -> &'static str {
        "overtaken"
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError> {
        if !std::mem::replace(&mut self.overtaken.lock().unwrap(), true) {
            let text = String::from_utf8(stored.bytes.to_vec()).unwrap().replace("yes", "no!");
            let other =
                Stored { life: stored.life ^ u64::from(self.began), bytes: Bytes::from(text), ..stored.clone() };
            assert_eq!(self.store.put(key, other).await, Ok(Put::Done));
        }
        self.store.put(key, stored).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        self.store.delete(key).await
    }

    async fn page(&self, from: Option<Cursor>, most: usize) -> Result<Page, StoreError> {
        self.store.page(from, most).await
    }
}

struct Nobody;

impl Desk for Nobody {
    async fn is_attended(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn what_another_has_kept_of_the_same_turn_is_what_is_published() {
    for (overtaken, began, expected) in [(true, false, "yes"), (false, false, "no!"), (false, true, "no!")] {
        let bounds = Bounds { most: 10, bytes: 1 << 20, expires: Duration::from_secs(60) };
        let store = Overtaken { store: MemoryStore::new(bounds, ""), overtaken: Mutex::new(overtaken), began };
        let conversations = Conversations::new(Arc::new(store), 50);
        let who = Who { user_id: None, sender: None, conversation: "c-1".to_owned() };
        let identity = Identity { key: Key::of([Some(&b"m-1"[..])]), repeated: true };
        let incoming = Incoming { purpose: Purpose::Say { who, reply_to: None }, identity };
        let mut job = Job::new(Request { text: "refund".to_owned(), ..Request::default() });
        let taken = conversations.turn(&answering(), &mut job, &incoming, &Nobody, || 1).await;
        let Taken::Settle(Outcome::Reply(reply)) = taken else { unreachable!("{taken:?}") };
        assert_eq!(reply.text, expected);
    }
}

/// Answers with "yes", and may be stopped.
struct Stoppable;

#[async_trait]
impl Handler for Stoppable {
    fn name(&self) -> &'static str {
        "test"
    }

    fn may_be_stopped(&self) -> bool {
        true
    }

    async fn handle(&self, _: &HandlerJob<'_>) -> Result<Option<Answer>, HandlerError> {
        Ok(Some(Answer::text("yes", None)))
    }
}

#[tokio::test]
async fn a_turn_whose_client_was_gone_is_taken_anew_and_one_that_was_cancelled_is_not() {
    for (cancels, expected, said) in [(false, ("yes", None), 2), (true, ("", Some(Finish::Cancelled)), 0)] {
        let bounds = Bounds { most: 10, bytes: 1 << 20, expires: Duration::from_secs(60) };
        let store = Arc::new(MemoryStore::new(bounds, ""));
        let conversations = Conversations::new(store.clone(), 50);
        let handler: Arc<dyn Handler> = Arc::new(Stoppable);
        let route = Route::new(Handlers::new([handler]), Dispatch::Inline);
        let routes = [(IntentName::new("refund").unwrap(), route)].into();
        let pipeline = Pipeline::new(Parts { routes, ..answering().parts });
        let who = Who { user_id: None, sender: None, conversation: "c-1".to_owned() };
        let purpose = Purpose::Say { who, reply_to: None };
        let key = purpose.key();
        let identity = Identity { key: Key::of([Some(&b"m-1"[..])]), repeated: true };
        let incoming = Incoming { purpose, identity };
        let (seat, cancelled) = (Seat::default(), CancellationToken::new());
        let take = async |listener: Listener| {
            let request = Request { text: "refund".to_owned(), ..Request::default() };
            let mut job = Job { listener: Some(Arc::new(listener)), ..Job::new(request) };
            match conversations.turn(&pipeline, &mut job, &incoming, &Nobody, || 1).await {
                Taken::Settle(Outcome::Reply(reply)) => (reply.text.clone(), reply.details.finish),
                taken => unreachable!("{taken:?}"),
            }
        };
        if cancels {
            cancelled.cancel();
        } else {
            seat.gone.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        let first = take(seat.listener(true, &cancelled)).await;
        assert_eq!(first, (String::new(), Some(Finish::Cancelled)));
        assert_eq!(store.get(&key).await.unwrap().is_some(), cancels);
        // The same message, from elsewhere.
        let (text, finish) = take(Seat::default().listener(true, &CancellationToken::new())).await;
        assert_eq!((text.as_str(), finish), expected);
        let kept = Record::read(&key, &store.get(&key).await.unwrap().unwrap()).unwrap();
        assert_eq!(kept.state.history.len(), said, "what the user and the bot have said, once");
    }
}
