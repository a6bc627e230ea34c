//! What became of each request.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

/// A request, from the client's point of view.
#[derive(Default)]
struct Fate {
    /// When it was published, once the broker has confirmed that it has it.
    published: Option<Instant>,
    /// It came back: no queue took it, so the client knows.
    returned: bool,
    /// It was dropped for a reason that the scenario states.
    dropped: bool,
    /// The ids of the replies to it.
    replies: HashSet<String>,
    /// How many replies came; what the broker only delivered again to this client isn't one.
    copies: usize,
    answered: Option<Instant>,
    /// The codes of error replies.
    errors: Vec<String>,
    /// The reasons in dead letters.
    dead: Vec<String>,
}

impl Fate {
    fn is_told(&self) -> bool {
        !self.replies.is_empty() || !self.dead.is_empty() || self.dropped
    }
}

/// The fates of all requests, by id.
#[derive(Default)]
pub struct Ledger(HashMap<String, Fate>);

/// The sums of a ledger.
#[derive(Debug, Default)]
pub struct Account {
    /// Confirmed by the broker, and not returned.
    pub sent: usize,
    /// Of these: with a reply.
    pub answered: usize,
    /// Answers or dead letters beyond the first.
    pub duplicates: usize,
    /// With a dead letter and no reply.
    pub dead: usize,
    /// Dropped for the reason that the scenario states.
    pub dropped: usize,
    /// With nothing.
    pub lost: BTreeSet<String>,
    /// Dead letters by reason.
    pub reasons: BTreeMap<String, usize>,
    /// Dead-lettered, and not told so by an error reply.
    pub untold: usize,
}

impl Account {
    /// The sums of both.
    pub fn and(mut self, other: Self) -> Self {
        self.sent += other.sent;
        self.answered += other.answered;
        self.duplicates += other.duplicates;
        self.dead += other.dead;
        self.dropped += other.dropped;
        self.untold += other.untold;
        self.lost.extend(other.lost);
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self
    }
}

impl Ledger {
    /// The broker has confirmed a request that was published then.
    pub fn confirmed(&mut self, id: &str, published: Instant) {
        self.fate(id).published = Some(published);
    }

    pub fn returned(&mut self, id: &str) {
        self.fate(id).returned = true;
    }

    pub fn replied(&mut self, id: &str, reply: String, redelivered: bool) {
        let fate = self.fate(id);
        fate.copies += usize::from(fate.replies.insert(reply) || !redelivered);
        fate.answered.get_or_insert_with(Instant::now);
    }

    pub fn failed(&mut self, id: &str, code: String) {
        self.fate(id).errors.push(code);
    }

    /// Whether the client was told that a request failed so.
    pub fn has_failed(&self, id: &str, code: &str) -> bool {
        self.0.get(id).is_some_and(|fate| fate.errors.iter().any(|told| told == code))
    }

    pub fn dead_lettered(&mut self, id: &str, reason: String) {
        self.fate(id).dead.push(reason);
    }

    /// Takes as dropped those of these that are without an answer now.
    pub fn drop_unanswered(&mut self, which: impl Fn(&str, Instant) -> bool) {
        for (id, fate) in &mut self.0 {
            fate.dropped |= !fate.is_told() && fate.published.is_some_and(|at| which(id, at));
        }
    }

    /// How many of those that were published after `moment` aren't accounted for yet.
    pub fn open_after(&self, moment: Instant) -> usize {
        let after = self.sent().filter(|(_, fate)| fate.published.is_some_and(|at| at > moment));
        after.filter(|(_, fate)| !fate.is_told()).count()
    }

    /// How many requests are accounted for, and how many aren't yet.
    pub fn progress(&self) -> (usize, usize) {
        let sent = self.sent();
        sent.fold((0, 0), |(told, open), (_, fate)| if fate.is_told() { (told + 1, open) } else { (told, open + 1) })
    }

    /// The longest that a request waited for its answer.
    pub fn longest_wait(&self) -> Option<Duration> {
        self.sent().filter_map(|(_, fate)| Some(fate.answered? - fate.published?)).max()
    }

