//! What is wrong with the settings, in words that an operator can act on.

use std::fmt;

use super::Origin;

/// One thing that is wrong: where, and what would be right. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    origin: Origin,
    key: Option<String>,
    message: String,
}

/// All that is wrong with the settings, one line each; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problem {
    /// A problem with what came from `origin`; `key` is named where the origin alone doesn't tell the setting.
    pub(super) fn new(origin: Origin, key: Option<String>, message: impl Into<String>) -> Self {
        Self { origin, key, message: message.into() }
    }

    pub(super) fn variable(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Origin::Variable(name.into()), None, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.origin {
            Origin::Default => "built-in defaults".into(),
            Origin::File { path, line } => format!("{}:{line}", path.display()),
            Origin::Variable(name) => name.clone(),
            Origin::VariableFile { variable, path } => format!("{variable} (the file {})", path.display()),
        };
        f.write_str(&one_line(&place))?;
        // A variable's name says which setting it is; a line of a file doesn't.
        if let (Origin::Default | Origin::File { .. }, Some(key)) = (&self.origin, &self.key) {
            write!(f, ": {}", one_line(key))?;
        }
        write!(f, ": {}", one_line(&self.message))
    }
}

/// Escapes what would break the line or play with a terminal: names and paths are the operator's, or an attacker's.
pub(super) fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

impl Problems {
    /// The problems, by file and line, then by variable; `None` if there are none.
    pub(super) fn collect(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}
