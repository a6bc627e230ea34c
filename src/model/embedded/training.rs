//! One machine for each intent against the rest, trained in parallel, with the margins of cross-validation.
//!
//! **Invariant:** the result is the same, to the last bit, whatever the number of threads: an intent's machine is
//! trained by one thread from that intent's own seed, and results are put in the order of intents.

use std::{
    mem,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    calibration::HeldOut,
    sparse::{Entry, SparseRows},
    svm::{Machine, Problem, Target},
};

/// Examples are dealt out to so many folds, intent by intent; each is judged by a machine that didn't see its fold.
const FOLDS: usize = 5;

/// An example of the intent weighs more than one of the many others: with ten examples an intent this is half a point
/// of accuracy on CLINC150 and BANKING77.
const INSIDE: Target = Target::inside(5.0);
const OUTSIDE: Target = Target::outside(1.0);
/// The text of which nothing is known belongs to no intent. Without it, a bot with two or three intents would hold
/// nonsense for one of them; to one with many it makes no difference.
const UNKNOWN: Target = Target::outside(10.0);

/// What the examples taught.
#[derive(Debug)]
pub(super) struct Trained {
    /// A row for each intent, over the features.
    pub(super) weights: SparseRows,
    /// By intent.
    pub(super) biases: Vec<f32>,
    /// What cross-validation said of each example that it could judge.
    pub(super) held_out: Vec<HeldOut>,
}

/// Trains on so many vectors, over so many features, of which each has an intent, one of `0..intents`.
pub(super) fn train(
    mut rows: SparseRows,
    features: usize,
    labels: &[usize],
    intents: usize,
    threads: NonZeroUsize,
) -> Trained {
    let (folds, counts) = deal(labels, intents);
    rows.push([]);
    let problem = Problem::new(rows, features);
    let next = AtomicUsize::new(0);
    let finished = Mutex::new(Vec::with_capacity(intents));
    let work = || {
        loop {
            let intent = next.fetch_add(1, Ordering::Relaxed);
            if intent >= intents {
                break;
            }
            let result = OneIntent::train(&problem, labels, &folds, intent);
            finished.lock().unwrap_or_else(PoisonError::into_inner).push((intent, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.get().min(intents) {
            // Where no thread can be had, this one does the work.
            drop(thread::Builder::new().name("train".to_owned()).spawn_scoped(scope, work));
        }
        work();
    });
    let mut results = finished.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(intent, _)| *intent);

    let mut weights = SparseRows::default();
    for (_, result) in &mut results {
        weights.push(mem::take(&mut result.weights));
    }
    // An intent's only example can't be held out: nothing would be left to know it by.
    let judged = (0..labels.len()).filter(|&example| counts[labels[example]] > 1);
    let margins = |example: usize| results.iter().map(|(_, result)| result.held_out[example]).collect();
    Trained {
        weights,
        biases: results.iter().map(|(_, result)| result.bias).collect(),
        held_out: judged.map(|example| HeldOut { margins: margins(example), intent: labels[example] }).collect(),
    }
}

/// Each example's fold, so that the folds hold as many of every intent; and how many examples each intent has.
fn deal(labels: &[usize], intents: usize) -> (Vec<usize>, Vec<usize>) {
    let mut counts = vec![0; intents];
    let folds = labels
        .iter()
        .map(|&intent| {
            counts[intent] += 1;
            (counts[intent] - 1) % FOLDS
        })
        .collect();
    (folds, counts)
}

struct OneIntent {
    weights: Vec<Entry>,
    bias: f32,
    /// The margins of the examples by machines that didn't see them.
    held_out: Vec<f32>,
}

impl OneIntent {
    fn train(problem: &Problem, labels: &[usize], folds: &[usize], intent: usize) -> Self {
        let mut targets: Vec<Target> =
            labels.iter().map(|&label| if label == intent { INSIDE } else { OUTSIDE }).collect();
        targets.push(UNKNOWN);
        let seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(intent as u64 + 1);
        let mut machine = Machine::new(problem);
        machine.train(problem, &targets, (0..problem.len()).collect(), seed);

        let mut held_out = vec![0.0; labels.len()];
        for fold in 0..FOLDS {
            let mut without = machine.clone();
            let (out, mut kept): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|&i| folds[i] == fold);
            kept.push(labels.len());
            out.iter().for_each(|&example| without.forget(problem, &targets, example));
            without.train(problem, &targets, kept, seed);
            out.iter().for_each(|&example| held_out[example] = without.margin(problem, example));
        }
        // A machine is as wide as all features, which is too much to keep for every intent.
        Self { weights: machine.entries().collect(), bias: machine.bias(), held_out }
    }
}
