//! What tells two bots apart: a hash of all that answers are made of.
//!
//! **Invariant:** the same files and settings have the same hash on every machine, wherever the files lie. Nothing secret goes
//! in, and no address: two workers may reach one service by different ones.

use std::{fs, path::Path};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    intents::{HandlerDefinition, IntentsFile},
    settings::Settings,
};
use crate::knowledge;

/// What of a service's section an answer can depend on.
const OF_A_SERVICE: [&str; 17] = [
    "kind",
    "model",
    "format",
    "examples",
    "max_tokens",
    "extra",
    "prefix",
    "passage_prefix",
    "body",
    "intent_pointer",
    "confidence_pointer",
    "ranking_pointer",
    "answer_tokens",
    "images",
    "min_confidence",
    "min_margin",
    "batch",
];
/// So many hexadecimal digits of the hash are told.
const DIGITS: usize = 32;

/// The hash of a bot: its intents file, the files that this names, its models and services.
pub(super) fn bot(settings: &Settings, intents: &IntentsFile) -> String {
    let mut hash = Fingerprint::default();
    // As it was read, with the places of its names.
    hash.part("intents", format!("{:?}", IntentsFile { folder: None, ..intents.clone() }).as_bytes());
    let folder = intents.folder.as_deref().unwrap_or(Path::new(""));
    let documents = intents.knowledge.iter().flat_map(|knowledge| &knowledge.paths).map(|path| path.name.as_str());
    let handlers = intents.intents.iter().flat_map(|intent| &intent.handlers);
    let glossaries = handlers.filter_map(|handler| match handler {
        HandlerDefinition::Translate(translate) => translate.glossary.as_ref(),
        _ => None,
    });
    let catalogues = intents.catalogues.iter().map(|catalogue| &catalogue.path).chain(glossaries);
    for pattern in documents.chain(catalogues.map(|path| path.name.as_str())) {
        for path in knowledge::files(folder, pattern).unwrap_or_default() {
            hash.file(path.strip_prefix(folder).unwrap_or(&path), &path);
        }
    }
    for link in settings.model.links() {
        hash.part("model", link.to_string().as_bytes());
    }
    let (model, embedded) = (&settings.model, &settings.embedded);
    let sureness =
        format!("{} {} {:?} {}", model.threshold, model.margin, embedded.min_confidence, embedded.min_margin);
    hash.part("sureness", sureness.as_bytes());
    for (name, service) in &settings.backend {
        hash.part("service", name.as_bytes());
        // A section of settings always has a form in JSON.
        let section = serde_json::to_value(service).unwrap_or(Value::Null);
        for key in OF_A_SERVICE {
            hash.part(key, section[key].to_string().as_bytes());
        }
        if let Some(rules) = &service.rules_path {
            hash.file(Path::new("rules"), rules.as_path());
        }
    }
    hash.told()
}

#[derive(Default)]
struct Fingerprint(Sha256);

impl Fingerprint {
    /// Each part with its length, so that no two rows of parts are the same.
    fn part(&mut self, name: &str, bytes: &[u8]) {
        for bytes in [name.as_bytes(), bytes] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
    }

    /// A file under the name that the bot knows it by. What can't be read, or is none, such as a pipe, counts as empty: who
    /// answers from it has told of it.
    fn file(&mut self, name: &Path, path: &Path) {
        let bytes = if path.is_file() { fs::read(path).unwrap_or_default() } else { Vec::new() };
        self.part(&name.to_string_lossy(), &bytes);
    }

    fn told(self) -> String {
        self.0.finalize().iter().flat_map(|byte| [byte >> 4, byte & 15]).take(DIGITS).map(hex).collect()
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::path::PathBuf;

    use super::*;
    use crate::config::Variables;

    const BOT: &str = r#"
fallback = "help"
[knowledge.faq]
paths = ["*.md"]
[catalogue.shop]
path = "shop.csv"
[intents.help]
handler = ["search", "template"]
search.knowledge = "faq"
reply.en = "Please call us."
[intents.buy]
handler = "recommend"
recommend.catalogue = "shop"
"#;

    /// A bot in a folder of its own, removed when dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("bot-{}", uuid::Uuid::now_v7()));
            fs::create_dir(&folder).unwrap();
            let this = Self(folder);
            this.write("bot.toml", BOT);
            this.write("faq.md", "# Returns\n\nWithin 30 days.\n");
            this.write("shop.csv", "id,title\nk1,Kettle\n");
            this
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).unwrap();
        }

        fn hash(&self, variables: &[(&str, &str)]) -> String {
            let variables: Variables =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let settings = Settings::load(&variables, &|path| fs::read(path)).unwrap().settings;
            bot(&settings, &IntentsFile::load(&self.0.join("bot.toml")).unwrap().file)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const QWEN: [(&str, &str); 4] = [
        ("CHATBOT_MODEL_CHAIN", "qwen"),
        ("CHATBOT_QWEN_KIND", "openai"),
        ("CHATBOT_QWEN_URL", "http://a/v1"),
        ("CHATBOT_QWEN_MODEL", "m1"),
    ];

    #[test]
    fn the_same_bot_has_the_same_hash_wherever_it_lies_and_however_it_is_reached() {
        let (one, other) = (Folder::new(), Folder::new());
        assert_eq!(one.hash(&[]), other.hash(&[]));
        assert_eq!(one.hash(&[]).len(), DIGITS);
        assert_ne!(one.0, other.0);
        let elsewhere = [QWEN[0], QWEN[1], ("CHATBOT_QWEN_URL", "http://b/v1"), QWEN[3], ("CHATBOT_QWEN_API_KEY", "k")];
        assert_eq!(one.hash(&QWEN), one.hash(&elsewhere));
        assert_eq!(one.hash(&[]), one.hash(&[("CHATBOT_AMQP_PREFETCH", "7")]));
    }

    #[test]
    fn whatever_an_answer_is_made_of_changes_it() {
        let folder = Folder::new();
        let mut seen = vec![folder.hash(&[]), folder.hash(&QWEN)];
        seen.push(folder.hash(&[QWEN[0], QWEN[1], QWEN[2], ("CHATBOT_QWEN_MODEL", "m2")]));
        seen.push(folder.hash(&[("CHATBOT_MODEL_THRESHOLD", "0.9")]));
        folder.write("faq.md", "# Returns\n\nWithin 14 days.\n");
        seen.push(folder.hash(&[]));
        folder.write("more.md", "# Gifts\n\nWe wrap them.\n");
        seen.push(folder.hash(&[]));
        folder.write("shop.csv", "id,title\nk1,Teapot\n");
        seen.push(folder.hash(&[]));
        folder.write("bot.toml", &BOT.replace("Please call", "Please write to"));
        seen.push(folder.hash(&[]));
        let different: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(different.len(), seen.len(), "{seen:?}");
    }
}
