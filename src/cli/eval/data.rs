//! The texts that `eval` learns from, fits to, and measures with.

use std::{collections::HashSet, path::Path};

use super::{Arguments, Exit, Failure, output, setup};
use crate::{
    app::{
        BUILT_IN_NAME,
        corpus::{CorpusFileError, corpus_of, load_corpus},
        settings::Settings,
    },
    corpus::{Corpus, LabelNames},
    eval::{Case, folds},
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
    pub(super) names: LabelNames,
}

impl Data {
    pub(super) fn load(arguments: &Arguments, settings: &Settings) -> Result<Self, Failure> {
        let (title, train) = match &arguments.train {
            Some(path) => (shown(path), corpus(path)?),
            None => {
                let path = settings.intents.path.as_ref().map(|path| shown(path.as_path()));
                (path.unwrap_or_else(|| BUILT_IN_NAME.to_owned()), corpus_of(&setup::intents(settings)?.file))
            }
        };
        let test = arguments.test.as_deref().map(corpus).transpose()?;
        let valid = arguments.valid.as_deref().map(corpus).transpose()?;
        let all = [Some(&train), test.as_ref(), valid.as_ref()].into_iter().flatten();
        let labels = all.flat_map(|corpus| &corpus.utterances).filter_map(|utterance| utterance.label.as_deref());
        let mut names = LabelNames::of(labels);
        let mut cases = |corpus: Corpus| -> Vec<Case> {
            let utterances = corpus.utterances.into_iter();
            let case =
                |it: crate::corpus::Utterance| Case { intent: it.label.map(|label| names.name(&label)), text: it.text };
            utterances.map(case).collect()
        };
        let mut train = cases(train);
        let test = test.map(&mut cases);
        let valid = valid.map(&mut cases);
        let mut description = match &arguments.test {
            Some(path) => format!("Tried on {}", shown(path)),
            None => format!("Cross-validated in {} parts", arguments.cross_validate.unwrap_or(5)),
        };
        if let Some(shots) = arguments.shots {
            train = folds::draw(train, shots as usize, arguments.seed);
            description += &format!(", learnt from {shots} examples of each intent (seed {})", arguments.seed);
        }
        let data = Self { title, description, train, test, valid, names };
        data.tell_of_strangers();
        Ok(data)
    }

    /// Tells of intents that are tested and weren't learnt: they can only be wrong.
    fn tell_of_strangers(&self) {
        let learnt: HashSet<_> = self.train.iter().filter_map(|case| case.intent.as_ref()).collect();
        let tested: HashSet<_> = self.test.iter().flatten().filter_map(|case| case.intent.as_ref()).collect();
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

fn corpus(path: &Path) -> Result<Corpus, Failure> {
    load_corpus(path).map_err(|error| match error {
        CorpusFileError::Intents(faults) => Failure::new(Exit::Config, faults),
        other => Failure::new(Exit::Data, other),
    })
}
