//! Tells what a language model says from what it thinks aloud, and from calls of tools.
//!
//! **Invariant:** what stands in a mark of thinking isn't said, whether the mark is closed or the answer ends in it.

/// What a model said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    /// Without thoughts and calls.
    pub(super) text: String,
    /// Whether it thought aloud.
    pub(super) thought: bool,
    /// Whether it called a tool.
    pub(super) called: bool,
}

/// How models mark thoughts: where one begins and where it ends.
const THOUGHTS: [(&str, &str); 6] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
];

/// The same of calls of tools.
const CALLS: [(&str, &str); 3] =
    [("<tool_call>", "</tool_call>"), ("<function_call>", "</function_call>"), ("<|tool_call|>", "<|/tool_call|>")];

/// Where a message begins, and how one ends, for models whose server leaves in the marks of their template.
const MESSAGE: &str = "<|message|>";
const ENDS: [&str; 6] = ["<|end|>", "<|return|>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>", "</s>"];

/// What of an answer is said.
pub(super) fn spoken(content: &str) -> Spoken {
    let (mut text, mut thought, mut called) = (content.to_owned(), false, false);
    for (begin, end) in THOUGHTS {
        thought |= without(&mut text, begin, end);
        // Some servers leave out where it begins, which is a part of their prompt.
        if let Some(at) = text.rfind(end).filter(|_| end != "<|end|>") {
            (text, thought) = (text.split_off(at + end.len()), true);
        }
    }
    for (begin, end) in CALLS {
        called |= without(&mut text, begin, end);
    }
    // A template's own marks around what is said.
    if let Some(at) = text.rfind(MESSAGE) {
        text = text.split_off(at + MESSAGE.len());
    }
    while let Some(end) = ENDS.iter().find(|end| text.trim_end().ends_with(**end)) {
        text.truncate(text.trim_end().len() - end.len());
    }
    Spoken { text, thought, called }
}

/// The same of an answer that is being written: without a mark at its end that isn't whole yet.
pub(super) fn spoken_so_far(content: &str) -> String {
    let begins = THOUGHTS.iter().chain(&CALLS).flat_map(|(begin, end)| [*begin, *end]);
    let marks: Vec<&str> = begins.chain(ENDS).chain([MESSAGE]).collect();
    let longest = marks.iter().map(|mark| mark.len()).max().unwrap_or(0);
    let is_begun = |at: &usize| marks.iter().any(|mark| mark.starts_with(&content[*at..]));
    let from = content.len().saturating_sub(longest);
    let cut = content.char_indices().map(|(at, _)| at).filter(|at| *at >= from).find(is_begun);
    spoken(&content[..cut.unwrap_or(content.len())]).text
}

/// Takes out what stands between two marks, or from a mark to the end.
fn without(text: &mut String, begin: &str, end: &str) -> bool {
    let mut found = false;
    while let Some(start) = text.find(begin) {
        let stop = text[start..].find(end).map_or(text.len(), |at| start + at + end.len());
        text.replace_range(start..stop, "");
        found = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_being_written_no_thought_is_told_and_no_half_of_a_mark() {
        for (content, text) in [
            ("", ""),
            ("ref", "ref"),
            ("退货", "退货"),
            ("1 <", "1 "),
            ("1 < 2", "1 < 2"),
            ("<", ""),
            ("<thin", ""),
            ("<think>the user", ""),
            ("<think>the user</thi", ""),
            ("<think>the user</think>ref", "ref"),
            ("ref<think>", "ref"),
            ("[TH", ""),
            ("a [1", "a [1"),
            ("ref<|im_e", "ref"),
            ("<tool_call>{", ""),
        ] {
            assert_eq!(spoken_so_far(content), text, "{content}");
        }
        let whole = "你好<think>谢谢</think>，世界";
        for (at, _) in whole.char_indices() {
            assert!("你好，世界".starts_with(&spoken_so_far(&whole[..at])), "{at}");
        }
    }

    #[test]
    fn thoughts_and_calls_are_not_said() {
        fn check(content: &str, text: &str, thought: bool, called: bool) {
            assert_eq!(spoken(content), Spoken { text: text.to_owned(), thought, called }, "{content}");
        }
        check("refund", "refund", false, false);
        check("<think>order?</think>\nrefund", "\nrefund", true, false);
        check("<think>order? No, they", "", true, false);
        check("order? No.</think>refund", "refund", true, false);
        check("<think>a</think><think>b</think>refund<think>c", "refund", true, false);
        check("[THINK]order[/THINK]refund", "refund", true, false);
        check(
            "<|channel|>analysis<|message|>order?<|end|><|start|>assistant<|channel|>final<|message|>refund",
            "refund",
            true,
            false,
        );
        check("<tool_call>{\"intent\":\"order\"}</tool_call>", "", false, true);
        check("<think>x</think><tool_call>{\"intent\":\"or", "", true, true);
        check("1 < 2 and <b>refund</b>", "1 < 2 and <b>refund</b>", false, false);
        check("It is open.<|im_end|>\n<|endoftext|>", "It is open.", false, false);
    }
}
