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

    /// A problem with an environment variable.
    pub(super) fn variable(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Origin::Variable(name.into()), None, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str("built-in defaults: ")?,
            Origin::File { path, line } => write!(f, "{}:{line}: ", path.display())?,
            Origin::Variable(name) => write!(f, "{name}: ")?,
            Origin::VariableFile { variable, path } => write!(f, "{variable} (the file {}): ", path.display())?,
        }
        // A variable's name says which setting it is; a line of a file doesn't.
        if let (Origin::Default | Origin::File { .. }, Some(key)) = (&self.origin, &self.key) {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Problems {
    /// The problems, by file and line, then by variable; none where there are none.
    pub(super) fn collect(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// Each problem.
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
