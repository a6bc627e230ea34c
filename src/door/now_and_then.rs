//! What is told now and then, however often it happens.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

const PERIOD: Duration = Duration::from_secs(60);
/// How many of several are told of in a period: whoever asks may name what it likes.
const MOST: usize = 20;

/// When something was told last.
#[derive(Default)]
pub(super) struct NowAndThen(Mutex<Option<Instant>>);

impl NowAndThen {
    /// Whether it is to be told again, which it then is.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= PERIOD);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

/// The same of each of several.
#[derive(Default)]
pub(super) struct EachNowAndThen(Mutex<HashMap<String, Instant>>);

impl EachNowAndThen {
    /// Whether one is to be told of again, which it then is.
    pub(super) fn is_due(&self, which: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, last| last.elapsed() < PERIOD);
        if told.len() >= MOST || told.contains_key(which) {
            return false;
        }
        told.insert(which.to_owned(), Instant::now());
        true
    }
}

/// Those of several that were told of, which is done once; how many there can be is bounded by whoever asks.
#[derive(Default)]
pub(super) struct EachOnce(Mutex<HashSet<Arc<str>>>);

impl EachOnce {
    /// Whether one is to be told of, which it then is.
    pub(super) fn is_due(&self, which: &Arc<str>) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(which.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_once_is_never_told_again() {
        let (told, [shop, desk]) = (EachOnce::default(), ["shop", "desk"].map(Arc::<str>::from));
        assert_eq!([&shop, &shop, &desk, &shop].map(|which| told.is_due(which)), [true, false, true, false]);
    }

    #[test]
    fn each_is_told_of_once_and_not_too_many_of_them() {
        let told = EachNowAndThen::default();
        assert!(told.is_due("https://a.example") && !told.is_due("https://a.example"));
        let others = (0..100).filter(|at| told.is_due(&format!("https://{at}.example"))).count();
        assert_eq!(others, MOST - 1);
    }
}
