//! What was measured, in words for a terminal.

use super::{data::Data, output};
use crate::eval::{Answer, Measured, ThresholdFrom, advice::About, metrics};

/// The confused pairs that are told; the report has more.
const PAIRS: usize = 10;

pub(super) fn of(data: &Data, measured: &Measured, answers: &[Answer]) -> String {
    let mut text = format!("{}: {}\n", data.title, lower_first(&data.description));
    text += &output::table(&rows(measured));
    for advice in &measured.advice {
        let mark = if advice.about == About::Verdict { "\n" } else { "\n- " };
        text += &format!("{mark}{}\n", output::printable(&advice.to_string()));
    }
    let pairs: Vec<_> = metrics::confusions(answers)
        .into_iter()
        .take(PAIRS)
        .map(|pair| {
            let label = |name| output::one_line(data.names.label(name));
            [format!("  {}", pair.count), format!("{} taken for {}", label(&pair.expected), label(&pair.predicted))]
        })
        .collect();
    if !pairs.is_empty() {
        text += &format!("\nThe worst confusions, in texts:\n{}", output::table(&pairs));
    }
    text
}

fn rows(measured: &Measured) -> Vec<[String; 3]> {
    let row = |name: &str, value: String, about: String| [format!("  {name}"), value, about];
    let percent = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{:.1} %", share * 100.0));
    let (low, high) = measured.accuracy_interval;
    let mut rows = vec![
        row(
            "model",
            measured.model.clone(),
            format!("{} examples of {} intents", measured.n_train, measured.n_intents),
        ),
        row("texts", measured.n_test.to_string(), format!("{} out of scope", measured.oos.n)),
        row(
            "accuracy",
            percent(measured.accuracy),
            format!("in scope; {:.1} to {:.1} % with 95 % confidence", low * 100.0, high * 100.0),
        ),
        row("macro F1", percent(measured.macro_f1), "each intent counts the same".to_owned()),
    ];
    let from = match measured.threshold_from {
        ThresholdFrom::Validation => "fitted to the validation file",
        ThresholdFrom::CrossValidation => "fitted by cross-validation",
        ThresholdFrom::Setting => "the setting model.threshold",
    };
    rows.push(row("threshold", format!("{:.3}", measured.threshold), from.to_owned()));
    rows.push(row(
        "answered rightly",
        percent(measured.oos.in_scope_accuracy),
        "in scope, at the threshold".to_owned(),
    ));
    if measured.oos.n > 0 {
        rows.push(row("refused", percent(measured.oos.recall), "out of scope, at the threshold".to_owned()));
        rows.push(row("AUROC", percent(measured.oos.auroc), "of confidence, in scope against out of scope".to_owned()));
    }
    let error = measured.ece.map_or("–".to_owned(), |error| format!("{error:.3}"));
    rows.push(row("calibration error", error, "of confidences, on the average (ECE)".to_owned()));
    let latency = format!("an answer; 99 % within {:.0} µs", measured.latency_us.p99);
    rows.push(row("time", format!("{:.0} µs", measured.latency_us.p50), latency));
    rows.push(row("training", format!("{:.2} s", measured.train_seconds), String::new()));
    rows
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_lowercase().chain(characters).collect())
}
