//! Rasa's training data, `nlu.yml` (<https://rasa.com/docs/rasa/training-data-format>, versions 2 and 3): intents, also
//! of retrieval (`faq/ask_name`), with entities marked; synonyms, lookup tables, patterns. Other sections of the file are
//! left out.

use saphyr::{LoadableYamlNode, MarkedYaml};

use super::{Corpus, CorpusError, Utterance, Word, annotation};

/// The kinds of entries, and the key that names each.
const KINDS: [&str; 4] = ["intent", "synonym", "regex", "lookup"];

pub(super) fn parse(text: &str) -> Result<Corpus, CorpusError> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| CorpusError::Yaml(error.to_string()))?;
    let mut corpus = Corpus::default();
    for document in &documents {
        let Some(entries) = document.data.as_mapping_get("nlu") else { continue };
        let entries = entries.data.as_sequence().ok_or_else(|| at(entries, "nlu has to be a list of entries"))?;
        for entry in entries {
            read_entry(entry, &mut corpus)?;
        }
    }
    Ok(corpus)
}

fn read_entry(entry: &MarkedYaml<'_>, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let named = KINDS.into_iter().find_map(|kind| Some((kind, entry.data.as_mapping_get(kind)?)));
    let Some((kind, name_node)) = named else {
        return Err(at(entry, "an entry of nlu is one of intent, synonym, regex and lookup, and this is none"));
    };
    let name = scalar(name_node).filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| at(name_node, format!("{kind} has to be a name")))?.trim().to_owned();
    let Some(examples) = entry.data.as_mapping_get("examples") else {
        return Err(at(entry, format!("{kind} '{name}' has no examples")));
    };
    for example in lines(examples)? {
        match kind {
            "intent" => {
                let (text, mentions) = annotation::parse(&example);
                corpus.utterances.push(Utterance { text, label: Some(name.clone()) });
                corpus.mentions.extend(mentions);
            }
            "synonym" => corpus.synonyms.push(Word { of: name.clone(), text: example }),
            "regex" => corpus.patterns.push(Word { of: name.clone(), text: example }),
            _ => corpus.lookups.push(Word { of: name.clone(), text: example }),
        }
    }
    Ok(())
}

/// An entry's examples: one text with `- ` before each, or a list of texts, or of tables that have a `text`.
fn lines(node: &MarkedYaml<'_>) -> Result<Vec<String>, CorpusError> {
    if let Some(text) = node.data.as_str() {
        return Ok(listed(text));
    }
    let list = node.data.as_sequence().ok_or_else(|| at(node, "examples has to be a list, or a text after `|`"))?;
    let mut lines = Vec::with_capacity(list.len());
    for item in list {
        let text = item.data.as_mapping_get("text").unwrap_or(item);
        let text = scalar(text).ok_or_else(|| at(item, "an example is a text, or has one after `text:`"))?;
        // A text of its own may begin with the dash of a list as well.
        lines.push(text.trim().strip_prefix("- ").unwrap_or(text.trim()).trim().to_owned());
    }
    lines.retain(|line| !line.is_empty());
    Ok(lines)
}

fn listed(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).map(|line| line.strip_prefix('-').unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// A scalar as it is written: a name such as `404` or `no` is a text here.
fn scalar(node: &MarkedYaml<'_>) -> Option<String> {
    if let Some(text) = node.data.as_str() {
        return Some(text.to_owned());
    }
    node.data.as_integer().map(|number| number.to_string()).or_else(|| node.data.as_bool().map(|is| is.to_string()))
}

fn at(node: &MarkedYaml<'_>, reason: impl ToString) -> CorpusError {
    CorpusError::at(node.span.start.line(), reason)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;

    const NLU: &str = r#"
version: "3.1"
nlu:
- intent: order_status
  examples: |
    - where is my [kettle](product)?
    - 我的[水壶]{"entity": "product", "value": "kettle"}到哪了
- intent: faq/ask_name
  examples:
  - text: |
      who are you
    metadata:
      sentiment: neutral
  - 你是谁
- intent: 404
  examples: |
    - nothing
- synonym: kettle
  examples: |
    - kettles
    - electric kettle
- regex: order_number
  examples: |
    - \d{10,12}
- lookup: city
  examples:
    - Berlin
    - 上海
responses:
  utter_x:
  - text: hi
"#;

    #[test]
    fn everything_in_nlu_is_read() {
        let corpus = parse(NLU).unwrap();
        let said: Vec<_> =
            corpus.utterances.iter().map(|it| (it.text.as_str(), it.label.as_deref().unwrap())).collect();
        let expected = [
            ("where is my kettle?", "order_status"),
            ("我的水壶到哪了", "order_status"),
            ("who are you", "faq/ask_name"),
            ("你是谁", "faq/ask_name"),
            ("nothing", "404"),
        ];
        assert_eq!(said, expected);
        let words = |words: &[Word]| -> Vec<_> {
            words.iter().map(|word| (word.of.clone(), word.text.clone())).collect::<Vec<(String, String)>>()
        };
        let pair = |of: &str, text: &str| (of.to_owned(), text.to_owned());
        assert_eq!(words(&corpus.synonyms), [pair("kettle", "kettles"), pair("kettle", "electric kettle")]);
        assert_eq!(words(&corpus.patterns), [pair("order_number", r"\d{10,12}")]);
        assert_eq!(words(&corpus.lookups), [pair("city", "Berlin"), pair("city", "上海")]);
        let mentions: Vec<_> = corpus.mentions.iter().map(|it| (it.text.as_str(), it.value.as_str())).collect();
        assert_eq!(mentions, [("kettle", "kettle"), ("水壶", "kettle")]);
    }

    #[test]
    fn faults_have_their_line() {
        fn check(text: &str, line: usize, said: &str) {
            match parse(text) {
                Err(CorpusError::Line { line: at, reason }) => {
                    assert!(at == line && reason.contains(said), "{at}: {reason}");
                }
                other => unreachable!("{other:?}"),
            }
        }
        check("nlu:\n- intent: a\n  examples: |\n    - x\n- story: b\n", 5, "an entry of nlu is one of");
        check("nlu:\n- intent: a\n", 2, "has no examples");
        check("nlu:\n- intent:\n  examples: |\n    - x\n", 2, "has to be a name");
        check("nlu:\n- intent: a\n  examples: {}\n", 3, "has to be a list");
        check("nlu: 1\n", 1, "a list of entries");
        assert!(matches!(parse("nlu: [\n"), Err(CorpusError::Yaml(_))));
        assert_eq!(parse("rules: []\n"), Ok(Corpus::default()));
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..12 {
            let before = format!("*a{}", n - 1);
            text += &format!("a{n}: &a{n} [{}]\n", [before.as_str(); 10].join(","));
        }
        assert!(parse(&text).is_err());
    }
}
