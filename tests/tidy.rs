//! House rules that no lint can hold.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What each module may import; the arrows of `docs/ARCHITECTURE.md`.
const IMPORTS: &[(&str, &str)] = &[
    ("domain", ""),
    ("utf8", ""),
    ("excerpt", ""),
    ("simplified", ""),
    ("renewed", ""),
    ("redis_link", "renewed"),
    ("config", "utf8"),
    ("telemetry", ""),
    ("page_files", ""),
    ("host", ""),
    ("http", "host page_files"),
    ("sharing", ""),
    ("listener", "domain"),
    ("retry", "domain"),
    ("corpus", "domain utf8"),
    ("entity", "domain simplified"),
    ("catalogue", "corpus domain entity"),
    ("outbound", "domain"),
    ("model", "domain outbound simplified"),
    ("knowledge", "corpus domain model simplified utf8"),
    ("conversation", "domain entity redis_link renewed"),
    ("eval", "conversation corpus domain knowledge model"),
    ("handler", "catalogue conversation domain entity knowledge listener outbound simplified"),
    ("answered", "domain redis_link renewed"),
    ("pipeline", "answered conversation domain entity handler listener model outbound retry sharing"),
    ("amqp", "answered conversation domain entity handler listener model pipeline renewed retry sharing utf8"),
    ("door", "amqp domain excerpt host page_files utf8"),
    (
        "app",
        "amqp answered catalogue config conversation corpus domain door entity excerpt handler http knowledge model outbound pipeline redis_link renewed retry telemetry utf8",
    ),
    (
        "cli",
        "amqp answered app config conversation corpus domain door entity eval handler http knowledge model outbound pipeline retry telemetry utf8",
    ),
];

/// The same within `amqp`, between its folders and files: along the way of a message, without circles.
const AMQP_IMPORTS: &[(&str, &str)] = &[
    ("values", ""),
    ("connection", ""),
    ("objects", "connection values"),
    ("message", "connection objects values"),
    ("publishing", "connection message objects values"),
    ("settings", "connection objects"),
    ("start_error", "connection objects"),
    ("consuming", "connection message objects publishing settings start_error values"),
    ("presence", "connection consuming message objects publishing values"),
    ("lookout", "consuming presence"),
    ("session", "connection consuming presence publishing settings start_error"),
    ("replace", "objects start_error"),
    ("worker", "settings connection consuming lookout objects presence replace session start_error"),
    ("migrate", "connection message objects publishing values"),
    ("dead", "connection message objects publishing values"),
    ("client", "connection message objects values"),
    ("asking", "connection objects presence publishing values"),
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

/// The modules that a file of `src` lies in, its own name last: `amqp`, `objects`, `topology`.
fn modules(path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut modules: Vec<String> =
        relative.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    modules.pop_if(|last| last == "mod");
    modules
}

/// The paths that a text imports or names, from the crate's root: what `crate::…` and `super::…` lead to.
fn named(text: &str, modules: &[String]) -> Vec<Vec<String>> {
    // Comments lead a reader on, and nothing else.
    let text: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
    let (mut paths, mut rest) = (Vec::new(), text.as_str());
    while let Some(start) = rest.find("crate::").into_iter().chain(rest.find("super::")).min() {
        let (before, from) = rest.split_at(start);
        let ups = from.split("super::").take_while(|between| between.is_empty()).count();
        let tail = &from["crate::".len() * ups.max(1)..];
        rest = tail;
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        // A module within a file, such as its tests, is one deeper than the file.
        let line = before.rsplit('\n').next().unwrap_or_default();
        let within = ups > 0 && line.starts_with(' ') && line.trim_start().starts_with("use");
        let depth = modules.len() + usize::from(within);
        let base = if ups == 0 { Vec::new() } else { modules[..depth.saturating_sub(ups).min(modules.len())].to_vec() };
        paths.extend(leaves(tail).into_iter().map(|leaf| [base.clone(), leaf].concat()));
    }
    paths
}

/// The paths of a `use` tree or of a single path, each as far as its names go.
fn leaves(text: &str) -> Vec<Vec<String>> {
    match text.strip_prefix('{') {
        Some(list) => top_level(list).into_iter().flat_map(leaves).collect(),
        None => {
            let name = identifier(text);
            let rest = text[name.len()..].strip_prefix("::");
            match rest.filter(|_| !name.is_empty()) {
                Some(rest) => leaves(rest).into_iter().map(|leaf| [vec![name.clone()], leaf].concat()).collect(),
                None => vec![if name.is_empty() { Vec::new() } else { vec![name] }],
            }
        }
    }
}

/// The entries of a `use` list, each from its first character on, up to the list's closing brace.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut entries, mut at_entry) = (0, Vec::new(), true);
    for (position, character) in list.char_indices() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => at_entry = true,
            _ if at_entry && character.is_alphanumeric() => {
                entries.push(&list[position..]);
                at_entry = false;
            }
            _ => {}
        }
    }
    entries
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// Holds that what lies in `folder` imports only along `arrows`.
fn check_arrows(folder: &[&str], arrows: &[(&str, &str)]) {
    for (path, text) in sources(&root().join("src")) {
        let modules = modules(&path);
        let Some(from) = modules.get(folder.len()).filter(|_| modules[..folder.len()] == *folder) else { continue };
        let Some((_, allowed)) = arrows.iter().find(|(module, _)| module == from) else {
            assert!(["lib", "main"].contains(&from.as_str()), "{from} has no arrows yet: add it here");
            continue;
        };
        for to in named(&text, &modules).into_iter().filter(|to| to.starts_with(&modules[..folder.len()])) {
            let Some(to) = to.get(folder.len()).filter(|to| *to != from) else { continue };
            let known = arrows.iter().any(|(module, _)| module == to);
            let allowed = !known || allowed.split(' ').any(|allowed| allowed == to);
            assert!(allowed, "{}: {from} may not import {to}", path.display());
        }
    }
}

