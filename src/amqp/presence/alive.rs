//! Who was heard of lately, and what speaks against how they are set up.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::Beat;

/// How often a worker tells of itself, besides at changes.
pub const BEAT: Duration = Duration::from_secs(5);
/// How long after its last word a worker is held for gone: three beats.
pub const GONE: Duration = Duration::from_secs(15);
/// The most workers that are known.
pub const MOST: usize = 1_000;

/// The workers that are alive, as far as was heard.
#[derive(Debug, Default)]
pub struct Alive {
    heard: BTreeMap<String, (Instant, Beat)>,
}

impl Alive {
    /// Nobody is held for gone who wasn't before `now`: nothing could be heard meanwhile.
    pub fn hold(&mut self, now: Instant) {
        self.forget_gone(now);
        self.heard.values_mut().for_each(|(at, _)| *at = now);
    }

    fn forget_gone(&mut self, now: Instant) {
        self.heard.retain(|_, (at, _)| now.saturating_duration_since(*at) < GONE);
    }

    /// Notes what a worker said at `now`.
    pub fn hear(&mut self, beat: Beat, now: Instant) {
        self.forget_gone(now);
        if beat.leaves {
            self.heard.remove(&beat.name);
        } else if self.heard.len() < MOST || self.heard.contains_key(&beat.name) {
            self.heard.insert(beat.name.clone(), (now, beat));
        }
    }

    /// Those that are alive at `now`, by name, each with how long ago it was heard.
    pub fn at(&self, now: Instant) -> impl Iterator<Item = (&Beat, Duration)> {
        let ago = move |(at, beat)| (beat, now.saturating_duration_since(at));
        self.heard.values().map(move |(at, beat)| ago((*at, beat))).filter(|(_, ago)| *ago < GONE)
    }

    /// The bots that workers answer from, each once.
    pub fn bots(&self, now: Instant) -> BTreeSet<&str> {
        self.at(now).map(|(beat, _)| beat.bot.as_str()).collect()
    }

    /// The one that most of them answer from.
    pub fn usual_bot(&self, now: Instant) -> Option<&str> {
        let count = |bot: &&str| self.at(now).filter(|(beat, _)| beat.bot == **bot).count();
        self.bots(now).into_iter().max_by_key(count)
    }

    /// How many of them take lanes. Not known where `me`, who does, isn't heard: others may not be heard either.
    pub(super) fn takers(&self, me: &str, now: Instant) -> Option<usize> {
        let takers = || self.at(now).map(|(beat, _)| beat).filter(|beat| beat.store.is_some() && !beat.waits);
        takers().any(|beat| beat.name == me).then(|| takers().count())
    }

