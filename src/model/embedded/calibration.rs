//! From scores to confidences.
//!
//! A softmax over the intents' scores and one more alternative, "none of these", whose score is a constant:
//! `p(k) = exp(score(k)) / (exp(none) + Σ exp(score(j)))`. A score adds up what each classifier says, by a scale each.
//! Scales and constant are fitted to what cross-validation gave, so that of the answers with a confidence of 0.9, nine in
//! ten are right. So the user's own examples decide how far each classifier is heard. Without the alternative, nonsense
//! would get whatever confidence is left over.
//!
//! **Invariant:** confidences are finite, in 0..=1, in the order of the scores, and add up to less than 1.

/// What is known of an example that the classifiers weren't trained on.
#[derive(Debug)]
pub(super) struct HeldOut {
    /// Its number.
    pub(super) example: usize,
    /// By intent, of each classifier.
    pub(super) scores: Vec<[f32; CLASSIFIERS]>,
    /// Its true intent.
    pub(super) intent: usize,
}

/// The machines, and the regression on dense vectors; that one's scores are 0 where it wasn't trained.
pub(super) const CLASSIFIERS: usize = 2;

/// The share of texts, per text with an intent, that are taken to have none of the intents: about one in eleven. Every
/// held-out example stands for one of them as well, with its own intent left out.
const NONE_SHARE: f64 = 0.1;

/// Where fitting starts, and where it stays near to while examples are few: about what CLINC150, BANKING77 and SMP2017
/// came to, where the machines are alone; and with five or ten examples an intent, with both classifiers.
const PRIORS: [Numbers; CLASSIFIERS] = [[6.0, 0.0, -3.0], [3.0, 1.0, 1.0]];
/// How far from there is usual (standard deviations of a normal prior).
const PRIOR_DEVIATION: Numbers = [3.0, 0.5, 2.0];
/// What the scales can't be below. The first keeps scores apart, on data that no machine can tell apart.
const MINIMUM: Numbers = [0.1, 0.0, f64::NEG_INFINITY];

const MAX_STEPS: usize = 50;

/// Thresholds are multiples of 1 / STEPS, between these two.
const STEPS: usize = 100;
const LOWEST: usize = 25;
const MIDDLE: usize = 50;
const HIGHEST: usize = 75;
/// What an answer to a text of no intent costs, where a wrong answer to one of an intent costs 1.
const STRANGER: f64 = 0.3;

/// The scales, and the score of none.
type Numbers = [f64; CLASSIFIERS + 1];
const NONE: usize = CLASSIFIERS;
const ALL: [usize; NONE + 1] = [0, 1, NONE];

/// The numbers that turn what classifiers say into confidences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Calibration {
    numbers: Numbers,
    prior: Numbers,
}

