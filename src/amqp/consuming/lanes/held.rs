//! What is held of a lane, and what of it may be worked on next.
//!
//! **Invariant:** of one conversation one turn is out at a time, and they go out as they came in. One that has to be alone
//! goes out when nothing else is held before it, and nothing is taken in before it is done. What is given up goes out when
//! nothing is left that was there when it ended workers: as long as it isn't acked it comes first, so that none of those
//! comes first in its stead and is taken for it. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use super::survived::Mark;
use crate::domain::Key;

/// A delivery that came back so often, losses that this worker outlived aside, runs alone in its lane: it may be what ended the workers.
const ALONE: u64 = 2;
/// One that was delivered so often before and comes first on a channel is what ended them.
const CRASHED: u64 = 4;
/// One that was delivered so often before waits no longer for those that came with it: one of them ends workers too.
const HOPELESS: u64 = 8;

/// Whether a delivery may be what ended workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Suspicion {
    Nothing,
    /// It was there when one was lost.
    WasThere,
    /// It has to be alone.
    Alone,
    /// It isn't started again, and stays first until those that were there with it are settled.
    Crashed,
    /// It isn't started again.
    Hopeless,
}

impl Suspicion {
    /// Of a delivery that was delivered so often before; whether it is the first on its channel.
    pub(super) fn of(count: u64, is_first: bool) -> Self {
        match count {
            HOPELESS.. if is_first => Self::Hopeless,
            CRASHED.. if is_first => Self::Crashed,
            ALONE.. => Self::Alone,
            1.. => Self::WasThere,
            0 => Self::Nothing,
        }
    }
}

/// What is out has this number.
pub(super) type Ticket = u64;

/// When something came, and what it is known by where it comes again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) since: Instant,
    pub(super) mark: Mark,
}

/// What is to be worked on.
#[derive(Debug, PartialEq)]
pub(super) enum Next<T, D> {
    Turn(T),
    /// What has no place in the order.
    Decided(D),
}

/// Turns as they wait and as they are worked on.
pub(super) struct Held<T, D> {
    /// How many turns a conversation may hold.
    most: usize,
    last: Ticket,
    /// All that is held, and whose it is.
    all: BTreeMap<Ticket, (Option<Key>, Arrival)>,
    /// By conversation what waits behind the turn that is out, or may go out.
    lines: HashMap<Key, VecDeque<(Ticket, T)>>,
    /// What may go out.
    ready: VecDeque<(Ticket, Next<T, D>)>,
    /// What waits to be alone.
    waits_alone: Option<(Ticket, Key, T)>,
    is_alone: Option<Ticket>,
    /// What of it was there when a worker was lost.
    were_there: BTreeSet<Ticket>,
    /// What is given up, and waits for those.
    given_up: Option<(D, Arrival)>,
}

