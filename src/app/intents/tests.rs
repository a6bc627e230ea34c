//! What an author is told of each fault, and what comes of a file without any.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may end at the first surprise")]

use super::*;

mod conversation;
mod entities;
mod examples;
mod handlers;
mod intent;
mod replies;
mod syntax;

/// Two intents without a fault, for what a test adds.
const SOUND: &str = r#"fallback = "help"
[intents.help]
reply.en = "I can help."
[intents.thanks]
examples.en = ["thanks", "thank you", "thx", "many thanks", "cheers"]
reply.en = "You're welcome."
[intents.bye]
examples = ["bye", "goodbye", "see you", "so long", "farewell"]
reply.en = "Bye."
"#;

/// Checks what is wrong with `text`, a fault a line. A line break at the start of either isn't part of it.
#[track_caller]
fn faults(text: &str, expected: &str) {
    match parse(text) {
        Ok(checked) => panic!("no fault in {text:.500}, but {checked:?}"),
        Err(faults) => assert_eq!(lines(&faults.faults), beginning(expected), "{text:.500}"),
    }
}

/// Checks what is wrong with `more` after [`SOUND`], whose last line is the ninth.
#[track_caller]
fn faults_after(more: &str, expected: &str) {
    faults(&format!("{SOUND}{}", beginning(more)), expected);
}

/// Checks the warnings about `more` after [`SOUND`].
#[track_caller]
fn warnings_after(more: &str, expected: &str) {
    let checked = parse(&format!("{SOUND}{}", beginning(more))).unwrap();
    assert_eq!(lines(&checked.warnings), beginning(expected), "{more:.500}");
}

