//! The sample bot understands what its customers say: measured on utterances whose author saw only the intents' names.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::collections::BTreeMap;

use chatbot_worker::app::{
    self,
    intents::{BUILT_IN, IntentsFile},
};
use serde::Deserialize;

const HELD_OUT: &str = include_str!("fixtures/heldout.jsonl");
/// Phrases that are set before or after a request.
const PADDING: &str = include_str!("fixtures/padding.jsonl");

#[derive(Deserialize)]
struct Utterance {
    text: String,
    /// None where it is out of scope.
    intent: Option<String>,
}

/// Shares are in percent. The limits lie a few points below what is measured, so that a change of the bot or the model
/// that costs its customers something fails here, and noise doesn't.
#[test]
fn held_out_utterances_are_understood_in_both_languages() {
    let bot = IntentsFile::parse("built in", BUILT_IN).unwrap().file;
    let model = app::train(&bot).unwrap();
    let threshold = model.threshold();
    println!("threshold: {threshold}");
    let utterances: Vec<Utterance> = HELD_OUT.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut counts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut count = |what, hit: bool| {
        let (hits, all) = counts.entry(what).or_default();
        *hits += f64::from(u8::from(hit));
        *all += 1.0;
    };
    for utterance in &utterances {
        let best = model.rank(&utterance.text).remove(0);
        let sure = best.confidence >= threshold;
        match &utterance.intent {
            Some(intent) => {
                let right = best.name.as_str() == intent;
                let chinese = utterance.text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                count(if chinese { "Chinese right" } else { "English right" }, right);
                count("wrongly answered", sure && !right);
                if best.confidence >= 0.9 {
                    count("sure and right", right);
                }
            }
            None => count("out of scope refused", !sure),
        }
    }
    let share = |what: &str| {
        let (hits, all) = counts[what];
        let share = 100.0 * hits / all;
        println!("{what}: {share:.1} % of {all}");
        share
    };
    assert!(share("Chinese right") >= 94.0);
    assert!(share("English right") >= 92.0);
    assert!(share("wrongly answered") <= 4.0);
    assert!(share("sure and right") >= 97.0);
    assert!(share("out of scope refused") >= 75.0);
}

#[derive(Deserialize)]
struct Padding {
    language: String,
    before: Option<String>,
    after: Option<String>,
}

/// Politeness around a request leaves its meaning alone. The requests are the bot's own examples, so that what changes is
/// the padding's doing; the model didn't learn this padding, which a test beside what it learns holds. The limits are
/// those that docs/INTENTS.md promises.
#[test]
fn padding_rarely_changes_the_intent() {
    let bot = IntentsFile::parse("built in", BUILT_IN).unwrap().file;
    let model = app::train(&bot).unwrap();
    let padding: Vec<Padding> = PADDING.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for language in ["en", "zh"] {
        let of = |side: fn(&Padding) -> Option<&str>| -> Vec<&str> {
            padding.iter().filter(|padding| padding.language == language).filter_map(side).collect()
        };
        let (before, after) = (of(|padding| padding.before.as_deref()), of(|padding| padding.after.as_deref()));
        assert!(before.len() >= 12 && after.len() == before.len());
        // Greetings, thanks and goodbyes are nothing but padding themselves.
        let requests =
            bot.intents.iter().filter(|intent| !["greeting", "thanks", "goodbye"].contains(&intent.name.as_str()));
        let examples: Vec<_> = requests
            .flat_map(|intent| intent.examples.iter().map(|example| (&intent.name, example)))
            .filter(|(_, example)| example.language.as_deref() == Some(language))
            .collect();
        assert!(examples.len() > 300);
        let check = |place: &str, padding: &[(&str, &str)], least: f64| {
            let (mut kept, mut all) = (0, 0);
            for (before, after) in padding {
                for (intent, example) in &examples {
                    all += 1;
                    kept += u32::from(model.rank(&format!("{before}{}{after}", example.text))[0].name == **intent);
                }
            }
            let share = 100.0 * f64::from(kept) / f64::from(all);
            println!("{language}, {place}: {share:.1} % of {all} keep their intent");
            assert!(share >= least, "{language}, {place}: {share}");
        };
        check("before", &before.iter().map(|before| (*before, "")).collect::<Vec<_>>(), 98.0);
        check("after", &after.iter().map(|after| ("", *after)).collect::<Vec<_>>(), 98.0);
        check("before and after", &before.into_iter().zip(after).collect::<Vec<_>>(), 96.0);
    }
}
