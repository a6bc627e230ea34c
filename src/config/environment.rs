//! A layer from environment variables.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    Key, Origin, Problem, ReadFile, Variables,
    known::Known,
    kubernetes,
    layer::{Entry, Layer, Raw},
    suggest::{self, Instead},
};
use crate::utf8;

#[derive(Default)]
pub(super) struct Environment {
    pub(super) layer: Layer,
    /// The settings file, from `<PREFIX>_CONFIG`.
    pub(super) file: Option<PathBuf>,
    /// Settings that are given, but with no value that could be had.
    pub(super) wrong: BTreeSet<Key>,
    pub(super) notices: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

/// A file's text, or why there is none; the reason doesn't name the file.
pub(super) fn read_text(path: &Path, read: ReadFile<'_>) -> Result<String, String> {
    utf8::decode_read(read(path))
}

/// Reads the variables that begin with `prefix` and an underscore. `known` decides what is taken for a setting rather
/// than for something that Kubernetes injects, and what is suggested; what isn't known stays in the layer, to be found
/// when the settings' type leaves it over.
pub(super) fn read(prefix: &str, variables: &Variables, known: &Known, read: ReadFile<'_>) -> Environment {
    let mut environment = Environment::default();
    let (mut injected, mut others) = (Vec::new(), Vec::new());
    let ours = format!("{prefix}_");

    for name in variables.unreadable.iter().filter(|name| name.starts_with(&ours)) {
        let message = "neither its name nor its value may hold anything but UTF-8 text: set it again, or unset it";
        environment.problems.push(Problem::variable(name.as_str(), message));
    }
    for (name, value) in &variables.values {
        let value = utf8::without_mark(value).trim();
        if value.is_empty() {
            continue;
        }
        let Some(rest) = name.strip_prefix(&ours) else {
            if name.get(..ours.len()).is_some_and(|start| start.eq_ignore_ascii_case(&ours)) {
                match meant(prefix, name, known) {
                    Some(hint) => environment.problems.push(no_such(name, &hint)),
                    // Nothing says that it was meant for this program.
                    None => others.push(name.as_str()),
                }
            }
            continue;
        };
        if rest == "CONFIG" {
            environment.file = Some(value.into());
            continue;
        }
        if rest == "CONFIG_FILE" {
            let message = format!("unknown: the path of the settings file goes into {prefix}_CONFIG");
            environment.problems.push(Problem::variable(name, message));
            continue;
        }
        let (key, from_file) = match Key::from_variable(rest) {
            Some(key) => match key.name().strip_suffix("_file") {
                Some(name) => (Some(Key::new(key.section(), name)), true),
                None => (Some(key), false),
            },
            None => (None, false),
        };
        match key {
            Some(key) if known.contains(&key) => environment.insert(key, from_file, name, value, variables, read),
            _ if kubernetes::injects(rest, value) => injected.push(name.as_str()),
            // It isn't read: it is going to be reported, and nobody meant this program to open that file.
            Some(key) => {
                let entry = Entry { raw: Raw::Text(value.to_owned()), origin: Origin::Variable(name.clone()) };
                environment.layer.insert(key, entry);
            }
            None => environment.problems.push(unknown(prefix, name, known)),
        }
    }
    if !injected.is_empty() {
        environment.notices.push(format!(
            "ignored, as Kubernetes injects them for its Services: {} (`enableServiceLinks: false` in the pod's spec \
             stops it)",
            injected.join(", ")
        ));
    }
    if !others.is_empty() {
        environment.notices.push(format!(
            "ignored, as settings' names are in capital letters, and none is like these: {}",
            others.join(", ")
        ));
    }
    environment
}

/// The problem of a variable that sets nothing.
pub(super) fn unknown(prefix: &str, variable: &str, known: &Known) -> Problem {
    let (as_key, _) = key_of(prefix, variable);
    let hint = known.hint(&as_key, |key| key.variable(prefix));
    let hint = meant_path(prefix, variable, known).or(hint).or_else(|| meant(prefix, variable, known));
    let hint = hint.unwrap_or_else(|| match suggest::instead(&as_key, &**known) {
        Instead::Names(section, names) => {
            format!("{prefix}_{}_ goes on with one of {}", section.to_uppercase(), names.join(", ").to_uppercase())
        }
        Instead::Sections(sections) => {
            let sections = sections.into_iter().collect::<Vec<_>>().join(", ");
            format!("{prefix}_ goes on with one of {}", sections.to_uppercase())
        }
    });
    no_such(variable, &hint)
}

fn no_such(variable: &str, hint: &str) -> Problem {
    Problem::variable(variable, format!("no such setting; {hint}"))
}

/// A variable's name as a key, whatever its case, and whether it names the value's file: `_FILE` or nothing.
fn key_of(prefix: &str, variable: &str) -> (String, &'static str) {
    let name = variable.to_ascii_uppercase();
    let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).unwrap_or(&name);
    let (rest, suffix) = match rest.strip_suffix("_FILE") {
        Some(rest) if rest.contains('_') => (rest, "_FILE"),
        _ => (rest, ""),
    };
    (rest.to_lowercase().replacen('_', ".", 1), suffix)
}

