//! A budget: how many tokens a service may cost in a day.
//!
//! **Invariant:** what was spent is the process's, by the service's name: a bot that is read again, and a second use of
//! the same service, go on with what is left. The day is that of UTC.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// How many tokens a service may cost in a day.
#[derive(Debug, Clone)]
pub struct Budget {
    most: u64,
    spent: Arc<Mutex<Spent>>,
}

/// What was spent on a day.
#[derive(Debug, Default)]
struct Spent {
    /// Days since 1970 began, by UTC.
    day: u64,
    tokens: u64,
    /// Whether it was told that nothing is left.
    told: bool,
}

/// There is nothing left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsedUp {
    pub(super) most: u64,
    /// Whether this is the first to hear of it today.
    pub(super) is_news: bool,
}

impl Budget {
    /// A budget of its own, of so many tokens a day.
    pub fn new(most: u64) -> Self {
        Self { most, spent: Arc::default() }
    }

    /// The budget of the service of that name in this process.
    pub fn of_process(service: &str, most: u64) -> Self {
        static SPENT: LazyLock<Mutex<HashMap<String, Arc<Mutex<Spent>>>>> = LazyLock::new(Mutex::default);
        let mut all = SPENT.lock().unwrap_or_else(PoisonError::into_inner);
        Self { most, spent: Arc::clone(all.entry(service.to_owned()).or_default()) }
    }

    /// Whether anything is left today.
    pub(super) fn look(&self) -> Result<(), UsedUp> {
        self.look_on(today())
    }

    /// Counts what was spent; returns what was spent today.
    pub(super) fn spend(&self, tokens: u64) -> u64 {
        self.spend_on(today(), tokens)
    }

    fn look_on(&self, day: u64) -> Result<(), UsedUp> {
        self.on(day, |spent| match spent.tokens < self.most {
            true => Ok(()),
            false => Err(UsedUp { most: self.most, is_news: !std::mem::replace(&mut spent.told, true) }),
        })
    }

    fn spend_on(&self, day: u64, tokens: u64) -> u64 {
        self.on(day, |spent| {
            spent.tokens = spent.tokens.saturating_add(tokens);
            spent.tokens
        })
    }

    fn on<T>(&self, day: u64, use_it: impl FnOnce(&mut Spent) -> T) -> T {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that is set back gives no new budget.
        if day > spent.day {
            *spent = Spent { day, ..Spent::default() };
        }
        use_it(&mut spent)
    }
}

fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_gone_until_the_next_day_and_told_once() {
        let budget = Budget::new(100);
        assert_eq!(budget.look_on(7), Ok(()));
        assert_eq!((budget.spend_on(7, 60), budget.look_on(7)), (60, Ok(())));
        assert_eq!(budget.spend_on(7, 60), 120);
        assert_eq!(budget.look_on(7), Err(UsedUp { most: 100, is_news: true }));
        assert_eq!(budget.look_on(7), Err(UsedUp { most: 100, is_news: false }));
        assert_eq!(budget.look_on(6), Err(UsedUp { most: 100, is_news: false }), "the clock was set back");
        assert_eq!(budget.look_on(8), Ok(()));
        assert_eq!(budget.spend_on(8, u64::MAX), u64::MAX);
        assert_eq!(budget.look_on(8), Err(UsedUp { most: 100, is_news: true }));
    }

    #[test]
    fn a_service_has_one_budget_however_often_it_is_made() {
        let (first, second) = (Budget::of_process("budget-test", 10), Budget::of_process("budget-test", 20));
        first.spend(10);
        assert!(first.look().is_err() && second.look().is_ok());
        second.spend(10);
        assert!(second.look().is_err());
        assert!(Budget::of_process("budget-test-2", 10).look().is_ok());
    }
}
