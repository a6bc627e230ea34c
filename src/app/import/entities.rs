//! The entities of a bot, made of what its data marks, lists and describes by patterns.
//!
//! Rasa's rules for values hold: what a text of an entity stands for where it is told once holds for all its marks, and a
//! synonym holds for every entity whose examples or lookup table have one of its texts. Both are taken once: what is a
//! value itself stands for no other.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
};

use self::meanings::{Meanings, tell_value};
use super::{one_line, quoted};
use crate::{
    app::intents::normal_form,
    corpus::{Corpus, LabelNames, Notes, Word},
    entity::{BUILT_IN, Definition, Extractor, MAX_LENGTH, folded},
};

mod meanings;

/// The entities that the data tells of, and the name that each has here.
pub(super) fn of(corpus: &Corpus, notes: &mut Notes) -> (Vec<Definition>, HashMap<String, String>) {
    let known = Known::of(corpus);
    let lookups =
        known.kept(&corpus.lookups, Known::is_lookup, "lookup tables named as no entity were left out", notes);
    let patterns = known.kept(&corpus.patterns, Known::is_entity, "regexes named as no entity were left out", notes);
    let named = lookups.iter().chain(&patterns).map(|word| word.of.as_str());
    let mut names =
        LabelNames::of(corpus.mentions.iter().map(|it| it.entity.as_str()).chain(named).collect::<Vec<_>>());
    let mut entities = Entities::default();

    let meanings = Meanings::of(corpus, notes);
    // Lookup tables have the best spelling of a value. But one that no example marks may hold another entity's words, and
    // the first entity that has a word is found.
    let (sure, others): (Vec<&Word>, Vec<&Word>) =
        lookups.into_iter().partition(|word| known.entities.contains(word.of.as_str()));
    let [sure, others] =
        [sure, others].map(|words| words.into_iter().map(|word| (word.of.as_str(), word.text.as_str())));
    let listed = corpus.values.iter().map(|word| (word.of.as_str(), word.text.as_str()));
    let marked = corpus.mentions.iter().map(|mention| (mention.entity.as_str(), mention.text.as_str()));
    for (entity, said) in sure.chain(listed).chain(marked).chain(others) {
        let value = meanings.of_text(entity, said);
        entities.add(entity, value, said, notes);
    }
    // A value that is told for a text isn't always marked by itself.
    for synonym in &meanings.kept {
        let having = entities.having(&synonym.of, &meanings.texts(&synonym.of));
        if having.is_empty() {
            let shown = format!("'{}' of '{}'", one_line(&synonym.text), one_line(&synonym.of));
            notes.add_shown("synonyms that are of no entity were left out", shown);
        }
        for entity in having {
            if meanings.is_other_value(&entity, &synonym.text, &synonym.of) {
                tell_value(&synonym.text, &synonym.of, notes);
            } else {
                entities.add(&entity, &synonym.of, &synonym.text, notes);
            }
        }
    }
    for word in patterns {
        let one = Definition { patterns: vec![word.text.clone()], ..Definition::default() };
        match Extractor::new(&[one]) {
            Ok(_) => entities.place(&word.of).definition.patterns.push(word.text.clone()),
            Err(error) => {
                notes.add_shown("patterns that can't be used were left out", format!("of {}: {error}", word.of));
            }
        }
    }
    entities.tell_shared(notes);
    let (mut definitions, mut named) = (Vec::new(), HashMap::new());
    for Entity { definition, .. } in entities.entities {
        let name = names.name(&definition.name).to_string();
        if !definition.values.is_empty() || !definition.patterns.is_empty() {
            named.insert(definition.name, name.clone());
            definitions.push(Definition { name, ..definition });
        }
    }
    for renamed in names.renamed() {
        let shown = format!("'{}' became {}", one_line(&renamed.label), renamed.name);
        notes.add_shown("names of entities were changed", shown);
    }
    (definitions, named)
}

/// Writes an entity as an intents file has it.
pub(super) fn write(text: &mut String, entity: &Definition) -> std::fmt::Result {
    write!(text, "\n[entities.{}]\n", entity.name)?;
    let list = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
    if !entity.patterns.is_empty() {
        writeln!(text, "patterns = [{}]", list(&entity.patterns))?;
    }
    if let Some((kind, _)) = BUILT_IN.iter().find(|(_, kind)| Some(*kind) == entity.built_in) {
        writeln!(text, "kind = {}", quoted(kind))?;
    }
    for (value, said) in &entity.values {
        writeln!(text, "values.{} = [{}]", quoted(value), list(said))?;
    }
    Ok(())
}

