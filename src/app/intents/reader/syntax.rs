//! A text that isn't TOML: what the parser says, and a mend where its place shows one.

use super::{super::Problem, Reader};

/// How much of a text that isn't TOML is kept to be quoted, in characters.
const QUOTED: usize = 80;

impl Reader<'_> {
    /// Tells what the parser stumbled over; of a file that is YAML, that alone.
    pub(super) fn syntax(&mut self, errors: &[toml::de::Error]) {
        let mut errors: Vec<_> = errors.iter().map(|error| (error.span(), error.message())).collect();
        errors.sort_by_key(|(span, _)| span.as_ref().map(|span| span.start));
        if is_yaml(self.text) {
            let first = errors.first().and_then(|(span, _)| span.as_ref());
            let position = first.map(|span| self.lines.position(span.start));
            return self.put(position, Problem::Yaml);
        }
        let mut last_line = None;
        for (span, message) in errors {
            let position = span.as_ref().map(|span| self.lines.position(span.start));
            // What follows on the same line is mostly due to the first.
            let line = position.map(|position| position.line);
            if last_line.replace(line) == Some(line) {
                continue;
            }
            let (before, after) =
                span.as_ref().and_then(|span| self.text.split_at_checked(span.start)).unwrap_or_default();
            let mend =
                mend(before.rsplit('\n').next().unwrap_or_default(), after.lines().next().unwrap_or_default(), message);
            let at =
                span.and_then(|span| self.text.get(span)).unwrap_or_default().chars().take(QUOTED).collect::<String>();
            let message = mend.map_or_else(|| message.to_owned(), |mend| format!("{message}; {mend}"));
            self.put(position, Problem::Syntax { at, message });
        }
    }
}

/// What to write in place of what stands there: what a line has before it, and from there on.
fn mend(before: &str, after: &str, message: &str) -> Option<String> {
    let there = after.trim_start().chars().next();
    // A text that is closed by another quote than it was opened with goes on to the line's end.
    let is_unclosed = message.starts_with("invalid basic string") || message.starts_with("invalid literal string");
    let last = before.trim_end().chars().next_back().filter(|_| is_unclosed);
    if let Some((wide, plain)) = [there, last].into_iter().flatten().find_map(|c| Some((c, plain(c)?))) {
        return Some(match plain {
            "\"" => format!("'{wide}' is no quote to TOML: write the straight one, \""),
            " " => "what looks like a space here is another character (U+3000): write a space".to_owned(),
            plain => format!("'{wide}' is a full-width character: write {plain}"),
        });
    }
    if !message.starts_with("invalid unquoted key") {
        return None;
    }
    if there == Some(':') {
        return Some("TOML writes key = value, and not key: value as YAML does".to_owned());
    }
    let key: String =
        after.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).take(QUOTED).collect();
    let line = before.trim_start();
    match key.is_empty() {
        true => None,
        false if line.starts_with("[intents.") => Some(format!(
            "a name takes only A-Z a-z 0-9 _ -: write [intents.NAME] with such a name, and labels = [\"{key}\"] where \
             other files call it so"
        )),
        false if line.starts_with('[') || line.starts_with("slots.") => {
            Some("a name takes only A-Z a-z 0-9 _ -".to_owned())
        }
        false => Some(format!("a key with other characters stands in quotes: \"{key}\"")),
    }
}

/// What TOML has in place of a character that Chinese keyboards write, and editors put in.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        '＝' => "=",
        // Nowhere has TOML a colon.
        '：' => "=",
        '，' | '、' => ",",
        '。' | '．' => ".",
        '“' | '”' | '„' | '‟' | '‘' | '’' | '「' | '」' | '『' | '』' | '＂' | '＇' => "\"",
        '［' | '【' => "[",
        '］' | '】' => "]",
        '｛' => "{",
        '｝' => "}",
        '＃' => "#",
        '＿' => "_",
        '－' | '—' | '–' => "-",
        '\u{3000}' => " ",
        _ => return None,
    })
}

/// Whether a text is YAML: it has more lines with a key and a colon than lines of TOML.
fn is_yaml(text: &str) -> bool {
    const LOOKED_AT: usize = 200;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(LOOKED_AT);
    let (mut yaml, mut toml) = (0_usize, 0_usize);
    for line in lines {
        let before = |mark: char| line.split_once(mark).map(|(before, _)| before);
        if line.starts_with('[') || before('=').is_some_and(|key| !key.contains(':')) {
            toml += 1;
        } else if is_key(line.strip_prefix("- ").unwrap_or(line)) {
            yaml += 1;
        }
    }
    yaml > toml
}

/// Whether a line is a key of YAML, with its value or without.
fn is_key(line: &str) -> bool {
    let Some((key, value)) = line.split_once(':') else { return false };
    let is_name =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_name(key) && (value.is_empty() || value.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_told_by_its_keys() {
        for text in [
            "intents:\n  - intent: greet\n    examples: |\n      - hi\n",
            "# a bot\nkey: value\n",
            "fallback: help\nintents:\n  披萨:\n    reply: 好\n",
        ] {
            assert!(is_yaml(text), "{text}");
        }
        for text in [
            "",
            "fallback = \"help\"\n[intents.help]\nreply: hello\n",
            "reply.en = \"\"\"\nOpen: 9 to 5\n\"\"\"\n",
            "url = \"http://example.org\"\n",
            "{\"intents\": []}\n",
            "http://example.org\n",
        ] {
            assert!(!is_yaml(text), "{text}");
        }
    }
}
