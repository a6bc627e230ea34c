//! Whoever waits for an answer while it is being written: gets it in parts, and may stop it.
//!
//! **Invariant:** parts are never what became of a request, and nobody waits for one. A part goes on where the one before it
//! of the same run ended; where the text so far was another, a new run begins, and stands in its place.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::{Part, Source};

/// The shortest time between two parts: at most twenty a second …
const BETWEEN_PARTS: Duration = Duration::from_millis(50);
/// … and, where many read along, so much for each of them: a process makes two thousand a second at most, or those who ask
/// something else would wait behind them.
const FOR_EACH_READER: Duration = Duration::from_micros(500);
/// The same where nobody reads along: how much of an answer that is stopped may be missing.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How often it is asked whether anybody still waits.
const BETWEEN_CHECKS: Duration = Duration::from_secs(2);

/// Those who read along, counted.
#[derive(Debug, Clone, Default)]
pub struct Readers(Arc<AtomicU32>);

/// One of them, for as long as this is there.
#[derive(Debug)]
pub struct Reader(Readers);

impl Readers {
    /// One more.
    pub fn one_more(&self) -> Reader {
        self.0.fetch_add(1, Ordering::Relaxed);
        Reader(self.clone())
    }
}

impl Reader {
    /// How long to wait between two parts.
    fn between_parts(&self) -> Duration {
        between_parts(self.0.0.load(Ordering::Relaxed))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long to wait between two parts where so many read along.
fn between_parts(readers: u32) -> Duration {
    BETWEEN_PARTS.max(FOR_EACH_READER.saturating_mul(readers))
}

/// Where whoever waits can be reached.
#[async_trait]
pub trait Address: Send + Sync {
    /// Hands on a part, where that can be done at once; whether it was. It may be lost on its way.
    fn say(&self, part: &Part) -> bool;

    /// Whether surely nobody hears there any more.
    async fn is_gone(&self) -> bool;
}

/// Why nobody wants the rest of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwanted {
    /// The client said so.
    Cancelled,
    /// Nobody is at its address any more.
    Gone,
}

impl Unwanted {
    /// The word that metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Gone => "gone",
        }
    }
}

/// Whoever waits for an answer.
pub struct Listener {
    address: Box<dyn Address>,
    /// None: it wants no parts.
    reader: Option<Reader>,
    cancelled: CancellationToken,
    gone: AtomicBool,
    said: Mutex<Said>,
}

/// What was said so far.
#[derive(Debug, Default)]
struct Said {
    text: String,
    sources: Vec<Source>,
    at: Option<Instant>,
    run: String,
    seq: u32,
    /// How much of the text was handed on in this run, in bytes.
    handed_on: usize,
}

impl Listener {
    /// Whoever waits at `address`, and reads along as this `reader`; `cancelled` tells that it wants no answer any more.
    pub fn new(address: Box<dyn Address>, reader: Option<Reader>, cancelled: CancellationToken) -> Self {
        Self { address, reader, cancelled, gone: AtomicBool::new(false), said: Mutex::default() }
    }

    /// Whether the client said that it wants no answer any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Whether nobody was there any more when that was asked last.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Asks once whether the answer is still wanted; why not, where it isn't.
    pub async fn unwanted_now(&self) -> Option<Unwanted> {
        if self.is_cancelled() {
            return Some(Unwanted::Cancelled);
        }
        if !self.is_gone() && self.address.is_gone().await {
            self.gone.store(true, Ordering::Relaxed);
        }
        self.is_gone().then_some(Unwanted::Gone)
    }

    /// Waits until the answer isn't wanted any more, and tells why.
    pub async fn unwanted(&self) -> Unwanted {
        loop {
            tokio::select! {
                () = self.cancelled.cancelled() => return Unwanted::Cancelled,
                () = sleep(BETWEEN_CHECKS) => {}
            }
            if let Some(why) = self.unwanted_now().await {
                return why;
            }
        }
    }

    /// Whether it is time to tell it what has been said so far.
    pub fn is_due(&self) -> bool {
        let pause = self.reader.as_ref().map_or(BETWEEN_LOOKS, Reader::between_parts);
        self.said().at.is_none_or(|at| at.elapsed() >= pause)
    }

    /// Tells it what has been said so far, from the beginning, and what that rests on.
    pub fn so_far(&self, text: String, sources: Vec<Source>) {
        let mut said = self.said();
        said.at = Some(Instant::now());
        if said.run.is_empty() || !text.starts_with(&said.text[..said.handed_on]) {
            let run = Uuid::new_v4().simple().to_string();
            *said = Said { run: run[..8].to_owned(), at: said.at, ..Said::default() };
        }
        (said.text, said.sources) = (text, sources);
        if self.reader.is_some() && said.handed_on < said.text.len() {
            let delta = said.text[said.handed_on..].to_owned();
            // What can't be handed on now is a part of the next.
            if self.address.say(&Part { run: said.run.clone(), seq: said.seq, delta }) {
                said.seq += 1;
                said.handed_on = said.text.len();
            }
        }
    }

