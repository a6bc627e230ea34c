//! The same classifier on vectors that come from elsewhere: dense vectors in, a ranking out.
//!
//! **Invariant:** as the embedded model's: the same vectors in the same order give the same classifier.

use super::{
    Processors, TrainError,
    calibration::{Calibration, confidences},
    dense::{Dense, dot},
    highest, number_of,
    sparse::SparseRows,
    training::{self, Lessons},
};
use crate::domain::{IntentName, Scored};

/// A classifier of vectors, all of one length.
#[derive(Debug)]
pub struct VectorClassifier {
    intents: Vec<IntentName>,
    /// What all examples have in common, which tells nothing apart.
    mean: Vec<f32>,
    /// What makes the examples, less that, 1 long on average.
    scale: f32,
    /// By intent.
    weights: Vec<Vec<f32>>,
    biases: Vec<f32>,
    /// The score of none of the intents.
    none: f32,
    threshold: f32,
}

impl VectorClassifier {
    /// Trains on vectors of one length and their intents, on all processors but one, as the worker serves meanwhile; it blocks.
    ///
    /// # Errors
    /// [`TrainError::TooFewIntents`].
    pub fn train(vectors: &[Vec<f32>], intents: &[IntentName]) -> Result<Self, TrainError> {
        let (names, labels) = number_of(intents.iter());
        if names.len() < 2 {
            return Err(TrainError::TooFewIntents { found: names.len() });
        }
        let width = vectors.first().map_or(0, Vec::len);
        let mut mean = vec![0.0; width];
        for vector in vectors {
            mean.iter_mut().zip(normalised(vector)).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= vectors.len().max(1) as f32);
        let length = |vector: &Vec<f32>| centred(vector, &mean).map(|value| value * value).sum::<f32>().sqrt();
        let lengths = vectors.iter().map(length).sum::<f32>();
        let scale = vectors.len() as f32 / lengths.max(f32::MIN_POSITIVE);
        let mut rows = SparseRows::default();
        for vector in vectors {
            rows.push((0..).zip(centred(vector, &mean).map(|value| value * scale)));
        }
        // The dense part of what is trained is that of the token tables.
        let dense = vec![Dense::default(); labels.len()];
        let lessons = Lessons { rows, dense, features: width, labels, abouts: 0, copies: Vec::new() };
        let trained = training::train(lessons, names.len(), Processors::AllButOne.threads(), &|_, _| {});
        let calibration = Calibration::fit(&trained.held_out, 1);
        let [of_machines, _] = calibration.scales();
        let plane = |intent: usize| {
            let mut weights = vec![0.0; width];
            trained.weights.row(intent).iter().for_each(|&(at, weight)| weights[at as usize] = of_machines * weight);
            weights
        };
        Ok(Self {
            weights: (0..names.len()).map(plane).collect(),
            biases: trained.biases.iter().map(|bias| of_machines * bias).collect(),
            none: calibration.none(),
            threshold: calibration.threshold(&trained.held_out),
            intents: names,
            mean,
            scale,
        })
    }

    /// How long the vectors are.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// The confidence from which on an intent should answer, by cross-validation; in 0..=1.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The five likeliest intents of a vector of that length, with calibrated confidence, most confident first.
    pub fn rank(&self, vector: &[f32]) -> Vec<Scored> {
        let vector: Vec<f32> = centred(vector, &self.mean).map(|value| value * self.scale).collect();
        let planes = self.weights.iter().zip(&self.biases);
        let mut scores: Vec<f32> = planes.map(|(weights, bias)| dot(weights, &vector) + bias).collect();
        let likeliest = highest(&scores);
        confidences(&mut scores, self.none);
        likeliest.map(|intent| Scored::new(self.intents[intent].clone(), scores[intent])).collect()
    }
}

/// A vector of length 1 (or 0) in the same direction.
fn normalised(vector: &[f32]) -> impl Iterator<Item = f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter().map(move |value| value / length)
}

/// The same, less the mean: the less a text is like any example, the nearer to 0.
fn centred(vector: &[f32], mean: &[f32]) -> impl Iterator<Item = f32> {
    normalised(vector).zip(mean).map(|(value, mean)| value - mean)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    /// Vectors around an axis each, all shifted into one corner, as those of sentence encoders are.
    fn vector(axis: usize, wobble: f32) -> Vec<f32> {
        (0..8).map(|at| 3.0 + f32::from(u8::from(at == axis)) + wobble * ((at * 7 + axis) % 5) as f32).collect()
    }

    #[test]
    fn it_tells_directions_apart_and_the_length_of_a_vector_means_nothing() {
        let names: Vec<IntentName> = ["a", "b", "c"].iter().map(|name| IntentName::new(name).unwrap()).collect();
        let examples: Vec<(usize, f32)> = (0..30_u8).map(|i| (usize::from(i % 3), f32::from(i / 3) * 0.005)).collect();
        let vectors: Vec<Vec<f32>> = examples.iter().map(|&(axis, wobble)| vector(axis, wobble)).collect();
        let intents: Vec<IntentName> = examples.iter().map(|&(axis, _)| names[axis].clone()).collect();
        let classifier = VectorClassifier::train(&vectors, &intents).unwrap();
        assert_eq!(classifier.width(), 8);
        for (axis, name) in names.iter().enumerate() {
            let query = vector(axis, 0.012);
            let ranking = classifier.rank(&query);
            assert_eq!(ranking[0].name, *name);
            assert!(ranking[0].confidence > 0.8, "{ranking:?}");
            let longer: Vec<f32> = query.iter().map(|value| value * 64.0).collect();
            assert_eq!(classifier.rank(&longer), ranking);
        }
        let mean: Vec<f32> = (0..8).map(|at| (0..3).map(|axis| vector(axis, 0.0)[at]).sum()).collect();
        assert!(classifier.rank(&mean)[0].confidence < 0.7, "{:?}", classifier.rank(&mean));
        assert!(VectorClassifier::train(&vectors[..1], &intents[..1]).is_err());
    }
}
