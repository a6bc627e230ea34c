//! What is told of an intent: its name, its keys, its values, its labels.

use super::*;

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