    /// Those that keep conversations where no other worker sees them, while there are others; nobody where that is right.
    pub fn alone_among_others(&self, now: Instant) -> Vec<&Beat> {
        let with_conversations: Vec<&Beat> =
            self.at(now).map(|(beat, _)| beat).filter(|beat| beat.store.is_some()).collect();
        let several = with_conversations.len() > 1;
        let alone = |beat: &&Beat| several && beat.store.is_some_and(|store| !store.is_shared());
        with_conversations.into_iter().filter(alone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{StoreKind, beat::tests::beat},
        *,
    };

    fn names(alive: &Alive, now: Instant) -> Vec<&str> {
        alive.at(now).map(|(beat, _)| beat.name.as_str()).collect()
    }

    #[test]
    fn a_worker_is_alive_for_three_beats_after_its_last_word() {
        let (mut alive, start) = (Alive::default(), Instant::now());
        alive.hear(beat("b"), start);
        alive.hear(beat("a"), start + BEAT);
        assert_eq!(names(&alive, start + BEAT), ["a", "b"]);
        assert_eq!(names(&alive, start + GONE), ["a"]);
        alive.hear(beat("b"), start + GONE);
        assert_eq!(names(&alive, start + GONE + BEAT), ["b"]);
        alive.hear(Beat { leaves: true, ..beat("b") }, start + GONE + BEAT);
        assert!(names(&alive, start + GONE + BEAT).is_empty());
    }

    #[test]
    fn while_nothing_can_be_heard_nobody_goes() {
        let (mut alive, start) = (Alive::default(), Instant::now());
        alive.hear(beat("a"), start);
        alive.hear(beat("b"), start + BEAT);
        alive.hold(start + GONE);
        assert_eq!(names(&alive, start + GONE + BEAT), ["b"], "who was gone before is");
    }

    #[test]
    fn the_bot_of_most_is_the_usual_one() {
        let (mut alive, now) = (Alive::default(), Instant::now());
        assert_eq!(alive.usual_bot(now), None);
        for (name, bot) in [("a", "x"), ("b", "y"), ("c", "y")] {
            alive.hear(Beat { bot: bot.into(), ..beat(name) }, now);
        }
        assert_eq!(alive.usual_bot(now), Some("y"));
    }

    #[test]
    fn who_takes_lanes_is_counted_where_one_hears_itself() {
        let (mut alive, start) = (Alive::default(), Instant::now());
        alive.hear(beat("b"), start);
        assert_eq!((alive.takers("a", start), alive.takers("b", start)), (None, Some(1)));
        alive.hear(beat("a"), start + BEAT);
        alive.hear(Beat { store: None, ..beat("c") }, start + BEAT);
        alive.hear(Beat { waits: true, ..beat("d") }, start + BEAT);
        assert_eq!(alive.takers("a", start + BEAT), Some(2));
        assert_eq!(alive.takers("a", start + GONE), Some(1), "one is gone");
        alive.hear(Beat { leaves: true, ..beat("a") }, start + GONE);
        assert_eq!(alive.takers("a", start + GONE), None);
    }

    #[test]
    fn the_last_word_counts_and_tells_how_long_ago_it_was() {
        let (mut alive, start) = (Alive::default(), Instant::now());
        alive.hear(beat("a"), start);
        alive.hear(Beat { in_flight: 3, ..beat("a") }, start + BEAT);
        let there: Vec<_> = alive.at(start + 2 * BEAT).map(|(beat, ago)| (beat.in_flight, ago)).collect();
        assert_eq!(there, [(3, BEAT)]);
    }

    #[test]
    fn no_more_workers_are_known_than_may_be_and_those_that_are_gone_make_room() {
        let (mut alive, start) = (Alive::default(), Instant::now());
        for number in 0..2 * MOST {
            alive.hear(beat(&number.to_string()), start);
        }
        assert_eq!(alive.heard.len(), MOST);
        alive.hear(Beat { in_flight: 1, ..beat("0") }, start);
        assert_eq!(alive.heard["0"].1.in_flight, 1, "who is known is heard");
        alive.hear(beat("late"), start + GONE);
        assert_eq!(names(&alive, start + GONE), ["late"]);
    }

    #[test]
    fn different_bots_and_stores_that_cannot_be_shared_are_found() {
        let now = Instant::now();
        let check = |workers: &[(&str, Option<StoreKind>)], bots: usize, alone: usize| {
            let mut alive = Alive::default();
            for (number, (bot, store)) in workers.iter().enumerate() {
                alive.hear(Beat { bot: (*bot).into(), store: *store, ..beat(&number.to_string()) }, now);
            }
            assert_eq!((alive.bots(now).len(), alive.alone_among_others(now).len()), (bots, alone), "{workers:?}");
        };
        let (memory, file, redis) = (Some(StoreKind::Memory), Some(StoreKind::File), Some(StoreKind::Redis));
        check(&[], 0, 0);
        check(&[("a", memory)], 1, 0);
        check(&[("a", memory), ("a", None)], 1, 0);
        check(&[("a", redis), ("a", redis)], 1, 0);
        check(&[("a", redis), ("b", redis)], 2, 0);
        check(&[("a", memory), ("a", redis)], 1, 1);
        check(&[("a", memory), ("a", file)], 1, 2);
    }
}