fn parse(text: &str) -> Result<Checked, Faults> {
    IntentsFile::parse("test.toml", beginning(text))
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn beginning(text: &str) -> &str {
    text.strip_prefix('\n').unwrap_or(text)
}

#[test]
fn faults_of_the_file() {
    faults(
        "",
        r#"
there is no fallback: write at the top of the file which intent answers when the model is sure of none, such as fallback = "help_info"
there are no intents: write each as [intents.NAME], with examples and a reply
"#,
    );
    faults(
        "fallback = \"a\"\n",
        r#"
there are no intents: write each as [intents.NAME], with examples and a reply
"#,
    );
    faults(
        "[intents]\n",
        r#"
there is no fallback: write at the top of the file which intent answers when the model is sure of none, such as fallback = "help_info"
there are no intents: write each as [intents.NAME], with examples and a reply
"#,
    );
    faults(
        r#"
fallback = "help"
intents = []
"#,
        r#"
line 2, column 11: intents must be tables, each written [intents.NAME], and this is a list
"#,
    );
    faults(
        r#"
falback = "a"
intents = 3
[greeting]
reply.en = "Hi"
[intent.a]
"#,
        r#"
there is no fallback: write at the top of the file which intent answers when the model is sure of none, such as fallback = "help_info"
line 1, column 1: there is no key 'falback': did you mean 'fallback'?
line 2, column 11: intents must be tables, each written [intents.NAME], and this is a number
line 3, column 2: there is no key 'greeting': an intent is written [intents.greeting]
line 5, column 2: there is no key 'intent': did you mean 'intents'?
"#,
    );
    faults(
        &SOUND.replace("fallback = \"help\"", ""),
        r#"
there is no fallback: write at the top of the file which intent answers when the model is sure of none, such as fallback = "help_info"
"#,
    );
    faults(
        &SOUND.replace("fallback = \"help\"", "fallback = \"halp\""),
        r#"
line 1, column 12: there is no intent 'halp': did you mean 'help'?
"#,
    );
    faults(
        &SOUND.replace("fallback = \"help\"", "fallback = \"zzz\""),
        r#"
line 1, column 12: there is no intent 'zzz': there are 'help', 'thanks', 'bye'
"#,
    );
    faults(
        &SOUND.replace("fallback = \"help\"", "fallback = 1"),
        r#"
line 1, column 12: fallback must be a text in quotes, and this is a number
"#,
    );
    faults(
        r#"
fallback = "a"
[intents.a]
reply.en = "Hi"
"#,
        r#"
the model needs at least two intents with examples, and there are 0: write examples.en = ["…"]
"#,
    );
    faults(
        &" ".repeat(MAX_SIZE + 1),
        r#"
it is larger than 16 MiB: it must be smaller
"#,
    );
}

#[test]
fn quotes_briefly() {
    let long = "x".repeat(100);
    faults_after(
        &format!("[intents.{long}]\nreply.en = \"Hi\"\n{long} = 1\n"),
        r#"
line 10, column 10: intent 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' is no valid name: use 1 to 64 of the characters A-Z a-z 0-9 _ -
line 12, column 1: intent 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…': there is no key 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…': there are 'labels', 'description', 'handler', 'dispatch', 'threshold', 'examples', 'slots', 'confirm', 'give_up', 'reply', 'search', 'recommend', 'llm', 'translate', 'webhook'
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = "Hi"
"a\nb" = 1
"#,
        r#"
line 12, column 1: intent 'a': there is no key 'a b': there are 'labels', 'description', 'handler', 'dispatch', 'threshold', 'examples', 'slots', 'confirm', 'give_up', 'reply', 'search', 'recommend', 'llm', 'translate', 'webhook'
"#,
    );
}

#[test]
fn reads_a_file_in_its_order() {
    fn example(text: &str, language: Option<&str>) -> Example {
        Example { text: text.into(), language: language.map(Into::into) }
    }
    let more = r#"
[intents.agent]
description = "A person"
handler = "external"
dispatch = "queue"
examples = [" agent ", "human"]
[intents.a]
dispatch = "queue"
threshold = 0.8
reply.zh-Hant = """
您好
{{ sender }}"""
reply.en = "Hi"
examples.zh = ["你好"]
examples.en = ["hello", "hi"]
[intents.b]
handler = "external"
[intents.c]
handler = "template"
dispatch = "inline"
reply.en = "C"
"#;
    let file = parse(&format!("\u{feff}{SOUND}{more}")).unwrap().file;
    let names: Vec<&str> = file.intents.iter().map(|intent| intent.name.as_str()).collect();
    assert_eq!((file.fallback.as_str(), names), ("help", vec!["help", "thanks", "bye", "agent", "a", "b", "c"]));
    assert_eq!(
        file.intents[3..],
        [
            IntentDefinition {
                name: IntentName::new("agent").unwrap(),
                labels: Vec::new(),
                description: Some("A person".into()),
                form: None,
                handlers: Vec::new(),
                external: true,
                dispatch: Dispatch::Queue,
                threshold: None,
                examples: vec![example("agent", None), example("human", None)],
            },
            IntentDefinition {
                name: IntentName::new("a").unwrap(),
                labels: Vec::new(),
                description: None,
                form: None,
                handlers: vec![HandlerDefinition::Template {
                    replies: vec![("zh-Hant".into(), "您好\n{{ sender }}".into()), ("en".into(), "Hi".into())],
                }],
                external: false,
                dispatch: Dispatch::Queue,
                threshold: "0.8".parse().ok(),
                examples: vec![example("你好", Some("zh")), example("hello", Some("en")), example("hi", Some("en"))],
            },
            IntentDefinition {
                name: IntentName::new("b").unwrap(),
                labels: Vec::new(),
                description: None,
                form: None,
                handlers: Vec::new(),
                external: true,
                dispatch: Dispatch::Queue,
                threshold: None,
                examples: Vec::new(),
            },
            IntentDefinition {
                name: IntentName::new("c").unwrap(),
                labels: Vec::new(),
                description: None,
                form: None,
                handlers: vec![HandlerDefinition::Template { replies: vec![("en".into(), "C".into())] }],
                external: false,
                dispatch: Dispatch::Inline,
                threshold: None,
                examples: Vec::new(),
            },
        ]
    );
}

#[test]
fn tells_all_faults_under_the_name_of_the_file() {
    let one = parse("fallback = \"a\"").unwrap_err();
    assert_eq!(one.to_string(), format!("test.toml has a fault:\n  {}", one.faults[0]));
    let many = parse(&format!("{SOUND}{}", "[intents.a]\n[intents.b]\n")).unwrap_err();
    assert_eq!(many.to_string(), format!("test.toml has 2 faults:\n  {}\n  {}", many.faults[0], many.faults[1]));
    let more: String = (0..70).map(|n| format!("[intents.more{n}]\n")).collect();
    let more = parse(&format!("{SOUND}{more}")).unwrap_err().to_string();
    assert!(more.starts_with("test.toml has 70 faults:\n  line 10, column 10: intent 'more0': it has no"), "{more}");
    assert!(more.ends_with("\n  … and 20 more"), "{more}");
}

#[test]
fn loads_a_file() {
    #[track_caller]
    fn check(name: &str, content: Option<&[u8]>, expected: Result<(), &str>) {
        let path = std::env::temp_dir().join(format!("chatbot-intents-{}-{name}", std::process::id()));
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let loaded = IntentsFile::load(&path);
        if content.is_some() {
            std::fs::remove_file(&path).unwrap();
        }
        let told = expected.map_err(|fault| format!("{} has a fault:\n  {fault}", path.display()));
        assert_eq!(loaded.map(|_| ()).map_err(|faults| faults.to_string()), told);
    }
    check("sound", Some(SOUND.as_bytes()), Ok(()));
    check("missing", None, Err("it can't be read: No such file or directory (os error 2)"));
    let gbk = b"fallback = \"help\"\n# \xc4\xe3\xba\xc3\n";
    check("utf16", Some(b"\xff\xfef\0"), Err("it is UTF-16 text (Windows calls it \"Unicode\"): save it as UTF-8"));
    check("gbk", Some(gbk), Err("line 2, column 3: it isn't UTF-8 from here on: save it as UTF-8"));
    let large = "的".repeat(MAX_SIZE / 3 + 1);
    check("large", Some(large.as_bytes()), Err("it is larger than 16 MiB: it must be smaller"));
}

#[test]
fn the_built_in_file_is_sound() {
    let checked = IntentsFile::parse("the built-in intents", BUILT_IN).unwrap();
    assert_eq!(lines(&checked.warnings), "");
    assert_eq!(checked.file.fallback.as_str(), "help_info");
    let mut names: Vec<&str> = checked.file.intents.iter().map(|intent| intent.name.as_str()).collect();
    names.sort_unstable();
    let expected = "account complaint goodbye greeting help_info human_agent invoice order_status payment price \
                    product_info promotion refund return_policy shipping stock store_info thanks warranty";
    assert_eq!(names.join(" "), expected);
    for intent in &checked.file.intents {
        for language in ["en", "zh"] {
            let examples = intent.examples.iter().filter(|example| example.language.as_deref() == Some(language));
            assert!(examples.count() >= 15, "intent '{}' has fewer than 15 examples in {language}", intent.name);
        }
        let replies = intent.replies();
        let languages: Vec<&str> = replies.iter().map(|(language, _)| language.as_str()).collect();
        assert_eq!(languages, ["en", "zh"], "the replies of '{}'", intent.name);
    }
}

proptest::proptest! {
    /// Whatever an author mistypes: no panic, and what is accepted can be used.
    #[test]
    fn survives_any_edit(at in 0..SOUND.len(), cut in 0..20usize, insert in r#"[a-z中"'\[\]{}=.\\#\n%-]{0,8}"#) {
        let mut text = SOUND.as_bytes().to_vec();
        text.splice(at..(at + cut).min(SOUND.len()), insert.bytes());
        if let Ok(checked) = parse(&String::from_utf8_lossy(&text)) {
            assert!(checked.file.intents.iter().any(|intent| intent.name == checked.file.fallback));
        }
    }
}
