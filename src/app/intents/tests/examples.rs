//! What is told of examples: which can't be one, which are there twice, how many there are and how long.

use super::*;

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
