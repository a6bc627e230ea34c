//! A linear support vector machine with squared hinge loss, trained by dual coordinate descent with shrinking.
//!
//! Source: Hsieh, Chang, Lin, Keerthi, Sundararajan, "A Dual Coordinate Descent Method for Large-scale Linear SVM",
//! ICML 2008, algorithm 3. The bias is the weight of one more feature that is 1 in every example.
//!
//! **Invariant:** `weights = Σ duals[i] · sign[i] · rows[i]`, so that a trained machine can forget examples and be
//! trained on without them, which is much cheaper than to start anew: cross-validation lives on that.

use super::{
    dense::{self, Dense, WIDTH},
    sparse::{Entry, SparseRows},
};

/// Passes over the examples at most; a few are enough, the bound is for data that can't be told apart.
pub(super) const MAX_PASSES: usize = 40;
/// How far the gradients of the dual problem may be apart at the end. Liblinear's default for this solver.
pub(super) const TOLERANCE: f32 = 0.1;
/// An example that teaches nothing, and is so far on the right side, is left out of the passes until the others are right.
const SHRINK_ABOVE: f32 = 0.1;
/// What a weight may be off by when all that it was learned from is forgotten; margins are about 1.
const NEGLIGIBLE: f32 = 1e-6;

/// Which side of the plane an example should be on, and what a violation costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    sign: f32,
    cost: f32,
}

impl Target {
    /// An example of the class.
    pub(super) const fn inside(cost: f32) -> Self {
        Self { sign: 1.0, cost }
    }

    /// Whether it is the class's.
    pub(super) fn is_inside(self) -> bool {
        self.sign > 0.0
    }

    /// How far an example that teaches nothing yet is on the right side, with this margin; below 0 it has something to teach.
    pub(super) fn slack(self, margin: f32) -> f32 {
        self.sign * margin - 1.0
    }

    /// An example of something else.
    pub(super) const fn outside(cost: f32) -> Self {
        Self { sign: -1.0, cost }
    }
}

/// The examples of all classes.
#[derive(Debug)]
pub(super) struct Problem {
    rows: SparseRows,
    dense: Vec<Dense>,
    /// Each row's squared length, with the bias's feature.
    squares: Vec<f32>,
    features: usize,
}

impl Problem {
    /// Vectors over so many features, each with its dense part.
    pub(super) fn new(rows: SparseRows, dense: Vec<Dense>, features: usize) -> Self {
        let sparse = |row| rows.row(row).iter().map(|(_, value)| value * value).sum::<f32>();
        let square = |row: usize| sparse(row) + dense::dot(dense[row].values(), dense[row].values()) + 1.0;
        let squares = (0..rows.len()).map(square).collect();
        Self { rows, dense, squares, features }
    }

    /// An example's n-grams, and its dense part.
    pub(super) fn example(&self, example: usize) -> (&[Entry], &Dense) {
        (self.rows.row(example), &self.dense[example])
    }

    /// How many features the examples are over, but for the dense part.
    pub(super) fn features(&self) -> usize {
        self.features
    }

    /// How many examples there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// A plane between one class and the rest.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    weights: Vec<f32>,
    dense: Vec<f32>,
    bias: f32,
    duals: Vec<f32>,
}

impl Machine {
    /// A machine that knows nothing.
    pub(super) fn new(problem: &Problem) -> Self {
        Self {
            weights: vec![0.0; problem.features],
            dense: vec![0.0; WIDTH],
            bias: 0.0,
            duals: vec![0.0; problem.len()],
        }
    }

    /// How far an example is on the class's side; 1 and more is well inside.
    pub(super) fn margin(&self, problem: &Problem, example: usize) -> f32 {
        self.dot(problem.rows.row(example)) + problem.dense[example].dot(&self.dense) + self.bias
    }