    /// The requests with a dead letter.
    pub fn dead(&self) -> BTreeSet<&str> {
        self.sent().filter(|(_, fate)| !fate.dead.is_empty()).map(|(id, _)| id).collect()
    }

    /// How long after `moment` a request that was published after it was answered.
    pub fn recovery(&self, moment: Instant) -> Option<Duration> {
        let after = self.sent().filter(|(_, fate)| fate.published.is_some_and(|at| at > moment));
        after.filter_map(|(_, fate)| fate.answered).min().map(|at| at.saturating_duration_since(moment))
    }

    pub fn account(&self) -> Account {
        let mut account = Account::default();
        for (id, fate) in self.sent() {
            account.sent += 1;
            account.duplicates += (fate.copies + fate.dead.len()).saturating_sub(1);
            for reason in &fate.dead {
                *account.reasons.entry(reason.clone()).or_default() += 1;
            }
            if !fate.replies.is_empty() {
                account.answered += 1;
            } else if !fate.dead.is_empty() {
                account.dead += 1;
                account.untold += usize::from(fate.errors.is_empty());
            } else if fate.dropped {
                account.dropped += 1;
            } else {
                account.lost.insert(id.to_owned());
            }
        }
        account
    }

    /// The requests that aren't accounted for, in ranges of their numbers, each with when it was published, in seconds
    /// after the first.
    pub fn unanswered(&self) -> Vec<String> {
        let Some(began) = self.sent().filter_map(|(_, fate)| fate.published).min() else { return Vec::new() };
        let number = |id: &str| id.rsplit_once('-').and_then(|(_, number)| number.parse::<u64>().ok());
        let mut open: Vec<(u64, f64)> = self
            .sent()
            .filter(|(_, fate)| !fate.is_told())
            .map(|(id, fate)| {
                let published = fate.published.unwrap_or(began) - began;
                (number(id).unwrap_or_default(), published.as_secs_f64())
            })
            .collect();
        open.sort_by_key(|one| one.0);
        open.chunk_by(|one, next| one.0 + 1 == next.0)
            .map(|range| {
                let ((first, from), (last, to)) = (range[0], range[range.len() - 1]);
                format!("no answer: requests {first} to {last}, published after {from:.2} s to {to:.2} s")
            })
            .collect()
    }

    fn sent(&self) -> impl Iterator<Item = (&str, &Fate)> {
        let fates = self.0.iter().filter(|(_, fate)| fate.published.is_some() && !fate.returned);
        fates.map(|(id, fate)| (id.as_str(), fate))
    }

    fn fate(&mut self, id: &str) -> &mut Fate {
        self.0.entry(id.to_owned()).or_default()
    }
}

#[test]
fn each_request_is_counted_where_it_belongs() {
    let mut ledger = Ledger::default();
    for id in ["answered", "twice", "from memory", "dead", "both", "returned", "lost"] {
        ledger.confirmed(id, Instant::now());
    }
    ledger.returned("returned");
    ledger.replied("answered", "1".to_owned(), false);
    ledger.replied("answered", "1".to_owned(), true);
    ledger.replied("twice", "2".to_owned(), false);
    ledger.replied("twice", "3".to_owned(), true);
    ledger.replied("from memory", "6".to_owned(), false);
    ledger.replied("from memory", "6".to_owned(), false);
    ledger.replied("unconfirmed", "4".to_owned(), false);
    ledger.dead_lettered("dead", "timeout".to_owned());
    ledger.replied("both", "5".to_owned(), false);
    ledger.dead_lettered("both", "crashed".to_owned());
    assert_eq!(ledger.progress(), (5, 1));
    let account = ledger.account();
    assert_eq!((account.sent, account.answered, account.duplicates, account.dead), (6, 4, 3, 1));
    assert_eq!((account.dropped, account.untold), (0, 1));
    assert_eq!(account.lost, BTreeSet::from(["lost".to_owned()]));
    assert_eq!(ledger.unanswered().len(), 1);
    ledger.drop_unanswered(|id, _| id != "lost");
    assert_eq!((ledger.account().dropped, ledger.account().lost.len()), (0, 1));
    ledger.drop_unanswered(|id, _| id == "lost");
    assert_eq!((ledger.account().dropped, ledger.account().lost.len()), (1, 0));
}
