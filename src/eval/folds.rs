//! Which examples a model learns from, and which it is tried on.
//!
//! **Invariant:** no chance: the same examples in the same order, and the same seed, give the same choice.

use std::collections::HashMap;

use super::Case;
use crate::domain::IntentName;

/// The fold of each case, 0 up to `folds`: every intent's cases, and those out of scope, are dealt out in turn, so that
/// each fold has its share of each (stratified cross-validation; Kohavi 1995).
pub fn stratified(cases: &[Case], folds: usize) -> Vec<usize> {
    let mut next: HashMap<Option<&IntentName>, usize> = HashMap::new();
    let folds = folds.max(1);
    cases
        .iter()
        .map(|case| {
            // Intents begin at different folds, or the first fold would get all the remainders.
            let begin = next.len();
            let turn = next.entry(case.intent.as_ref()).or_insert(begin);
            *turn += 1;
            (*turn - 1) % folds
        })
        .collect()
}

/// `shots` cases of each intent, drawn by `seed`, and all that are out of scope, in their order.
pub fn draw(cases: Vec<Case>, shots: usize, seed: u64) -> Vec<Case> {
    let mut by_intent: HashMap<&IntentName, Vec<(u64, usize)>> = HashMap::new();
    for (place, case) in cases.iter().enumerate() {
        if let Some(intent) = &case.intent {
            by_intent.entry(intent).or_default().push((mixed(seed, place as u64), place));
        }
    }
    let mut kept = vec![false; cases.len()];
    for drawn in by_intent.values_mut() {
        drawn.sort_unstable();
        drawn.iter().take(shots).for_each(|&(_, place)| kept[place] = true);
    }
    cases.into_iter().zip(kept).filter(|(case, kept)| *kept || case.intent.is_none()).map(|(case, _)| case).collect()
}

/// A number that looks like chance: SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
/// generators").
fn mixed(seed: u64, place: u64) -> u64 {
    let mut z = seed.wrapping_mul(0xA076_1D64_78BD_642F).wrapping_add(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;

    fn cases(of: &[(&str, usize)]) -> Vec<Case> {
        let all = of.iter().flat_map(|&(intent, count)| {
            (0..count).map(move |number| Case {
                text: format!("{intent} {number}"),
                intent: (!intent.is_empty()).then(|| IntentName::new(intent).unwrap()),
            })
        });
        all.collect()
    }

    #[test]
    fn every_fold_has_its_share_of_each_intent() {
        let cases = cases(&[("a", 10), ("b", 11), ("", 6), ("c", 1)]);
        let folds = stratified(&cases, 5);
        for (intent, least, most) in [("a", 2, 2), ("b", 2, 3), ("", 1, 2), ("c", 0, 1)] {
            for fold in 0..5 {
                let is_here = |(case, at): &(&Case, &usize)| {
                    case.intent.as_ref().map_or("", |it| it.as_str()) == intent && **at == fold
                };
                let here = cases.iter().zip(&folds).filter(is_here).count();
                assert!((least..=most).contains(&here), "{here} of {intent:?} in fold {fold}");
            }
        }
    }

    #[test]
    fn so_many_of_each_are_drawn_and_another_seed_draws_others() {
        let all = cases(&[("a", 50), ("b", 3), ("", 4)]);
        let drawn = draw(all.clone(), 5, 1);
        let of =
            |intent: &str| drawn.iter().filter(|it| it.intent.as_ref().map_or("", |it| it.as_str()) == intent).count();
        assert_eq!((of("a"), of("b"), of("")), (5, 3, 4));
        assert_eq!(drawn, draw(all.clone(), 5, 1));
        assert_ne!(drawn, draw(all, 5, 2));
    }
}