/// Which names are entities' and which are intents'.
struct Known<'c> {
    entities: HashSet<&'c str>,
    lookups: HashSet<&'c str>,
    intents: HashSet<&'c str>,
    has_domain: bool,
}

impl<'c> Known<'c> {
    fn of(corpus: &'c Corpus) -> Self {
        let marked = corpus.mentions.iter().map(|mention| mention.entity.as_str());
        let listed = corpus.project.entities.iter().map(String::as_str);
        Self {
            entities: marked.chain(listed).collect(),
            lookups: corpus.lookups.iter().map(|word| word.of.as_str()).collect(),
            intents: corpus.utterances.iter().filter_map(|utterance| utterance.label.as_deref()).collect(),
            has_domain: !corpus.project.entities.is_empty(),
        }
    }

    /// A lookup table has the name of its entity, but some are hints for the model; where a domain lists the entities,
    /// that shows.
    fn is_lookup(&self, name: &str) -> bool {
        self.entities.contains(name) || !(self.has_domain || self.intents.contains(name))
    }

    /// Rasa's regexes are hints for its model, and only those named as an entity find one.
    fn is_entity(&self, name: &str) -> bool {
        self.entities.contains(name) || (self.lookups.contains(name) && self.is_lookup(name))
    }

    fn kept(&self, words: &'c [Word], keep: fn(&Self, &str) -> bool, kind: &str, notes: &mut Notes) -> Vec<&'c Word> {
        let mut left_out = HashSet::new();
        let mut kept = Vec::with_capacity(words.len());
        for word in words {
            if keep(self, &word.of) {
                kept.push(word);
            } else if left_out.insert(&word.of) {
                notes.add_shown(kind, format!("'{}'", one_line(&word.of)));
            }
        }
        kept
    }
}

/// What is the same in two texts that are found alike, so that none is said for two values.
fn found_form(text: &str) -> String {
    normal_form(&folded(text))
}

/// Entities while they are put together, in the order in which they came.
#[derive(Default)]
struct Entities {
    entities: Vec<Entity>,
    places: HashMap<String, usize>,
}

#[derive(Default)]
struct Entity {
    definition: Definition,
    /// The place of each value, and of what is said for it, in the form in which it is found.
    words: HashMap<String, usize>,
    /// The texts that are marked or listed.
    texts: HashSet<String>,
}

impl Entities {
    fn place(&mut self, name: &str) -> &mut Entity {
        let next = self.entities.len();
        let place = *self.places.entry(name.to_owned()).or_insert(next);
        if place == next {
            let definition = Definition { name: name.to_owned(), ..Definition::default() };
            self.entities.push(Entity { definition, ..Entity::default() });
        }
        &mut self.entities[place]
    }

    fn add(&mut self, entity: &str, value: &str, said: &str, notes: &mut Notes) {
        let [value, said] = [value, said].map(str::trim);
        if value.is_empty() || said.is_empty() {
            return;
        }
        if [value, said].iter().any(|text| text.chars().count() > MAX_LENGTH) {
            let shown = format!("'{}' of {entity}", one_line(said));
            return notes.add_shown("values of entities that are too long were left out", shown);
        }
        let entity = self.place(entity);
        entity.texts.insert(found_form(said));
        let values = &mut entity.definition.values;
        let place = *entity.words.entry(found_form(value)).or_insert_with(|| {
            values.push((value.to_owned(), Vec::new()));
            values.len() - 1
        });
        // What is found alike is found by the first.
        entity.words.entry(found_form(said)).or_insert_with(|| {
            values[place].1.push(said.to_owned());
            place
        });
    }

    /// The entities that a synonym is for: those with one of its texts, else the first with its value.
    fn having(&self, value: &str, texts: &HashSet<String>) -> Vec<String> {
        let value = found_form(value);
        let with_text = |entity: &&Entity| texts.iter().any(|text| entity.texts.contains(text));
        let with_value = |entity: &&Entity| entity.words.contains_key(&value);
        let mut having: Vec<_> = self.entities.iter().filter(with_text).collect();
        if having.is_empty() {
            having.extend(self.entities.iter().find(with_value));
        }
        having.into_iter().map(|entity| entity.definition.name.clone()).collect()
    }

