//! What the measures say to a bot's author, in words.
//!
//! **Invariant:** every sentence names what was seen, and what to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::{
    Answer, Case,
    metrics::{self, Confusion},
    near::near_duplicates,
};
use crate::{corpus::LabelNames, domain::IntentName};

/// Fewer examples than this are too few to learn an intent from, or to tell how well it was learnt.
const FEW: usize = 10;
/// How sure a model has to be of another intent before an example is suspected of having the wrong one.
const SURE: f32 = 0.8;
/// Intents overlap where this share of either's texts is taken for the other's, and …
const OVERLAP: f64 = 0.05;
/// … it was so many texts.
const OVERLAP_TEXTS: usize = 3;
/// So many overlapping pairs are told.
const OVERLAPS_TOLD: usize = 10;
/// So many things of a kind are told.
const TOLD: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    pub about: About,
    /// What was seen, and what to do.
    pub text: String,
    /// The examples or intents that it is about, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// What a piece of advice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Whether the bot is good as it is.
    Verdict,
    /// Two intents that the model mistakes for each other.
    Overlap,
    /// Examples that look like those of another intent.
    Mislabelled,
    /// Examples of different intents that say almost the same.
    NearDuplicate,
    /// Intents that have too few examples.
    TooFew,
    /// Texts out of scope that an intent answers.
    OutOfScope,
    /// Confidences that promise too much or too little.
    Calibration,
}

/// What advice is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What the model learnt from.
    pub train: &'a [Case],
    pub answers: &'a [Answer],
    /// Whether the answers are to the examples themselves, each by a model that didn't learn from it.
    pub cross_validated: bool,
    /// The least confidence with which an intent answers.
    pub threshold: f32,
    /// What the author calls the intents.
    pub names: &'a LabelNames,
}

/// The advice, what matters most first.
pub fn advise(evidence: &Evidence<'_>) -> Vec<Advice> {
    let mut advice = vec![verdict(evidence)];
    advice.extend(overlaps(evidence));
    advice.extend(mislabelled(evidence));
    advice.extend(nearly_the_same(evidence));
    advice.extend(too_few(evidence));
    advice.extend(out_of_scope(evidence));
    advice.extend(calibration(evidence));
    advice
}

impl Evidence<'_> {
    fn label<'n>(&'n self, name: &'n IntentName) -> &'n str {
        self.names.label(name)
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        self.details.iter().try_for_each(|detail| write!(f, "\n    {detail}"))
    }
}

fn verdict(evidence: &Evidence<'_>) -> Advice {
    let advice = |text: String| Advice { about: About::Verdict, text, details: Vec::new() };
    let Some(accuracy) = metrics::accuracy(evidence.answers) else {
        return advice(
            "No text of the test is in scope, so it can't be told how well intents are understood.".to_owned(),
        );
    };
    let in_scope = evidence.answers.iter().filter(|answer| answer.expected.is_some()).count();
    let right = evidence.answers.iter().filter(|answer| answer.is_right()).count();
    let (low, high) = metrics::wilson(right, in_scope);
    // Examples are chosen to differ from each other, and each fold lacks a part of them: users repeat what is common.
    // The sample bot gets 81 % of its own examples so, and 95 % of its held-out texts; but nobody can tell of another bot.
    let lenience = if evidence.cross_validated { 0.1 } else { 0.0 };
    let (word, next) = match accuracy + lenience {
        0.95.. => ("Very good", "More examples of the same kind will hardly help; mend the mistakes below one by one."),
        0.9.. => ("Good", "The mistakes below show where an example or a clearer border between intents helps."),
        0.8.. => ("Fair", "Begin with the first pieces of advice below: they cost the most."),
        _ => (
            "Not good yet",
            "Either intents overlap, or their examples are too few or too alike: 20 varied ones an intent and language is \
             a good beginning.",
        ),
    };
    let like = if evidence.cross_validated {
        "texts as different from the examples as those are from each other"
    } else {
        "texts like the test's"
    };
    let caution = if evidence.cross_validated {
        " Users say what is common more often, so the bot mostly does better than that; a test of real texts (--test) \
         tells by how much."
    } else {
        ""
    };
    advice(format!(
        "{word}: of 100 {like}, about {:.0} get the right intent (between {:.0} and {:.0}, with 95 % \
         confidence).{caution} {next}",
        accuracy * 100.0,
        (low * 100.0).floor(),
        (high * 100.0).ceil(),
    ))
}

