//! An intent's examples: texts, by language or without, each once in the whole file.

use std::ops::Range;

use toml::de::{DeArray, DeTable, DeValue};

use super::{
    super::{Example, Problem},
    Reader,
};
use crate::{corpus::annotation, entity::folded};

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
        let written = (normal_form(text), self.lines.position(span.start).line);
        let (other, there) = self.examples.entry(bare_form(text)).or_insert_with(|| (intent.clone(), Vec::new()));
        let example = text.to_owned();
        let problem = if *other != intent {
            let first = there.first().map_or(0, |(_, line)| *line);
            Problem::ExampleInTwo { example, other: other.clone(), first }
        } else if let Some((_, first)) = there.iter().find(|(form, _)| *form == written.0) {
            Problem::ExampleTwice { example, first: *first }
        } else {
            there.push(written);
            return;
        };
        self.add(span, problem);
    }
}

/// What is the same in two examples of an intent, of which one is too many: case and white space are left out.
pub(in crate::app) fn normal_form(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is the same in two examples that can't be of two intents, as it is what a user means: full-width forms, traditional
/// characters and the punctuation around a text are left out, too.
pub(in crate::app) fn bare_form(text: &str) -> String {
    const AROUND: &[char] = &[
        ' ', '.', ',', '!', '?', ';', ':', '…', '~', '"', '\'', '“', '”', '‘', '’', '(', ')', '。', '、', '「', '」',
        '《', '》', '¿', '¡', '«', '»',
    ];
    let form = normal_form(&folded(text));
    match form.trim_matches(AROUND) {
        // Of such a text, it is what there is.
        "" => form,
        bare => bare.to_owned(),
    }
}
