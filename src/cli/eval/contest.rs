//! Has models learn, and answer what they didn't learn from.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tokio::runtime::Runtime;

use super::{
    Exit, Failure,
    data::Data,
    setup,
    training::{self, Terminal},
};
use crate::{
    app::{
        self, QUIET, Watcher,
        settings::{ModelName, Settings, Threshold},
    },
    domain::Prediction,
    eval::{Answer, Asked, Case, Measured, Subject, ThresholdFrom, advice, ask, folds, threshold},
    model::{
        ModelClient,
        embedded::{self, EmbeddedModel, TrainingData},
    },
};

/// One set of data, and what models make of it.
pub(super) struct Contest<'a> {
    data: &'a Data,
    settings: &'a Settings,
    folds: usize,
    at_once: usize,
    runtime: Runtime,
}

/// A model that knows examples, and how long it took to learn from them.
struct Learnt {
    model: Box<dyn ModelClient>,
    training: Duration,
}

impl<'a> Contest<'a> {
    /// `at_once` texts are asked at the same time.
    pub(super) fn new(data: &'a Data, settings: &'a Settings, folds: usize, at_once: usize) -> Result<Self, Failure> {
        Ok(Self { data, settings, folds, at_once, runtime: setup::runtime()? })
    }

    /// What is measured of a model, and its answers.
    pub(super) fn measured(&self, name: &ModelName) -> Result<(Measured, Vec<Answer>), Failure> {
        let data = self.data;
        let whole = (data.test.is_some() || data.valid.is_some()).then(|| self.learn(name, &data.train)).transpose()?;
        let (tried, training) = match (&data.test, &whole) {
            (Some(test), Some(learnt)) => (self.asked(name, learnt, test), learnt.training),
            _ => self.cross_validated(name, &data.train)?,
        };
        let fitted = match (&data.valid, &whole, &data.test) {
            (Some(valid), Some(learnt), _) => {
                threshold::fit(&self.asked(name, learnt, valid).answers).map(|it| (it, ThresholdFrom::Validation))
            }
            (.., None) => threshold::fit(&tried.answers).map(|it| (it, ThresholdFrom::CrossValidation)),
            _ => advised(name, &tried.answers),
        };
        let (threshold, threshold_from) = fitted.map_or_else(
            || self.without_fit(&tried.answers),
            |(threshold, threshold_from)| (Some(threshold), threshold_from),
        );
        let cross_validated = data.test.is_none();
        let evidence = advice::Evidence {
            train: &data.train,
            answers: &tried.answers,
            cross_validated,
            threshold: threshold.unwrap_or(0.0),
            names: &data.names,
        };
        let advice = advice::advise(&evidence);
        let subject = Subject {
            model: name.to_string(),
            folds: cross_validated.then_some(self.folds),
            threshold,
            threshold_from,
            training,
            times: tried.times,
            errors: tried.errors,
        };
        Ok((Measured::new(subject, &data.train, &tried.answers, advice), tried.answers))
    }

    /// A model's answers to other texts, when it knows all examples.
    pub(super) fn answers(&self, name: &ModelName, cases: &[Case]) -> Result<Vec<Answer>, Failure> {
        Ok(self.asked(name, &self.learn(name, &self.data.train)?, cases).answers)
    }

