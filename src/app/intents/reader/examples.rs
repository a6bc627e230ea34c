//! An intent's examples: texts, by language or without, each once in the whole file.

use std::{collections::hash_map::Entry, ops::Range};

use toml::de::{DeArray, DeTable, DeValue};

use super::{
    super::{Example, Problem},
    Reader,
};
use crate::corpus::annotation;

/// The longest example that gets no warning, in characters.
const LONG_EXAMPLE: usize = 500;

impl Reader<'_> {
    /// An intent's examples.
    pub(super) fn examples(&mut self, table: &DeTable<'_>) -> Vec<Example> {
        const EXPECTED: &str = "a list of texts, such as [\"…\", \"…\"]";
        let mut read = Vec::new();
        match table.get("examples").map(|value| (value, value.get_ref())) {
            None => {}
            Some((_, DeValue::Array(examples))) => self.example_list(examples, None, &mut read),
            Some((_, DeValue::Table(languages))) => {
                self.languages("examples", languages);
                for (language, value) in languages {
                    match value.get_ref() {
                        DeValue::Array(examples) => self.example_list(examples, Some(language.get_ref()), &mut read),
                        _ => self.wrong_type(&format!("examples.{}", language.get_ref()), value, EXPECTED),
                    }
                }
            }
            Some((value, _)) => self.wrong_type("examples", value, EXPECTED),
        }
        self.trained += usize::from(!read.is_empty());
        read
    }

    fn example_list(&mut self, examples: &DeArray<'_>, language: Option<&str>, read: &mut Vec<Example>) {
        for value in examples.iter() {
            let Some(text) = self.string("an example", value).map(str::trim) else { continue };
            if text.is_empty() {
                self.add(value.span(), Problem::EmptyExample);
                continue;
            }
            let length = text.chars().count();
            if length > LONG_EXAMPLE {
                self.add(value.span(), Problem::LongExample(length));
            }
            let annotation::Annotated { text, mentions, slips, .. } = annotation::parse(text);
            slips.into_iter().for_each(|slip| self.add(value.span(), Problem::Mark(slip)));
            mentions.iter().for_each(|mention| self.mention(mention, value));
            self.check_unique(&text, value.span());
            read.push(Example { text, language: language.map(str::to_owned) });
        }
    }

    fn check_unique(&mut self, text: &str, span: Range<usize>) {
        let intent = self.intent.clone().unwrap_or_default();
        let line = self.lines.position(span.start).line;
        let problem = match self.examples.entry(normal_form(text)) {
            Entry::Vacant(entry) => {
                entry.insert((intent, line));
                return;
            }
            Entry::Occupied(entry) => {
                let (example, (other, first)) = (text.to_owned(), entry.get().clone());
                if other == intent {
                    Problem::ExampleTwice { example, first }
                } else {
                    Problem::ExampleInTwo { example, other, first }
                }
            }
        };
        self.add(span, problem);
    }
}

/// What is the same in two examples that no model tells apart: case and white space are left out.
pub(in crate::app) fn normal_form(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}
