//! What the checks found, and how it is told.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::{Exit, output};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// All is well.
    Ok,
    /// It works, but may not do what one expects.
    Warn,
    /// It doesn't work.
    Fail,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    check: &'static str,
    status: Status,
    message: String,
    mend: Option<String>,
}

/// All that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    /// How many of the failures only mean that the broker is away.
    away: usize,
}

impl Report {
    /// All is well.
    pub(super) fn ok(&mut self, check: &'static str, message: impl ToString) {
        self.add(check, Status::Ok, &message.to_string(), None);
    }

    /// Something that may not be as one expects; an empty `mend` where the message says what to do.
    pub(super) fn warn(&mut self, check: &'static str, message: impl ToString, mend: &str) {
        self.add(check, Status::Warn, &message.to_string(), Some(mend));
    }

    /// Something that doesn't work; an empty `mend` where the message says what to do.
    pub(super) fn fail(&mut self, check: &'static str, message: impl ToString, mend: &str) {
        self.add(check, Status::Fail, &message.to_string(), Some(mend));
    }

    /// The broker isn't there.
    pub(super) fn away(&mut self, check: &'static str, message: impl ToString, mend: &str) {
        self.fail(check, message, mend);
        self.away += 1;
    }

    fn add(&mut self, check: &'static str, status: Status, message: &str, mend: Option<&str>) {
        let mend = mend.filter(|mend| !mend.is_empty()).map(output::one_line);
        self.lines.push(Line { check, status, message: output::one_line(message), mend });
    }

    fn failures(&self) -> usize {
        self.lines.iter().filter(|line| line.status == Status::Fail).count()
    }

    /// The exit code: one that waiting won't change wins.
    pub(super) fn exit(&self) -> Exit {
        match self.failures() {
            0 => Exit::Ok,
            failures if failures == self.away => Exit::Unavailable,
            _ => Exit::Config,
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let status = match line.status {
                Status::Ok => "ok",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            let _ = writeln!(text, "{status:<4}  {:<11}  {}", line.check, line.message);
            if let Some(mend) = &line.mend {
                let _ = writeln!(text, "{:<19}→ {mend}", "");
            }
        }
        text
    }

    /// For programs: an array of `{check, status, message, mend}`.
    pub(super) fn json(&self) -> String {
        // A struct of texts always serialises.
        serde_json::to_string_pretty(&self.lines).map(|json| json + "\n").unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_a_broker_that_is_away_from_what_is_wrong() {
        let check = |report: Report, expected: Exit| assert_eq!(report.exit(), expected);
        let mut report = Report::default();
        report.ok("a", "fine");
        report.warn("b", "look", "do");
        check(report, Exit::Ok);

        let mut report = Report::default();
        report.away("broker", "away", "start it");
        check(report, Exit::Unavailable);

        let mut report = Report::default();
        report.away("broker", "away", "start it");
        report.fail("intents", "wrong", "");
        check(report, Exit::Config);
    }

    #[test]
    fn a_mend_stands_below_what_it_mends_and_each_is_one_line() {
        let mut report = Report::default();
        report.ok("model", "trained");
        report.fail("topology", "it\nis \u{1b}[2J", "do this");
        let expected = "\
ok    model        trained
FAIL  topology     it is \\u{1b}[2J
                   → do this
";
        assert_eq!(report.text(), expected);
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap_or_default();
        assert_eq!(json[0], serde_json::json!({"check": "model", "status": "ok", "message": "trained", "mend": null}));
        assert_eq!(json[1]["status"], "fail");
    }
}
