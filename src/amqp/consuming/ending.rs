//! How a session learns that it can't go on.
//!
//! **Invariant:** a task of a session that ends by a panic ends the session, so that nobody takes a worker for ready that
//! consumes no more.

use std::{panic::AssertUnwindSafe, sync::OnceLock};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

/// The end of a session, told by whoever first finds that it can't go on.
#[derive(Default)]
pub(crate) struct Ending {
    pub(crate) token: CancellationToken,
    reason: OnceLock<String>,
}

impl Ending {
    pub(crate) fn tell(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// What `work` yields; none where it panics, which ends the session. `who` is named.
    pub(crate) fn unless_it_panics<T>(
        &self,
        who: &str,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = Option<T>> {
        caught(work).inspect(move |result| {
            if result.is_none() {
                self.tell(format!("{who} panicked; the worker's standard error says where"));
            }
        })
    }

    pub(crate) fn reason(&self) -> String {
        self.reason.get().cloned().unwrap_or_else(|| "unknown".to_owned())
    }
}

/// What `work` yields; none where it panics. No `async fn`, here and above: one holds what it is given twice, once as its
/// argument and once where it awaits it, and a delivery's whole work is given here.
pub(crate) fn caught<T>(work: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
    AssertUnwindSafe(work).catch_unwind().map(Result::ok)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test may")]

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_its_session_and_is_named() {
        let ending = Ending::default();
        assert_eq!(ending.unless_it_panics("a task", async { 7 }).await, Some(7));
        assert!(!ending.token.is_cancelled());
        let panicked = ending.unless_it_panics("the consumer of 'shop.requests'", async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        });
        assert_eq!(panicked.await, None::<()>);
        assert!(ending.token.is_cancelled());
        assert_eq!(ending.reason(), "the consumer of 'shop.requests' panicked; the worker's standard error says where");
    }
}
