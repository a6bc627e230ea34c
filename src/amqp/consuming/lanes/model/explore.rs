//! What is searched by the model check of a lane: what can come next, and what is held of every state.

use std::collections::{BTreeSet, VecDeque};

use tokio::time::Instant;

use super::{
    super::held::{Arrival, Held, Next, Suspicion},
    turns::{Ask, Flight, Given, Text, Told, Turns, Value},
};
use crate::amqp::publishing::settle::model::search::Space;

/// A worker that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It cancels its consumer while it holds deliveries.
    Cancels,
    /// It writes without comparing.
    Overwrites,
    /// It acks before the store has its turn.
    AcksEarly,
    /// It publishes what it made, also where the store holds something else.
    PublishesItsOwn,
    /// It makes a dead letter of what is given up before its neighbours are settled.
    GivesUpAtOnce,
    /// It starts what may end workers before the acks of those before it have arrived.
    StartsAtOnce,
}

/// What is explored.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// The conversation of each message, in their order.
    pub(super) messages: Vec<u8>,
    /// How many of them come at any later time.
    pub(super) late: u8,
    /// How many faults there may be.
    pub(super) faults: u8,
    /// How many deliveries each worker's consumer is handed.
    pub(super) prefetch: [usize; 2],
    /// The messages that end their worker whenever they are started.
    pub(super) killers: Vec<u8>,
    pub(super) broken: Option<Broken>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { messages: vec![0; 3], late: 0, faults: 2, prefetch: [2; 2], killers: Vec::new(), broken: None }
    }
}

/// All that broker, store and workers know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// What came back to the queue goes before what is new in it.
    returned: VecDeque<Given>,
    new: VecDeque<u8>,
    /// How many messages aren't published yet.
    coming: u8,
    /// Whose consumer is active; the other one's waits.
    worker: usize,
    channel: Channel,
    /// A channel whose consumer was cancelled.
    cancelled: Option<Channel>,
    /// What goes on though its lane was left. Sorted.
    zombies: Vec<Flight>,
    /// By conversation what is kept.
    store: Vec<Option<Value>>,
    /// Writes of which nobody waits for the answer, and which the store has yet to find. Sorted.
    writes: Vec<(u8, Value)>,
    published: BTreeSet<(u8, Text)>,
    /// Dead letters, and whether as `crashed`.
    dead: BTreeSet<(u8, bool)>,
    /// What the broker has forgotten.
    acked: BTreeSet<u8>,
    deaths: u8,
    faults: u8,
}

/// A lane's channel, as broker and worker see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Channel {
    unacked: Vec<Given>,
    /// The last of these, which the worker hasn't taken in.
    unread: VecDeque<Given>,
    has_read: bool,
    /// What the worker has in hand, as it came.
    held: Vec<Flight>,
    /// Acks on their way.
    acks: VecDeque<u8>,
}

/// The search.
pub(super) struct Exploring<'a> {
    pub(super) rules: &'a Rules,
    pub(super) turns: Turns,
    /// The most deaths that were seen.
    pub(super) deaths: u8,
}

type Steps = Vec<(bool, State)>;

