//! What an author is told of what is no TOML: slips, another format, full-width characters, depth.

use super::faults;

/// Checks how the only fault of `text` ends.
#[track_caller]
fn ends(text: &str, expected: &str) {
    let found = super::parse(text).unwrap_err();
    assert_eq!(found.faults.len(), 1, "{found}");
    let fault = found.faults[0].to_string();
    assert!(fault.ends_with(expected), "{fault}");
}

#[test]
fn yaml_is_told_once_and_for_all() {
    const YAML: &str = r#"this looks like YAML, and an intents file is TOML: write a table [intents.NAME] for each intent, and below it key = value, such as examples.en = ["…", "…"] and reply.en = "…". Of Rasa's files `chatbot-worker import` makes one
"#;
    faults("intents:\n  - intent: greet\n    examples: |\n      - hi\n", &format!("line 1, column 8: {YAML}"));
    faults("fallback: help\nintents:\n  披萨:\n    reply: 好\n", &format!("line 1, column 9: {YAML}"));
    // One line of it is a slip.
    ends(
        "fallback = \"help\"\n[intents.help]\nreply: \"x\"\n",
        "; TOML writes key = value, and not key: value as YAML does",
    );
}

#[test]
fn a_full_width_character_is_told_with_what_to_write() {
    let wide = |c: char, plain: &str| format!("; '{c}' is a full-width character: write {plain}");
    let quote = |c: char| format!("; '{c}' is no quote to TOML: write the straight one, \"");
    ends("fallback ＝ \"help\"\n", &wide('＝', "="));
    ends("fallback = “help”\n", &quote('“'));
    ends("[intents.help]\nreply.zh = \"你好”\n", &quote('”'));
    ends("[intents.help]\nexamples.zh = [\"a\"，\"b\"]\n", &wide('，', ","));
    ends("[intents.help]\nexamples：[\"a\"]\n", &wide('：', "="));
    ends("[intents.help］\n", &wide('］', "]"));
    ends("【intents.help】\n", &wide('【', "["));
    // What only lacks its quotes.
    ends("[intents.help]\nreply.zh = 你好，朋友\n", "expected literal string");
}

#[test]
fn a_key_of_other_characters_is_a_name_or_stands_in_quotes() {
    ends("[entities.size]\nvalues.大份 = [\"大的\"]\n", "; a key with other characters stands in quotes: \"大份\"");
    ends("[entities.大小]\nvalues = [\"大\"]\n", "; a name takes only A-Z a-z 0-9 _ -");
    ends("[intents.a]\nslots.大小 = { text = true }\n", "; a name takes only A-Z a-z 0-9 _ -");
}

#[test]
fn faults_of_toml() {
    faults(
        r#"
fallback = help
[intents.a]
reply.en = “你好”
reply.zh = 'x
"#,
        r#"
line 1, column 12: this isn't valid TOML at 'help': string values must be quoted, expected literal string
line 3, column 12: this isn't valid TOML at '“你好”': string values must be quoted, expected literal string; '“' is no quote to TOML: write the straight one, "
line 4, column 14: this isn't valid TOML: invalid literal string, expected `'`
"#,
    );
    faults(
        r#"
[intents.a]
reply.en = "x"
reply.en = "y"
[intents.a]
[intents.问候]
"#,
        r#"
line 3, column 7: this isn't valid TOML at 'en': duplicate key
line 4, column 10: this isn't valid TOML at 'a': duplicate key
line 5, column 10: this isn't valid TOML at '问候': invalid unquoted key, expected letters, numbers, `-`, `_`; a name takes only A-Z a-z 0-9 _ -: write [intents.NAME] with such a name, and labels = ["问候"] where other files call it so
"#,
    );
    faults(
        r#"
[intents.a]
examples.en = ["a", "b"
reply.en = "x"
"#,
        r#"
line 3, column 1: this isn't valid TOML: missing comma between array elements, expected `,`
"#,
    );
    faults(
        r#"
[intents.a
reply.en = "\d"
"#,
        r#"
line 1, column 11: this isn't valid TOML: unclosed table, expected `]`
"#,
    );
    faults(
        &format!("a = {}", "[".repeat(1_000_000)),
        r#"
line 1, column 85: this isn't valid TOML at '[': cannot recurse further; max recursion depth met
"#,
    );
    faults(
        &format!("a = {}", "{a=".repeat(1_000_000)),
        r#"
line 1, column 245: this isn't valid TOML at '{': cannot recurse further; max recursion depth met
"#,
    );
    faults(
        &format!("a{} = 1", ".a".repeat(1_000_000)),
        r#"
this isn't valid TOML: recursion limit
"#,
    );
    faults(
        &format!("[a{}]", ".a".repeat(1_000_000)),
        r#"
this isn't valid TOML: recursion limit
"#,
    );
}