impl Calibration {
    /// The likeliest calibration of the machines (1), or of both (2 classifiers), by Newton's method: the negative log-likelihood is convex in all numbers.
    pub(super) fn fit(examples: &[HeldOut], classifiers: usize) -> Self {
        let prior = PRIORS[classifiers - 1];
        let mut at = Self { numbers: prior, prior };
        let mut here = Loss::of(at, examples);
        'steps: for _ in 0..MAX_STEPS {
            let step = here.newton_step(at);
            for halvings in 0..12 {
                let part = 0.5_f64.powi(halvings);
                let numbers = ALL.map(|i| (at.numbers[i] + part * step[i]).max(MINIMUM[i]));
                let next = Self { numbers, prior };
                let there = Loss::of(next, examples);
                if there.value < here.value {
                    (at, here) = (next, there);
                    continue 'steps;
                }
            }
            break;
        }
        at
    }

    /// What each classifier's score counts.
    pub(super) fn scales(&self) -> [f32; CLASSIFIERS] {
        [self.numbers[0] as f32, self.numbers[1] as f32]
    }

    /// The score of no intent.
    pub(super) fn none(&self) -> f32 {
        self.numbers[NONE] as f32
    }

    /// The threshold with which the held-out examples would have been served best: a right answer counts 1, a wrong one
    /// −1, an answer to a stranger −[`STRANGER`], the fallback's 0. Strangers are the examples with their own intent left
    /// out. Other than ½ only where it is better by more than a standard error, and then the one that is surest to be.
    pub(super) fn threshold(&self, examples: &[HeldOut]) -> f32 {
        // What is lost by leaving answers of one confidence to the fallback, and the squares, by the confidence.
        let mut losses = [(0.0_f64, 0.0_f64); STEPS];
        let mut answered = |confidence: f32, worth: f64| {
            let loss = &mut losses[((confidence * STEPS as f32) as usize).min(STEPS - 1)];
            *loss = (loss.0 + worth, loss.1 + worth * worth);
        };
        for HeldOut { scores, intent, .. } in examples {
            let mut scores: Vec<f32> = scores.iter().map(|scores| self.logit(scores) as f32).collect();
            let mut with = scores.clone();
            confidences(&mut with, self.none());
            let (best, confidence) = highest(&with);
            answered(confidence, if best == *intent { 1.0 } else { -1.0 });
            scores[*intent] = f32::NEG_INFINITY;
            confidences(&mut scores, self.none());
            answered(highest(&scores).1, -STRANGER);
        }
        let mut best = (0.0, MIDDLE);
        let mut look = |won: f64, squares: f64, step: usize| {
            let surely = won - squares.sqrt();
            best = if surely > best.0 { (surely, step) } else { best };
        };
        let (mut won, mut squares) = (0.0, 0.0);
        for (step, loss) in losses.iter().enumerate().take(HIGHEST).skip(MIDDLE) {
            (won, squares) = (won - loss.0, squares + loss.1);
            look(won, squares, step + 1);
        }
        (won, squares) = (0.0, 0.0);
        for (step, loss) in losses.iter().enumerate().take(MIDDLE).skip(LOWEST).rev() {
            (won, squares) = (won + loss.0, squares + loss.1);
            look(won, squares, step);
        }
        best.1 as f32 / STEPS as f32
    }

    /// What an intent's scores add up to.
    fn logit(&self, scores: &[f32; CLASSIFIERS]) -> f64 {
        self.numbers[0] * f64::from(scores[0]) + self.numbers[1] * f64::from(scores[1])
    }
}

/// The highest of some numbers, and its place.
fn highest(numbers: &[f32]) -> (usize, f32) {
    numbers
        .iter()
        .copied()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, new| if new.1 > best.1 { new } else { best })
}

