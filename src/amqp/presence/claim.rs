//! Who of the workers takes lanes, where one keeps conversations in a store of its own. Pure.
//!
//! **Invariants:** who has lanes keeps them. Of those that wait, and know of each other, one takes them: that with the first
//! name. Two that took them unknown to each other agree on who leaves them.

use std::time::Instant;

use super::{Alive, Beat};

/// What a worker with a store of its own is to do, as far as it knows the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// It takes the lanes, or keeps them.
    Take,
    /// It takes none, or leaves them, for the worker named.
    Wait(String),
}

/// What `me` is to do at `now`: its own beat says what it does so far.
pub(super) fn claim(me: &Beat, alive: &Alive, now: Instant) -> Claim {
    let others = || alive.at(now).map(|(beat, _)| beat).filter(|beat| beat.name != me.name && beat.store.is_some());
    let before_me = match me.waits {
        true => others().find(|other| !other.waits || other.name < me.name),
        // One whose store is shared has lanes beside it, whatever it does.
        false => others().find(|other| !other.waits && is_own(other) && rank(other) < rank(me)),
    };
    before_me.map_or(Claim::Take, |other| Claim::Wait(other.name.clone()))
}

/// Whether another worker than `me` has conversations at `now`, or waits for them.
pub(super) fn is_another(me: &Beat, alive: &Alive, now: Instant) -> bool {
    alive.at(now).any(|(beat, _)| beat.name != me.name && beat.store.is_some())
}

fn is_own(beat: &Beat) -> bool {
    beat.store.is_some_and(|store| !store.is_shared())
}

/// The first keeps its lanes: who was handed something of one has conversations to lose.
fn rank(beat: &Beat) -> (bool, &str) {
    (beat.lanes.is_empty(), &beat.name)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Lanes, StoreKind, beat::tests::beat},
        *,
    };

    /// `a` waits, `A` has taken the lanes, and with `+` was handed something; `r` has a shared store and lanes, `n` no
    /// conversations. Names are in the order of the letters.
    fn worker(letter: &str) -> Beat {
        let name = letter.trim_end_matches('+').to_lowercase();
        let lanes = if letter.ends_with('+') { Lanes::default().with(3) } else { Lanes::default() };
        let (store, waits) = match name.as_str() {
            "r" => (Some(StoreKind::Redis), false),
            "n" => (None, false),
            _ => (Some(StoreKind::Memory), letter.chars().all(char::is_lowercase)),
        };
        Beat { store, waits, lanes, ..beat(&name) }
    }

    fn claims(workers: &[&str], me: &str) -> Claim {
        let (mut alive, now) = (Alive::default(), Instant::now());
        workers.iter().for_each(|letter| alive.hear(worker(letter), now));
        claim(&worker(me), &alive, now)
    }

    #[test]
    fn who_has_lanes_keeps_them_and_of_those_that_wait_the_first_takes_them() {
        let check = |workers: &[&str], takes: &[&str]| {
            for me in workers.iter().filter(|me| !["n", "r"].contains(me)) {
                let takes = takes.contains(me);
                assert_eq!(claims(workers, me) == Claim::Take, takes, "{me} of {workers:?}");
            }
        };
        check(&["a"], &["a"]);
        check(&["a", "b", "c"], &["a"]);
        check(&["a", "B"], &["B"]);
        check(&["A", "b"], &["A"]);
        check(&["a", "n"], &["a"]);
        // A shared store beside it: it waits, or keeps what it has.
        check(&["a", "r"], &[]);
        check(&["A", "r"], &["A"]);
        // Taken unknown to each other.
        check(&["A", "B"], &["A"]);
        check(&["A", "B+"], &["B+"]);
        check(&["A+", "B+", "C"], &["A+"]);
    }

    #[test]
    fn who_is_gone_is_not_waited_for() {
        let (mut alive, now) = (Alive::default(), Instant::now());
        alive.hear(worker("A"), now);
        let me = worker("b");
        assert_eq!(claim(&me, &alive, now), Claim::Wait("a".to_owned()));
        assert!(is_another(&me, &alive, now));
        assert_eq!(claim(&me, &alive, now + super::super::GONE), Claim::Take);
        assert!(!is_another(&me, &alive, now + super::super::GONE));
        alive.hear(worker("A"), now);
        alive.hear(Beat { leaves: true, ..worker("A") }, now);
        assert_eq!(claim(&me, &alive, now), Claim::Take);
    }
}
