//! Environment variables, as they were when the program started.

use std::{collections::BTreeMap, ffi::OsString, fmt};

/// Environment variables. A test makes them from pairs; the program from [`std::env::vars_os`].
#[derive(Clone, Default)]
pub struct Variables {
    pub(super) values: BTreeMap<String, String>,
    /// The names, as well as they can be shown, of variables that aren't UTF-8.
    pub(super) unreadable: Vec<String>,
}

impl Variables {
    /// The variables of a process; those that aren't UTF-8 are remembered, and reported if they are settings.
    pub fn from_os(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut all = Self::default();
        for (name, value) in variables {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => {
                    all.values.insert(name, value);
                }
                (Ok(name), Err(_)) => all.unreadable.push(name),
                (Err(name), _) => all.unreadable.push(name.to_string_lossy().into_owned()),
            }
        }
        all
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values, unreadable: Vec::new() }
    }
}

/// The names alone: values may be secret.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