    /// What a cascade is tried out on.
    pub(super) fn held_out(&self) -> Option<&'a [Case]> {
        self.data.held_out.as_deref()
    }

    /// The threshold where nothing can be fitted.
    fn without_fit(&self, answers: &[Answer]) -> (Option<f32>, ThresholdFrom) {
        if answers.iter().any(|answer| answer.predicted.is_some() && answer.confidence.is_none()) {
            return (None, ThresholdFrom::Decided);
        }
        let threshold = match self.settings.model.threshold {
            Threshold::Fixed(threshold) => threshold.get(),
            Threshold::Auto => Prediction::EVEN,
        };
        (Some(threshold), ThresholdFrom::Setting)
    }

    /// The answers to the examples themselves, in their order, each by a model that knows the other folds only.
    fn cross_validated(&self, name: &ModelName, cases: &[Case]) -> Result<(Asked, Duration), Failure> {
        let fold_of = folds::stratified(cases, self.folds);
        let mut places: Vec<usize> = Vec::with_capacity(cases.len());
        let (mut all, mut training) = (Asked::default(), Duration::ZERO);
        for fold in 0..self.folds {
            let part =
                |here: bool| cases.iter().zip(&fold_of).enumerate().filter(move |(_, (_, at))| (**at == fold) == here);
            let known: Vec<Case> = part(false).map(|(_, (case, _))| case.clone()).collect();
            let (here, tests): (Vec<usize>, Vec<Case>) =
                part(true).map(|(place, (case, _))| (place, case.clone())).unzip();
            let learnt = self.learn(name, &known)?;
            training += learnt.training;
            let label = format!("{name}, part {} of {}", fold + 1, self.folds);
            let asked = self.asked(&label, &learnt, &tests);
            places.extend(here);
            all.answers.extend(asked.answers);
            all.times.extend(asked.times);
            all.errors.extend(asked.errors);
        }
        let mut answers: Vec<_> = places.into_iter().zip(all.answers).collect();
        answers.sort_by_key(|(place, _)| *place);
        all.answers = answers.into_iter().map(|(_, answer)| answer).collect();
        Ok((all, training))
    }

    /// The model, when it knows these examples.
    fn learn(&self, name: &ModelName, cases: &[Case]) -> Result<Learnt, Failure> {
        let begin = Instant::now();
        let model: Box<dyn ModelClient> = match name {
            ModelName::Embedded => Box::new(self.train(cases)?),
            ModelName::Section(section) => {
                let made = app::measurable(self.settings, section, self.data.intents(cases));
                let model = made.map_err(|error| Failure::new(Exit::Config, error))?;
                let prepared = self.runtime.block_on(model.prepare());
                prepared.map_err(|error| Failure::new(Exit::Unavailable, error))?;
                model
            }
        };
        Ok(Learnt { model, training: begin.elapsed() })
    }

    /// The built-in model, when it knows these examples.
    fn train(&self, cases: &[Case]) -> Result<EmbeddedModel, Failure> {
        let examples: Vec<_> = cases
            .iter()
            .filter_map(|case| Some(embedded::Example { text: &case.text, intent: case.intent.as_ref()? }))
            .collect();
        let descriptions =
            examples.iter().filter_map(|it| Some((it.intent, self.data.description(it.intent)?))).collect();
        let terminal = Terminal::new();
        EmbeddedModel::train_telling(&TrainingData { examples, descriptions }, &|done, all| terminal.learned(done, all))
            .map_err(|error| Failure::new(Exit::Data, format!("the intent model can't be trained: {error}")))
    }

    /// What becomes of these texts; on a terminal, how far it is, where that takes long.
    fn asked(&self, label: &impl ToString, learnt: &Learnt, cases: &[Case]) -> Asked {
        let (begin, bar) = (Instant::now(), ProgressBar::new(cases.len() as u64));
        bar.set_style(training::bar("{msg}: {pos} of {len} texts {wide_bar} {eta}"));
        bar.set_message(label.to_string());
        let told = |done: usize| {
            if begin.elapsed() >= QUIET {
                bar.set_position(done as u64);
            }
        };
        let asked = self.runtime.block_on(ask(&*learnt.model, cases, self.at_once, &told));
        bar.finish_and_clear();
        asked
    }
}

/// The threshold that a model advises, which the built-in one has found by cross-validation when it was trained.
fn advised(name: &ModelName, answers: &[Answer]) -> Option<(f32, ThresholdFrom)> {
    let stated = answers.iter().find(|answer| answer.predicted.is_some() && answer.confidence.is_some())?;
    let from = match name {
        ModelName::Embedded => ThresholdFrom::CrossValidation,
        ModelName::Section(_) => ThresholdFrom::Advised,
    };
    Some((stated.advised, from))
}