impl Space for Exploring<'_> {
    type State = State;

    fn first(&self) -> State {
        let messages = u8::try_from(self.rules.messages.len()).unwrap();
        let state = State {
            returned: VecDeque::new(),
            new: (0..messages - self.rules.late).collect(),
            coming: self.rules.late,
            worker: 0,
            channel: Channel::default(),
            cancelled: None,
            zombies: Vec::new(),
            store: vec![None; self.rules.messages.iter().max().map_or(0, |most| usize::from(*most) + 1)],
            writes: Vec::new(),
            published: BTreeSet::new(),
            dead: BTreeSet::new(),
            acked: BTreeSet::new(),
            deaths: 0,
            faults: self.rules.faults,
        };
        self.delivered(state)
    }

    fn complaint(&mut self, state: &State) -> Option<String> {
        self.deaths = self.deaths.max(state.deaths);
        let (turns, killers) = (&self.turns, &self.rules.killers);
        let kept: Vec<(u8, Text)> = state.store.iter().flat_map(|value| turns.turns(*value)).collect();
        let is_settled = |message: u8| {
            let dead = state.dead.iter().map(|(message, _)| message);
            state.published.iter().map(|(message, _)| message).chain(dead).any(|of| *of == message)
        };
        // What ends workers has no place in the order.
        let earlier = |message: u8| {
            let of = turns.conversation(message);
            let is_before = move |earlier: &u8| turns.conversation(*earlier) == of && !killers.contains(earlier);
            (0..message).filter(is_before)
        };
        for (position, (message, _)) in kept.iter().enumerate() {
            let before = &kept[..position];
            if before.iter().any(|(other, _)| other == message) {
                return Some(format!("turn {message} was kept twice"));
            }
            if earlier(*message).any(|earlier| !before.iter().any(|(kept, _)| *kept == earlier)) {
                return Some(format!("turn {message} was kept before an earlier one"));
            }
        }
        for (message, text) in &state.published {
            if !kept.contains(&(*message, *text)) {
                return Some(format!("turn {message} was answered by what the store doesn't hold"));
            }
            if earlier(*message).any(|earlier| !is_settled(earlier)) {
                return Some(format!("turn {message} was answered before an earlier one"));
            }
        }
        let acks = state.acked.iter().chain(&state.channel.acks);
        if let Some(message) = acks.copied().find(|message| !is_settled(*message)) {
            return Some(format!("message {message} is acked without an answer"));
        }
        let wronged = state.dead.iter().find(|(message, crashed)| !crashed || !killers.contains(message));
        wronged.map(|(message, _)| format!("message {message} is dead, and did no harm"))
    }

    fn ended(&mut self, state: &State) -> Option<String> {
        let messages = 0..u8::try_from(self.rules.messages.len()).unwrap();
        let all: BTreeSet<u8> = messages.collect();
        (state.acked != all).then(|| "nothing goes on, and something is left".to_owned())
    }

    fn steps(&mut self, state: &State) -> Steps {
        let mut steps = Vec::new();
        if state.coming > 0 {
            let mut after = state.clone();
            after.new.push_back(u8::try_from(self.rules.messages.len()).unwrap() - state.coming);
            after.coming -= 1;
            steps.push((false, after));
        }
        for position in self.out(&state.channel) {
            let flight = &state.channel.held[position];
            // The worker waits until the acks of those before it have arrived.
            let waits = self.rules.broken != Some(Broken::StartsAtOnce) && flight.suspicion == Suspicion::Alone;
            if waits && !state.channel.acks.is_empty() {
                continue;
            }
            if self.kills(flight) {
                steps.push((false, State { deaths: state.deaths + 1, ..self.left(state.clone(), false, true) }));
                continue;
            }
            self.works(state, flight, &mut steps, |state, now| match now {
                Now::Told(told) => state.channel.held[position].told.push(told),
                Now::Settled => {
                    let flight = state.channel.held.remove(position);
                    state.channel.acks.push_back(flight.given.message);
                }
            });
        }
        for (position, flight) in state.zombies.iter().enumerate() {
            self.works(state, flight, &mut steps, |state, now| match now {
                Now::Told(told) => state.zombies[position].told.push(told),
                Now::Settled => drop(state.zombies.remove(position)),
            });
        }
        if !state.channel.acks.is_empty() {
            let mut after = state.clone();
            after.acked_one();
            steps.push((false, after));
        }
        for position in 0..state.writes.len() {
            let mut after = state.clone();
            let (conversation, value) = after.writes.remove(position);
            self.written(&mut after, conversation, value);
            steps.push((false, after));
        }
        if !state.channel.unacked.is_empty() {
            // It is closed, or lost with the acks that are on their way, or with its worker.
            steps.push((true, self.left(state.clone(), true, false)));
            steps.push((true, self.left(state.clone(), false, false)));
            steps.push((true, self.left(state.clone(), false, true)));
            if self.rules.broken == Some(Broken::Cancels) && state.cancelled.is_none() {
                let mut after = state.clone();
                after.cancelled = Some(std::mem::take(&mut after.channel));
                after.worker = 1 - after.worker;
                steps.push((true, after));
            }
        }
        if let Some(cancelled) = &state.cancelled {
            let mut after = state.clone();
            after.cancelled = None;
            after.returned.extend(cancelled.unacked.iter().map(again));
            steps.push((false, after));
        }
        let left = state.faults;
        let steps = steps.into_iter().filter(|(fault, _)| !fault || left > 0);
        let after = |(fault, state)| {
            let mut after = self.delivered(State { faults: left - u8::from(fault), ..state });
            after.zombies.sort_unstable();
            after.writes.sort_unstable();
            (fault, after)
        };
        steps.map(after).collect()
    }
}

/// What became of a delivery in work.
enum Now {
    Told(Told),
    Settled,
}

