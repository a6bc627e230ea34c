//! What is told of replies: their languages and their templates.

use super::*;

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
