//! What is searched by settlement's model check: what can come next, and what is held of every state.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use super::{
    Ask, Choice, Flight, Told,
    broker::{Messages, Place, Ready},
    next,
    search::{Searched, Space, search},
};

/// What is explored.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Where each request comes in.
    pub(super) requests: Vec<Place>,
    /// What the model and the handler may make of a request.
    pub(super) choices: &'static [Choice],
    /// How many faults there may be.
    pub(super) faults: u8,
    /// Whether the requests have a deadline, so that a forward may expire.
    pub(super) deadline: bool,
    /// Whether the first request ends its worker whenever it is started, and all others are answered. Then no worker ends
    /// between a publish and its ack, or what is published could end it, again and again, until the broker's limit.
    pub(super) killer: bool,
    /// Deliveries after which the broker gives a message up. The worker's queues have 20; fewer are reached sooner.
    pub(super) delivery_limit: u8,
    /// Whether the worker is broken: it acks what it only begins to publish.
    pub(super) acks_early: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            requests: vec![Place::Requests],
            choices: &Choice::ALL,
            faults: 0,
            deadline: false,
            killer: false,
            delivery_limit: 3,
            acks_early: false,
        }
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) steps: usize,
    /// What lies where when all is done: place, request, reason.
    pub(super) ends: BTreeSet<Vec<(Place, u8, String)>>,
    /// What isn't as it must be, with the way there.
    pub(super) violation: Option<String>,
}

/// All that broker and workers know. Both lists are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    ready: Vec<Ready>,
    flights: Vec<InFlight>,
    faults: u8,
}

/// A delivery in work, as broker and worker see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct InFlight {
    flight: Flight,
    /// Whether the broker has taken what was published last; the worker isn't told yet.
    taken: bool,
    /// Whether the broker has forgotten it, though it isn't settled: a broken worker acked it.
    forgotten: bool,
}

/// Explores all states that can be reached.
pub(super) fn explore(rules: &Rules) -> Explored {
    let mut exploring = Exploring { rules, messages: Arc::default(), asks: HashMap::new(), ends: BTreeSet::new() };
    let Searched { states, steps, violation } = search(&mut exploring);
    Explored { states, steps, ends: exploring.ends, violation }
}

struct Exploring<'a> {
    rules: &'a Rules,
    messages: Arc<Mutex<Messages>>,
    /// What a delivery in work asks for next, where that was found out before.
    asks: HashMap<Flight, Ask>,
    ends: BTreeSet<Vec<(Place, u8, String)>>,
}

impl Space for Exploring<'_> {
    type State = State;

    fn first(&self) -> State {
        let mut messages = self.messages.lock().unwrap();
        let requests = self.rules.requests.iter().zip(0..);
        let ready = requests.map(|(&place, request)| {
            let message = messages.request(request, place, self.rules.deadline);
            Ready { place, message, count: 0 }
        });
        State { ready: ready.collect(), flights: Vec::new(), faults: self.rules.faults }.sorted()
    }

    fn complaint(&mut self, state: &State) -> Option<String> {
        for in_flight in &state.flights {
            if self.ask(&in_flight.flight) == (Ask::Ack { kept: false }) {
                return Some("it acks what nothing replaces".to_owned());
            }
        }
        let messages = self.messages.lock().unwrap();
        let ready = state.ready.iter().map(|ready| ready.message);
        let in_flight = state.flights.iter().filter(|in_flight| !in_flight.forgotten);
        let there = ready
            .chain(in_flight.map(|in_flight| in_flight.flight.ready.message))
            .fold(0_u32, |there, message| there | (1 << messages.request_of(message)));
        let lost = (0..self.rules.requests.len()).find(|request| there & (1 << request) == 0)?;
        Some(format!("request {lost} is lost"))
    }

    fn steps(&mut self, state: &State) -> Vec<(bool, State)> {
        let mut steps = Vec::new();
        let mut seen = None;
        for (position, ready) in state.ready.iter().enumerate().filter(|(_, ready)| !ready.place.is_last()) {
            if seen.replace(*ready) != Some(*ready) {
                self.waiting(state, position, &mut steps);
            }
        }
        for position in 0..state.flights.len() {
            self.working(state, position, &mut steps);
        }
        if !state.flights.is_empty() {
            steps.push((true, self.session_lost(state)));
        }
        let left = state.faults;
        let steps = steps.into_iter().filter(|(fault, _)| !fault || left > 0);
        steps.map(|(fault, state)| (fault, State { faults: left - u8::from(fault), ..state }.sorted())).collect()
    }

    fn ended(&mut self, state: &State) -> Option<String> {
        let unfinished = self.unfinished(state);
        if unfinished.is_none() {
            self.ends.insert(self.end(state));
        }
        unfinished
    }
}

