//! Rules: words and patterns, for the part of a bot that has to do the same every time.
//!
//! **Invariant:** the first rule that matches answers, with a confidence of 1; where none does, the model has no idea, so
//! that the chain's next is asked. Matching takes time linear in the text, whatever the pattern.

use std::sync::Arc;

use async_trait::async_trait;
use regex::{RegexSet, RegexSetBuilder, escape};
use serde::Deserialize;

use super::{Catalogue, ModelClient, ModelError, Query};
use crate::{
    domain::{IntentName, Prediction, Scored},
    simplified::simplified_text,
};

/// Rules.
#[derive(Debug)]
pub struct Keywords {
    name: Arc<str>,
    patterns: RegexSet,
    /// The intent of each pattern; the patterns are in the rules' order.
    intents: Vec<IntentName>,
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    intent: String,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    patterns: Vec<String>,
}

impl Keywords {
    /// Reads rules, TOML: `[[rule]]` with an `intent`, and `words` or `patterns` or both.
    ///
    /// # Errors
    /// All that is wrong with them, a line each.
    pub fn parse(name: Arc<str>, text: &str, catalogue: &Catalogue) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let (mut faults, mut patterns, mut intents) = (Vec::new(), Vec::new(), Vec::new());
        for (number, rule) in (1_usize..).zip(&file.rule) {
            let mut fault = |message: String| faults.push(format!("rule {number}: {message}"));
            let Some(intent) = catalogue.intent(&rule.intent) else {
                fault(format!("the bot has no intent '{}' with examples", rule.intent));
                continue;
            };
            if rule.words.is_empty() && rule.patterns.is_empty() {
                fault("it has neither words nor patterns".to_owned());
            }
            if rule.words.iter().any(|word| word.trim().is_empty()) {
                fault("a word is empty, which would match everything".to_owned());
            }
            for pattern in &rule.patterns {
                match regex::Regex::new(pattern) {
                    Ok(regex) if regex.is_match("") => fault(format!("the pattern '{pattern}' matches everything")),
                    Ok(_) => {}
                    Err(error) => fault(error.to_string().replace('\n', " ")),
                }
            }
            let words = rule.words.iter().map(|word| whole_word(&simplified_text(word.trim())));
            let of_rule = words.chain(rule.patterns.iter().cloned());
            for pattern in of_rule {
                patterns.push(pattern);
                intents.push(intent.clone());
            }
        }
        if file.rule.is_empty() {
            faults.push("it has no rule: write [[rule]]".to_owned());
        }
        if !faults.is_empty() {
            return Err(faults.join("\n"));
        }
        let patterns = RegexSetBuilder::new(patterns).case_insensitive(true).build();
        Ok(Self { name, patterns: patterns.map_err(|error| error.to_string())?, intents })
    }
}

/// A pattern of a word by itself: what is written in letters with spaces between words isn't found within a longer
/// word, nor a number within a longer one. Ideographs have no such ends.
fn whole_word(word: &str) -> String {
    let edge = |c: Option<char>| if c.is_some_and(|c| c.is_ascii_alphanumeric()) { r"(?-u:\b)" } else { "" };
    format!("{}{}{}", edge(word.chars().next()), escape(word), edge(word.chars().next_back()))
}

#[async_trait]
impl ModelClient for Keywords {
    fn name(&self) -> &str {
        &self.name
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        // A pattern may name characters that a simplified text hasn't.
        let simplified = simplified_text(query.text);
        let texts = [query.text, &simplified].into_iter();
        let first = texts.filter_map(|text| self.patterns.matches(text).iter().next()).min();
        let ranking = first.map(|pattern| Scored::new(self.intents[pattern].clone(), 1.0)).into_iter().collect();
        Ok(Prediction::ranked(ranking, Arc::clone(&self.name)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;
    use crate::model::catalogue::tests::shop;

    const RULES: &str = r#"
        [[rule]]
        intent = "refund"
        words = ["refund", "money back", "退款"]

        [[rule]]
        intent = "order"
        words = ["order"]
        patterns = ['\bSH\d{8}\b', '订单号[:：]?\s*\d+']
    "#;

    #[tokio::test]
    async fn the_first_rule_that_matches_answers() {
        let rules = Keywords::parse("rules".into(), RULES, &shop()).unwrap();
        for (text, expected) in [
            ("REFUND!", Some("refund")),
            ("I want a refund for my order", Some("refund")),
            ("我要退款", Some("refund")),
            ("我的order到哪了", Some("order")),
            ("sh20261125?", Some("order")),
            ("订单号：123", Some("order")),
            ("訂單號：123", Some("order")),
            ("this is disorderly", None),
            ("refunds", None),
            ("SH202611250", None),
            ("", None),
        ] {
            let query = Query { text, locale: None, deadline: tokio::time::Instant::now() };
            let prediction = rules.classify(&query).await.unwrap();
            assert_eq!(prediction.ranking.first().map(|scored| scored.name.as_str()), expected, "{text}");
            assert!(prediction.ranking.iter().all(|scored| scored.confidence == 1.0));
        }
    }

    #[test]
    fn all_that_is_wrong_with_the_rules_is_told() {
        fn check(rules: &str, expected: &[&str]) {
            let error = Keywords::parse("rules".into(), rules, &shop()).map(|_| ()).unwrap_err();
            for fault in expected {
                assert!(error.contains(fault), "{rules}: {error}");
            }
        }
        let many = "[[rule]]\nintent = 'x'\nwords = ['a']\n[[rule]]\nintent = 'refund'\n\
                    [[rule]]\nintent = 'order'\nwords = [' ']\npatterns = ['(', 'a*']";
        check(
            many,
            &["rule 1: the bot has no intent 'x'", "rule 2: it has neither", "rule 3: a word is empty", "'a*' matches"],
        );
        check(many, &["rule 3: regex parse error"]);
        check("", &["no rule"]);
        check("[[rule]]\nintent = 'refund'\nword = ['a']", &["unknown field `word`"]);
    }
}
