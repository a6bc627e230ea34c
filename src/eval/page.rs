//! What the reports share: the head of the page with its style, and how numbers are shown.

use minijinja::{Environment, value::Serde};
use serde::Serialize;

use super::in_words;

/// The template's name; its end is what turns escaping on.
const NAME: &str = "page.html";

/// The template of a report, from its head to what `$body` is.
macro_rules! template {
    ($body:literal) => {
        concat!(include_str!("page.html"), include_str!($body))
    };
}

pub(super) use template;

/// A page of a [`template`].
///
/// # Errors
/// The template engine's, which would be a fault of this program.
pub(super) fn rendered(template: &'static str, page: impl Serialize) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.add_filter("percent", |share: Option<f64>| {
        share.map_or("–".to_owned(), |share| format!("{:.1} %", share * 100.0))
    });
    environment.add_filter("decimals", |number: Option<f64>, places: usize| {
        number.map_or("–".to_owned(), |number| format!("{number:.places$}"))
    });
    environment.add_filter("time", |micros: Option<f64>| micros.map_or("–".to_owned(), in_words));
    environment.add_template(NAME, template)?;
    environment.get_template(NAME)?.render(Serde(page))
}