    /// The weights, but for those that are nothing but rounding.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let weights = self.weights.iter().enumerate().map(|(feature, &weight)| (feature as u32, weight));
        weights.filter(|(_, weight)| weight.abs() > NEGLIGIBLE)
    }

    /// The weights of the dense part.
    pub(super) fn dense(&self) -> &[f32] {
        &self.dense
    }

    /// The margin of a text of which nothing is known.
    pub(super) fn bias(&self) -> f32 {
        self.bias
    }

    /// What the machine learned from one example; 0 is nothing.
    pub(super) fn dual(&self, example: usize) -> f32 {
        self.duals[example]
    }

    /// The weights of the n-grams.
    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Takes away what the machine learned from one example.
    pub(super) fn forget(&mut self, problem: &Problem, targets: &[Target], example: usize) {
        self.set_dual(problem, targets, example, 0.0);
    }

    /// Learns from these examples alone, from where it is: passes over them until all of them are right, but not more
    /// often than `passes`. Whether they are. `targets` holds one for each example of the problem.
    pub(super) fn learn(
        &mut self,
        problem: &Problem,
        targets: &[Target],
        examples: &mut [usize],
        random: &mut Random,
        passes: usize,
    ) -> bool {
        let all = examples.len();
        // Examples in front of `active` are worked on; those behind it have shrunk away.
        let mut active = all;
        let mut shrink_above = SHRINK_ABOVE;
        for _ in 0..passes {
            let (mut highest, mut lowest) = (f32::NEG_INFINITY, f32::INFINITY);
            random.shuffle(&mut examples[..active]);
            let mut at = 0;
            while at < active {
                let example = examples[at];
                let gradient = self.gradient(problem, targets, example);
                let dual = self.duals[example];
                if dual == 0.0 && gradient > shrink_above {
                    active -= 1;
                    examples.swap(at, active);
                    continue;
                }
                // At its lower bound a dual can't fall, so that there only a negative gradient counts.
                let projected = if dual == 0.0 { gradient.min(0.0) } else { gradient };
                highest = highest.max(projected);
                lowest = lowest.min(projected);
                if projected != 0.0 {
                    let curvature = problem.squares[example] + diagonal(targets[example]);
                    self.set_dual(problem, targets, example, (dual - gradient / curvature).max(0.0));
                }
                at += 1;
            }
            if highest - lowest > TOLERANCE {
                shrink_above = if highest > 0.0 { highest.min(SHRINK_ABOVE) } else { SHRINK_ABOVE };
            } else if active == all {
                return true;
            } else {
                // Done with the active ones: look once more whether all the others are still right.
                active = all;
                shrink_above = f32::INFINITY;
            }
        }
        false
    }

    fn gradient(&self, problem: &Problem, targets: &[Target], example: usize) -> f32 {
        let target = targets[example];
        target.slack(self.margin(problem, example)) + self.duals[example] * diagonal(target)
    }

    fn set_dual(&mut self, problem: &Problem, targets: &[Target], example: usize, dual: f32) {
        let step = (dual - self.duals[example]) * targets[example].sign;
        if step != 0.0 {
            for &(feature, value) in problem.rows.row(example) {
                self.weights[feature as usize] += step * value;
            }
            problem.dense[example].add_to(&mut self.dense, step);
            self.bias += step;
            self.duals[example] = dual;
        }
    }

    /// Four sums side by side, as each addition would else wait for the one before.
    fn dot(&self, row: &[Entry]) -> f32 {
        let (fours, rest) = row.as_chunks::<4>();
        let mut sums = [0.0_f32; 4];
        for four in fours {
            for (sum, &(feature, value)) in sums.iter_mut().zip(four) {
                *sum += self.weights[feature as usize] * value;
            }
        }
        let rest = rest.iter().map(|&(feature, value)| self.weights[feature as usize] * value);
        sums.iter().sum::<f32>() + rest.sum::<f32>()
    }
}

/// What the squared hinge loss adds to the diagonal of the dual problem's matrix.
fn diagonal(target: Target) -> f32 {
    0.5 / target.cost
}

/// Xorshift64, for the order of examples only.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            items.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: Target = Target::inside(1.0);
    const OUTSIDE: Target = Target::outside(1.0);

    fn problem(rows: &[&[Entry]], features: usize) -> Problem {
        let mut matrix = SparseRows::default();
        for row in rows {
            matrix.push(row.iter().copied());
        }
        let dense = vec![Dense::default(); rows.len()];
        Problem::new(matrix, dense, features)
    }

    fn trained(problem: &Problem, targets: &[Target]) -> Machine {
        let mut machine = Machine::new(problem);
        machine.learn(problem, targets, &mut (0..problem.len()).collect::<Vec<_>>(), &mut Random(1), MAX_PASSES);
        machine
    }

    #[test]
    fn it_finds_the_plane_of_the_closed_form() {
        // One feature, ±1: by symmetry there is no bias, and w minimises w²/2 + 2·(1 − w)², so that w = 0.8.
        let problem = problem(&[&[(0, 1.0)], &[(0, -1.0)]], 1);
        let machine = trained(&problem, &[INSIDE, OUTSIDE]);
        assert!((machine.weights[0] - 0.8).abs() < 0.05, "{machine:?}");
        assert!(machine.bias.abs() < 0.05, "{machine:?}");
    }

    #[test]
    fn a_dearer_example_is_further_inside() {
        let problem = problem(&[&[(0, 1.0)], &[(0, 0.5)]], 1);
        let cheap = trained(&problem, &[INSIDE, OUTSIDE]).margin(&problem, 0);
        let dear = trained(&problem, &[Target::inside(5.0), OUTSIDE]).margin(&problem, 0);
        assert!(dear > cheap + 0.1, "{dear} {cheap}");
    }

    #[test]
    fn what_is_forgotten_leaves_no_trace() {
        let problem = problem(&[&[(0, 1.0)], &[(1, 1.0)], &[(2, 1.0)]], 3);
        let targets = [INSIDE, OUTSIDE, OUTSIDE];
        let mut machine = trained(&problem, &targets);
        for example in 0..3 {
            assert_ne!(machine.weights[example], 0.0);
            machine.forget(&problem, &targets, example);
        }
        assert!(machine.bias.abs() < 1e-6);
        assert_eq!(machine.entries().count(), 0);
    }

    #[test]
    fn training_on_after_forgetting_ends_where_training_anew_does() {
        let rows: Vec<Vec<Entry>> = (0..40).map(|i| vec![(i % 7, 0.8), (7 + i % 5, 0.6)]).collect();
        let problem = problem(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), 12);
        let targets: Vec<Target> = (0..40).map(|i| if i % 7 < 3 { INSIDE } else { OUTSIDE }).collect();
        let mut kept: Vec<usize> = (0..40).filter(|i| i % 4 != 0).collect();
        let mut anew = Machine::new(&problem);
        anew.learn(&problem, &targets, &mut kept, &mut Random(1), MAX_PASSES);
        let mut machine = trained(&problem, &targets);
        (0..40).step_by(4).for_each(|example| machine.forget(&problem, &targets, example));
        machine.learn(&problem, &targets, &mut kept, &mut Random(2), MAX_PASSES);
        for example in 0..40 {
            let (a, b) = (machine.margin(&problem, example), anew.margin(&problem, example));
            assert!((a - b).abs() < 0.1, "{example}: {a} {b}");
        }
    }
}