fn overlaps(evidence: &Evidence<'_>) -> Option<Advice> {
    let counts = metrics::by_intent(evidence.answers);
    let confusions = metrics::confusions(evidence.answers);
    let mut pairs: BTreeMap<[&IntentName; 2], usize> = BTreeMap::new();
    for Confusion { expected, predicted, count } in &confusions {
        let pair = if expected < predicted { [expected, predicted] } else { [predicted, expected] };
        *pairs.entry(pair).or_default() += count;
    }
    let texts = |name: &IntentName| counts.get(name).map_or(0, |count| count.expected);
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.retain(|&([a, b], count)| {
        let fewer = texts(a).min(texts(b)).max(1);
        count >= OVERLAP_TEXTS && count as f64 >= OVERLAP * fewer as f64
    });
    pairs.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let details = pairs.iter().take(OVERLAPS_TOLD).map(|&([a, b], count)| {
        let wrong = evidence.answers.iter().filter(|answer| {
            let both = [answer.expected.as_ref(), answer.predicted.as_ref()];
            both == [Some(a), Some(b)] || both == [Some(b), Some(a)]
        });
        let such_as: Vec<_> = wrong.take(3).map(|answer| format!("“{}”", answer.text)).collect();
        let [a_name, b_name] = [a, b].map(|name| evidence.label(name));
        format!("{a_name} and {b_name}: {count} of their {} texts, such as {}", texts(a) + texts(b), such_as.join(", "))
    });
    (!pairs.is_empty()).then(|| Advice {
        about: About::Overlap,
        text: format!(
            "Taken for each other: {}. Give each intent examples with the words that only it has, or make the two one.",
            counted(pairs.len(), "pair of intents")
        ),
        details: details.collect(),
    })
}

fn mislabelled(evidence: &Evidence<'_>) -> Option<Advice> {
    let mut suspects: Vec<&Answer> = evidence
        .answers
        .iter()
        .filter(|answer| answer.expected.is_some() && !answer.is_right())
        .filter(|answer| answer.confidence.is_some_and(|confidence| confidence >= SURE))
        .collect();
    suspects.sort_by(|a, b| surer(a, b));
    let what = if evidence.cross_validated { "example" } else { "text of the test" };
    let details = suspects.iter().take(TOLD).map(|answer| {
        let label = |name: &Option<IntentName>| name.as_ref().map_or("", |name| evidence.label(name)).to_owned();
        format!(
            "“{}” is {}'s, and looks like {}'s{}",
            answer.text,
            label(&answer.expected),
            label(&answer.predicted),
            sureness(answer)
        )
    });
    let count = suspects.len();
    (count > 0).then(|| Advice {
        about: About::Mislabelled,
        text: format!(
            "Surely like another intent's: {}. Is the label wrong? Where it is right, its intent needs more examples of \
             that kind.",
            counted(count, what)
        ),
        details: details.collect(),
    })
}

fn nearly_the_same(evidence: &Evidence<'_>) -> Option<Advice> {
    let found = near_duplicates(evidence.train);
    let side = |place: usize| {
        let case = &evidence.train[place];
        format!("“{}” ({})", case.text, case.intent.as_ref().map_or("", |name| evidence.label(name)))
    };
    let details = found.iter().take(TOLD).map(|pair| format!("{} and {}", side(pair.first), side(pair.second)));
    (!found.is_empty()).then(|| Advice {
        about: About::NearDuplicate,
        text: format!(
            "Almost the same, in different intents: {}. The model can't learn both: take one out, or move it.",
            counted(found.len(), "pair of examples"),
        ),
        details: details.collect(),
    })
}

fn too_few(evidence: &Evidence<'_>) -> Option<Advice> {
    let mut counts: BTreeMap<&IntentName, usize> = BTreeMap::new();
    evidence
        .train
        .iter()
        .filter_map(|case| case.intent.as_ref())
        .for_each(|name| *counts.entry(name).or_default() += 1);
    // What a test expects, and nothing was learnt of, has none.
    let tested: BTreeSet<_> = evidence.answers.iter().filter_map(|answer| answer.expected.as_ref()).collect();
    tested.into_iter().for_each(|name| {
        counts.entry(name).or_default();
    });
    let few: Vec<_> = counts.iter().filter(|(_, count)| **count < FEW).collect();
    if few.is_empty() {
        return None;
    }
    if few.len() == counts.len() {
        return Some(Advice {
            about: About::TooFew,
            text: format!("No intent has {FEW} examples: 20 varied ones an intent and language is a good beginning."),
            details: Vec::new(),
        });
    }
    let details =
        few.iter().take(TOLD).map(|(name, count)| format!("{}: {}", evidence.label(name), counted(**count, "example")));
    Some(Advice {
        about: About::TooFew,
        text: format!(
            "Fewer than {FEW} examples: {}. Write more, better 20 a language, each in other words.",
            counted(few.len(), "intent")
        ),
        details: details.collect(),
    })
}

fn out_of_scope(evidence: &Evidence<'_>) -> Option<Advice> {
    let mut answered: Vec<&Answer> = evidence
        .answers
        .iter()
        .filter(|answer| answer.expected.is_none() && answer.is_accepted(evidence.threshold))
        .collect();
    let all = evidence.answers.iter().filter(|answer| answer.expected.is_none()).count();
    if answered.len() * 10 < all || answered.is_empty() {
        return None;
    }
    answered.sort_by(|a, b| surer(a, b));
    let details = answered.iter().take(TOLD).map(|answer| {
        let to = answer.predicted.as_ref().map_or("", |name| evidence.label(name));
        format!("“{}” went to {to}{}", answer.text, sureness(answer))
    });
    Some(Advice {
        about: About::OutOfScope,
        text: format!(
            "{} of {all} texts out of scope got an answer. Raise the threshold if that does harm; the curve shows what it \
             costs.",
            answered.len()
        ),
        details: details.collect(),
    })
}