    /// What was said so far, and what that rests on.
    pub fn said_so_far(&self) -> (String, Vec<Source>) {
        let said = self.said();
        (said.text.clone(), said.sources.clone())
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("reader", &self.reader).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use tokio::time::advance;

    use super::*;

    /// An address that keeps what it gets.
    #[derive(Clone, Default)]
    pub(crate) struct Desk {
        pub(crate) parts: Arc<Mutex<Vec<Part>>>,
        pub(crate) gone: Arc<AtomicBool>,
        /// Whether nothing can be handed on.
        pub(crate) full: Arc<AtomicBool>,
    }

    #[async_trait]
    impl Address for Desk {
        fn say(&self, part: &Part) -> bool {
            let takes = !self.full.load(Ordering::Relaxed);
            if takes {
                self.parts.lock().unwrap().push(part.clone());
            }
            takes
        }

        async fn is_gone(&self) -> bool {
            self.gone.load(Ordering::Relaxed)
        }
    }

    impl Desk {
        /// Whoever waits there.
        pub(crate) fn listener(&self, wants_parts: bool, cancelled: &CancellationToken) -> Listener {
            let reader = wants_parts.then(|| Readers::default().one_more());
            Listener::new(Box::new(self.clone()), reader, cancelled.clone())
        }

        /// What a client shows that does as it is told.
        pub(crate) fn shown(&self) -> String {
            let (mut run, mut shown) = (String::new(), String::new());
            for part in self.parts.lock().unwrap().iter() {
                if part.run != run {
                    assert_eq!(part.seq, 0, "a run begins at 0");
                    (run, shown) = (part.run.clone(), String::new());
                }
                shown.push_str(&part.delta);
            }
            shown
        }
    }

    #[test]
    fn parts_follow_one_another_and_another_text_begins_anew() {
        let (desk, none) = (Desk::default(), CancellationToken::new());
        let listener = desk.listener(true, &none);
        for text in ["你", "你好", "你好", "你好，世界"] {
            listener.so_far(text.to_owned(), Vec::new());
            assert_eq!(desk.shown(), text);
        }
        let seqs = |desk: &Desk| desk.parts.lock().unwrap().iter().map(|part| part.seq).collect::<Vec<_>>();
        assert_eq!(seqs(&desk), [0, 1, 2]);
        for text in ["Hello", "Hello you"] {
            listener.so_far(text.to_owned(), Vec::new());
            assert_eq!(desk.shown(), text);
        }
        assert_eq!(seqs(&desk), [0, 1, 2, 0, 1]);
        assert_eq!(listener.said_so_far().0, "Hello you");
    }

    #[test]
    fn what_cannot_be_handed_on_is_a_part_of_the_next() {
        let (desk, none) = (Desk::default(), CancellationToken::new());
        let listener = desk.listener(true, &none);
        for (text, full, shown) in
            [("a", true, ""), ("a b", false, "a b"), ("a b c", true, "a b"), ("a b c d", false, "a b c d")]
        {
            desk.full.store(full, Ordering::Relaxed);
            listener.so_far(text.to_owned(), Vec::new());
            assert_eq!(desk.shown(), shown);
        }
        let seqs: Vec<_> = desk.parts.lock().unwrap().iter().map(|part| part.seq).collect();
        assert_eq!(seqs, [0, 1]);
    }

    #[test]
    fn who_reads_no_parts_gets_none_but_what_was_said_is_known() {
        let (desk, none) = (Desk::default(), CancellationToken::new());
        let listener = desk.listener(false, &none);
        for text in ["a", "a b", "c"] {
            listener.so_far(text.to_owned(), Vec::new());
            assert_eq!(listener.said_so_far().0, text);
        }
        assert!(desk.parts.lock().unwrap().is_empty());
    }

    #[test]
    fn parts_are_fewer_where_many_read_along() {
        let millis = [0, 1, 100, 200, 1000, u32::MAX].map(|readers| between_parts(readers).as_millis());
        assert_eq!(millis, [50, 50, 50, 100, 500, 2_147_483_647]);
        let readers = Readers::default();
        let mut all: Vec<_> = (0..200).map(|_| readers.one_more()).collect();
        assert_eq!(all[0].between_parts().as_millis(), 100);
        all.truncate(1);
        assert_eq!(all[0].between_parts().as_millis(), 50, "who has gone counts no more");
    }

    #[tokio::test(start_paused = true)]
    async fn parts_are_gathered_for_a_while() {
        let (desk, none) = (Desk::default(), CancellationToken::new());
        for (wants_parts, pause) in [(true, 50), (false, 500)] {
            let listener = desk.listener(wants_parts, &none);
            assert!(listener.is_due());
            listener.so_far("a".to_owned(), Vec::new());
            assert!(!listener.is_due());
            advance(Duration::from_millis(pause)).await;
            assert!(listener.is_due());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_unwanted_once_it_is_cancelled_or_nobody_is_there() {
        let (desk, cancelled) = (Desk::default(), CancellationToken::new());
        let listener = desk.listener(false, &cancelled);
        assert_eq!(listener.unwanted_now().await, None);
        desk.gone.store(true, Ordering::Relaxed);
        assert_eq!(listener.unwanted().await, Unwanted::Gone);
        assert!(listener.is_gone());
        desk.gone.store(false, Ordering::Relaxed);
        assert_eq!(listener.unwanted_now().await, Some(Unwanted::Gone), "who is gone is gone");
        let listener = desk.listener(false, &cancelled);
        cancelled.cancel();
        assert_eq!(listener.unwanted().await, Unwanted::Cancelled);
        assert_eq!(listener.unwanted_now().await, Some(Unwanted::Cancelled));
    }
}
