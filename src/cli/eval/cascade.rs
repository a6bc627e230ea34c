//! `eval --tune`: what a cascade of two models would do, and what to set.

use serde::Serialize;

use super::{Exit, Failure, contest::Contest, output};
use crate::{
    app::settings::{ModelName, PREFIX, Settings, Threshold},
    config::{Key, types::Fraction},
    eval::{
        Answer,
        tuning::{Point, Rule, Sure, Tuning, try_out, tune as tuned},
    },
};

/// The shares of texts that the table has a row for.
const ROWS: [f64; 10] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0];

/// What was found, and what to set.
#[derive(Serialize)]
pub(super) struct Tuned {
    first: String,
    next: String,
    #[serde(flatten)]
    pub(super) tuning: Tuning,
    /// What it does on the test, which had no part in finding it.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Point>,
    /// The variables to set.
    settings: Vec<String>,
}

/// The two models of a cascade.
///
/// # Errors
/// Where there are more or fewer.
pub(super) fn links(names: &[ModelName]) -> Result<[&ModelName; 2], Failure> {
    <[&ModelName; 2]>::try_from(names.iter().collect::<Vec<_>>()).map_err(|names| {
        let message = format!(
            "a cascade of two models is tuned, and there are {}: name the one that is asked first and the one that is \
             asked where it isn't sure, such as --model embedded,qwen",
            names.len()
        );
        Failure::new(Exit::Usage, message)
    })
}

/// Finds the settings by the answers of both, and tries them out on the test where there is one.
pub(super) fn tune(
    contest: &Contest<'_>,
    settings: &Settings,
    [first, next]: [&ModelName; 2],
    answers: &[Vec<Answer>],
    budget: Fraction,
) -> Result<Tuned, Failure> {
    let threshold = match settings.model.threshold {
        Threshold::Fixed(threshold) => Some(threshold.get()),
        Threshold::Auto => None,
    };
    let rule = Rule { threshold, margin: settings.model.margin.get() };
    // Through text, so that 0.1 is a tenth.
    let budget = budget.to_string().parse().unwrap_or_else(|_| f64::from(budget.get()));
    let tuning = tuned(&answers[0], &answers[1], rule, budget);
    let sure = Sure { min_confidence: Some(tuning.min_confidence), min_margin: tuning.min_margin };
    let held_out = contest.held_out().map(|cases| {
        let answers = [contest.answers(first, cases)?, contest.answers(next, cases)?];
        Ok(try_out(&answers[0], &answers[1], rule, sure))
    });
    let variable = |name: &str| Key::new(first.to_string(), name).variable(PREFIX);
    Ok(Tuned {
        test: held_out.transpose()?,
        settings: vec![
            format!("{}={first},{next}", Key::new("model", "chain").variable(PREFIX)),
            format!("{}={}", variable("min_confidence"), tuning.min_confidence),
            format!("{}={}", variable("min_margin"), tuning.min_margin),
        ],
        first: first.to_string(),
        next: next.to_string(),
        tuning,
    })
}

/// The curve as a table, and the settings.
pub(super) fn for_people(tuned: &Tuned) -> String {
    let Tuned { first, next, tuning, test, settings } = tuned;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let confidence = |point: &Point| point.min_confidence.map_or("not set".to_owned(), |least| format!("{least:.4}"));
    let row = |point: &Point, mark: &str| {
        let [asked, right] = [point.asked, point.right].map(percent);
        [format!("  {asked}"), confidence(point), right, mark.to_owned()]
    };
    let mut points: Vec<(Point, &str)> = Vec::new();
    for share in ROWS {
        let last = tuning.curve.iter().rfind(|point| point.asked <= share + 1e-9);
        points.extend(last.map(|point| (*point, "")));
    }
    points.dedup();
    points.retain(|(point, _)| point.asked != tuning.best.asked);
    points.push((tuning.best, "◀ the best within the budget"));
    points.push((tuning.unset, ""));
    points.sort_by(|a, b| a.0.asked.total_cmp(&b.0.asked));
    let heading =
        [format!("  {next} is asked"), "min_confidence".to_owned(), "treated rightly".to_owned(), String::new()];
    let rows: Vec<_> = std::iter::once(heading).chain(points.iter().map(|(point, mark)| row(point, mark))).collect();

    let [first_alone, next_alone, asked, right, budget] =
        [tuning.first_alone, tuning.next_alone, tuning.best.asked, tuning.best.right, tuning.budget].map(percent);
    let mut text = format!(
        "\nA cascade: where {first} isn't sure, {next} is asked. Treated rightly is what the right intent answers, and what \
         is out\nof scope and left to the fallback.\n\n{}\n{first} alone treats {first_alone} rightly, {next} alone \
         {next_alone}.\n\n",
        output::table(&rows)
    );
    if tuning.best.asked > tuning.budget + 1e-9 {
        text += &format!(
            "The budget of {budget} can't be kept: for {asked} of these texts {first} has no intent at all.\n"
        );
    }
    text += &format!("These settings ask {next} for {asked} of these texts, and treat {right} rightly:\n");
    text += &settings.iter().map(|line| format!("  {line}\n")).collect::<String>();
    if let Some(point) = test {
        text += &format!(
            "On the test, which had no part in finding them, they ask for {} and treat {} rightly.\n",
            percent(point.asked),
            percent(point.right)
        );
    }
    text
}
