//! A search through all states that can be reached, breadth first, each once; what the model checks of settlement and of
//! a lane share.

use std::{collections::HashMap, fmt::Debug, hash::Hash, rc::Rc};

/// What is searched.
pub(in crate::amqp) trait Space {
    type State: Eq + Hash + Debug;
    fn first(&self) -> Self::State;
    /// What is wrong with a state whatever comes next.
    fn complaint(&mut self, state: &Self::State) -> Option<String>;
    /// Every state that can come next, and whether it takes a fault.
    fn steps(&mut self, state: &Self::State) -> Vec<(bool, Self::State)>;
    /// A state after which nothing comes without a fault; what is wrong with that.
    fn ended(&mut self, state: &Self::State) -> Option<String>;
}

/// What was found.
#[derive(Debug)]
pub(in crate::amqp) struct Searched {
    pub(in crate::amqp) states: usize,
    pub(in crate::amqp) steps: usize,
    /// What isn't as it must be, with the way there.
    pub(in crate::amqp) violation: Option<String>,
}

/// Searches until all is seen, or something is found to be wrong.
pub(in crate::amqp) fn search<S: Space>(space: &mut S) -> Searched {
    let first = Rc::new(space.first());
    let mut numbers = HashMap::from([(first.clone(), 0_usize)]);
    let (mut states, mut parents, mut calm) = (vec![first], vec![0], Vec::new());
    let (mut steps, mut violation) = (0, None);
    let mut number = 0;
    while let Some(state) = states.get(number).cloned() {
        let found = space.complaint(&state);
        let mut calmly = Vec::new();
        for (fault, state) in space.steps(&state) {
            steps += 1;
            let known = *numbers.entry(Rc::new(state)).or_insert_with_key(|state| {
                states.push(state.clone());
                parents.push(number);
                states.len() - 1
            });
            if !fault {
                calmly.push(known);
            }
        }
        if let Some(complaint) = found.or_else(|| calmly.is_empty().then(|| space.ended(&state)).flatten()) {
            violation = Some(format!("{complaint}\n{}", way(&states, &parents, number)));
            break;
        }
        calm.push(calmly);
        number += 1;
    }
    let violation = violation.or_else(|| {
        let number = looping(&calm)?;
        Some(format!("without a fault it goes on for ever\n{}", way(&states, &parents, number)))
    });
    Searched { states: states.len(), steps, violation }
}

/// The states that led to one.
fn way<S: Debug>(states: &[S], parents: &[usize], mut number: usize) -> String {
    let mut lines = vec![format!("{:?}", states[number])];
    while number != 0 {
        number = parents[number];
        lines.push(format!("{:?}", states[number]));
    }
    lines.reverse();
    lines.join("\n")
}

/// A state from which steps without a fault can lead back to it.
fn looping(calm: &[Vec<usize>]) -> Option<usize> {
    let mut incoming = vec![0; calm.len()];
    for to in calm.iter().flatten() {
        incoming[*to] += 1;
    }
    let mut free: Vec<usize> = (0..calm.len()).filter(|state| incoming[*state] == 0).collect();
    while let Some(state) = free.pop() {
        for to in &calm[state] {
            incoming[*to] -= 1;
            if incoming[*to] == 0 {
                free.push(*to);
            }
        }
    }
    incoming.iter().position(|count| *count > 0)
}
