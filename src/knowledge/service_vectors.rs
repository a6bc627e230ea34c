//! A service's vectors of passages, and what they say of a question's.
//!
//! Services differ in how near to each other all their vectors are, so that a cosine says nothing by itself. The unit here
//! is by how much a passage's nearest neighbour is more similar to it than the next ones are, in the mean: the best passage
//! for a question that has no answer stands out by about one. **Invariant:** finite numbers, whatever a service gives.

use std::sync::Arc;

use super::{highest, meaning::dot};

/// A service's vectors, by passage.
#[derive(Debug)]
pub(super) struct ServiceVectors {
    /// 1 long each; a passage may have none.
    vectors: Vec<Option<Arc<[f32]>>>,
    /// The unit, as a cosine.
    unit: f32,
}

/// How many passages the unit is taken of, at most.
const SAMPLE: usize = 100;
/// The least that it is: passages that all say the same stand out by nothing.
const LEAST_UNIT: f32 = 0.002;
/// How many of the next are compared with.
const NEXT: usize = 9;

impl ServiceVectors {
    /// Those of all passages, in their order.
    pub(super) fn new(vectors: Vec<Option<Arc<[f32]>>>) -> Self {
        let unit = |vector: Arc<[f32]>| {
            let length = dot(&vector, &vector).sqrt();
            (length > 0.0 && length.is_finite()).then(|| vector.iter().map(|value| value / length).collect())
        };
        let vectors: Vec<Option<Arc<[f32]>>> = vectors.into_iter().map(|vector| vector.and_then(unit)).collect();
        let mut this = Self { vectors, unit: 1.0 };
        this.unit = this.unit();
        this
    }

    /// How similar a question's vector is to each passage's, in units; the least number there is for a passage without
    /// one.
    pub(super) fn similarities(&self, question: &[f32]) -> Vec<f32> {
        let length = dot(question, question).sqrt();
        let similarity = |passage: &Option<Arc<[f32]>>| match passage {
            Some(passage) if passage.len() == question.len() && length > 0.0 && length.is_finite() => {
                dot(passage, question) / length / self.unit
            }
            _ => f32::MIN,
        };
        self.vectors.iter().map(similarity).collect()
    }

    fn unit(&self) -> f32 {
        let step = self.vectors.len().div_ceil(SAMPLE).max(1);
        let mut standing_out = Vec::with_capacity(SAMPLE);
        for (at, vector) in self.vectors.iter().enumerate().step_by(step) {
            let Some(vector) = vector else { continue };
            let mut similarities = self.similarities(vector);
            similarities[at] = f32::MIN;
            let nearest = highest(&similarities, 1).first().copied();
            standing_out.extend(nearest.and_then(|nearest| Self::standing_out(nearest, &similarities)));
        }
        let mean = standing_out.iter().sum::<f32>() / standing_out.len().max(1) as f32;
        mean.max(LEAST_UNIT)
    }

    /// By how much a passage's similarity is more than that of the next ones, where it has one.
    pub(super) fn standing_out(first: usize, similarities: &[f32]) -> Option<f32> {
        let own = similarities.get(first).copied().filter(|own| *own > f32::MIN)?;
        let mut others = similarities.to_vec();
        others[first] = f32::MIN;
        let next = highest(&others, NEXT);
        let sum: f32 = next.iter().map(|&at| others[at]).sum();
        (!next.is_empty()).then(|| own - sum / next.len() as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: [f32; 3]) -> Option<Arc<[f32]>> {
        Some(values.into())
    }

    #[test]
    fn the_best_stands_out_and_what_has_no_vector_is_last() {
        let vectors =
            ServiceVectors::new(vec![vector([1.0, 0.0, 0.0]), None, vector([0.0, 2.0, 0.0]), vector([0.0, 1.0, 1.0])]);
        let similarities = vectors.similarities(&[3.0, 0.1, 0.0]);
        assert_eq!(highest(&similarities, 1), [0]);
        assert!(similarities[1] == f32::MIN, "{similarities:?}");
        assert!(ServiceVectors::standing_out(0, &similarities).is_some_and(|out| out > 0.0));
        assert_eq!(ServiceVectors::standing_out(1, &similarities), None);
    }

    #[test]
    fn odd_vectors_give_finite_numbers() {
        for vectors in [
            vec![],
            vec![None],
            vec![vector([0.0; 3])],
            vec![vector([f32::NAN; 3]), vector([f32::MAX; 3])],
            vec![vector([1.0; 3]); 4],
            vec![vector([1.0; 3]), Some([1.0, 2.0].into())],
        ] {
            let of_service = ServiceVectors::new(vectors.clone());
            for question in [&[1.0, 2.0, 3.0][..], &[0.0; 3], &[f32::NAN; 3], &[1.0]] {
                let similarities = of_service.similarities(question);
                assert_eq!(similarities.len(), vectors.len());
                assert!(similarities.iter().all(|it| it.is_finite()), "{vectors:?} {similarities:?}");
                assert!(
                    (0..vectors.len())
                        .all(|at| ServiceVectors::standing_out(at, &similarities).is_none_or(f32::is_finite))
                );
            }
        }
    }
}
