//! `key list`: whose keys there are.

use std::{path::Path, path::PathBuf};

use serde::Serialize;

use super::{
    super::{Exit, Failure, Format, output},
    file,
};
use crate::door::keys::{Entry, EntryKind, Keys};

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file of keys; that of CHATBOT_DOOR_KEYS_PATH where it is left out
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A key, for programs.
#[derive(Debug, Serialize)]
struct Listed<'e> {
    name: &'e str,
    public: bool,
    /// The requests a minute, of an address if the key is public; null for no limit.
    rate: Option<u32>,
    names_senders: bool,
    origins: Vec<String>,
}

impl<'e> From<&'e Entry> for Listed<'e> {
    fn from(entry: &'e Entry) -> Self {
        let (names_senders, origins) = match &entry.kind {
            EntryKind::Secret { names_senders } => (*names_senders, Vec::new()),
            EntryKind::Public { origins } => (false, origins.iter().map(ToString::to_string).collect()),
        };
        let rate = entry.limit().map(|rate| rate.get());
        Self { name: &entry.name, public: entry.is_public(), rate, names_senders, origins }
    }
}

/// Prints the keys.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = file::named(arguments.file.as_deref())?;
    output::print(&listed(&path, arguments.format)?)?;
    Ok(Exit::Ok)
}

fn listed(path: &Path, format: Format) -> Result<String, Failure> {
    let entries = Keys::open(path).map_err(|error| Failure::new(Exit::Config, error))?.entries();
    let listed: Vec<Listed<'_>> = entries.iter().map(Listed::from).collect();
    match format {
        Format::Json => output::json(&listed),
        Format::Text if listed.is_empty() => Ok(format!("{} holds no key\n", path.display())),
        Format::Text => Ok(text(&listed)),
    }
}

fn text(listed: &[Listed<'_>]) -> String {
    let row = |key: &Listed<'_>| {
        let kind = match (key.public, key.names_senders) {
            (true, _) => "public",
            (false, true) => "names senders",
            (false, false) => "secret",
        };
        let rate = match (key.rate, key.public) {
            (None, _) => "-".to_owned(),
            (Some(rate), true) => format!("{rate} a minute, for each address"),
            (Some(rate), false) => format!("{rate} a minute"),
        };
        [output::one_line(key.name), kind.to_owned(), rate, key.origins.join(" ")]
    };
    let head = ["NAME", "KIND", "RATE", "ORIGINS"].map(str::to_owned);
    output::table(&[head].into_iter().chain(listed.iter().map(row)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::fs;

    use super::*;

    #[test]
    fn the_keys_of_a_file_are_listed_without_their_hashes() {
        let path = std::env::temp_dir().join(format!("keys-{}.toml", uuid::Uuid::now_v7()));
        let hash = |digit: &str| format!("hash = \"sha256:{}\"\n", digit.repeat(64));
        let origins = "[\"https://a.example\", \"http://b.example\"]";
        let text = format!(
            "[keys.\"商店\"]\n{}[keys.desk]\n{}names_senders = true\nrate = 600\n[keys.page]\n{}public = true\norigins = {origins}\n",
            hash("1"),
            hash("2"),
            hash("3")
        );
        fs::write(&path, text).unwrap();
        let expected = "\
NAME  KIND           RATE                           ORIGINS
商店  secret         -
desk  names senders  600 a minute
page  public         30 a minute, for each address  https://a.example http://b.example
";
        assert_eq!(listed(&path, Format::Text).unwrap(), expected);
        let json: serde_json::Value = serde_json::from_str(&listed(&path, Format::Json).unwrap()).unwrap();
        let origins = ["https://a.example", "http://b.example"];
        let expected =
            serde_json::json!({"name": "page", "public": true, "rate": 30, "names_senders": false, "origins": origins});
        assert_eq!((&json[2], json[0]["rate"].is_null()), (&expected, true));
        fs::write(&path, "").unwrap();
        assert!(listed(&path, Format::Text).unwrap().ends_with("holds no key\n"));
        fs::write(&path, "[keys.shop]").unwrap();
        assert!(listed(&path, Format::Text).is_err_and(|failure| failure.exit == Exit::Config));
        fs::remove_file(&path).unwrap();
    }
}