/// Turns scores into the confidences in them, where no intent has the score `none`.
pub(super) fn confidences(scores: &mut [f32], none: f32) {
    // Nothing overflows when the largest exponent is 0.
    let top = scores.iter().copied().fold(none, f32::max);
    let mut sum = (none - top).exp();
    for score in scores.iter_mut() {
        *score = (*score - top).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The negative logarithm of the posterior, its gradient and second derivatives.
#[derive(Debug)]
struct Loss {
    value: f64,
    gradient: Numbers,
    curvature: [Numbers; NONE + 1],
}

impl Loss {
    fn of(at: Calibration, examples: &[HeldOut]) -> Self {
        let mut loss = Self::of_prior(at);
        for HeldOut { scores, intent, .. } in examples {
            let top = scores.iter().map(|scores| at.logit(scores)).fold(at.numbers[NONE], f64::max);
            let mut sums = Sums::default();
            sums.add([0.0, 0.0, 1.0], (at.numbers[NONE] - top).exp());
            let with = |scores: &[f32; CLASSIFIERS]| [f64::from(scores[0]), f64::from(scores[1]), 0.0];
            for (_, others) in scores.iter().enumerate().filter(|(k, _)| k != intent) {
                sums.add(with(others), (at.logit(others) - top).exp());
            }
            loss.add(NONE_SHARE, &sums);
            loss.value += NONE_SHARE * (sums.total.ln() + top - at.numbers[NONE]);
            loss.gradient[NONE] -= NONE_SHARE;

            let right = &scores[*intent];
            sums.add(with(right), (at.logit(right) - top).exp());
            loss.add(1.0, &sums);
            loss.value += sums.total.ln() + top - at.logit(right);
            ALL.into_iter().for_each(|i| loss.gradient[i] -= with(right)[i]);
        }
        loss
    }

    fn of_prior(at: Calibration) -> Self {
        let off = ALL.map(|i| (at.numbers[i] - at.prior[i]) / PRIOR_DEVIATION[i]);
        let mut curvature = [[0.0; NONE + 1]; NONE + 1];
        ALL.into_iter().for_each(|i| curvature[i][i] = PRIOR_DEVIATION[i].powi(-2));
        Self {
            value: off.iter().map(|off| off * off / 2.0).sum(),
            gradient: ALL.map(|i| off[i] / PRIOR_DEVIATION[i]),
            curvature,
        }
    }

    /// Adds the derivatives of the logarithm of one softmax's denominator.
    fn add(&mut self, weight: f64, sums: &Sums) {
        let mean = sums.first.map(|sum| sum / sums.total);
        for i in ALL {
            self.gradient[i] += weight * mean[i];
            for j in ALL {
                self.curvature[i][j] += weight * (sums.second[i][j] / sums.total - mean[i] * mean[j]);
            }
        }
    }

    /// Solves `curvature · step = −gradient` by elimination, where a number at its minimum that wants to be less stays.
    /// The prior's curvature keeps every pivot above 0.
    fn newton_step(&self, at: Calibration) -> Numbers {
        let mut left = self.curvature;
        let mut right = self.gradient.map(|slope| -slope);
        for stays in ALL.into_iter().filter(|&i| at.numbers[i] <= MINIMUM[i] && self.gradient[i] > 0.0) {
            ALL.into_iter().for_each(|other| (left[stays][other], left[other][stays]) = (0.0, 0.0));
            (left[stays][stays], right[stays]) = (1.0, 0.0);
        }
        for pivot in ALL {
            for row in ALL.into_iter().filter(|&row| row != pivot) {
                let factor = left[row][pivot] / left[pivot][pivot];
                ALL.into_iter().for_each(|column| left[row][column] -= factor * left[pivot][column]);
                right[row] -= factor * right[pivot];
            }
        }
        ALL.map(|i| right[i] / left[i][i])
    }
}

/// Sums over a softmax's alternatives, each with its derivatives by the numbers.
#[derive(Debug, Default)]
struct Sums {
    total: f64,
    first: Numbers,
    second: [Numbers; NONE + 1],
}

impl Sums {
    fn add(&mut self, derivatives: Numbers, e: f64) {
        self.total += e;
        for i in ALL {
            self.first[i] += e * derivatives[i];
            for j in ALL {
                self.second[i][j] += e * derivatives[i] * derivatives[j];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(margins: &[f32], intent: usize) -> HeldOut {
        // The second classifier is of another opinion, so that it can be told from the first.
        let scores = margins.iter().enumerate().map(|(k, &margin)| [margin, 0.5 * margin + 0.1 * k as f32]).collect();
        HeldOut { example: 0, scores, intent }
    }

    fn confident(calibration: Calibration, margins: &[f32]) -> Vec<f32> {
        let scores = example(margins, 0).scores;
        let mut scores: Vec<f32> = scores.iter().map(|scores| calibration.logit(scores) as f32).collect();
        confidences(&mut scores, calibration.none());
        scores
    }

    #[test]
    fn confidence_rises_with_the_score_and_falls_with_the_rivals() {
        let confidence = |score, rival| {
            let mut scores = [score, rival];
            confidences(&mut scores, -3.0);
            scores[0]
        };
        let scores: Vec<f32> = (-20..=20).map(|tenths| tenths as f32 / 3.0).collect();
        assert!(scores.is_sorted_by(|&a, &b| confidence(a, -0.5) < confidence(b, -0.5)));
        assert!(scores.is_sorted_by(|&a, &b| confidence(0.5, a) > confidence(0.5, b)));
    }

    #[test]
    fn confidences_stay_in_range() {
        for scores in [&[0.0_f32, 0.0][..], &[f32::MAX, f32::MIN], &[-1e9, -1e9], &[1e9, 1e9, 1e9], &[]] {
            let mut confident = scores.to_vec();
            confidences(&mut confident, -3.0);
            assert!(confident.iter().all(|confidence| (0.0..=1.0).contains(confidence)), "{confident:?}");
            assert!(confident.iter().sum::<f32>() <= 1.000_001);
        }
    }

    #[test]
    fn texts_far_outside_every_intent_get_none() {
        for classifiers in [1, 2] {
            let calibration = Calibration::fit(&[], classifiers);
            // Every machine says 'no', and to the regression all are alike.
            let mut scores = [-1.0, -1.0, -0.9].map(|margin| calibration.logit(&[margin, 0.0]) as f32);
            confidences(&mut scores, calibration.none());
            assert!(scores.iter().sum::<f32>() < 0.2, "{scores:?}");
        }
    }

    #[test]
    fn fitted_confidence_is_the_share_of_right_answers() {
        let margins = [0.5, -0.5, -0.8];
        // A clear margin that is right seven times in ten.
        let examples: Vec<HeldOut> = (0..1000).map(|i| example(&margins, usize::from(i % 10 >= 7))).collect();
        let confidence = confident(Calibration::fit(&examples, 2), &margins)[0];
        assert!((confidence - 0.7).abs() < 0.07, "{confidence}");
    }

    #[test]
    fn the_threshold_is_where_answers_begin_to_be_worth_it() {
        let calibration = Calibration { numbers: [1.0, 0.0, 0.2], prior: PRIORS[0] };
        let with = |confidence: f32, right: bool, count: usize| {
            let score = ((1.0 + calibration.none().exp()) * confidence / (1.0 - confidence)).ln();
            let one =
                move || HeldOut { example: 0, scores: vec![[score, 0.0], [0.0, 0.0]], intent: usize::from(!right) };
            (0..count).map(move |_| one())
        };
        let threshold = |examples: Vec<HeldOut>| calibration.threshold(&examples);
        assert_eq!(threshold(Vec::new()), 0.5);
        assert_eq!(threshold(with(0.6, true, 100).chain(with(0.6, false, 40)).collect()), 0.5);
        let above =
            threshold(with(0.605, true, 10).chain(with(0.605, false, 100)).chain(with(0.9, true, 100)).collect());
        assert!((0.61..0.9).contains(&above), "{above}");
        let below = threshold(with(0.405, true, 100).chain(with(0.405, false, 10)).collect());
        assert!((0.39..0.405).contains(&below), "{below}");
        // As if by chance.
        assert_eq!(threshold(with(0.6, true, 3).chain(with(0.6, false, 4)).collect()), 0.5);
    }

    #[test]
    fn the_better_classifier_is_heard() {
        let of = |which: usize| {
            let examples = (0..300).map(|i| {
                let intent = i % 3;
                let says = |right: bool, k: usize| if (k == intent) == right { 0.8 } else { -0.8 };
                // One is right, the other says the same of all.
                let scores = (0..3)
                    .map(|k| if which == 0 { [says(true, k), says(true, 0)] } else { [says(true, 0), says(true, k)] });
                HeldOut { example: i, scores: scores.collect(), intent }
            });
            Calibration::fit(&examples.collect::<Vec<_>>(), 2).scales()
        };
        let ([machines, softmax], [deaf_machines, heard_softmax]) = (of(0), of(1));
        assert!(machines > 4.0 * softmax && heard_softmax > 4.0 * deaf_machines, "{:?} {:?}", of(0), of(1));
    }

    #[test]
    fn it_ends_at_the_minimum() {
        let examples: Vec<HeldOut> =
            (0..60).map(|i| example(&[0.9 - i as f32 * 0.03, -0.7, i as f32 * 0.02 - 0.9], 0)).collect();
        let fitted = Calibration::fit(&examples, 2);
        let slopes = Loss::of(fitted, &examples).gradient;
        // At the least that a scale may be, it may only want to be less.
        let ended = |i: usize| slopes[i].abs() < 1e-3 || (fitted.numbers[i] == MINIMUM[i] && slopes[i] > 0.0);
        assert!(ALL.into_iter().all(ended), "{fitted:?} {slopes:?}");
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let examples = [example(&[0.3, -0.4, 0.1], 0), example(&[-0.9, -0.2, 0.6], 1)];
        let value = |numbers| Loss::of(Calibration { numbers, prior: PRIORS[1] }, &examples).value;
        let at = [4.0, 1.5, -1.0];
        let gradient = Loss::of(Calibration { numbers: at, prior: PRIORS[1] }, &examples).gradient;
        for i in ALL {
            let moved = |by: f64| ALL.map(|j| if i == j { at[j] + by } else { at[j] });
            let slope = (value(moved(1e-5)) - value(moved(-1e-5))) / 2e-5;
            assert!((slope - gradient[i]).abs() < 1e-6, "{i}: {slope}");
        }
    }
}
