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
    /// The first of it, where the place doesn't show it.
    pub first: Option<String>,
    /// The file where it came first; empty until the reader's caller tells, since readers open no file.
    pub file: String,
    /// The line where it came first, from 1; none where it is of the file as a whole.
    pub line: Option<usize>,
}

impl Notes {
    /// Notes one thing.
    pub fn add(&mut self, kind: impl Into<String>, line: Option<usize>) {
        self.append(Self(vec![Note { kind: kind.into(), count: 1, first: None, file: String::new(), line }]));
    }

    /// Notes one thing that has no line, such as what became of it among all.
    pub fn add_shown(&mut self, kind: impl Into<String>, shown: impl Into<String>) {
        let (kind, first) = (kind.into(), Some(shown.into()));
        self.append(Self(vec![Note { kind, count: 1, first, file: String::new(), line: None }]));
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
        let place = match (self.file.as_str(), self.line) {
            ("", None) => None,
            (file, Some(line)) => Some(format!("{file}:{line}")),
            (file, None) => Some(file.to_owned()),
        };
        match (self.count, &self.first, place) {
            (1, None, None) => Ok(()),
            (count, None, None) => write!(f, " ({count} times)"),
            (1, Some(shown), _) => write!(f, ": {shown}"),
            (count, Some(shown), _) => write!(f, " ({count} times, first {shown})"),
            (1, None, Some(place)) => write!(f, " ({place})"),
            (count, None, Some(place)) if self.line.is_some() => write!(f, " ({count} times, first at {place})"),
            (count, None, Some(place)) => write!(f, " ({count} times, first in {place})"),
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
        notes.add_shown("labels became names", "'a b' became a_b");
        notes.add_shown("entities became names", "'c d' became c_d");
        notes.add_shown("labels became names", "'e f' became e_f");
        let told: Vec<_> = notes.iter().map(ToString::to_string).collect();
        let expected = [
            "roles aren't kept (3 times, first at a.yml:3)",
            "it is in GBK (a.yml)",
            "labels became names (2 times, first 'a b' became a_b)",
            "entities became names: 'c d' became c_d",
        ];
        assert_eq!(told, expected);
    }
}
