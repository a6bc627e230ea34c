//! Questions and answers that are written as paragraphs: "Q: …" and "A: …", 问：… and 答：….
//!
//! **Invariant:** a question is one only where its answer says so: "Q1: 5 % more than last year" is a text.

/// What a line begins with where it asks; a number may follow.
const ASKS: [&str; 4] = ["Q", "Question", "问", "问题"];
/// And where it answers.
const ANSWERS: [&str; 5] = ["A", "Answer", "答", "回答", "答案"];
/// What ends such a mark.
const ENDS: [char; 7] = [':', '：', '.', '．', ')', '）', '、'];

/// What a line answers, if it says that it does.
pub(super) fn answer(line: &str) -> Option<&str> {
    behind(line, &ANSWERS)
}

fn behind<'t>(line: &'t str, words: &[&str]) -> Option<&'t str> {
    /// Markdown leaves these in front of Chinese: `**问：**多久` isn't bold to it.
    const EMPHASIS: [char; 2] = ['*', '_'];
    let line = line.trim_start().trim_start_matches(EMPHASIS);
    let after = words.iter().filter_map(|word| line.strip_prefix(word));
    let mut texts = after.filter_map(|rest| {
        rest.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().strip_prefix(ENDS)
    });
    texts.next().map(|text| text.trim_start_matches(EMPHASIS).trim())
}

/// The questions and answers of a paragraph's lines; the last may have its answer in the next paragraph. None where they
/// are anything else.
pub(super) fn pairs(lines: &[&str]) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        if let Some(question) = behind(line, &ASKS) {
            if pairs.last().is_some_and(|(_, answer)| answer.is_empty()) {
                return None;
            }
            pairs.push((question.to_owned(), String::new()));
            continue;
        }
        let (question, said) = pairs.last_mut()?;
        match answer(line) {
            Some(answer) if said.is_empty() => answer.clone_into(said),
            _ if said.is_empty() => add(question, ' ', line),
            _ => add(said, '\n', line),
        }
    }
    (!pairs.is_empty() && pairs.iter().all(|(question, _)| !question.is_empty())).then_some(pairs)
}

fn add(text: &mut String, between: char, line: &str) {
    text.push(between);
    text.push_str(line.trim());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_are_told_by_their_marks() {
        fn check(text: &str, expected: Option<&[(&str, &str)]>) {
            let lines: Vec<&str> = text.lines().collect();
            let found = pairs(&lines);
            let found: Option<Vec<(&str, &str)>> =
                found.as_ref().map(|it| it.iter().map(|(question, answer)| (&**question, &**answer)).collect());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        check("Q: How long?\nA: Two days.\nOr three.", Some(&[("How long?", "Two days.\nOr three.")]));
        check(
            "Q1. How long?\nA1. Two days.\nQ2) Where?\nA2) Here.",
            Some(&[("How long?", "Two days."), ("Where?", "Here.")]),
        );
        check("Q: How\nlong?", Some(&[("How long?", "")]));
        check("问：多久？\n答：两天。", Some(&[("多久？", "两天。")]));
        check("问题 1：多久？\n回答：两天。", Some(&[("多久？", "两天。")]));
        check("**问：**多久？\n**答：**两天。", Some(&[("多久？", "两天。")]));
        check("Question: Why?\nAnswer: So.", Some(&[("Why?", "So.")]));
        check("Quality: good", None);
        check("A: So.", None);
        check("Q: Why?\nQ: How?\nA: So.", None);
        check("Text.\nQ: Why?\nA: So.", None);
        check("Q:\nA: So.", None);
        check("", None);
    }
}
