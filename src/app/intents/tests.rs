//! What an author is told of each fault, and what comes of a file without any.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may end at the first surprise")]

use super::*;

mod conversation;
mod entities;
mod handlers;
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

#[test]
fn faults_of_an_intent() {
    faults_after(
        r#"
[intents.'a.b']
reply.en = "Hi"
reply.zh = 1
"#,
        r#"
line 10, column 10: intent 'a.b': 'a.b' is no valid name: use 1 to 64 of the characters A-Z a-z 0-9 _ -
line 12, column 12: intent 'a.b': reply.zh must be a text in quotes, and this is a number
"#,
    );
    faults_after(
        r#"
[intents]
a = 1
"#,
        r#"
line 11, column 5: intent 'a': intents.a must be a table, written [intents.NAME], and this is a number
"#,
    );
    faults_after(
        r#"
[intents.a]
descripton = "x"
fallback = "a"
zzz = 1
description = true
reply.en = "Hi"
"#,
        r#"
line 11, column 1: intent 'a': there is no key 'descripton': did you mean 'description'?
line 12, column 1: intent 'a': there is no key 'fallback': it belongs at the top of the file, above the first intent
line 13, column 1: intent 'a': there is no key 'zzz': there are 'labels', 'description', 'handler', 'dispatch', 'threshold', 'examples', 'slots', 'confirm', 'give_up', 'reply', 'search', 'recommend', 'llm', 'translate', 'webhook'
line 14, column 15: intent 'a': description must be a text in quotes, and this is true or false
"#,
    );
    faults_after(
        r#"
[intents.a]
handler = "extern"
dispatch = "que"
"#,
        r#"
line 11, column 11: intent 'a': there is no handler 'extern': did you mean 'external'?
line 12, column 12: intent 'a': there is no dispatch 'que': did you mean 'queue'?
"#,
    );
    faults_after(
        r#"
[intents.a]
handler = "gpt"
dispatch = 1979-05-27
reply.en = "Hi"
"#,
        r#"
line 11, column 11: intent 'a': there is no handler 'gpt': there are 'template', 'search', 'recommend', 'llm', 'translate', 'webhook', 'external'
line 12, column 12: intent 'a': dispatch must be a text in quotes, and this is a date
"#,
    );
    faults_after(
        r#"
[intents.a]
handler = "external"
dispatch = "inline"
reply.en = "Hi"
"#,
        r#"
line 12, column 12: intent 'a': another program answers it, and takes it from its queue: take out dispatch, or write "queue"
line 13, column 1: intent 'a': another program answers it, as handler = "external" says: take out the reply, or the handler
"#,
    );
    faults_after(
        r#"
[intents.a]
threshold = 1.5
reply.en = "Hi"
[intents.b]
threshold = "high"
reply.en = "Hi"
"#,
        r#"
line 11, column 13: intent 'a': threshold must be a number from 0 to 1, such as 0.8
line 14, column 13: intent 'b': threshold must be a number from 0 to 1, and this is a text
"#,
    );
    faults_after(
        "[intents.a]\n",
        r#"
line 10, column 10: intent 'a': it has no reply: write what the bot answers, such as reply.en = "…"
"#,
    );
    faults_after(
        r#"
[intents.a]
reply = {}
"#,
        r#"
line 10, column 10: intent 'a': it has no reply: write what the bot answers, such as reply.en = "…"
"#,
    );
    faults_after(
        r#"
[intents.a]
reply = "Hi"
"#,
        r#"
line 11, column 9: intent 'a': reply must be told by language, such as reply.en = "…", and this is a text
"#,
    );
}

#[test]
fn faults_of_languages() {
    faults_after(
        r#"
[intents.a.reply]
english = "Hi"
zh_CN = "你好"
cn = "你好"
jp = "x"
en = "Hi"
EN = "Hi"
handler = "template"
"#,
        r#"
line 11, column 1: intent 'a': 'english' is no language tag: write one such as en, zh or pt-BR
line 12, column 1: intent 'a': 'zh_CN' is no language tag: write zh-CN
line 13, column 1: intent 'a': 'cn' is no language tag: Chinese is zh
line 14, column 1: intent 'a': 'jp' is no language tag: Japanese is ja
line 16, column 1: intent 'a': 'EN' and 'en' are the same language: keep one of them
line 17, column 1: intent 'a': 'handler' is no language tag: if the intent's own handler is meant, write it above its reply
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = "Hi"
examples.english = ["a"]
examples.en = "a"
"#,
        r#"
line 12, column 10: intent 'a': 'english' is no language tag: write one such as en, zh or pt-BR
line 13, column 15: intent 'a': examples.en must be a list of texts, such as ["…", "…"], and this is a text
"#,
    );
}

