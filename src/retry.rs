//! The one place that turns an error and an attempt into an outcome.
//!
//! **Invariant:** pure; nothing is retried past its deadline, nor more often than there are delays.

use std::time::Duration;

use crate::domain::{MessageError, Outcome};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryPolicy {
    /// The delay after the first attempt, after the second, and so on; ascending.
    pub delays: Vec<Duration>,
}

impl RetryPolicy {
    /// What becomes of a message whose `attempt` (from 1) ended in an error, with so much time left to its deadline.
    pub fn decide(&self, error: MessageError, attempt: u32, time_left: Option<Duration>) -> Outcome {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        match self.delays.get(index) {
            Some(&delay) if error.code.is_retryable() && time_left.is_none_or(|left| left > delay) => {
                Outcome::Retry { delay, error }
            }
            _ => Outcome::DeadLetter(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorCode::{self, HandlerFailed, Internal, ModelUnavailable, Timeout};

    const SECOND: Duration = Duration::from_secs(1);

    fn check(code: ErrorCode, attempt: u32, time_left: Option<Duration>, expected: Option<Duration>) {
        let policy = RetryPolicy { delays: vec![SECOND, 5 * SECOND] };
        let outcome = policy.decide(MessageError::new(code, "why"), attempt, time_left);
        let delay = if let Outcome::Retry { delay, .. } = &outcome { Some(*delay) } else { None };
        assert_eq!(delay, expected, "{code} {attempt} {time_left:?}");
        assert_eq!(matches!(outcome, Outcome::DeadLetter(_)), expected.is_none());
    }

    #[test]
    fn only_what_may_pass_is_retried_and_only_so_often() {
        check(Internal, 1, None, Some(SECOND));
        check(ModelUnavailable, 2, None, Some(5 * SECOND));
        check(Timeout, 3, None, None);
        check(Timeout, u32::MAX, None, None);
        check(Timeout, 0, None, Some(SECOND));
        check(HandlerFailed, 1, None, None);
    }

    #[test]
    fn nothing_is_retried_past_its_deadline() {
        check(Internal, 1, Some(SECOND / 2), None);
        check(Internal, 1, Some(SECOND), None);
        check(Internal, 1, Some(2 * SECOND), Some(SECOND));
        check(Internal, 2, Some(2 * SECOND), None);
    }
}
