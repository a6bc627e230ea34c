//! From margins to confidences.
//!
//! A softmax over the intents' margins and one more alternative, "none of these", whose margin is a constant:
//! `p(k) = exp(scale · margin(k)) / (exp(none) + Σ exp(scale · margin(j)))`. Both numbers are fitted to margins that
//! cross-validation gave, so that of the answers with a confidence of 0.9, nine in ten are right. Without the
//! alternative, nonsense would get whatever confidence is left over.
//!
//! **Invariant:** confidences are finite, in 0..=1, in the order of the margins, and add up to less than 1.

/// What is known of an example that the machines weren't trained on.
#[derive(Debug)]
pub(super) struct HeldOut {
    /// By intent.
    pub(super) margins: Vec<f32>,
    /// Its true intent.
    pub(super) intent: usize,
}

/// The share of texts, per text with an intent, that are taken to have none of the intents: about one in eleven. Every
/// held-out example stands for one of them as well, with its own intent left out.
const NONE_SHARE: f64 = 0.1;

/// Where fitting starts, and where it stays near to while examples are few: about what CLINC150, BANKING77 and SMP2017
/// came to, whole and with five or ten examples an intent.
const PRIOR: Calibration = Calibration { scale: 6.0, none: -3.0 };
/// How far from there is usual (standard deviations of a normal prior).
const PRIOR_DEVIATION: Calibration = Calibration { scale: 3.0, none: 2.0 };
/// Keeps confidences in the order of margins, on data that no machine can tell apart.
const MIN_SCALE: f64 = 0.1;

const MAX_STEPS: usize = 50;

/// The two numbers that turn margins into confidences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Calibration {
    scale: f64,
    none: f64,
}

impl Calibration {
    /// The likeliest calibration, by Newton's method: the negative log-likelihood is convex in both numbers.
    pub(super) fn fit(examples: &[HeldOut]) -> Self {
        let mut at = PRIOR;
        let mut here = Loss::of(at, examples);
        'steps: for _ in 0..MAX_STEPS {
            let (by_scale, by_none) = here.newton_step();
            for halvings in 0..12 {
                let part = 0.5_f64.powi(halvings);
                let next = Self { scale: at.scale + part * by_scale, none: at.none + part * by_none };
                let there = Loss::of(next, examples);
                if there.value < here.value {
                    (at, here) = (next, there);
                    continue 'steps;
                }
            }
            break;
        }
        Self { scale: at.scale.max(MIN_SCALE), none: at.none }
    }

    /// The confidence in each intent, by its margin.
    pub(super) fn confidences(&self, margins: &[f32]) -> Vec<f32> {
        let scaled = |margin: f32| self.scale * f64::from(margin);
        // Nothing overflows when the largest exponent is 0.
        let top = margins.iter().map(|&margin| scaled(margin)).fold(self.none, f64::max);
        let sum = margins.iter().map(|&margin| (scaled(margin) - top).exp()).sum::<f64>() + (self.none - top).exp();
        margins.iter().map(|&margin| ((scaled(margin) - top).exp() / sum) as f32).collect()
    }
}

/// The negative logarithm of the posterior, its gradient and second derivatives.
#[derive(Debug, Default)]
struct Loss {
    value: f64,
    gradient: (f64, f64),
    /// Twice by scale; by scale and none; twice by none.
    curvature: (f64, f64, f64),
}

impl Loss {
    fn of(at: Calibration, examples: &[HeldOut]) -> Self {
        let mut loss = Self::default();
        loss.add_prior(at);
        for HeldOut { margins, intent } in examples {
            let margin = |k: usize| f64::from(margins[k]);
            let top = margins.iter().map(|&margin| at.scale * f64::from(margin)).fold(at.none, f64::max);
            let mut sums = Sums { none: (at.none - top).exp(), ..Sums::default() };
            for k in (0..margins.len()).filter(|k| k != intent) {
                sums.add(margin(k), (at.scale * margin(k) - top).exp());
            }
            let total = loss.add(NONE_SHARE, &sums);
            loss.value += NONE_SHARE * (total.ln() + top - at.none);
            loss.gradient.1 -= NONE_SHARE;

            sums.add(margin(*intent), (at.scale * margin(*intent) - top).exp());
            let total = loss.add(1.0, &sums);
            loss.value += total.ln() + top - at.scale * margin(*intent);
            loss.gradient.0 -= margin(*intent);
        }
        loss
    }

    fn add_prior(&mut self, at: Calibration) {
        let scale = (at.scale - PRIOR.scale) / PRIOR_DEVIATION.scale;
        let none = (at.none - PRIOR.none) / PRIOR_DEVIATION.none;
        self.value += (scale * scale + none * none) / 2.0;
        self.gradient.0 += scale / PRIOR_DEVIATION.scale;
        self.gradient.1 += none / PRIOR_DEVIATION.none;
        self.curvature.0 += PRIOR_DEVIATION.scale.powi(-2);
        self.curvature.2 += PRIOR_DEVIATION.none.powi(-2);
    }

