//! What of other people's files a bot can't keep, or keeps in another form: told at the end, once a kind.

use std::fmt;

/// Notes on what was read, in the order in which their kinds first came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(Vec<Note>);

/// One kind of thing that was left out or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is and what became of it, such as `roles of entities aren't kept`.
    pub kind: String,
    /// How often it came.
    pub count: usize,
    /// The file where it came first; empty until the reader's caller tells, since readers open no file.
    pub file: String,
    /// The line where it came first, from 1; none where it is of the file as a whole.
    pub line: Option<usize>,
}

impl Notes {
    /// Notes one thing.
    pub fn add(&mut self, kind: impl Into<String>, line: Option<usize>) {
        self.append(Self(vec![Note { kind: kind.into(), count: 1, file: String::new(), line }]));
    }

    /// Tells in which file all of this was found.
    pub fn found_in(&mut self, file: &str) {
        self.0.iter_mut().filter(|note| note.file.is_empty()).for_each(|note| file.clone_into(&mut note.file));
    }

    /// Adds what was noted of another file.
    pub fn append(&mut self, other: Self) {
        for note in other.0 {
            match self.0.iter_mut().find(|known| known.kind == note.kind) {
                Some(known) => known.count += note.count,
                None => self.0.push(note),
            }
        }
    }

    /// Each kind once.
    pub fn iter(&self) -> impl Iterator<Item = &Note> {
        self.0.iter()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        match (self.count, self.line) {
            (1, Some(line)) => write!(f, " ({}:{line})", self.file),
            (1, None) => write!(f, " ({})", self.file),
            (count, Some(line)) => write!(f, " ({count} times, first at {}:{line})", self.file),
            (count, None) => write!(f, " ({count} times, first in {})", self.file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_once_with_how_often_and_where_first() {
        let (mut notes, mut other) = (Notes::default(), Notes::default());
        notes.add("roles aren't kept", Some(3));
        notes.add("it is in GBK", None);
        notes.found_in("a.yml");
        other.add("roles aren't kept", Some(1));
        other.add("roles aren't kept", Some(9));
        other.found_in("b.yml");
        notes.append(other);
        let told: Vec<_> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["roles aren't kept (3 times, first at a.yml:3)", "it is in GBK (a.yml)"]);
    }
}
