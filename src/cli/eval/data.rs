//! The texts that `eval` learns from, fits to, and measures with.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use super::{Arguments, Exit, Failure, ReadingArguments, output, setup};
use crate::{
    app::{
        BUILT_IN_NAME,
        corpus::{CorpusFileError, corpus_of, load_corpora},
        settings::Settings,
    },
    corpus::{Corpus, LabelNames, Part},
    domain::IntentName,
    eval::{Case, folds},
    model::Intent,
};

/// What there is to learn from, to fit to, and to measure with.
pub(super) struct Data {
    /// What is measured.
    pub(super) title: String,
    /// With what, in words.
    pub(super) description: String,
    pub(super) train: Vec<Case>,
    /// None where the training examples are cross-validated.
    pub(super) test: Option<Vec<Case>>,
    pub(super) valid: Option<Vec<Case>>,
    /// What is left for a cascade that was tuned, in place of a test: to be tried out on, and nothing else.
    pub(super) held_out: Option<Vec<Case>>,
    pub(super) names: LabelNames,
    /// What else other programs may call the intents.
    labels: HashMap<IntentName, Vec<String>>,
    /// What intents mean, in words.
    descriptions: HashMap<IntentName, String>,
}

impl Data {
    pub(super) fn load(arguments: &Arguments, settings: &Settings) -> Result<Self, Failure> {
        let mut descriptions = HashMap::new();
        let (title, train) = match &arguments.train {
            Some(path) => (shown(path), corpus(path, &arguments.reading, Part::Train)?),
            None => {
                let path = settings.intents.path.as_ref().map(|path| shown(path.as_path()));
                let bot = setup::intents(settings)?.file;
                let described = bot.intents.iter().filter_map(|it| Some((it.name.clone(), it.description.clone()?)));
                descriptions.extend(described);
                (path.unwrap_or_else(|| BUILT_IN_NAME.to_owned()), corpus_of(&bot))
            }
        };
        let test = arguments.test.as_deref().map(|path| corpus(path, &arguments.reading, Part::Test)).transpose()?;
        let valid = arguments.valid.as_deref().map(|path| corpus(path, &arguments.reading, Part::Valid)).transpose()?;
        let all = [Some(&train), test.as_ref(), valid.as_ref()].into_iter().flatten();
        let said = all.flat_map(|corpus| &corpus.utterances).filter_map(|utterance| utterance.label.as_deref());
        let mut names = LabelNames::of_bot(&train.labels, said);
        let owned = |labels: Vec<&str>| labels.into_iter().map(str::to_owned).collect();
        let labels = names.beside(&train).into_iter().map(|(name, labels)| (name, owned(labels))).collect();
        let mut cases = |corpus: Corpus| -> Vec<Case> {
            let utterances = corpus.utterances.into_iter();
            let case =
                |it: crate::corpus::Utterance| Case { intent: it.label.map(|label| names.name(&label)), text: it.text };
            utterances.map(case).collect()
        };
        let mut train = cases(train);
        let test = test.map(&mut cases);
        let valid = valid.map(&mut cases);
        // What a cascade is tuned to is measured; its test is none of what it is tuned to.
        let (tried, test, valid, held_out) = match arguments.tune {
            true => (&arguments.valid, valid, None, test),
            false => (&arguments.test, test, valid, None),
        };
        let mut description = match tried {
            Some(path) => format!("Tried on {}", shown(path)),
            None => format!("Cross-validated in {} parts", arguments.cross_validate.unwrap_or(5)),
        };
        if let Some(shots) = arguments.shots {
            train = folds::draw(train, shots as usize, arguments.seed);
            description += &format!(", learnt from {shots} examples of each intent (seed {})", arguments.seed);
        }
        let data = Self { title, description, train, test, valid, held_out, names, labels, descriptions };
        data.tell_of_strangers();
        Ok(data)
    }

    /// What models that another program serves are told of the intents, when they may know these examples.
    pub(super) fn intents(&self, examples: &[Case]) -> Vec<Intent> {
        let mut intents: Vec<Intent> = Vec::new();
        let mut places: HashMap<&IntentName, usize> = HashMap::new();
        for (name, text) in examples.iter().filter_map(|case| Some((case.intent.as_ref()?, &case.text))) {
            let place = *places.entry(name).or_insert_with(|| {
                let description = self.description(name).map(str::to_owned);
                let labels = self.labels.get(name).cloned().unwrap_or_default();
                intents.push(Intent { name: name.clone(), labels, description, examples: Vec::new() });
                intents.len() - 1
            });
            intents[place].examples.push(text.clone());
        }
        intents
    }

    /// What an intent means, in words: its description, or else the label that couldn't be its name.
    pub(super) fn description<'a>(&'a self, name: &'a IntentName) -> Option<&'a str> {
        let label = Some(self.names.label(name)).filter(|label| *label != name.as_str());
        self.descriptions.get(name).map(String::as_str).or(label)
    }

    /// Tells of intents that are tested and weren't learnt: they can only be wrong.
    fn tell_of_strangers(&self) {
        let learnt: HashSet<_> = self.train.iter().filter_map(|case| case.intent.as_ref()).collect();
        let tested: HashSet<_> =
            self.test.iter().chain(&self.held_out).flatten().filter_map(|case| case.intent.as_ref()).collect();
        let mut strangers: Vec<_> = tested.difference(&learnt).map(|name| self.names.label(name)).collect();
        if !strangers.is_empty() {
            strangers.sort_unstable();
            let strangers = output::one_line(&strangers.join(", "));
            output::tell(&format!(
                "The test has intents that nothing was learnt of, and counts as mistakes: {strangers}\n"
            ));
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A file's texts. A few rows that can't be used are passed over and told.
fn corpus(path: &Path, reading: &ReadingArguments, part: Part) -> Result<Corpus, Failure> {
    let corpus = load_corpora(&[path], &reading.reading(part, None)).map_err(|error| match error {
        CorpusFileError::Intents(faults) => Failure::new(Exit::Config, faults),
        other => Failure::new(Exit::Data, other),
    })?;
    for note in corpus.notes.iter() {
        output::tell(&format!("{}\n", output::one_line(&note.to_string())));
    }
    let (unusable, all) = (corpus.faults.count(), corpus.faults.count() + corpus.utterances.len());
    if let Some(first) = corpus.faults.first() {
        let told = format!("{unusable} of {all} rows can't be used, of which the first is {first}");
        if unusable * 10 > all {
            let told = format!("{told}; more than one in ten is too much to measure without them");
            return Err(Failure::new(Exit::Data, told));
        }
        output::tell(&format!("{}\n", output::one_line(&format!("{told}; they were passed over"))));
    }
    Ok(corpus)
}