fn calibration(evidence: &Evidence<'_>) -> Option<Advice> {
    let inside = || evidence.answers.iter().filter(|answer| answer.expected.is_some() && !answer.failed);
    let error = metrics::ece(evidence.answers)?;
    // With few texts the measure is large by chance alone.
    if error <= 0.05 || inside().count() < 200 {
        return None;
    }
    let accuracy = metrics::accuracy(evidence.answers)?;
    let sum: f64 = inside().filter_map(|answer| answer.confidence).map(f64::from).sum();
    let mean = sum / inside().count() as f64;
    let (more, seen) = if mean > accuracy { ("more", "harder") } else { ("less", "easier") };
    Some(Advice {
        about: About::Calibration,
        text: format!(
            "Confidences promise {more} than they keep: {:.0} % on the average, where {:.0} % are right. The texts of the \
             test are {seen} than the examples; examples like them would mend it.",
            mean * 100.0,
            accuracy * 100.0,
        ),
        details: Vec::new(),
    })
}

/// The surer one first.
pub(super) fn surer(a: &Answer, b: &Answer) -> std::cmp::Ordering {
    b.confidence.unwrap_or(1.0).total_cmp(&a.confidence.unwrap_or(1.0))
}

/// How sure the model was, where it says so: ` (93 %)`.
fn sureness(answer: &Answer) -> String {
    answer.confidence.map_or(String::new(), |confidence| format!(" ({:.0} %)", confidence * 100.0))
}

/// `1 example`, `2 examples`; `1 pair of examples`, `2 pairs of examples`.
fn counted(count: usize, what: &str) -> String {
    match (count, what.split_once(' ')) {
        (1, _) => format!("1 {what}"),
        (_, Some((first, rest))) => format!("{count} {first}s {rest}"),
        (_, None) => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::{super::metrics::tests::answers, *};

    fn case(text: &str, intent: &str) -> Case {
        Case { text: text.to_owned(), intent: Some(IntentName::new(intent).unwrap()) }
    }

    /// The advice on these answers, as (about, text and details).
    fn advice(train: &[Case], of: &[(&str, &str, f32)], cross_validated: bool) -> Vec<(About, String)> {
        let names = LabelNames::of(["a", "b"]);
        let answers = answers(of);
        let evidence = Evidence { train, answers: &answers, cross_validated, threshold: 0.5, names: &names };
        advise(&evidence).into_iter().map(|advice| (advice.about, advice.to_string())).collect()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let train: Vec<Case> =
            (0..9).map(|n| case(&format!("a{n}"), "a")).chain((0..10).map(|n| case(&format!("b{n}"), "b"))).collect();
        let mut of = vec![("a", "a", 0.9); 6];
        of.extend([("b", "b", 0.9); 6]);
        let check = |more: &[(&str, &str, f32)], about: About, said: &str| {
            let of = [of.as_slice(), more].concat();
            let advice = advice(&train, &of, false);
            assert!(advice.iter().any(|(at, text)| *at == about && text.contains(said)), "{said}: {advice:?}");
        };
        check(&[], About::Verdict, "Very good: of 100 texts like the test's, about 100");
        check(
            &[("a", "b", 0.1), ("b", "a", 0.1), ("a", "b", 0.1)],
            About::Overlap,
            "a and b: 3 of their 15 texts, such as “a as b”",
        );
        check(&[("a", "b", 0.8)], About::Mislabelled, "“a as b” is a's, and looks like b's (80 %)");
        check(&[], About::TooFew, "a: 9 examples");
        check(&[("", "b", 0.6)], About::OutOfScope, "1 of 1 texts out of scope got an answer");
        check(&[("a", "b", 0.3); 12], About::Verdict, "Not good yet");

        let about: Vec<_> = advice(&train, &of, false).into_iter().map(|(about, _)| about).collect();
        assert_eq!(about, [About::Verdict, About::TooFew]);
        let same = [case("where is my order now", "a"), case("Where is my order now?", "b")];
        assert!(advice(&same, &of, false).iter().any(|(_, text)| text.contains("1 pair of examples")));
    }

    #[test]
    fn cross_validation_is_judged_by_what_it_is() {
        let mut of = vec![("a", "a", 0.9); 8];
        of.extend([("b", "a", 0.2); 2]);
        assert!(advice(&[], &of, true)[0].1.starts_with("Good: of 100 texts as different from the examples"));
        assert!(advice(&[], &of, false)[0].1.starts_with("Fair: "));
        assert!(advice(&[], &[], true)[0].1.starts_with("No text of the test is in scope"));
    }

    #[test]
    fn promises_that_arent_kept_are_told_where_the_texts_are_many() {
        let sure = |count: usize| -> Vec<(&str, &str, f32)> {
            (0..count).map(|n| ("a", if n % 2 == 0 { "a" } else { "b" }, 0.9)).collect()
        };
        let has = |count| advice(&[], &sure(count), false).iter().any(|(about, _)| *about == About::Calibration);
        assert!(has(200) && !has(100));
    }
}
