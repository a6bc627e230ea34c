//! Dialogues as their author wrote them, and where a bot parts from them.
//!
//! Markdown: `## ` and a name begin a dialogue, `> ` is what the user says, and the lines below it, `- ` in front or not, are
//! what the bot does: the intent that answers, `ask` and a slot, `confirm`, `person`, or how its text, or one of its
//! paragraphs, begins. `> /release` is a person's, who gives the conversation back. What stands before the first dialogue is for people.
//!
//! **Invariant:** pure. A dialogue ends where it parts, as what follows rests on it.

use serde::Serialize;

/// What a person says to give the conversation back, in dialogues and in `try`.
pub const RELEASE: &str = "/release";

/// A dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialogue {
    pub name: String,
    /// Where it begins, from 1.
    pub line: usize,
    pub exchanges: Vec<Exchange>,
}

/// What the user says, and what the bot should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub line: usize,
    pub said: String,
    /// Each has to hold; nothing is expected where there is none.
    pub expected: Vec<String>,
}

/// A line that can't be part of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct DialogueFault {
    pub line: usize,
    pub reason: &'static str,
}

/// What a bot did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Did {
    /// The intent that answered, or that asks.
    pub intent: String,
    /// The slot that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
    /// Whether it asks to confirm.
    pub confirm: bool,
    /// Whether a person has the conversation.
    pub person: bool,
    pub text: String,
}

/// Where a bot parts from a dialogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parted {
    pub dialogue: String,
    /// The line of what was said.
    pub line: usize,
    pub said: String,
    /// What doesn't hold.
    pub expected: Vec<String>,
    pub did: Did,
    /// What its author may have meant by a name that isn't known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What was found of a file of dialogues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub file: String,
    pub dialogues: usize,
    pub parted: Vec<Parted>,
}

/// The dialogues of a file.
///
/// # Errors
/// [`DialogueFault`] at the first line that can't be read, or where there is nothing in it.
pub fn read(text: &str) -> Result<Vec<Dialogue>, DialogueFault> {
    let mut dialogues: Vec<Dialogue> = Vec::new();
    for (line, text) in (1..).zip(text.lines()).map(|(line, text)| (line, text.trim())) {
        let fault = |reason| Err(DialogueFault { line, reason });
        if let Some(name) = text.strip_prefix("## ") {
            dialogues.push(Dialogue { name: name.trim().to_owned(), line, exchanges: Vec::new() });
            continue;
        }
        // Before the first there is what its author tells other people.
        let Some(dialogue) = dialogues.last_mut() else { continue };
        if let Some(said) = text.strip_prefix('>') {
            if said.trim().is_empty() {
                return fault("nobody says anything here: write what the user says behind the >");
            }
            dialogue.exchanges.push(Exchange { line, said: said.trim().to_owned(), expected: Vec::new() });
        } else if !text.is_empty() {
            let Some(exchange) = dialogue.exchanges.last_mut() else {
                return fault("nobody has said anything yet: begin with a line such as > cancel my order");
            };
            exchange.expected.push(text.strip_prefix("- ").unwrap_or(text).trim().to_owned());
        }
    }
    if dialogues.is_empty() {
        return Err(DialogueFault {
            line: 1,
            reason: "there is no dialogue: each begins with a line such as ## A name",
        });
    }
    let reason = |dialogue: &Dialogue| {
        if dialogue.exchanges.is_empty() {
            return Some("nobody says anything in this dialogue: write such as > hello");
        }
        let holds_to_nothing = dialogue.exchanges.iter().all(|exchange| exchange.expected.is_empty());
        holds_to_nothing.then_some("nothing is expected of the bot here: write below what is said what it does")
    };
    let fault = dialogues.iter().find_map(|dialogue| Some((dialogue.line, reason(dialogue)?)));
    match fault {
        Some((line, reason)) => Err(DialogueFault { line, reason }),
        None => Ok(dialogues),
    }
}

impl Exchange {
    /// Where what a bot did isn't what is expected. `is_intent` knows the bot's intents.
    pub fn parted(&self, dialogue: &Dialogue, did: &Did, is_intent: impl Fn(&str) -> bool) -> Option<Parted> {
        let holds = |expected: &&String| !did.is(expected, is_intent(expected));
        let expected: Vec<String> = self.expected.iter().filter(holds).cloned().collect();
        (!expected.is_empty()).then(|| Parted {
            dialogue: dialogue.name.clone(),
            line: self.line,
            said: self.said.clone(),
            expected,
            did: did.clone(),
            hints: Vec::new(),
        })
    }
}

impl Parted {
    /// Adds what may have been meant where what is expected looks like a name of an intent or a slot: it may be how a text
    /// begins, too. The nearest of those that there are is found by `intent` and `slot`; none where it is one of them.
    #[must_use]
    pub fn with_hints<'n>(
        mut self,
        intent: impl Fn(&str) -> Option<&'n str>,
        slot: impl Fn(&str) -> Option<&'n str>,
    ) -> Self {
        let is_name = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let hint = |expected: &String| {
            let (kind, name, nearest) = match expected.strip_prefix("ask ").map(str::trim) {
                Some(name) if is_name(name) => ("slot", name, slot(name)),
                None if is_name(expected) && !matches!(expected.as_str(), "confirm" | "person") => {
                    ("intent", expected.as_str(), intent(expected))
                }
                _ => return None,
            };
            nearest.map(|nearest| format!("no {kind} is called {name}, the nearest is {nearest}"))
        };
        self.hints = self.expected.iter().filter_map(hint).collect();
        self
    }
}