/// The variable that is like this one, if one is.
fn meant(prefix: &str, variable: &str, known: &Known) -> Option<String> {
    let (as_key, suffix) = key_of(prefix, variable);
    if matches!(as_key.as_str(), "config" | "config.file") {
        return Some(format!("did you mean {prefix}_CONFIG?"));
    }
    let path = meant_path(prefix, variable, known);
    path.or_else(|| Some(format!("did you mean {}{suffix}?", suggest::nearest(&as_key, &**known)?.variable(prefix))))
}

/// `…_TLS_CA_FILE`: whoever writes that means the file itself, not a file that holds its path.
fn meant_path(prefix: &str, variable: &str, known: &Known) -> Option<String> {
    let (as_key, suffix) = key_of(prefix, variable);
    let as_path = format!("{as_key}_path");
    let key = known.iter().find(|key| !suffix.is_empty() && key.to_string() == as_path)?;
    Some(format!("did you mean {}?", key.variable(prefix)))
}

/// As a value is that was written for a shell, and came by an env file.
pub(super) fn is_in_quotation_marks(text: &str) -> bool {
    text.len() > 1 && ['"', '\''].iter().any(|&mark| text.starts_with(mark) && text.ends_with(mark))
}

impl Environment {
    fn insert(
        &mut self,
        key: Key,
        from_file: bool,
        name: &str,
        value: &str,
        variables: &Variables,
        read: ReadFile<'_>,
    ) {
        if !from_file {
            if is_in_quotation_marks(value) {
                self.notices.push(format!(
                    "{name}: the value begins and ends with quotation marks, which are part of it: if they aren't meant, \
                     leave them out, as env files keep them"
                ));
            }
            let entry = Entry { raw: Raw::Text(value.to_owned()), origin: Origin::Variable(name.to_owned()) };
            self.layer.insert(key, entry);
            return;
        }
        let direct = name.strip_suffix("_FILE").unwrap_or(name);
        if variables.values.get(direct).is_some_and(|value| !value.trim().is_empty()) {
            let message = format!("{direct} is set as well: unset one of the two");
            self.problems.push(Problem::variable(name, message));
            self.wrong.insert(key);
            return;
        }
        let path = PathBuf::from(value);
        match read_text(&path, read) {
            Ok(text) if text.trim().is_empty() => {
                self.notices.push(format!("{name}: the file {} is empty, which leaves {key} unset", path.display()));
            }
            Ok(text) => {
                if is_in_quotation_marks(text.trim()) {
                    self.notices.push(format!(
                        "{name}: what the file {} holds begins and ends with quotation marks, which are part of it: if \
                         they aren't meant, leave them out",
                        path.display()
                    ));
                }
                // The line break at its end goes when the value is read, as white space around any value does.
                let origin = Origin::VariableFile { variable: name.to_owned(), path };
                self.layer.insert(key, Entry { raw: Raw::Text(text), origin });
            }
            Err(reason) => {
                // What isn't plainly a path may be the secret itself.
                let message = if is_in_quotation_marks(value) {
                    format!(
                        "the file {} {reason}; leave out the quotation marks, as env files keep them",
                        path.display()
                    )
                } else if path.has_root() || value.starts_with('.') {
                    format!("the file {} {reason}", path.display())
                } else {
                    format!("the file that it names {reason} (is it the value itself? that goes into {direct})")
                };
                self.problems.push(Problem::variable(name, message));
                self.wrong.insert(key);
            }
        }
    }
}