    /// Adds the derivatives of the logarithm of one softmax's denominator, and returns that denominator.
    fn add(&mut self, weight: f64, sums: &Sums) -> f64 {
        let total = sums.intents + sums.none;
        let (mean, square, none) = (sums.margins / total, sums.squares / total, sums.none / total);
        self.gradient.0 += weight * mean;
        self.gradient.1 += weight * none;
        self.curvature.0 += weight * (square - mean * mean);
        self.curvature.1 -= weight * mean * none;
        self.curvature.2 += weight * none * (1.0 - none);
        total
    }

    /// The prior's curvature keeps the determinant above 0.
    fn newton_step(&self) -> (f64, f64) {
        let (a, b, c) = self.curvature;
        let (by_scale, by_none) = self.gradient;
        let determinant = a * c - b * b;
        ((b * by_none - c * by_scale) / determinant, (b * by_scale - a * by_none) / determinant)
    }
}

/// Sums over a softmax's alternatives: of `e`, `e · margin` and `e · margin²` over the intents, and `e` of none.
#[derive(Debug, Default)]
struct Sums {
    intents: f64,
    margins: f64,
    squares: f64,
    none: f64,
}

impl Sums {
    fn add(&mut self, margin: f64, e: f64) {
        self.intents += e;
        self.margins += e * margin;
        self.squares += e * margin * margin;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(margins: &[f32], intent: usize) -> HeldOut {
        HeldOut { margins: margins.to_vec(), intent }
    }

    #[test]
    fn confidence_rises_with_the_margin_and_falls_with_the_rivals() {
        let calibrations =
            [PRIOR, Calibration::fit(&[]), Calibration::fit(&[example(&[-1.0, 1.0], 0), example(&[1.0, -1.0], 1)])];
        for calibration in calibrations {
            let confidence = |margin, rival| calibration.confidences(&[margin, rival])[0];
            let margins: Vec<f32> = (-20..=20).map(|tenths| tenths as f32 / 10.0).collect();
            assert!(margins.is_sorted_by(|&a, &b| confidence(a, -0.5) < confidence(b, -0.5)), "{calibration:?}");
            assert!(margins.is_sorted_by(|&a, &b| confidence(0.5, a) > confidence(0.5, b)), "{calibration:?}");
        }
    }

    #[test]
    fn confidences_stay_in_range() {
        for margins in [&[0.0_f32, 0.0][..], &[f32::MAX, f32::MIN], &[-1e9, -1e9], &[1e9, 1e9, 1e9], &[]] {
            let confidences = PRIOR.confidences(margins);
            assert!(confidences.iter().all(|confidence| (0.0..=1.0).contains(confidence)), "{confidences:?}");
            assert!(confidences.iter().sum::<f32>() <= 1.000_001);
        }
    }

    #[test]
    fn texts_far_outside_every_intent_get_none() {
        assert!(PRIOR.confidences(&[-1.0, -1.0, -0.9]).iter().sum::<f32>() < 0.2);
    }

    #[test]
    fn fitted_confidence_is_the_share_of_right_answers() {
        let margins = [0.5, -0.5, -0.8];
        // A clear margin that is right seven times in ten.
        let examples: Vec<HeldOut> = (0..1000).map(|i| example(&margins, usize::from(i % 10 >= 7))).collect();
        let confidence = Calibration::fit(&examples).confidences(&margins)[0];
        assert!((confidence - 0.7).abs() < 0.07, "{confidence}");
    }

    #[test]
    fn it_ends_at_the_minimum() {
        let examples: Vec<HeldOut> =
            (0..60).map(|i| example(&[0.9 - i as f32 * 0.03, -0.7, i as f32 * 0.02 - 0.9], 0)).collect();
        let loss = Loss::of(Calibration::fit(&examples), &examples);
        assert!(loss.gradient.0.abs() < 1e-3 && loss.gradient.1.abs() < 1e-3, "{loss:?}");
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let examples = [example(&[0.3, -0.4, 0.1], 0), example(&[-0.9, -0.2, 0.6], 1)];
        let value = |scale, none| Loss::of(Calibration { scale, none }, &examples).value;
        let gradient = Loss::of(Calibration { scale: 4.0, none: -1.0 }, &examples).gradient;
        let step = 1e-5;
        let by_scale = (value(4.0 + step, -1.0) - value(4.0 - step, -1.0)) / (2.0 * step);
        let by_none = (value(4.0, -1.0 + step) - value(4.0, -1.0 - step)) / (2.0 * step);
        assert!((by_scale - gradient.0).abs() < 1e-6 && (by_none - gradient.1).abs() < 1e-6);
    }
}
