//! Machines that are trained side by side.
//!
//! Of the examples of everything else, a few in a hundred are near to a class's plane, and the others change nothing. So a
//! machine learns from some, then all are looked at for those that are on the wrong side, it learns from these too, and so
//! on. What takes the time is the looking, and of that most is to fetch the examples from memory: eight machines look at
//! each example together.
//!
//! **Invariant:** what a machine learns doesn't depend, to the last bit, on those beside it.

use super::{
    dense::{self, WIDTH},
    sparse::Entry,
    svm::{MAX_PASSES, Machine, Problem, Random, TOLERANCE, Target},
};

/// Machines at most.
pub(super) const LANES: usize = 8;

/// The passes between two looks, and how far an example has to be on the wrong side to be chosen then. As long as what is
/// chosen isn't all that matters, few passes do, and only what is clearly wrong: the rest comes right by itself.
const LOOKS: [(usize, f32); 10] = {
    let mut looks = [(MAX_PASSES, TOLERANCE / 2.0); 10];
    looks[0] = (3, 0.3);
    looks[1] = (6, 0.1);
    looks
};
/// How many of them end before the machine is as good as it has to be.
const ROUGH: usize = 2;
/// Who knows nothing learns from one in so many of the examples of everything else first.
const FIRST_SHARE: usize = 16;

/// A machine that learns, and what it has to learn.
#[derive(Debug)]
pub(super) struct Learner {
    pub(super) machine: Machine,
    /// One for each example of the problem.
    pub(super) targets: Vec<Target>,
    random: Random,
    /// What it learns from now, and the same by example.
    chosen: Vec<usize>,
    is_chosen: Vec<bool>,
}

impl Learner {
    /// One that knows nothing. The seed, not 0, decides in which order it learns.
    pub(super) fn new(problem: &Problem, targets: Vec<Target>, seed: u64) -> Self {
        let is_chosen = vec![false; problem.len()];
        Self { machine: Machine::new(problem), targets, random: Random(seed), chosen: Vec::new(), is_chosen }
    }

    /// Takes away what was learned from one example.
    pub(super) fn forget(&mut self, problem: &Problem, example: usize) {
        self.machine.forget(problem, &self.targets, example);
    }

    fn choose(&mut self, example: usize) {
        self.is_chosen[example] = true;
        self.chosen.push(example);
    }

    /// Chooses what it learned from before and what is the class's own; and something else beside, at the beginning.
    fn begin(&mut self, examples: &[usize]) {
        self.chosen.clear();
        self.is_chosen.fill(false);
        let knows_nothing = examples.iter().all(|&example| self.machine.dual(example) == 0.0);
        for (place, &example) in examples.iter().enumerate() {
            let counts = self.machine.dual(example) > 0.0 || self.targets[example].is_inside();
            if counts || knows_nothing && place % FIRST_SHARE == 0 {
                self.choose(example);
            }
        }
    }

    /// Learns from what is chosen. Whether all of that is right then.
    fn learn(&mut self, problem: &Problem, passes: usize) -> bool {
        self.machine.learn(problem, &self.targets, &mut self.chosen, &mut self.random, passes)
    }
}

/// Has at most [`LANES`] learners learn from the `examples` alone, each from where it is.
pub(super) fn train(learners: &mut [Learner], problem: &Problem, examples: &[usize]) {
    let mut learning: Vec<&mut Learner> = learners.iter_mut().collect();
    learning.iter_mut().for_each(|learner| learner.begin(examples));
    for (look, (passes, wrong)) in LOOKS.into_iter().enumerate() {
        // Which have nothing more to learn, if the look finds nothing.
        let before: Vec<(bool, usize)> =
            learning.iter_mut().map(|learner| (learner.learn(problem, passes), learner.chosen.len())).collect();
        let planes = Planes::of(&learning, problem);
        for &example in examples {
            for (learner, margin) in learning.iter_mut().zip(planes.margins(problem, example)) {
                if learner.targets[example].slack(margin) < -wrong && !learner.is_chosen[example] {
                    learner.choose(example);
                }
            }
        }
        let mut before = before.into_iter();
        learning.retain(|learner| {
            look < ROUGH || before.next().is_some_and(|(right, chosen)| !right || learner.chosen.len() > chosen)
        });
        if learning.is_empty() {
            break;
        }
    }
}

/// What machines know, a feature's weights beside each other.
struct Planes {
    weights: Vec<[f32; LANES]>,
    dense: Vec<[f32; LANES]>,
    biases: [f32; LANES],
}

impl Planes {
    fn of(learners: &[&mut Learner], problem: &Problem) -> Self {
        let mut planes = Self {
            weights: vec![[0.0; LANES]; problem.features()],
            dense: vec![[0.0; LANES]; WIDTH],
            biases: [0.0; LANES],
        };
        for (lane, Learner { machine, .. }) in learners.iter().enumerate() {
            planes.weights.iter_mut().zip(machine.weights()).for_each(|(all, weight)| all[lane] = *weight);
            planes.dense.iter_mut().zip(machine.dense()).for_each(|(all, weight)| all[lane] = *weight);
            planes.biases[lane] = machine.bias();
        }
        planes
    }