#[test]
fn modules_import_only_along_the_arrows() {
    check_arrows(&[], IMPORTS);
    check_arrows(&["amqp"], AMQP_IMPORTS);
}

/// What stands later in a list of arrows may import what stands before, and nothing else: so there is no circle.
#[test]
fn the_arrows_make_no_circle() {
    for arrows in [IMPORTS, AMQP_IMPORTS] {
        for (place, (from, allowed)) in arrows.iter().enumerate() {
            for to in allowed.split_whitespace() {
                assert!(arrows[..place].iter().any(|(before, _)| *before == to), "{from} → {to} leads upwards");
            }
        }
    }
}

#[test]
fn only_amqp_names_lapin() {
    for (path, text) in sources(&root().join("src")) {
        let names = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("lapin::"));
        assert!(!names || modules(&path)[0] == "amqp", "{} names lapin", path.display());
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
fn no_test_is_ignored() {
    let ignore = format!("#[{}", "ignore");
    for folder in ["src", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            assert!(!text.contains(&ignore), "{} leaves a test out", path.display());
        }
    }
}

#[test]
fn the_arrows_are_read_right() {
    fn check(text: &str, expected: &[&str]) {
        let modules = ["amqp", "dead", "letter"].map(str::to_owned);
        let paths: Vec<_> = named(text, &modules).iter().map(|path| path.join("::")).collect();
        assert_eq!(paths, expected, "{text}");
    }
    let list = "use crate::{\n    domain::{codec::{a, b}, X},\n    retry::Y,\n};";
    check(list, &["domain::codec::a", "domain::codec::b", "domain::X", "retry::Y"]);
    check("use crate::amqp::Z; crate::model::f()", &["amqp::Z", "model::f"]);
    let ups = "use super::Letter;\n// super::worker\nuse super::super::values::short;";
    check(ups, &["amqp::dead::Letter", "amqp::values::short"]);
    let inner = "mod tests {\n    use super::*;\n    use super::super::reader::R;\n}";
    check(inner, &["amqp::dead::letter", "amqp::dead::reader::R"]);
}
