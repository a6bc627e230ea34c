//! The section `responses` (`templates` in version 1): what the bot says, by the name of a response.

use super::{
    super::{Corpus, CorpusError, Word},
    yaml::Node,
};

/// What a variant of a response may have beside its text, and what it is.
const EXTRAS: [(&str, &str); 6] = [
    ("buttons", "buttons of responses aren't kept"),
    ("quick_replies", "buttons of responses aren't kept"),
    ("image", "images of responses aren't kept"),
    ("attachment", "attachments of responses aren't kept"),
    ("elements", "attachments of responses aren't kept"),
    ("custom", "custom parts of responses aren't kept"),
];

pub(super) fn read(section: &Node, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let responses = section
        .table()
        .ok_or_else(|| section.error("responses has to be a table, with a list after each name: `utter_greet:`"))?;
    for (name, variants) in responses {
        let Some(name) = name.word() else { continue };
        if let Some(text) = choose(variants, corpus) {
            corpus.project.responses.push(Word { of: name.to_owned(), text });
        } else {
            corpus.notes.add("a response without a text is left out", Some(variants.line));
        }
    }
    Ok(())
}

/// The text of the first variant that holds always, else of the first of all.
fn choose(variants: &Node, corpus: &mut Corpus) -> Option<String> {
    let variants = variants.list().unwrap_or(std::slice::from_ref(variants));
    let mut chosen: Option<(bool, String)> = None;
    for variant in variants {
        for (_, kind) in EXTRAS.iter().filter(|(key, _)| variant.get(key).is_some()) {
            corpus.notes.add(*kind, Some(variant.line));
        }
        let text = variant.get("text").unwrap_or(variant).word();
        let Some(text) = text else { continue };
        let always = variant.get("condition").is_none() && variant.get("channel").is_none();
        match &chosen {
            Some((true, _)) if always => {
                corpus.notes.add("of several texts of a response, the first is taken", Some(variant.line));
            }
            Some((false, _)) if always => chosen = Some((true, text.to_owned())),
            None => chosen = Some((always, text.to_owned())),
            Some(_) => {}
        }
        if !always {
            corpus.notes.add("conditions and channels of responses aren't kept", Some(variant.line));
        }
    }
    chosen.map(|(_, text)| text)
}