impl Exploring<'_> {
    /// What the broker hands out, and the worker takes in.
    fn delivered(&self, mut state: State) -> State {
        let channel = &mut state.channel;
        while channel.unacked.len() < self.rules.prefetch[state.worker] {
            let new = || Some(Given { message: state.new.pop_front()?, count: 0 });
            let Some(given) = state.returned.pop_front().or_else(new) else { break };
            channel.unacked.push(given);
            channel.unread.push_back(given);
        }
        while !channel.unread.is_empty() && self.held(channel).0.takes_more() {
            let Some(given) = channel.unread.pop_front() else { break };
            let is_first = !std::mem::replace(&mut channel.has_read, true);
            let suspicion = Suspicion::of(given.count.into(), is_first);
            channel.held.push(Flight { given, suspicion, told: Vec::new() });
        }
        state
    }

    /// What is held, as the worker has it once all that may go out has gone, and what that is. It hangs on nothing that is
    /// done.
    fn held(&self, channel: &Channel) -> (Held<usize, usize>, Vec<usize>) {
        let (mut held, mut out) = (Held::new(16), Vec::new());
        for (position, Flight { given, suspicion, .. }) in channel.held.iter().enumerate() {
            let now = Arrival { since: Instant::now(), mark: Default::default() };
            assert!(held.takes_more(), "what has to be alone lets nothing in");
            match suspicion {
                Suspicion::Crashed if self.rules.broken != Some(Broken::GivesUpAtOnce) => {
                    held.put_given_up(position, now)
                }
                Suspicion::Crashed | Suspicion::Hopeless => held.put_decided(position, now),
                _ => held.put(self.turns.key(given.message), position, now, *suspicion).unwrap(),
            }
            while let Some((_, Next::Turn(next) | Next::Decided(next))) = held.next() {
                out.push(next);
            }
        }
        held.give_up(channel.unread.iter().any(|given| given.count > 0));
        while let Some((_, Next::Turn(next) | Next::Decided(next))) = held.next() {
            out.push(next);
        }
        (held, out)
    }

    fn out(&self, channel: &Channel) -> Vec<usize> {
        self.held(channel).1
    }

    fn kills(&self, flight: &Flight) -> bool {
        self.rules.killers.contains(&flight.given.message) && flight.suspicion < Suspicion::Crashed
    }

    /// The store finds a write. Whether it takes it.
    fn written(&self, state: &mut State, conversation: u8, value: Value) -> bool {
        let there = &mut state.store[usize::from(conversation)];
        let takes = self.rules.broken == Some(Broken::Overwrites) || self.turns.takes(*there, value);
        if takes {
            *there = Some(value);
        }
        takes
    }

    /// What can become of a delivery in work; `then` makes of the state what it becomes where that is so.
    fn works(&mut self, state: &State, flight: &Flight, steps: &mut Steps, then: impl Fn(&mut State, Now)) {
        let message = flight.given.message;
        let mut step = |fault: bool, mut after: State, now: Now| {
            then(&mut after, now);
            steps.push((fault, after));
        };
        match self.turns.ask(flight) {
            Ask::Get(conversation) => {
                let there = state.store[usize::from(conversation)];
                step(false, state.clone(), Now::Told(Told::Got(there)));
                step(true, state.clone(), Now::Told(Told::Silence));
            }
            Ask::Put(conversation, value) => {
                let mut after = state.clone();
                let is_written =
                    self.written(&mut after, conversation, value) || self.rules.broken == Some(Broken::PublishesItsOwn);
                step(true, after.clone(), Now::Told(Told::Silence));
                if self.rules.broken == Some(Broken::AcksEarly) {
                    step(false, state.clone(), Now::Settled);
                }
                step(false, after, Now::Told(if is_written { Told::Written } else { Told::Conflict }));
                // The store finds it when nobody waits any more.
                let mut after = state.clone();
                after.writes.push((conversation, value));
                step(true, after, Now::Told(Told::Silence));
            }
            Ask::Reply(text) => {
                let mut after = state.clone();
                after.published.insert((message, text));
                step(false, after, Now::Told(Told::Confirmed));
            }
            Ask::Letter { crashed } => {
                let mut after = state.clone();
                after.dead.insert((message, crashed));
                step(false, after, Now::Told(Told::Confirmed));
            }
            Ask::Ack => step(false, state.clone(), Now::Settled),
            Ask::Leave if state.zombies.contains(flight) => step(false, state.clone(), Now::Settled),
            Ask::Leave => steps.push((false, self.left(state.clone(), true, false))),
        }
    }

    /// The state after the active consumer's channel is gone: the next one's gets what wasn't acked. Acks on their way arrive
    /// where it is closed. What was in work goes on, or ends with its worker but for a write that is on its way.
    fn left(&mut self, mut state: State, closed: bool, died: bool) -> State {
        while closed && !state.channel.acks.is_empty() {
            state.acked_one();
        }
        let out = self.out(&state.channel);
        let channel = std::mem::take(&mut state.channel);
        for position in out {
            let flight = &channel.held[position];
            if !died && !self.kills(flight) && self.turns.ask(flight) != Ask::Leave {
                state.zombies.push(flight.clone());
            } else if died
                && !self.kills(flight)
                && let Ask::Put(conversation, value) = self.turns.ask(flight)
            {
                state.writes.push((conversation, value));
            }
        }
        state.returned.extend(channel.unacked.iter().map(again));
        state.worker = 1 - state.worker;
        state
    }
}

/// A delivery that comes again.
fn again(given: &Given) -> Given {
    Given { count: given.count + 1, ..*given }
}

impl State {
    /// The first ack that is on its way arrives.
    fn acked_one(&mut self) {
        if let Some(message) = self.channel.acks.pop_front() {
            self.channel.unacked.retain(|given| given.message != message);
            self.acked.insert(message);
        }
    }
}