    fn margins(&self, problem: &Problem, example: usize) -> [f32; LANES] {
        let (row, dense) = problem.example(example);
        let (mut margins, by_row) = (dense.dots(&self.dense), self.dots(row));
        (0..LANES).for_each(|lane| margins[lane] += by_row[lane] + self.biases[lane]);
        margins
    }

    /// Two sums side by side, as each addition would else wait for the one before.
    #[inline(never)]
    fn dots(&self, row: &[Entry]) -> [f32; LANES] {
        let (mut even, mut odd) = ([0.0; LANES], [0.0; LANES]);
        let (pairs, rest) = row.as_chunks::<2>();
        for [one, other] in pairs {
            dense::add_to(&mut even, one.1, &self.weights[one.0 as usize]);
            dense::add_to(&mut odd, other.1, &self.weights[other.0 as usize]);
        }
        rest.iter().for_each(|last| dense::add_to(&mut even, last.1, &self.weights[last.0 as usize]));
        (0..LANES).for_each(|lane| even[lane] += odd[lane]);
        even
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::embedded::{dense::Dense, sparse::SparseRows};

    const COUNT: usize = 200;

    /// Examples of seven kinds, which five other features make less alike, and of which one in ten has a dense part.
    fn problem() -> Problem {
        let mut rows = SparseRows::default();
        (0..COUNT as u32).for_each(|i| rows.push([(i % 7, 0.8), (7 + i % 5, 0.6)]));
        let dense = |i| if i % 10 == 0 { Dense::new(i % 3, vec![0.5, -0.2, 0.3]) } else { Dense::default() };
        Problem::new(rows, (0..COUNT).map(dense).collect(), 12)
    }

    /// Who learns to tell this kind from the others.
    fn learner(problem: &Problem, kind: usize) -> Learner {
        let target = |i: usize| if i % 7 == kind { Target::inside(5.0) } else { Target::outside(1.0) };
        Learner::new(problem, (0..COUNT).map(target).collect(), 1 + kind as u64)
    }

    fn margins(learner: &Learner, problem: &Problem) -> Vec<f32> {
        (0..COUNT).map(|example| learner.machine.margin(problem, example)).collect()
    }

    #[test]
    fn it_ends_where_learning_from_all_does() {
        let problem = problem();
        let mut all: Vec<usize> = (0..COUNT).collect();
        for kind in 0..7 {
            let mut learners = [learner(&problem, kind)];
            train(&mut learners, &problem, &all);
            let mut whole = learner(&problem, kind);
            let Learner { machine, targets, random, .. } = &mut whole;
            assert!(machine.learn(&problem, targets, &mut all, random, MAX_PASSES));
            for (some, all) in margins(&learners[0], &problem).into_iter().zip(margins(&whole, &problem)) {
                assert!((some - all).abs() < 0.1, "{kind}: {some} {all}");
            }
        }
    }

    #[test]
    fn those_beside_change_nothing() {
        let problem = problem();
        let kept: Vec<usize> = (0..COUNT).filter(|example| example % 4 != 0).collect();
        let trained = |kinds: &[usize]| {
            let mut learners: Vec<Learner> = kinds.iter().map(|&kind| learner(&problem, kind)).collect();
            train(&mut learners, &problem, &kept);
            learners.iter_mut().for_each(|learner| learner.forget(&problem, 1));
            train(&mut learners, &problem, &(0..COUNT).collect::<Vec<_>>());
            let place = kinds.iter().position(|&kind| kind == 3).unwrap_or_default();
            margins(&learners[place], &problem).into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let alone = trained(&[3]);
        assert_eq!(trained(&[3, 4]), alone);
        assert_eq!(trained(&[0, 1, 2, 3, 4, 5, 6]), alone);
    }

    #[test]
    fn planes_say_what_their_machines_say() {
        let problem = problem();
        let mut learners: Vec<Learner> = (0..3).map(|kind| learner(&problem, kind)).collect();
        train(&mut learners, &problem, &(0..COUNT).collect::<Vec<_>>());
        let all: Vec<&mut Learner> = learners.iter_mut().collect();
        let planes = Planes::of(&all, &problem);
        for example in 0..COUNT {
            let margins = planes.margins(&problem, example);
            for (learner, margin) in all.iter().zip(margins) {
                let alone = learner.machine.margin(&problem, example);
                // The sums are taken in another order.
                assert!((alone - margin).abs() < 1e-4, "{example}: {alone} {margin}");
            }
            assert_eq!(margins[3..], [0.0; LANES - 3]);
        }
    }
}
