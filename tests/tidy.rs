//! House rules that no lint can hold.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What each module may import; the arrows of `docs/ARCHITECTURE.md`.
const IMPORTS: &[(&str, &str)] = &[
    ("domain", ""),
    ("config", ""),
    ("telemetry", ""),
    ("http", ""),
    ("sharing", ""),
    ("retry", "domain"),
    ("corpus", "domain"),
    ("entity", "domain"),
    ("outbound", "domain"),
    ("model", "domain outbound"),
    ("eval", "corpus domain model"),
    ("handler", "domain outbound"),
    ("answered", "domain"),
    ("pipeline", "answered domain entity handler model retry sharing"),
    ("amqp", "answered domain entity handler model pipeline retry sharing"),
    ("app", "amqp answered config corpus domain entity handler http model outbound pipeline retry telemetry"),
    ("cli", "amqp answered app config corpus domain entity eval handler http model pipeline retry telemetry"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// The top-level module that a file of `src` belongs to.
fn module(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a text names after `crate::`.
fn named(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for rest in text.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(list) => top_level(list),
            None => vec![identifier(rest)],
        };
        modules.extend(names.into_iter().filter(|name| !name.is_empty()));
    }
    modules
}

/// The first identifiers of a `use` list's entries, up to its closing brace.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut at_entry) = (0, Vec::new(), true);
    for (position, character) in list.char_indices() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => at_entry = true,
            _ if at_entry && character.is_alphanumeric() => {
                names.push(identifier(&list[position..]));
                at_entry = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

#[test]
fn modules_import_only_along_the_arrows() {
    let known: Vec<&str> = IMPORTS.iter().map(|(module, _)| *module).collect();
    for (path, text) in sources(&root().join("src")) {
        let from = module(&path);
        let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| *module == from) else {
            assert!(["lib", "main"].contains(&from.as_str()), "{from} has no arrows yet: add it to IMPORTS");
            continue;
        };
        for to in named(&text).into_iter().filter(|to| known.contains(&to.as_str()) && *to != from) {
            assert!(allowed.split(' ').any(|allowed| allowed == to), "{}: {from} may not import {to}", path.display());
        }
    }
}

#[test]
fn only_amqp_names_lapin() {
    for (path, text) in sources(&root().join("src")) {
        let names = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("lapin::"));
        assert!(!names || module(&path) == "amqp", "{} names lapin", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["src", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            assert!(text.starts_with("//!"), "{} has no //! head", path.display());
        }
    }
}

#[test]
fn no_test_is_left_out() {
    let ignore = format!("#[{}", "ignore");
    for folder in ["src", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            assert!(!text.contains(&ignore), "{} leaves a test out", path.display());
        }
    }
}

#[test]
fn the_arrows_are_read_right() {
    let text =
        "use crate::{\n    domain::{codec::{a, b}, X},\n    retry::Y,\n};\nuse crate::amqp::Z; crate::model::f()";
    assert_eq!(named(text), ["domain", "retry", "amqp", "model"]);
}