impl Did {
    fn is(&self, expected: &str, is_intent: bool) -> bool {
        let begins = || {
            let expected = in_one_line(expected);
            let paragraphs = self.text.split("\n\n").map(in_one_line);
            in_one_line(&self.text).starts_with(&expected) || paragraphs.into_iter().any(|it| it.starts_with(&expected))
        };
        match expected {
            "confirm" => self.confirm,
            "person" => self.person,
            _ if is_intent => self.intent == expected,
            _ => match expected.strip_prefix("ask ") {
                Some(slot) if self.ask.as_deref() == Some(slot.trim()) => true,
                _ => begins(),
            },
        }
    }

    /// In the words of a dialogue.
    pub fn in_words(&self) -> Vec<String> {
        const LONGEST: usize = 100;
        let mut words = vec![self.intent.clone()];
        words.extend(self.ask.as_ref().map(|slot| format!("ask {slot}")));
        words.extend(self.confirm.then(|| "confirm".to_owned()));
        words.extend(self.person.then(|| "person".to_owned()));
        let text = in_one_line(&self.text);
        let cut = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
        if !text.is_empty() {
            words.push(text.chars().take(LONGEST).collect::<String>() + cut);
        }
        words
    }
}

impl Found {
    /// Whether the bot does all that is written.
    pub fn is_as_written(&self) -> bool {
        self.parted.is_empty()
    }

    /// For people: what was expected and what was done, where they part.
    pub fn for_people(&self) -> String {
        let parted = self.parted.len();
        let mut told =
            format!("{}: {} of {} dialogues as written\n", self.file, self.dialogues - parted, self.dialogues);
        for Parted { dialogue, line, said, expected, did, hints } in &self.parted {
            told.push_str(&format!("\n{dialogue}\n  line {line}: > {}\n", in_one_line(said)));
            told.extend(expected.iter().map(|it| format!("  - {}\n", in_one_line(it))));
            told.extend(did.in_words().iter().map(|it| format!("  + {it}\n")));
            told.extend(hints.iter().map(|it| format!("  {it}\n")));
        }
        told
    }
}

fn in_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn dialogues_are_read_as_people_write_them() {
        let text = "# Shop\n\nWhat customers say.\n\n## One\n> cancel my order\n- cancel_order\nask order\n\n>FL1\nconfirm\n\n## 二\n> 你好\n您好\n";
        let dialogues = read(text).unwrap();
        let exchange = |line, said: &str, expected: &[&str]| Exchange {
            line,
            said: said.into(),
            expected: expected.iter().map(|&it| it.to_owned()).collect(),
        };
        let one = [exchange(6, "cancel my order", &["cancel_order", "ask order"]), exchange(10, "FL1", &["confirm"])];
        assert_eq!(dialogues[0], Dialogue { name: "One".into(), line: 5, exchanges: one.into() });
        assert_eq!((dialogues[1].name.as_str(), dialogues[1].exchanges[0].line), ("二", 14));
        for (text, line) in [
            ("", 1),
            ("> hello", 1),
            ("## A\nhello", 2),
            ("## A\n>", 2),
            ("## A\n\n## B\n> x", 1),
            ("## A\n> x\nhelp\n\n## B\n> x\n> y", 5),
        ] {
            assert_eq!(read(text).unwrap_err().line, line, "{text}");
        }
    }

    #[test]
    fn what_the_bot_did_is_held_against_what_is_written() {
        let did = |ask: Option<&str>, confirm| Did {
            intent: "delivery".into(),
            ask: ask.map(str::to_owned),
            confirm,
            person: false,
            text: "Two\nto 4 days.\n\nWhich order?".into(),
        };
        let asks = did(Some("order"), false);
        let dialogue = &read("## A\n> x\nrefund").unwrap()[0];
        let parted = |did: &Did, expected: &str| {
            let exchange = Exchange { line: 2, said: "x".into(), expected: vec![expected.to_owned()] };
            exchange.parted(dialogue, did, |name| ["delivery", "refund"].contains(&name)).is_some()
        };
        for holds in ["delivery", "ask order", "Two to 4", "Which order?"] {
            assert!(!parted(&asks, holds), "{holds}");
        }
        for parts in ["refund", "ask orde", "ask reason", "confirm", "person", "to 4", "Which orders"] {
            assert!(parted(&asks, parts), "{parts}");
        }
        assert!(!parted(&did(None, true), "confirm") && parted(&did(None, false), "ask order"));
        let exchange = Exchange { line: 2, said: "x".into(), expected: vec!["refund".into(), "ask order".into()] };
        let parted = vec![exchange.parted(dialogue, &asks, |name| name == "refund").unwrap()];
        let found = Found { file: "d.md".into(), dialogues: 2, parted };
        let expected = "d.md: 1 of 2 dialogues as written\n\nA\n  line 2: > x\n  - refund\n  + delivery\n  + ask order\n  + Two to 4 days. Which order?\n";
        assert_eq!((found.for_people().as_str(), found.is_as_written()), (expected, false));
        // A name with a slip is told from how a text begins.
        let exchange = Exchange {
            line: 2,
            said: "x".into(),
            expected: ["refnd", "ask ordr", "ask", "Ask me"].map(str::to_owned).to_vec(),
        };
        let parted = exchange.parted(dialogue, &asks, |name| name == "refund").unwrap();
        let parted = parted.with_hints(|name| (name == "refnd").then_some("refund"), |_| Some("order"));
        let hints =
            ["no intent is called refnd, the nearest is refund", "no slot is called ordr, the nearest is order"];
        assert_eq!(parted.hints, hints);
        let found = Found { file: "d.md".into(), dialogues: 1, parted: vec![parted] };
        assert!(found.for_people().ends_with(&format!("  {}\n  {}\n", hints[0], hints[1])));
    }
}