impl Exploring<'_> {
    fn unfinished(&self, state: &State) -> Option<String> {
        if !state.flights.is_empty() || state.ready.iter().any(|ready| !ready.place.is_last()) {
            return Some("nothing goes on, and something is left".to_owned());
        }
        if state.faults < self.rules.faults || self.rules.killer {
            return None;
        }
        let messages = self.messages.lock().unwrap();
        let count = |request: u8, places: &[Place]| {
            let ready = state.ready.iter().filter(|ready| places.contains(&ready.place));
            ready.filter(|ready| messages.request_of(ready.message) == request).count()
        };
        let twice = (0..u8::try_from(self.rules.requests.len()).unwrap()).find(|request| {
            count(*request, &[Place::Answers, Place::Dead]) != 1
                || count(*request, &[Place::Answers, Place::Errors]) != 1
        });
        twice.map(|request| format!("without a fault, request {request} isn't answered once"))
    }

    fn end(&self, state: &State) -> Vec<(Place, u8, String)> {
        let messages = self.messages.lock().unwrap();
        let told = |ready: &Ready| (ready.place, messages.request_of(ready.message), messages.reason(ready.message));
        state.ready.iter().map(told).collect()
    }

    fn ask(&mut self, flight: &Flight) -> Ask {
        if let Some(ask) = self.asks.get(flight) {
            return *ask;
        }
        let ask = next(flight, &self.messages);
        self.asks.insert(flight.clone(), ask);
        ask
    }

    /// What can become of a message in a queue.
    fn waiting(&mut self, state: &State, position: usize, steps: &mut Vec<(bool, State)>) {
        let mut without = state.clone();
        let ready = without.ready.remove(position);
        let mut messages = self.messages.lock().unwrap();
        if ready.place == Place::Retry {
            let place = messages.after_retry(ready.message);
            steps.push((false, without.with(place, messages.died(ready, "expired"))));
            return;
        }
        if messages.expires(ready.message) {
            steps.push((true, without.clone().with(Place::Died, messages.died(ready, "expired"))));
        }
        // The prefetch of the suspects is 1.
        let waits = |in_flight: &InFlight| in_flight.flight.ready.place == Place::Suspects;
        if ready.place != Place::Suspects || !state.flights.iter().any(waits) {
            let flight = Flight { ready, told: Vec::new() };
            without.flights.push(InFlight { flight, taken: false, forgotten: false });
            steps.push((false, without));
        }
    }

    /// What can become of a delivery in work. Where nothing else hangs on it, what the broker does and what the worker
    /// hears of it is one step: a loss in between is the same as one before, or is a step of its own.
    fn working(&mut self, state: &State, position: usize, steps: &mut Vec<(bool, State)>) {
        let in_flight = &state.flights[position];
        let told = |told: Told| {
            let mut after = state.clone();
            after.flights[position].flight.told.push(told);
            after.flights[position].taken = false;
            after
        };
        if in_flight.taken {
            return steps.push((false, told(Told::Confirmed)));
        }
        let taken = |place, message| {
            let mut after = state.clone();
            after.flights[position].taken = true;
            after.with(place, message)
        };
        match self.ask(&in_flight.flight) {
            Ask::Handle { classified } => self.handling(state, position, classified, steps),
            Ask::Pass => steps.push((false, told(Told::Done))),
            // A worker that may make it, and one that may not.
            Ask::Make => steps.extend([Told::Confirmed, Told::Returned].map(|made| (false, told(made)))),
            // It arrives. That it doesn't is a loss before it.
            Ask::Ack { .. } => {
                let mut after = state.clone();
                after.flights.remove(position);
                steps.push((false, after));
            }
            Ask::Publish(place, message) => {
                steps.extend([Told::Nacked, Told::Returned].map(|refused| (true, told(refused))));
                if self.rules.killer {
                    let mut after = told(Told::Confirmed).with(place, message);
                    if matches!(self.ask(&after.flights[position].flight), Ask::Ack { .. }) {
                        after.flights.remove(position);
                    }
                    steps.push((false, after));
                } else if place.is_last() {
                    steps.push((false, told(Told::Confirmed).with(place, message)));
                    steps.push((true, self.session_lost(&state.clone().with(place, message))));
                } else {
                    steps.push((false, taken(place, message)));
                }
            }
            Ask::Reply { error } => {
                let answer = self.answer(&in_flight.flight);
                let place = if error { Place::Errors } else { Place::Answers };
                steps.push((false, told(Told::Confirmed).with(place, answer)));
                steps.push((true, told(Told::Unconfirmed).with(place, answer)));
                steps.push((true, self.session_lost(&state.clone().with(place, answer))));
                steps.extend([Told::Nacked, Told::Unconfirmed, Told::BadAddress].map(|failed| (true, told(failed))));
                let gone = told(Told::Returned);
                steps.push((true, if error { gone } else { gone.with(Place::Dropped, answer) }));
            }
        }
        if self.rules.acks_early && !in_flight.forgotten {
            let mut after = state.clone();
            after.flights[position].forgotten = true;
            steps.push((false, after));
        }
    }

    /// What the model or handler can make of a request.
    fn handling(&self, state: &State, position: usize, classified: bool, steps: &mut Vec<(bool, State)>) {
        let chosen = |choice: Choice| {
            let mut after = state.clone();
            after.flights[position].flight.told.push(Told::Chosen(choice));
            after
        };
        let message = state.flights[position].flight.ready.message;
        if self.rules.killer {
            let kills = self.messages.lock().unwrap().request_of(message) == 0;
            return steps.push((false, if kills { self.session_lost(state) } else { chosen(Choice::Answer) }));
        }
        // A shutdown hands back what wasn't started.
        let mut handed_back = state.clone();
        let unstarted = handed_back.flights.remove(position);
        steps.push((true, self.requeued(handed_back, &unstarted)));
        // What was addressed to an intent isn't forwarded to one.
        let choices = self.rules.choices.iter().filter(|choice| classified || **choice != Choice::Forward);
        steps.extend(choices.map(|choice| (false, chosen(*choice))));
    }

    fn answer(&self, to: &Flight) -> usize {
        let mut messages = self.messages.lock().unwrap();
        let request = messages.request_of(to.ready.message);
        messages.answer(request)
    }

    /// The state after the worker, or its connections, are gone: what wasn't acked comes back.
    fn session_lost(&self, state: &State) -> State {
        let after = State { flights: Vec::new(), ..state.clone() };
        state.flights.iter().fold(after, |after, in_flight| self.requeued(after, in_flight))
    }

    fn requeued(&self, after: State, in_flight: &InFlight) -> State {
        let ready = in_flight.flight.ready;
        if in_flight.forgotten {
            return after;
        }
        if ready.count < self.rules.delivery_limit {
            let mut after = after;
            after.ready.push(Ready { count: ready.count + 1, ..ready });
            return after;
        }
        let place = if ready.place == Place::Died { Place::DiedDead } else { Place::Died };
        after.with(place, self.messages.lock().unwrap().died(ready, "delivery_limit"))
    }
}

impl State {
    /// With one more message somewhere.
    fn with(mut self, place: Place, message: usize) -> Self {
        self.ready.push(Ready { place, message, count: 0 });
        self
    }

    /// As one of all that mean the same: in order, and with no more than two equal ones of what is done.
    fn sorted(mut self) -> Self {
        self.ready.sort_unstable();
        self.flights.sort_unstable();
        let mut same = 0;
        let mut last = None;
        self.ready.retain(|ready| {
            same = if last.replace(*ready) == Some(*ready) { same + 1 } else { 0 };
            same < 2 || !ready.place.is_last()
        });
        self
    }
}