#[test]
fn faults_of_replies() {
    faults_after(
        r#"
[intents.a]
reply.en = ""
reply.zh = 1.5
reply.fr = "{{ sendr }}"
reply.de = " {{ sender "
"#,
        r#"
line 11, column 12: intent 'a': reply.en: the text is empty: write what the bot answers
line 12, column 12: intent 'a': reply.zh must be a text in quotes, and this is a number
line 13, column 12: intent 'a': reply.fr: no variable is called 'sendr': there are 'text', 'intent', 'confidence', 'sender', 'receiver', 'conversation', 'locale', 'metadata', 'entities', 'slots', 'labels'
line 14, column 12: intent 'a': reply.de isn't a valid template here: unexpected end of input, expected end of variable block
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = """
Hi
{{ sender
"""
reply.zh = '''{{ sender | uper }}'''
"#,
        r#"
line 13, column 1: intent 'a': reply.en isn't a valid template here: unexpected end of input, expected end of variable block
line 15, column 12: intent 'a': reply.zh isn't a valid template here: filter uper is unknown
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = """Hi
{{ sender | uper }}
"""
reply.zh = """
Hi \"you\"
{{ sender | uper }}
"""
"#,
        r#"
line 12, column 1: intent 'a': reply.en isn't a valid template here: filter uper is unknown
line 14, column 12: intent 'a': reply.zh: line 2 of the text: filter uper is unknown
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = "Hi\n\n{{ sender | uper }}"
"#,
        r#"
line 11, column 12: intent 'a': reply.en isn't a valid template here: filter uper is unknown
"#,
    );
    faults_after(
        "[intents.a]\r\nreply.en = \"\"\"\r\nHi\r\n{{ sender | uper }}\r\n\"\"\"\r\n",
        r#"
line 13, column 1: intent 'a': reply.en isn't a valid template here: filter uper is unknown
"#,
    );
}

#[test]
fn faults_of_examples() {
    faults_after(
        r#"
[intents.a]
reply.en = "Hi"
examples = ["a", "", " \t", "A ", "a  b", "A B"]
"#,
        r#"
line 12, column 18: intent 'a': an example is empty: write what a user would say, or take it out
line 12, column 22: intent 'a': an example is empty: write what a user would say, or take it out
line 12, column 29: intent 'a': the example 'A' is there twice, first on line 12: take one out
line 12, column 43: intent 'a': the example 'A B' is there twice, first on line 12: take one out
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = "Hi"
examples = ["a", 1, ["b"], {}]
"#,
        r#"
line 12, column 18: intent 'a': an example must be a text in quotes, and this is a number
line 12, column 21: intent 'a': an example must be a text in quotes, and this is a list
line 12, column 28: intent 'a': an example must be a text in quotes, and this is a table
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = "Hi"
examples = "a"
"#,
        r#"
line 12, column 12: intent 'a': examples must be a list of texts, such as ["…", "…"], and this is a text
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = "Hi"
examples.en = ["Hello",
  "Thank You",
  "BYE"]
examples.zh = ["你好", "hello"]
"#,
        r#"
line 13, column 3: intent 'a': the example 'Thank You' is also one of intent 'thanks', on line 5: a sentence can train only one intent, so take it out of one of them
line 14, column 3: intent 'a': the example 'BYE' is also one of intent 'bye', on line 8: a sentence can train only one intent, so take it out of one of them
line 15, column 22: intent 'a': the example 'hello' is there twice, first on line 12: take one out
"#,
    );
    faults_after(
        r#"
[intents.a]
reply.en = "Hi"
examples.en = [
"thanks"
]
[intents.b]
reply.en = "Hi"
examples.en = ["see you", "a\nb", "a b"]
"#,
        r#"
line 13, column 1: intent 'a': the example 'thanks' is also one of intent 'thanks', on line 5: a sentence can train only one intent, so take it out of one of them
line 17, column 16: intent 'b': the example 'see you' is also one of intent 'bye', on line 8: a sentence can train only one intent, so take it out of one of them
line 17, column 35: intent 'b': the example 'a b' is there twice, first on line 17: take one out
"#,
    );
}

#[test]
fn faults_of_entities() {
    faults_after(
        r#"
[entities."a b"]
kind = "amount"
[entities.x]
kind = "mony"
values = 1
patterns = ["(", 2]
valeus = []
[entities.y]
[entities.z]
values.a = "b"
values.c = [" ", "d"]
"#,
        r#"
line 10, column 11: 'a b' is no valid name: use 1 to 64 of the characters A-Z a-z 0-9 _ -
line 13, column 8: there is no kind 'mony': there are 'amount', 'date', 'email', 'number', 'phone'
line 14, column 10: values must be a list of texts, or a list for each value, such as values.kettle = ["kettles", "水壶"], and this is a number
line 15, column 13: '(' is no regular expression that can be used: error: unclosed group
line 15, column 18: a pattern must be a text in quotes, and this is a number
line 16, column 1: there is no key 'valeus': did you mean 'values'?
line 17, column 11: the entity has nothing to be found by: give it values = ["…"], patterns = ['…'], or a kind
line 19, column 12: values.a must be a list of what users say for it, and this is a text
line 20, column 13: ' ' can't be a value: it takes 1 to 64 characters
"#,
    );
    faults(
        &format!("entities = 1\n{SOUND}"),
        "line 1, column 12: entities must be tables, each written [entities.NAME], and this is a number\n",
    );
}

