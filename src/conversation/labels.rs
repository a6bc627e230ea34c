//! Labels: what the values of slots are called in the language of an answer.
//!
//! **Invariant:** pure. A value without a label is its own.

use std::collections::BTreeMap;

use super::script::Listed;
use crate::{
    domain::language,
    entity::{BuiltIn, words_of_day},
};

/// What the values of a bot's slots are called, by the slots' names.
#[derive(Debug, Default)]
pub struct Labels(BTreeMap<String, Values>);

/// The values of a slot that have labels.
#[derive(Debug, Default)]
struct Values {
    listed: Vec<Listed>,
    has_days: bool,
}

impl Labels {
    /// Adds what a slot can hold; of two slots with one name, the first that lists a value names it.
    pub fn add(&mut self, slot: &str, listed: &[Listed], built_in: Option<BuiltIn>) {
        let values = self.0.entry(slot.to_owned()).or_default();
        values.listed.extend_from_slice(listed);
        values.has_days |= built_in == Some(BuiltIn::Date);
    }

    /// What a slot's value is called in a language, a BCP 47 tag.
    pub fn label(&self, slot: &str, value: &str, language: &str) -> String {
        let Some(values) = self.0.get(slot) else { return value.to_owned() };
        if let Some((_, said)) = values.listed.iter().find(|(known, _)| known == value) {
            return in_words(value, said, language).to_owned();
        }
        match words_of_day(value).filter(|_| values.has_days) {
            Some([english, chinese]) => in_words(&english, &[chinese], language).to_owned(),
            None => value.to_owned(),
        }
    }
}

/// A value as it is said in a language: the value itself, else the first of its words, that is in the language's script.
/// `internal_medicine` is no word, but what programs call it.
pub fn in_words<'v>(value: &'v str, said: &'v [String], language: &str) -> &'v str {
    let primary = language.split('-').next().unwrap_or_default();
    let suits = |text: &str| match language::language_of_script(text) {
        Some(language) => language.eq_ignore_ascii_case(primary),
        None => !["zh", "ja", "ko"].iter().any(|it| it.eq_ignore_ascii_case(primary)),
    };
    let mut words = std::iter::once(value).filter(|value| !value.contains('_')).chain(said.iter().map(String::as_str));
    words.find(|word| suits(word)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(value: &str, said: &[&str]) -> Listed {
        (value.to_owned(), said.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn a_value_is_called_as_it_is_said_in_the_language() {
        let check = |value: &str, said: &[&str], language: &str, expected: &str| {
            let (value, said) = listed(value, said);
            assert_eq!(in_words(&value, &said, language), expected, "{value} in {language}");
        };
        check("dental", &["dentist", "牙科", "看牙"], "zh", "牙科");
        check("dental", &["dentist", "牙科"], "zh-Hant-TW", "牙科");
        check("dental", &["dentist", "牙科"], "en", "dental");
        check("牙科", &["dental"], "zh", "牙科");
        check("牙科", &["dental"], "en-GB", "dental");
        check("dental", &["dentist"], "zh", "dental");
        check("internal_medicine", &["内科", "internal medicine"], "en", "internal medicine");
        check("internal_medicine", &["内科"], "zh", "内科");
        check("internal_medicine", &["内科"], "en", "internal_medicine");
        check("2", &["two", "两"], "en", "2");
    }

    #[test]
    fn a_slot_names_its_values_and_the_days_that_it_can_hold() {
        let mut labels = Labels::default();
        labels.add("department", &[listed("dental", &["牙科"])], None);
        labels.add("department", &[listed("dental", &["牙"]), listed("eyes", &["眼科"])], None);
        labels.add("day", &[listed("holiday", &["节日"])], Some(BuiltIn::Date));
        let check = |slot: &str, value: &str, expected: [&str; 3]| {
            let got = ["en", "zh", "fr"].map(|language| labels.label(slot, value, language));
            assert_eq!(got, expected, "{slot} {value}");
        };
        check("department", "dental", ["dental", "牙科", "dental"]);
        check("department", "eyes", ["eyes", "眼科", "eyes"]);
        // What isn't listed, and what no slot can hold, is as it is written.
        check("department", "tomorrow", ["tomorrow", "tomorrow", "tomorrow"]);
        check("other", "dental", ["dental", "dental", "dental"]);
        check("day", "holiday", ["holiday", "节日", "holiday"]);
        check("day", "tomorrow", ["tomorrow", "明天", "tomorrow"]);
        check("day", "day_after_tomorrow", ["the day after tomorrow", "后天", "the day after tomorrow"]);
        check("day", "--12-04", ["4 December", "12月4日", "4 December"]);
        check("day", "2026-12-04", ["2026-12-04", "2026-12-04", "2026-12-04"]);
    }
}
