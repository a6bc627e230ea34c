//! Rows that can't be used, counted, with the first: `eval` passes over a few, `import` refuses the file.

use std::fmt;

/// A row that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its file; empty until the reader's caller tells, since readers open no file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

/// The rows of files that can't be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    count: usize,
    first: Option<Fault>,
}

impl Faults {
    /// Adds one.
    pub fn add(&mut self, line: usize, reason: impl Into<String>) {
        self.append(Self { count: 1, first: Some(Fault { file: String::new(), line, reason: reason.into() }) });
    }

    /// Adds those of another file.
    pub fn append(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
    }

    /// Tells in which file they are.
    pub fn found_in(&mut self, file: &str) {
        if let Some(fault) = self.first.as_mut().filter(|fault| fault.file.is_empty()) {
            file.clone_into(&mut fault.file);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first of them.
    pub fn first(&self) -> Option<&Fault> {
        self.first.as_ref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, reason } = self;
        write!(f, "{file}: line {line}: {reason}")
    }
}
