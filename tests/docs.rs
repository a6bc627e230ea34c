//! What the documentation says, held against the program: links, settings, error codes, metrics, and quoted files.
//!
//! **Invariant:** reads the project's own files only; no broker.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use chatbot_worker::{
    app::{
        intents::{BUILT_IN, IntentsFile},
        settings::{DEFAULTS, Settings},
    },
    config::Variables,
    domain::{DeadReason, ErrorCode},
    door::keys,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The pages that people read: where each is, and what it says.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let pages = [root().join("README.md"), root().join("CHANGELOG.md")].into_iter().chain(docs);
    pages.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// What stands in a page's code blocks of a language, without the indentation of a list.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() == format!("```{language}") {
            let indentation = line.len() - line.trim_start().len();
            let block = lines.by_ref().take_while(|line| line.trim() != "```");
            blocks.push(block.map(|line| format!("{}\n", line.get(indentation..).unwrap_or_default())).collect());
        }
    }
    blocks
}

/// The rows of the table whose heading begins so; a cell's backquotes are taken off.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let rows = page.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

/// The words that begin with `prefix` and go on with characters that `in_word` lets through.
fn words<'a>(text: &'a str, prefix: &'a str, in_word: fn(char) -> bool) -> impl Iterator<Item = &'a str> {
    text.match_indices(prefix).map(move |(start, _)| {
        let word = &text[start..];
        &word[..word.find(|c| !in_word(c)).unwrap_or(word.len())]
    })
}

/// A page without its code, in which brackets may mean something else.
fn without_code(page: &str) -> String {
    let (mut prose, mut in_block) = (String::new(), false);
    for line in page.lines() {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        if !in_block && !is_fence {
            line.split('`').step_by(2).for_each(|text| prose += text);
            prose.push('\n');
        }
    }
    prose
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for (path, page) in pages() {
        let prose = without_code(&page);
        for (_, rest) in prose.match_indices("](").map(|(at, _)| prose.split_at(at + 2)) {
            let link = rest.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if !heading.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                let mut headings = target.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
                assert!(headings.any(|found| anchor(found) == heading), "{}: {link}", path.display());
            }
        }
    }
}

#[test]
fn every_variable_exists() {
    let defaults: toml::Table = toml::from_str(DEFAULTS).unwrap();
    let mut known = BTreeSet::from(["CHATBOT_CONFIG".to_owned()]);
    for (section, keys) in &defaults {
        for key in keys.as_table().unwrap().keys() {
            known.insert(format!("CHATBOT_{}_{}", section.to_uppercase(), key.to_uppercase()));
        }
    }
    // What Kubernetes injects, what a build takes, and the pattern itself.
    let others = ["CHATBOT_SERVICE_HOST", "CHATBOT_COMMIT", "CHATBOT_"];
    for (path, page) in pages() {
        for name in words(&page, "CHATBOT_", |c| c.is_ascii_uppercase() || c == '_') {
            let setting = name.strip_suffix("_FILE").unwrap_or(name);
            // A model's section has a name of its own.
            let of_model = setting.trim_start_matches("CHATBOT_").split_once('_').is_some_and(|(section, key)| {
                let own = defaults.contains_key(&section.to_lowercase());
                !own && known.contains(&format!("CHATBOT_BACKEND_{key}"))
            });
            assert!(known.contains(setting) || of_model || others.contains(&name), "{}: {name}", path.display());
        }
    }
}

#[test]
fn the_readme_tells_the_defaults_as_they_are() {
    let defaults: toml::Table = toml::from_str(DEFAULTS).unwrap();
    let rows = table(&read("README.md"), "| variable |");
    assert!(rows.len() > 10, "the table is gone");
    for row in rows {
        for (variable, told) in row[0].split(", ").zip(row[1].split(", ")) {
            let (section, key) = variable.trim_start_matches("CHATBOT_").split_once('_').unwrap();
            let default = &defaults[&section.to_lowercase()][&key.to_lowercase()];
            let default = match default {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                other => unreachable!("no setting is of this type: {other:?}"),
            };
            assert_eq!(told, default, "{variable}");
        }
    }
}

