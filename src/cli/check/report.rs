//! What the checks found, and how it is told.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::{Exit, Failure, output};

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

impl Line {
    /// For people.
    fn text(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        let mut text = format!("{status:<4}  {:<11}  {}\n", self.check, self.message);
        if let Some(mend) = &self.mend {
            let _ = writeln!(text, "{:<19}→ {mend}", "");
        }
        text
    }
}

/// All that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    /// How many of the failures only mean that the broker is away.
    away: usize,
    /// Where each line is told as it is found.
    tell: Option<Tell>,
    /// Why a line couldn't be told; no more are then.
    untold: Option<Failure>,
}

type Tell = fn(&str) -> Result<(), Failure>;

impl Report {
    /// One whose lines are told as they are found.
    pub(super) fn told(tell: Tell) -> Self {
        Self { tell: Some(tell), ..Self::default() }
    }

    /// Whether all lines could be told.
    ///
    /// # Errors
    /// Why they couldn't.
    pub(super) fn told_all(&mut self) -> Result<(), Failure> {
        self.untold.take().map_or(Ok(()), Err)
    }

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
        let line = Line { check, status, message: output::one_line(message), mend };
        if let Some(tell) = self.tell.filter(|_| self.untold.is_none()) {
            self.untold = tell(&line.text()).err();
        }
        self.lines.push(line);
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
    fn what_could_not_be_told_ends_the_command_once_all_was_looked_at() {
        let mut report = Report::told(|_| Err(Failure::new(Exit::Os, "the disk is full")));
        report.ok("a", "fine");
        report.fail("b", "wrong", "");
        assert_eq!(report.told_all().map_err(|failure| failure.exit), Err(Exit::Os));
        assert_eq!((report.lines.len(), report.exit()), (2, Exit::Config));
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
        assert_eq!(report.lines.iter().map(Line::text).collect::<String>(), expected);
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap_or_default();
        assert_eq!(json[0], serde_json::json!({"check": "model", "status": "ok", "message": "trained", "mend": null}));
        assert_eq!(json[1]["status"], "fail");
    }
}
