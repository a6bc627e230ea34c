//! Confirms that nobody waits for any more, and that the broker still owes.
//!
//! A publish is given up when its time is over, or its task ends. lapin keeps a confirm that is dropped before it has come,
//! for good; so they are kept here instead, and dropped once they have come.
//!
//! **Invariant:** a confirm is dropped only when it has come, or with its channel; there are no more than [`MOST`].

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

/// How many may be owed on a channel: a reply queue that never confirms leaves one for each reply.
const MOST: usize = 4096;

/// The confirms that are owed on a channel.
pub(super) struct Owed<C>(Mutex<Vec<C>>);

impl<C> Default for Owed<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C: Future + Unpin> Owed<C> {
    /// Waits for a confirm. Given up, it is kept until it comes.
    pub(super) fn wait(&self, confirm: C) -> Waited<'_, C> {
        Waited { owed: self, confirm: Some(confirm) }
    }

    /// Whether so many are owed that the channel had better be opened anew.
    pub(super) fn is_full(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() >= MOST
    }

    /// Keeps one, and drops those that have come. All are looked at each time: that is once for a confirm that is given
    /// up, which is rare.
    fn keep(&self, confirm: C) {
        let mut owed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut context = Context::from_waker(Waker::noop());
        owed.retain_mut(|confirm| Pin::new(confirm).poll(&mut context).is_pending());
        owed.push(confirm);
    }
}

/// A confirm that is waited for.
pub(super) struct Waited<'a, C: Future + Unpin> {
    owed: &'a Owed<C>,
    confirm: Option<C>,
}

impl<C: Future + Unpin> Future for Waited<'_, C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        // One that has come isn't polled again.
        let Some(confirm) = &mut self.confirm else { return Poll::Pending };
        let polled = Pin::new(confirm).poll(context);
        if polled.is_ready() {
            self.confirm = None;
        }
        polled
    }
}

impl<C: Future + Unpin> Drop for Waited<'_, C> {
    fn drop(&mut self) {
        if let Some(confirm) = self.confirm.take() {
            self.owed.keep(confirm);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn a_confirm_that_is_given_up_is_kept_until_it_has_come_and_no_longer() {
        let owed = Owed::default();
        let count = || owed.0.lock().unwrap().len();
        let give_up = || {
            let (confirm, waited) = oneshot::channel::<()>();
            assert!(owed.wait(waited).now_or_never().is_none());
            confirm
        };
        let first: Vec<_> = (0..100).map(|_| give_up()).collect();
        assert_eq!(count(), 100);
        first.into_iter().for_each(|confirm| confirm.send(()).unwrap());
        let _late = give_up();
        assert_eq!(count(), 1);
        // One that is waited for isn't kept.
        let (confirm, waited) = oneshot::channel();
        confirm.send(7).unwrap();
        assert_eq!(Owed::default().wait(waited).now_or_never(), Some(Ok(7)));
        let unconfirmed: Vec<_> = (1..MOST).map(|_| give_up()).collect();
        assert!(owed.is_full());
        drop(unconfirmed);
    }
}
