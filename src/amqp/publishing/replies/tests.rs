//! The ladder of a reply: the connection, a new one, one of its own. On paused time, with connections that do as told.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::time::Instant;

use super::*;
use crate::amqp::values::short;

/// What becomes of a publish.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Confirm,
    Nack,
    Return,
    /// The broker never confirms; told after 30 s.
    Nothing,
    /// The connection ends, for this reason.
    Break(Option<Fault>),
}
use Does::{Break, Confirm, Nack, Nothing, Return};

const SENT: Does = Break(Some(Fault::Sent));
const INTERNAL: Does = Break(Some(Fault::Internal));
const AWAY: Does = Break(None);

/// A broker that does these one after the other, and then confirms.
#[derive(Default)]
struct Scripted {
    script: Arc<std::sync::Mutex<VecDeque<Does>>>,
    opened: Arc<std::sync::Mutex<Vec<bool>>>,
    refuses: AtomicBool,
}

struct Scene {
    script: Arc<std::sync::Mutex<VecDeque<Does>>>,
    ended: std::sync::Mutex<Option<Option<Fault>>>,
}

impl Open for Arc<Scripted> {
    type Line = Scene;

    async fn open(&self, quarantine: bool) -> Result<Scene, String> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err("away".to_owned());
        }
        self.opened.lock().unwrap().push(quarantine);
        Ok(Scene { script: self.script.clone(), ended: std::sync::Mutex::default() })
    }
}

impl Line for Scene {
    async fn publish(&self, _: Message) -> Result<(), PublishError> {
        let next = self.script.lock().unwrap().pop_front().unwrap_or(Confirm);
        match next {
            Confirm => Ok(()),
            Nack => Err(PublishError::Nacked),
            Return => Err(PublishError::Returned("answers".to_owned())),
            Nothing => {
                sleep(Duration::from_secs(30)).await;
                Err(PublishError::Unconfirmed(Duration::from_secs(30)))
            }
            Break(fault) => {
                *self.ended.lock().unwrap() = Some(fault);
                Err(PublishError::Lost("broken".to_owned()))
            }
        }
    }

    fn is_open(&self) -> bool {
        self.ended.lock().unwrap().is_none()
    }

    async fn ended(&self) -> Option<Fault> {
        let ended = *self.ended.lock().unwrap();
        match ended {
            Some(fault) => fault,
            None => std::future::pending().await,
        }
    }

    async fn close(&self, _: Duration) {}
}

fn message() -> Message {
    Message {
        exchange: short(""),
        routing_key: short("answers"),
        mandatory: true,
        properties: Default::default(),
        body: bytes::Bytes::new(),
    }
}

/// The end of a reply in a word, which connections were opened after the first (true: a quarantine), and the milliseconds.
async fn ladder(direct: bool, script: &[Does]) -> (&'static str, Vec<bool>, u128) {
    let broker = Arc::new(Scripted::default());
    broker.script.lock().unwrap().extend(script);
    let replies = Replies::by(broker.clone()).await.unwrap();
    let began = Instant::now();
    let end = match replies.send(message, direct).await {
        Ok(()) => "sent",
        Err(ReplyError::Gone(_)) => "gone",
        Err(ReplyError::Refused) => "refused",
        Err(ReplyError::Unconfirmed(_)) => "unconfirmed",
        Err(ReplyError::BadAddress(_)) => "bad address",
        Err(ReplyError::Lost(_)) => "lost",
    };
    let opened = broker.opened.lock().unwrap()[1..].to_vec();
    (end, opened, began.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_a_queue() {
    async fn check(script: &[Does], end: &str, opened: &[bool], millis: u128) {
        assert_eq!(ladder(false, script).await, (end, opened.to_vec(), millis), "{script:?}");
    }
    const NEW: bool = false;
    const ALONE: bool = true;
    check(&[Confirm], "sent", &[], 0).await;
    check(&[Return], "gone", &[], 0).await;
    check(&[Nack, Confirm], "sent", &[], 50).await;
    check(&[Nack, Nack, Confirm], "sent", &[], 300).await;
    check(&[Nack, Nack, Nack], "refused", &[], 300).await;
    check(&[Nothing], "unconfirmed", &[], 30_000).await;
    // Whose fault it was isn't known, as others' replies were on the connection.
    check(&[SENT, Confirm], "sent", &[NEW], 0).await;
    check(&[AWAY, AWAY, SENT, Confirm], "sent", &[NEW, NEW, NEW], 0).await;
    check(&[AWAY, AWAY, AWAY, AWAY, Confirm], "sent", &[NEW, NEW, NEW, ALONE], 0).await;
    check(&[AWAY, AWAY, AWAY, AWAY, SENT], "bad address", &[NEW, NEW, NEW, ALONE], 0).await;
    // An error of the broker's own says nothing of a queue's name.
    let internal = [INTERNAL; 8];
    check(&internal, "lost", &[NEW, NEW, NEW, ALONE, ALONE, ALONE, ALONE], 0).await;
    let away = [AWAY; 8];
    check(&away, "lost", &[NEW, NEW, NEW, ALONE, ALONE, ALONE, ALONE], 0).await;
    check(&[AWAY, AWAY, AWAY, AWAY, Return], "gone", &[NEW, NEW, NEW, ALONE], 0).await;
    check(&[AWAY, AWAY, AWAY, AWAY, Nothing], "unconfirmed", &[NEW, NEW, NEW, ALONE], 30_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_direct_reply() {
    async fn check(script: &[Does], end: &str, alone: usize) {
        let (found, opened, _) = ladder(true, script).await;
        assert_eq!((found, opened), (end, vec![true; alone]), "{script:?}");
    }
    check(&[Confirm], "sent", 0).await;
    check(&[Nothing], "lost", 0).await;
    // Sent again on a connection of its own, at once: nobody else's is broken by it.
    check(&[INTERNAL, Confirm], "sent", 1).await;
    check(&[INTERNAL, SENT], "bad address", 1).await;
    check(&[INTERNAL, INTERNAL, INTERNAL], "bad address", 2).await;
    check(&[AWAY, INTERNAL, Confirm], "sent", 2).await;
    check(&[AWAY, INTERNAL, AWAY, INTERNAL], "bad address", 3).await;
    check(&[AWAY, AWAY, AWAY, AWAY, AWAY], "lost", 4).await;
    check(&[AWAY, AWAY, Nack], "refused", 2).await;
}

#[tokio::test(start_paused = true)]
async fn the_quarantine_is_kept_and_the_connection_opened_once_for_all() {
    let broker = Arc::new(Scripted::default());
    let replies = Replies::by(broker.clone()).await.unwrap();
    let opened = || broker.opened.lock().unwrap().clone();
    broker.script.lock().unwrap().extend([INTERNAL, Confirm]);
    assert_eq!(replies.send(message, true).await, Ok(()));
    assert_eq!(opened(), [false, true]);
    // The next to a queue needs a new connection, and ten at once need one.
    let sent = futures_util::future::join_all((0..10).map(|_| replies.send(message, false))).await;
    assert_eq!(sent, vec![Ok(()); 10]);
    assert_eq!(opened(), [false, true, false]);
    broker.script.lock().unwrap().extend([INTERNAL, Confirm]);
    assert_eq!(replies.send(message, true).await, Ok(()));
    assert_eq!(opened(), [false, true, false], "the quarantine still stands");
    broker.refuses.store(true, Ordering::Relaxed);
    assert_eq!(replies.send(message, false).await, Err(ReplyError::Lost("away".to_owned())));
}
