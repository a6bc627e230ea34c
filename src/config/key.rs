//! The name of a setting: `section.name` in a file, `<PREFIX>_<SECTION>_<NAME>` in the environment.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    section: String,
    name: String,
}

impl Key {
    /// The setting `name` of a section.
    pub fn new(section: impl Into<String>, name: impl Into<String>) -> Self {
        Self { section: section.into(), name: name.into() }
    }

    /// The section, the part before the dot.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// The name within the section, the part after the dot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The environment variable that sets it.
    pub fn variable(&self, prefix: &str) -> String {
        format!("{prefix}_{}_{}", self.section, self.name).to_uppercase()
    }

    /// The key in what follows the prefix of a variable's name: the first underscore ends the section.
    /// None where there is no such underscore, or a character that no key has (lower case is one: variables are upper
    /// case).
    pub(super) fn from_variable(rest: &str) -> Option<Self> {
        let (section, name) = rest.split_once('_')?;
        let key = Self::new(section.to_ascii_lowercase(), name.to_ascii_lowercase());
        (key.is_well_formed() && !rest.contains(|c: char| c.is_ascii_lowercase())).then_some(key)
    }

    /// Whether both parts are `[a-z][a-z0-9_]*`.
    pub(super) fn is_well_formed(&self) -> bool {
        [&self.section, &self.name].into_iter().all(|part| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.section, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_underscore_of_a_variable_ends_the_section() {
        fn check(rest: &str, expected: Option<&str>) {
            let key = Key::from_variable(rest);
            assert_eq!(key.as_ref().map(Key::to_string).as_deref(), expected, "{rest}");
            if let Some(key) = key {
                assert_eq!(key.variable("APP"), format!("APP_{rest}"));
            }
        }
        check("AMQP_URL", Some("amqp.url"));
        check("AMQP_CONFIRM_TIMEOUT", Some("amqp.confirm_timeout"));
        check("URL", None);
        check("AMQP_", None);
        check("_URL", None);
        check("AMQP__URL", None);
        check("amqp_url", None);
        check("AMQP_URL[0]", None);
        check("AMQP_ÜRL", None);
    }
}