impl<T, D> Held<T, D> {
    /// Nothing yet; of a conversation at most so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            last: 0,
            all: BTreeMap::new(),
            lines: HashMap::new(),
            ready: VecDeque::new(),
            waits_alone: None,
            is_alone: None,
            were_there: BTreeSet::new(),
            given_up: None,
        }
    }

    /// Whether more may be put.
    pub(super) fn takes_more(&self) -> bool {
        self.waits_alone.is_none() && self.is_alone.is_none()
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.all.len() + usize::from(self.given_up.is_some())
    }

    /// Since when the one is held that came first.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.arrivals().map(|came| came.since).min()
    }

    /// What all that is held is known by.
    pub(super) fn marks(&self) -> impl Iterator<Item = Mark> {
        self.arrivals().map(|came| came.mark)
    }

    fn arrivals(&self) -> impl Iterator<Item = &Arrival> {
        let given_up = self.given_up.iter().map(|(_, came)| came);
        self.all.values().map(|(_, came)| came).chain(given_up)
    }

    /// Takes a turn in; gives it back where its conversation holds too many.
    pub(super) fn put(&mut self, conversation: Key, turn: T, came: Arrival, suspicion: Suspicion) -> Result<(), T> {
        if self.lines.get(&conversation).is_some_and(|line| line.len() + 1 >= self.most) {
            return Err(turn);
        }
        let ticket = self.ticket(Some(conversation), came);
        if suspicion >= Suspicion::WasThere {
            self.were_there.insert(ticket);
        }
        if suspicion >= Suspicion::Alone {
            self.waits_alone = Some((ticket, conversation, turn));
        } else {
            self.line_up(ticket, conversation, turn);
        }
        Ok(())
    }

    /// Takes in what has no place in the order.
    pub(super) fn put_decided(&mut self, decided: D, came: Arrival) {
        let ticket = self.ticket(None, came);
        self.ready.push_back((ticket, Next::Decided(decided)));
    }

    /// Takes in what is given up: it came first, and there is one at most.
    pub(super) fn put_given_up(&mut self, decided: D, came: Arrival) {
        self.given_up = Some((decided, came));
    }

    /// Lets what is given up go out with the next, where nothing is left that was there with it; `more` tells whether some of
    /// that wasn't put yet.
    pub(super) fn give_up(&mut self, more: bool) {
        if !more
            && self.were_there.is_empty()
            && let Some((decided, came)) = self.given_up.take()
        {
            self.put_decided(decided, came);
        }
    }

    /// What may go out now. It is held until it is [done](Self::done).
    pub(super) fn next(&mut self) -> Option<(Ticket, Next<T, D>)> {
        if self.all.len() == 1
            && let Some((ticket, conversation, turn)) = self.waits_alone.take()
        {
            self.is_alone = Some(ticket);
            self.line_up(ticket, conversation, turn);
        }
        self.ready.pop_front()
    }

    /// What went out with this ticket is done.
    pub(super) fn done(&mut self, ticket: Ticket) {
        self.is_alone.take_if(|alone| *alone == ticket);
        self.were_there.remove(&ticket);
        let Some((Some(conversation), _)) = self.all.remove(&ticket) else { return };
        match self.lines.get_mut(&conversation).and_then(VecDeque::pop_front) {
            Some((ticket, turn)) => self.ready.push_back((ticket, Next::Turn(turn))),
            None => {
                self.lines.remove(&conversation);
            }
        }
    }

    fn ticket(&mut self, conversation: Option<Key>, came: Arrival) -> Ticket {
        self.last += 1;
        self.all.insert(self.last, (conversation, came));
        self.last
    }

    fn line_up(&mut self, ticket: Ticket, conversation: Key, turn: T) {
        match self.lines.get_mut(&conversation) {
            Some(line) => line.push_back((ticket, turn)),
            None => {
                self.lines.insert(conversation, VecDeque::new());
                self.ready.push_back((ticket, Next::Turn(turn)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(conversation: char) -> Key {
        Key::of([Some(conversation.to_string().as_bytes())])
    }

    /// `a1` is conversation a's first turn; `A1` one that has to be alone; `!x` what is decided, `+x` what is given up.
    struct Lane(Held<String, String>);

    impl Lane {
        fn put(&mut self, what: &str) -> bool {
            let first = what.chars().next().unwrap_or('?');
            let (what, now) = (what.to_owned(), Arrival { since: Instant::now(), mark: Mark::default() });
            match first {
                '!' => self.0.put_decided(what, now),
                '+' => self.0.put_given_up(what, now),
                _ => {
                    let suspicion = if first.is_uppercase() { Suspicion::Alone } else { Suspicion::Nothing };
                    return self.0.put(key(first.to_ascii_lowercase()), what, now, suspicion).is_ok();
                }
            }
            true
        }

        fn out(&mut self) -> Vec<(Ticket, String)> {
            let mut out = Vec::new();
            while let Some((ticket, Next::Turn(it) | Next::Decided(it))) = self.0.next() {
                out.push((ticket, it));
            }
            out
        }

        fn names(&mut self) -> Vec<String> {
            self.out().into_iter().map(|(_, name)| name).collect()
        }
    }

    #[test]
    fn turns_of_a_conversation_go_one_after_the_other_and_others_beside() {
        let mut lane = Lane(Held::new(16));
        for what in ["a1", "b1", "a2", "!x", "b2", "a3"] {
            assert!(lane.put(what));
        }
        let out = lane.out();
        assert_eq!(out.iter().map(|(_, name)| &**name).collect::<Vec<_>>(), ["a1", "b1", "!x"]);
        assert!(lane.out().is_empty());
        lane.0.done(out[1].0);
        assert_eq!(lane.names(), ["b2"]);
        lane.0.done(out[2].0);
        lane.0.done(out[0].0);
        let second = lane.out();
        assert_eq!(second.len(), 1);
        lane.0.done(second[0].0);
        let third = lane.out();
        assert_eq!(third[0].1, "a3");
        lane.0.done(third[0].0);
        assert_eq!((lane.0.len(), lane.0.lines.len()), (1, 1), "b2 is still out");
    }

    #[test]
    fn what_may_have_ended_workers_is_alone_and_in_its_place() {
        let mut lane = Lane(Held::new(16));
        for what in ["a1", "a2", "B1"] {
            assert!(lane.put(what));
        }
        assert!(!lane.0.takes_more());
        let first = lane.out();
        assert_eq!(first[0].1, "a1");
        lane.0.done(first[0].0);
        let second = lane.out();
        assert_eq!(second.iter().map(|(_, name)| &**name).collect::<Vec<_>>(), ["a2"]);
        lane.0.done(second[0].0);
        let alone = lane.out();
        assert_eq!(alone[0].1, "B1");
        assert!(!lane.0.takes_more());
        lane.0.done(alone[0].0);
        assert!(lane.0.takes_more() && lane.put("a3"));
        assert_eq!(lane.names(), ["a3"]);
    }

    #[test]
    fn only_what_comes_first_is_given_up() {
        use Suspicion::{Alone, Crashed, Hopeless, Nothing, WasThere};
        let of = |is_first| [0, 1, 2, 3, 4, 7, 8, u64::MAX].map(|count| Suspicion::of(count, is_first));
        assert_eq!(of(true), [Nothing, WasThere, Alone, Alone, Crashed, Crashed, Hopeless, Hopeless]);
        assert_eq!(of(false), [Nothing, WasThere, Alone, Alone, Alone, Alone, Alone, Alone]);
    }

    #[test]
    fn what_is_given_up_waits_for_those_that_were_there_with_it() {
        let mut lane = Lane(Held::new(16));
        for what in ["+k1", "B1"] {
            assert!(lane.put(what));
        }
        assert_eq!(lane.0.len(), 2);
        lane.0.give_up(false);
        let alone = lane.out();
        assert_eq!(alone.iter().map(|(_, name)| &**name).collect::<Vec<_>>(), ["B1"]);
        lane.0.done(alone[0].0);
        assert!(lane.put("c1"), "what is new goes on beside");
        lane.0.give_up(true);
        assert_eq!(lane.names(), ["c1"], "some of it is still to come");
        lane.0.give_up(false);
        assert_eq!(lane.names(), ["+k1"]);
    }

    #[test]
    fn a_conversation_holds_its_part_and_no_more() {
        let mut lane = Lane(Held::new(3));
        assert_eq!(["a1", "a2", "a3", "a4", "b1"].map(|what| lane.put(what)), [true, true, true, false, true]);
        let out = lane.out();
        lane.0.done(out[0].0);
        assert!(lane.put("a5"), "there is room again");
        assert_eq!(lane.0.len(), 4);
    }
}
