//! What was measured, in words for a terminal: of one model at length, of several on one table.

use super::{data::Data, output};
use crate::{
    app::settings::Threshold,
    eval::{Answer, Failed, Measured, ThresholdFrom, advice::About, in_words, metrics},
};

/// The confused pairs that are told; the report has more.
const PAIRS: usize = 10;

/// One model; `of_workers` is the threshold as it is set.
pub(super) fn of(data: &Data, measured: &Measured, answers: &[Answer], of_workers: Threshold) -> String {
    let mut text = format!("{}: {}\n", data.title, lower_first(&data.description));
    text += &output::table(&rows(measured, of_workers));
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

/// What can't be told.
const NONE: &str = "-";

/// The models on one table.
pub(super) fn compared(data: &Data, models: &[Measured]) -> String {
    let head =
        ["model", "accuracy", "(95 %)", "macro F1", "AUROC", "refused", "rightly", "ECE", "p50", "p99", "failed"];
    let row = |model: &Measured| {
        let (low, high) = model.accuracy_interval;
        [
            model.model.clone(),
            percent(model.accuracy),
            format!("{:.1}–{:.1}", low * 100.0, high * 100.0),
            percent(model.macro_f1),
            percent(model.oos.auroc),
            percent(model.oos.recall),
            percent(model.oos.in_scope_accuracy),
            decimals(model.ece),
            time(model.latency_us.p50),
            time(model.latency_us.p99),
            format!("{} of {}", model.failed, model.n_test),
        ]
    };
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(models.iter().map(row)).collect();
    let texts = models
        .first()
        .map_or(String::new(), |model| format!("{} texts, of which {} are out of scope", model.n_test, model.oos.n));
    format!(
        "{}: {}; {texts}\n\n{}\nAccuracy and macro F1 are of texts in scope, whatever the confidence; refused are those \
         out of scope that are left\nto the fallback, and rightly answered those in scope that get the right intent, each \
         at the model's threshold. ECE is\nhow far confidences are from the truth. What can't be told is {NONE}.\n",
        data.title,
        lower_first(&data.description),
        output::table(&rows)
    )
}

/// Tells what a model failed on, also where nobody reads the table.
pub(super) fn tell_of_failures(measured: &Measured) {
    if measured.failed == 0 {
        return;
    }
    let kind = |failed: &Failed| match failed.kind {
        "not_asked" => format!("{} weren't asked, as all before them failed", failed.count),
        kind => format!("{} {kind}", failed.count),
    };
    let kinds: Vec<_> = measured.failures.iter().map(kind).collect();
    let first = measured.failures.iter().find_map(|failed| failed.first.as_deref()).unwrap_or_default();
    let (model, failed, all) = (&measured.model, measured.failed, measured.n_test);
    let first = output::one_line(first);
    output::tell(&format!("{model} failed on {failed} of {all} texts ({}): {first}\n", kinds.join(", ")));
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or(NONE.to_owned(), |share| format!("{:.1} %", share * 100.0))
}

pub(super) fn decimals(number: Option<f64>) -> String {
    number.map_or(NONE.to_owned(), |number| format!("{number:.3}"))
}

fn time(micros: Option<f64>) -> String {
    micros.map_or(NONE.to_owned(), in_words)
}

fn rows(measured: &Measured, of_workers: Threshold) -> Vec<[String; 3]> {
    let row = |name: &str, value: String, about: String| [format!("  {name}"), value, about];
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
        ThresholdFrom::Advised => "what the model advises",
        ThresholdFrom::Decided => "the model decides by itself",
        ThresholdFrom::Setting => "the setting model.threshold",
    };
    rows.push(row("threshold", decimals(measured.threshold.map(f64::from)), from.to_owned()));
    // What is fitted here is a measure, and nobody's setting.
    if matches!(measured.threshold_from, ThresholdFrom::Validation | ThresholdFrom::CrossValidation) {
        let (value, about) = worker_threshold(of_workers);
        rows.push(row("  a worker's", value, about.to_owned()));
    }
    rows.push(row(
        "answered rightly",
        percent(measured.oos.in_scope_accuracy),
        "in scope, at the threshold".to_owned(),
    ));
    if measured.oos.n > 0 {
        rows.push(row("refused", percent(measured.oos.recall), "out of scope, at the threshold".to_owned()));
        rows.push(row("AUROC", percent(measured.oos.auroc), "of confidence, in scope against out of scope".to_owned()));
    }
    rows.push(row("calibration error", decimals(measured.ece), "of confidences, on the average (ECE)".to_owned()));
    let latency = format!("an answer; 99 % within {}", time(measured.latency_us.p99));
    rows.push(row("time", time(measured.latency_us.p50), latency));
    rows.push(row("training", format!("{:.2} s", measured.train_seconds), String::new()));
    rows
}

/// The threshold that workers use, and where it comes from.
fn worker_threshold(set: Threshold) -> (String, &'static str) {
    match set {
        Threshold::Auto => ("auto".to_owned(), "the model's own, which `chatbot-worker check` tells"),
        Threshold::Fixed(threshold) => (decimals(Some(f64::from(threshold.get()))), "CHATBOT_MODEL_THRESHOLD"),
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_lowercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn the_threshold_of_workers_is_told_with_where_it_comes_from() {
        let told = |set: &str| worker_threshold(set.parse().unwrap());
        assert_eq!(told("auto"), ("auto".to_owned(), "the model's own, which `chatbot-worker check` tells"));
        assert_eq!(told("0.8"), ("0.800".to_owned(), "CHATBOT_MODEL_THRESHOLD"));
    }
}
