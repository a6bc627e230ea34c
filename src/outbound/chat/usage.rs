//! What an answer cost, in tokens: as the server tells, or by an estimate where it doesn't.

use serde_json::Value;

/// Tokens that went in and came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    /// Whether this is an estimate, as the server tells nothing.
    pub estimated: bool,
}

impl Usage {
    /// Both.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What an answer says that it cost, under the names of the chat completions or those of newer interfaces.
    pub(super) fn told(usage: &Value) -> Option<Self> {
        let number = |names: [&str; 2]| names.into_iter().find_map(|name| usage.get(name)?.as_u64());
        let (input, output) =
            (number(["prompt_tokens", "input_tokens"]), number(["completion_tokens", "output_tokens"]));
        (input.is_some() || output.is_some()).then(|| Self {
            input: input.unwrap_or(0),
            output: output.unwrap_or(0),
            estimated: false,
        })
    }
}

/// About how many tokens a text is: one for four letters of an alphabet, one for each character of Chinese, Japanese and
/// Korean and of what else is beyond it. Tokenizers differ; OpenAI's guide for English says four characters, and today's
/// take about one for a Chinese character or less, so that this errs upwards.
pub fn estimated_tokens(text: &str) -> usize {
    let (mut letters, mut others) = (0usize, 0usize);
    for c in text.chars() {
        match c {
            '\0'..='\u{24f}' => letters += 1,
            // Greek, Cyrillic, Hebrew, Arabic and such: about two to a token.
            '\u{250}'..='\u{10ff}' => letters += 2,
            _ => others += 1,
        }
    }
    others.saturating_add(letters.div_ceil(4))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn usage_is_read_by_either_name() {
        fn check(usage: Value, expected: Option<(u64, u64)>) {
            assert_eq!(Usage::told(&usage).map(|usage| (usage.input, usage.output)), expected, "{usage}");
        }
        check(json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}), Some((7, 3)));
        check(json!({"input_tokens": 7, "output_tokens": 3}), Some((7, 3)));
        check(json!({"prompt_tokens": 7}), Some((7, 0)));
        check(json!({"total_tokens": "many"}), None);
        check(json!(null), None);
    }

    #[test]
    fn tokens_are_estimated_by_script() {
        fn check(text: &str, expected: usize) {
            assert_eq!(estimated_tokens(text), expected, "{text}");
        }
        check("", 0);
        check("hello you", 3);
        check("我想查询订单", 6);
        check("我的order", 4);
        check("привет", 3);
    }
}
