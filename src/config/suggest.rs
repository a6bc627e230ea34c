//! What somebody may have meant by a name that isn't known.

use std::collections::BTreeSet;

use strsim::osa_distance;

use super::Key;

/// The longest word that is compared: comparing takes time that grows with the square of it.
const LONGEST: usize = 64;
/// How many known words are listed.
const LISTED: usize = 20;

/// The known key that is nearest to `unknown` (written `section.name`, or without a section), if one is near.
///
/// Where its section has a single key, that one is near however it is written.
pub(super) fn nearest<'k>(unknown: &str, known: impl IntoIterator<Item = &'k Key> + Clone) -> Option<&'k Key> {
    let unknown = tidy(unknown);
    let name = unknown.split_once('.').map_or(unknown.as_str(), |(_, name)| name);
    let nearest = known
        .clone()
        .into_iter()
        .filter_map(|key| {
            let full = osa_distance(&unknown, &key.to_string());
            // The right name in the wrong section, or in none.
            let elsewhere = 1 + 2 * osa_distance(name, key.name());
            let distance = full.min(elsewhere);
            (distance <= 1 + unknown.chars().count() / 6).then_some((distance, full, key))
        })
        .min_by_key(|&(distance, full, _)| (distance, full))
        .map(|(_, _, key)| key);
    nearest.or_else(|| match instead(&unknown, known.clone()) {
        Instead::Names(section, names) if names.len() == 1 => known.into_iter().find(|key| key.section() == section),
        _ => None,
    })
}

/// What there is instead of an unknown key that nothing is near to.
pub(super) enum Instead<'k> {
    /// The names of a section that there is.
    Names(&'k str, Vec<&'k str>),
    Sections(BTreeSet<&'k str>),
}

/// What there is instead of an unknown key that nothing is near to.
pub(super) fn instead<'k>(unknown: &str, known: impl IntoIterator<Item = &'k Key> + Clone) -> Instead<'k> {
    let section = unknown.split('.').next().unwrap_or_default();
    let mut names = known.clone().into_iter().filter(|key| key.section() == section).peekable();
    match names.peek() {
        Some(key) => Instead::Names(key.section(), names.map(Key::name).collect()),
        None => Instead::Sections(known.into_iter().map(Key::section).collect()),
    }
}

/// The known word that is most like `word`, where one is alike enough to be meant: a slip or two, or its beginning.
pub fn nearest_word<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    let slips = 1 + word.chars().count() / 6;
    let distance = |known: &&'k str| match word.chars().count() > 2 && known.starts_with(&word) {
        true => 1,
        false => osa_distance(&word, known),
    };
    let near = known.iter().map(|known| (distance(known), *known)).filter(|(distance, _)| *distance <= slips);
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// What to tell an author who wrote `word`: the known word that is near, or all that there are.
pub fn hint(word: &str, known: &[&str]) -> String {
    if let Some(nearest) = nearest_word(word, known) {
        return format!("did you mean '{nearest}'?");
    }
    let listed = known.iter().take(LISTED).map(|known| format!("'{known}'")).collect::<Vec<_>>().join(", ");
    let more = if known.len() > LISTED { ", …" } else { "" };
    format!("there are {listed}{more}")
}

/// Lower case, single underscores, as keys are.
fn tidy(name: &str) -> String {
    let mut tidy: String = name.to_lowercase().replace('-', "_");
    while tidy.contains("__") {
        tidy = tidy.replace("__", "_");
    }
    tidy.replace("._", ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Key> {
        [("amqp", "url"), ("amqp", "prefetch"), ("amqp", "confirm_timeout"), ("http", "listen"), ("retry", "delays")]
            .map(|(section, name)| Key::new(section, name))
            .to_vec()
    }

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        fn check(unknown: &str, expected: Option<&str>) {
            let known = known();
            assert_eq!(nearest(unknown, &known).map(Key::to_string).as_deref(), expected, "{unknown}");
        }
        check("amqp.uri", Some("amqp.url"));
        check("amqp.prefech", Some("amqp.prefetch"));
        check("ampq.url", Some("amqp.url"));
        check("retry.delay", Some("retry.delays"));
        check("worker.prefetch", Some("amqp.prefetch"));
        check("url", Some("amqp.url"));
        check("amqpurl", Some("amqp.url"));
        check("Amqp._Url", Some("amqp.url"));
        check("amqp.confirm-timeout", Some("amqp.confirm_timeout"));
        check("http.port", Some("http.listen"));
        check("amqp.vhost", None);
        check("x", None);
        check("", None);
    }

    #[test]
    fn a_word_with_a_slip_or_cut_short_is_found() {
        fn check(word: &str, expected: Option<&str>) {
            let known = ["intents", "fallback", "external", "queue", "inline", "reply", "values"];
            assert_eq!(nearest_word(word, &known), expected, "{word}");
        }
        check("intent", Some("intents"));
        check("falback", Some("fallback"));
        check("Extern", Some("external"));
        check("que", Some("queue"));
        check("valeus", Some("values"));
        check("q", None);
        check("handler", None);
        check(&"intents".repeat(20), None);
    }

    #[test]
    fn what_there_is_instead_is_the_section_or_the_sections() {
        let known = known();
        let names = |unknown| match instead(unknown, &known) {
            Instead::Names(section, names) => format!("{section}: {}", names.join(",")),
            Instead::Sections(sections) => sections.into_iter().collect::<Vec<_>>().join(","),
        };
        assert_eq!(names("amqp.vhost"), "amqp: url,prefetch,confirm_timeout");
        assert_eq!(names("xyz.port"), "amqp,http,retry");
    }
}