    /// One text is found as one entity.
    fn tell_shared(&self, notes: &mut Notes) {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        for entity in &self.entities {
            let name = entity.definition.name.as_str();
            let mut words: Vec<_> = entity.words.keys().collect();
            words.sort();
            for word in words {
                let first = *owners.entry(word).or_insert(name);
                if first != name {
                    let shown = format!("'{}' as {first}, not as {name}", one_line(word));
                    notes.add_shown("texts of several entities are found as the first of them", shown);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Mention, Utterance};

    fn words(words: &[(&str, &str)]) -> Vec<Word> {
        words.iter().map(|&(of, text)| Word { of: of.into(), text: text.into() }).collect()
    }

    /// An entity's name, its values with what is said for each, and its patterns.
    type Expected<'e> = (&'e str, &'e [(&'e str, &'e [&'e str])], &'e [&'e str]);

    fn check(corpus: &Corpus, expected: &[Expected<'_>], told: &[&str]) {
        let mut notes = Notes::default();
        let (made, _) = of(corpus, &mut notes);
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, values, patterns)| Definition {
                name: (*name).to_owned(),
                values: values
                    .iter()
                    .map(|(value, said)| ((*value).to_owned(), said.iter().map(|&it| it.to_owned()).collect()))
                    .collect(),
                patterns: patterns.iter().map(|&it| it.to_owned()).collect(),
                built_in: None,
            })
            .collect();
        assert_eq!(made, expected);
        assert_eq!(notes.iter().map(ToString::to_string).collect::<Vec<_>>(), told);
    }

    fn marked(mentions: &[(&str, &str, &str)]) -> Vec<Mention> {
        let mention = |&(entity, value, text): &(&str, &str, &str)| Mention {
            entity: entity.into(),
            value: value.into(),
            text: text.into(),
        };
        mentions.iter().map(mention).collect()
    }

    #[test]
    fn a_synonym_is_the_value_of_what_is_marked() {
        let corpus = Corpus {
            mentions: marked(&[
                ("account", "credit card account", "credit card account"),
                ("account", "Savings", "Savings"),
            ]),
            synonyms: words(&[("credit", "credit card account"), ("credit", "credit account"), ("x", "y")]),
            ..Corpus::default()
        };
        let values: &[(&str, &[&str])] = &[("credit", &["credit card account", "credit account"]), ("Savings", &[])];
        check(&corpus, &[("account", values, &[])], &["synonyms that are of no entity were left out: 'y' of 'x'"]);
    }

    #[test]
    fn what_a_list_has_as_a_value_stands_for_itself() {
        fn listed(entity: &str, lists: &[(&str, &[&str])]) -> Corpus {
            let mut corpus = Corpus::default();
            for &(value, said) in lists {
                corpus.values.push(Word { of: entity.into(), text: value.into() });
                let texts = [value].into_iter().chain(said.iter().copied());
                corpus.mentions.extend(texts.flat_map(|text| marked(&[(entity, value, text)])));
            }
            corpus
        }
        let left_out = |first: &str| format!("synonyms that are values themselves were left out: {first}");
        let values: &[(&str, &[&str])] = &[("coffee", &[]), ("latte", &["cafe latte"])];
        let corpus = listed("drink", &[("coffee", &["Latte"]), ("latte", &["cafe latte"])]);
        check(&corpus, &[("drink", values, &[])], &[&left_out("'Latte' of 'coffee'")]);
        let values: &[(&str, &[&str])] = &[("咖啡", &[]), ("拿铁", &[])];
        let corpus = listed("drink", &[("咖啡", &["拿鐵"]), ("拿铁", &[])]);
        check(&corpus, &[("drink", values, &[])], &[&left_out("'拿鐵' of '咖啡'")]);
        // What two values have is the first one's.
        let values: &[(&str, &[&str])] = &[("item", &["items"]), ("specials", &[])];
        let corpus = listed("menu", &[("item", &["items"]), ("specials", &["item", "items"])]);
        let second = "texts that were given two values keep the first: 'items' is 'item', not 'specials'";
        check(&corpus, &[("menu", values, &[])], &[&left_out("'item' of 'specials'"), second]);
    }

    #[test]
    fn a_synonym_is_taken_once() {
        let told = ["synonyms that are values themselves were left out: 'latte' of 'coffee'"];
        let values: &[(&str, &[&str])] = &[("latte", &["caffè latte"]), ("coffee", &[])];
        let mentions =
            marked(&[("drink", "latte", "latte"), ("drink", "latte", "caffè latte"), ("drink", "coffee", "coffee")]);
        let synonyms = words(&[("coffee", "latte")]);
        let corpus = Corpus { mentions, synonyms, ..Corpus::default() };
        check(&corpus, &[("drink", values, &[])], &told);
        let mentions = marked(&[("drink", "cafe latte", "cafe latte"), ("drink", "coffee", "coffee")]);
        let synonyms = words(&[("coffee", "latte"), ("latte", "cafe latte")]);
        let corpus = Corpus { mentions, synonyms, ..Corpus::default() };
        let values: &[(&str, &[&str])] = &[("latte", &["cafe latte"]), ("coffee", &[])];
        check(&corpus, &[("drink", values, &[])], &told);
    }

    #[test]
    fn a_value_that_is_given_once_holds_for_all_marks() {
        let corpus = Corpus {
            mentions: marked(&[
                ("account_type", "Credit card", "Credit card"),
                ("account_type", "credit", "credit card"),
                ("account_type", "debit", "credit card"),
                ("product", "credit card", "credit card"),
            ]),
            ..Corpus::default()
        };
        check(
            &corpus,
            &[("account_type", &[("credit", &["Credit card"])], &[]), ("product", &[("credit card", &[])], &[])],
            &[
                "texts that were given two values keep the first: 'credit card' is 'credit', not 'debit'",
                "texts of several entities are found as the first of them: 'credit card' as account_type, not as product",
            ],
        );
    }

    #[test]
    fn lookups_have_synonyms_too() {
        let corpus = Corpus {
            mentions: marked(&[("capital", "berlin", "berlin")]),
            lookups: words(&[("city", "New York"), ("city", "NYC"), ("city", "berlin"), ("city", "Berlin")]),
            synonyms: words(&[("New York", "nyc"), ("New York", "big apple")]),
            ..Corpus::default()
        };
        check(
            &corpus,
            &[
                ("capital", &[("berlin", &[])], &[]),
                ("city", &[("New York", &["NYC", "big apple"]), ("berlin", &[])], &[]),
            ],
            &["texts of several entities are found as the first of them: 'berlin' as capital, not as city"],
        );
    }

    #[test]
    fn only_what_is_named_as_an_entity_becomes_one() {
        let utterance = |label: &str| Utterance { text: "x".into(), label: Some(label.into()) };
        let mut corpus = Corpus {
            utterances: vec![utterance("greet"), utterance("thank")],
            mentions: marked(&[("amount.of.money", "$5", "$5")]),
            lookups: words(&[("thank", "cheers"), ("city", "Rome"), ("hint", "x")]),
            patterns: words(&[
                ("greet", "hey[^\\s]*"),
                ("greet", "hi"),
                ("amount.of.money", "\\$\\d+"),
                ("city", "[A-Z]"),
                ("city", "(?=x)"),
                ("zip", "\\d{5}"),
            ]),
            ..Corpus::default()
        };
        corpus.project.entities = vec!["zip".into(), "city".into()];
        check(
            &corpus,
            &[
                ("city", &[("Rome", &[])], &["[A-Z]"]),
                ("amount_of_money", &[("$5", &[])], &["\\$\\d+"]),
                ("zip", &[], &["\\d{5}"]),
            ],
            &[
                "lookup tables named as no entity were left out (2 times, first 'thank')",
                "regexes named as no entity were left out: 'greet'",
                "patterns that can't be used were left out: of city: '(?=x)' is no regular expression that can be used: \
                 error: look-around, including look-ahead and look-behind, is not supported",
                "names of entities were changed: 'amount.of.money' became amount_of_money",
            ],
        );
    }

    #[test]
    fn without_a_domain_a_lookup_table_is_an_entity_unless_an_intent_has_its_name() {
        let corpus = Corpus {
            utterances: vec![Utterance { text: "x".into(), label: Some("thank".into()) }],
            lookups: words(&[("thank", "cheers"), ("city", "Rome")]),
            patterns: words(&[("city", "[A-Z]")]),
            ..Corpus::default()
        };
        check(
            &corpus,
            &[("city", &[("Rome", &[])], &["[A-Z]"])],
            &["lookup tables named as no entity were left out: 'thank'"],
        );
    }

    #[test]
    fn what_is_too_long_is_told() {
        let long = "x".repeat(MAX_LENGTH + 1);
        let corpus = Corpus { mentions: marked(&[("a", &long, &long)]), ..Corpus::default() };
        check(&corpus, &[], &[&format!("values of entities that are too long were left out: '{long}' of a")]);
    }
}
