//! The section `nlu`: intents, also of retrieval (`faq/ask_name`), with entities marked; synonyms, lookup tables, patterns.

use super::{
    super::{Corpus, CorpusError, Utterance, Word, annotation},
    examples::{self, Example},
    yaml::Node,
};

/// The kinds of entries, and the key that names each.
pub(super) const KINDS: [&str; 4] = ["intent", "synonym", "regex", "lookup"];

pub(super) fn read(section: &Node, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let entries = section.list().ok_or_else(|| section.error("nlu has to be a list of entries"))?;
    entries.iter().try_for_each(|entry| read_entry(entry, corpus))
}

fn read_entry(entry: &Node, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let named = KINDS.into_iter().find_map(|kind| Some((kind, entry.get(kind)?)));
    let Some((kind, name)) = named else {
        let keys = entry.keys().collect::<Vec<_>>().join(", ");
        let there = if keys.is_empty() { "this is no table".to_owned() } else { format!("this has {keys}") };
        return Err(entry.error(format!("an entry of nlu has one of intent, synonym, regex and lookup, and {there}")));
    };
    let name = name.word().ok_or_else(|| name.error(format!("{kind} has to be a name: write it after `{kind}:`")))?;
    for (key, _) in entry.table().unwrap_or_default() {
        if let Some(other) = key.scalar().filter(|key| ![kind, "examples", "metadata"].contains(key)) {
            if entry.get("examples").is_none() {
                return Err(key.error(format!("{kind} '{name}' has no examples, but '{other}': write `examples:`")));
            }
            corpus.notes.add(format!("'{other}' of an entry of nlu is passed over"), Some(key.line));
        }
    }
    let examples = match entry.get("examples") {
        Some(examples) if !examples.is_empty() => examples::read(examples, &mut corpus.notes)?,
        _ => Vec::new(),
    };
    if examples.is_empty() {
        corpus.notes.add("an entry without examples is passed over", Some(entry.line));
    }
    for Example { text, line } in examples {
        add(kind, name, text, line, corpus);
    }
    Ok(())
}

/// Adds a line of an entry of one of [`KINDS`].
pub(super) fn add(kind: &str, name: &str, text: String, line: usize, corpus: &mut Corpus) {
    match kind {
        "intent" => add_example(name, &text, line, corpus),
        "synonym" => corpus.synonyms.push(Word { of: name.to_owned(), text }),
        "regex" => corpus.patterns.push(Word { of: name.to_owned(), text }),
        _ => corpus.lookups.push(Word { of: name.to_owned(), text }),
    }
}

/// Adds an example, unless it has a slip: its braces would be learned as words.
fn add_example(intent: &str, example: &str, line: usize, corpus: &mut Corpus) {
    let parsed = annotation::parse(example);
    if let Some(slip) = parsed.slips.first() {
        let kind = format!("an example is left out, since it has what looks like a mark and isn't one, as {slip}");
        return corpus.notes.add(kind, Some(line));
    }
    for (kind, count) in [
        ("roles and groups of entities aren't kept", parsed.roles),
        ("a text that is marked as several entities is found as one of them", parsed.several),
        ("square brackets that mark nothing are kept as text", parsed.brackets),
    ] {
        (0..count).for_each(|_| corpus.notes.add(kind, Some(line)));
    }
    if !parsed.text.trim().is_empty() {
        corpus.utterances.push(Utterance { text: parsed.text, label: Some(intent.to_owned()) });
        corpus.mentions.extend(parsed.mentions);
    }
}