#[test]
fn the_models_of_the_docs_have_settings_that_are_right() {
    let examples = blocks(&read("docs/MODELS.md"), "sh");
    assert!(examples.len() > 6);
    for example in examples {
        let variables: Variables = example.lines().filter_map(|line| line.split_once('=')).collect();
        let settings = Settings::load(&variables, &|_| Ok(b"key".to_vec()));
        assert!(settings.is_ok_and(|loaded| !loaded.settings.backend.is_empty()), "{example}");
    }
}

#[test]
fn every_error_code_is_told_with_whether_to_try_again() {
    let rows = table(&read("docs/CLIENTS.md"), "| code | retryable |");
    assert_eq!(rows.len(), 11);
    for row in rows {
        let code: ErrorCode = serde_json::from_value(row[0].clone().into()).unwrap();
        assert_eq!(row[1], if code.is_retryable() { "yes" } else { "no" }, "{code}");
    }
}

#[test]
fn every_reason_for_a_dead_letter_is_told_with_what_to_do() {
    let rows = table(&read("docs/OPERATING.md"), "| reason | what to do |");
    let told: BTreeSet<String> = rows.iter().flat_map(|row| row[0].split(", ").map(str::to_owned)).collect();
    let codes = table(&read("docs/CLIENTS.md"), "| code | retryable |").into_iter().map(|row| row[0].clone());
    let others = [DeadReason::ReplyAddress, DeadReason::ReplyRefused, DeadReason::NotARequest];
    let reasons: BTreeSet<String> = codes.chain(others.map(|reason| reason.to_string())).collect();
    assert_eq!(told, reasons);
}

#[test]
fn every_metric_is_told() {
    let names = |text: &str| -> BTreeSet<String> {
        let words = words(text, "chatbot_", |c| c.is_ascii_lowercase() || c == '_');
        let words = words.map(|word| word.trim_end_matches("_bucket").to_owned());
        words.filter(|word| !word.starts_with("chatbot_worker")).collect()
    };
    assert_eq!(names(&read("docs/OPERATING.md")), names(&read("src/telemetry/mod.rs")));
}

#[test]
fn what_is_quoted_is_as_in_the_files() {
    let clients = read("docs/CLIENTS.md");
    for (language, file) in [("python", "docs/clients/order_status.py"), ("toml", "docs/clients/shop.toml")] {
        let quoted = blocks(&clients, language);
        assert!(!quoted.is_empty());
        for block in quoted {
            assert!(read(file).contains(&block), "{file} no longer has:\n{block}");
        }
    }
}

#[test]
fn the_keys_of_the_docs_have_no_fault() {
    let files = blocks(&read("docs/DOORS.md"), "toml");
    assert_eq!(keys::parse("keys.toml", &files[0]).unwrap().len(), 2);
}

#[test]
fn the_bots_of_the_docs_have_no_fault() {
    let shop = IntentsFile::parse("shop.toml", &read("docs/clients/shop.toml")).unwrap();
    assert_eq!(shop.warnings, []);
    let intents = blocks(&read("docs/INTENTS.md"), "toml");
    let gift_wrap = intents.iter().find(|block| block.starts_with("[intents.gift_wrap]")).unwrap();
    let bot = IntentsFile::parse("my-bot.toml", &format!("{BUILT_IN}\n{gift_wrap}")).unwrap();
    assert_eq!(bot.warnings, []);
    let entities = intents.iter().find(|block| block.starts_with("[entities.product]")).unwrap();
    let shop = read("docs/clients/shop.toml");
    let bot = IntentsFile::parse("my-bot.toml", &format!("{shop}\n{entities}")).unwrap();
    assert_eq!((bot.file.entities.len(), bot.warnings), (4, vec![]));
    let steering = ["help_info", "affirm", "deny", "never_mind", "human_agent"];
    let steering =
        steering.map(|intent| format!("[intents.{intent}]\nreply.en = \"Hi.\"\nexamples.en = [\"{intent}\"]\n"));
    let asking = blocks(&read("docs/CONVERSATIONS.md"), "toml");
    let bot = IntentsFile::parse("my-bot.toml", &format!("{}{}", asking[0], steering.concat())).unwrap();
    assert!(bot.file.conversation.is_some() && bot.file.intents[0].form.is_some());
}