#[test]
fn reads_entities_and_what_examples_are_marked_with() {
    let text = format!(
        "{SOUND}{}",
        r#"
[intents.price]
examples = ["how much is the [kettle](product)", "[水壶](product:kettle)多少钱", "to [Rome](city)", "a [b] c", "d"]
reply.en = "{{ entities.product }}"
[entities.product]
values.kettle = ["kettles"]
values.toaster = []
[entities.order_number]
patterns = ['\d{10}']
[entities.sum]
kind = "amount"
"#
    );
    let file = IntentsFile::parse("test.toml", &text).unwrap().file;
    let examples: Vec<_> = file.intents[3].examples.iter().map(|example| example.text.as_str()).collect();
    assert_eq!(examples, ["how much is the kettle", "水壶多少钱", "to Rome", "a [b] c", "d"]);
    let entities: Vec<_> = file
        .entities
        .iter()
        .map(|it| {
            let values: Vec<_> = it.values.iter().map(|(value, said)| format!("{value}: {}", said.join(" "))).collect();
            format!("{} {values:?} {:?} {:?}", it.name, it.patterns, it.built_in)
        })
        .collect();
    let expected = [
        r#"product ["kettle: kettles 水壶", "toaster: "] [] None"#,
        r#"order_number [] ["\\d{10}"] None"#,
        r#"sum [] [] Some(Amount)"#,
        r#"city ["Rome: "] [] None"#,
    ];
    assert_eq!(entities, expected);
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
fn warnings() {
    let long = "long ".repeat(101);
    warnings_after("", "");
    warnings_after(
        r#"
[intents.a]
reply.en = "Hi"
[intents.b]
examples.en = ["b"]
examples.zh = ["乙"]
reply.en = "Hi"
"#,
        r#"
line 10, column 10: intent 'a': it has no examples, so the model never chooses it: write some, unless only clients address it
line 12, column 10: intent 'b': it has only 2 of the 5 examples that the model needs at the least: write more, better 20 a language
"#,
    );
    warnings_after(
        &format!("[intents.a]\nreply.en = \"Hi\"\nexamples = [\"1\", \"2\", \"3\", \"4\",\n\"{long}\"]\n"),
        r#"
line 13, column 1: intent 'a': this example has 504 characters, and the model learns little from more than 500: shorten it
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

#[test]
fn labels_are_each_of_one_intent() {
    let with = |labels: &str| SOUND.replace("[intents.thanks]", &format!("[intents.thanks]\nlabels = {labels}"));
    let file =
        IntentsFile::parse("made", &with("[\"faq/thanks\", \" 谢谢 \", \"thanks\", \"faq/thanks\"]")).unwrap().file;
    let thanks = file.intents.iter().find(|intent| intent.name.as_str() == "thanks").unwrap();
    assert_eq!(thanks.labels, ["faq/thanks", "谢谢"]);
    let faults = |text: &str| {
        let faults = IntentsFile::parse("made", text).unwrap_err().faults;
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let told = faults(&with("[\"bye\"]"));
    assert!(told.contains("the label 'bye' is also that of intent 'bye', on line "), "{told}");
    let told = faults(&with("[\"x\"]").replace("[intents.bye]", "[intents.bye]\nlabels = [\"x\"]"));
    assert!(told.contains("intent 'bye': the label 'x' is also that of intent 'thanks', on line "), "{told}");
    assert!(faults(&with("\"x\"")).contains("labels must be a list of texts"));
    assert!(faults(&with("[1]")).contains("a label must be a text in quotes"));
    assert!(faults(&with("[\" \"]")).contains("a label is empty"));
}

#[test]
fn an_example_of_two_intents_is_found_whatever_its_punctuation_and_characters() {
    faults_after(
        r#"
[intents.a]
examples.en = ["nope", "Nope!", "C", "?", "really"]
examples.zh = ["订披萨", "不要", "不要。"]
reply.en = "Hi"
[intents.b]
examples.en = [" “Nope!” ", "C++", "!", "ＲＥＡＬＬＹ？"]
examples.zh = ["訂披萨", "不要！", "不要了"]
reply.en = "Hi"
"#,
        r#"
line 15, column 16: intent 'b': the example '“Nope!”' is also one of intent 'a', on line 11: a sentence can train only one intent, so take it out of one of them
line 15, column 41: intent 'b': the example 'ＲＥＡＬＬＹ？' is also one of intent 'a', on line 11: a sentence can train only one intent, so take it out of one of them
line 16, column 16: intent 'b': the example '訂披萨' is also one of intent 'a', on line 12: a sentence can train only one intent, so take it out of one of them
line 16, column 23: intent 'b': the example '不要！' is also one of intent 'a', on line 12: a sentence can train only one intent, so take it out of one of them
"#,
    );
}
