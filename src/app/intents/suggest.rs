//! What somebody may have meant who wrote a word that isn't known.

/// The longest word that is compared: comparing takes time that grows with the square of it.
const LONGEST: usize = 64;
/// How many known words are listed.
const LISTED: usize = 20;

/// The known word that is most like `word`, where one is alike enough to be meant.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(&word, known), *known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// A hint for whoever wrote `word`.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    if let Some(nearest) = nearest(word, known) {
        return format!("did you mean '{nearest}'?");
    }
    let listed = known.iter().take(LISTED).map(|known| format!("'{known}'")).collect::<Vec<_>>().join(", ");
    let more = if known.len() > LISTED { ", …" } else { "" };
    format!("there are {listed}{more}")
}
