//! Trains models and has them answer.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use super::{Exit, Failure, data::Data, output, setup};
use crate::{
    app::settings::{Settings, Threshold},
    domain::Prediction,
    eval::{Answer, Case, Measured, Subject, ThresholdFrom, advice, ask, folds, threshold},
    model::{
        ModelClient,
        embedded::{self, EmbeddedModel},
    },
};

/// One set of data, and what models make of it.
pub(super) struct Contest<'a> {
    data: &'a Data,
    settings: &'a Settings,
    folds: usize,
    /// The last model's answers.
    pub(super) answers: Vec<Answer>,
}

/// What a model that was tried on what it hadn't learnt from says.
struct Tried {
    answers: Vec<Answer>,
    times: Vec<Duration>,
    training: Duration,
}

impl<'a> Contest<'a> {
    pub(super) fn new(data: &'a Data, settings: &'a Settings, folds: usize) -> Self {
        Self { data, settings, folds, answers: Vec::new() }
    }

    /// The embedded model, trained on the data.
    pub(super) fn embedded(&mut self) -> Result<Measured, Failure> {
        let data = self.data;
        let begin = Instant::now();
        let whole = (data.test.is_some() || data.valid.is_some()).then(|| train(&data.train)).transpose()?;
        let training = begin.elapsed();
        let tried = match (&data.test, &whole) {
            (Some(test), Some(model)) => {
                let (answers, times) = answers(model, test)?;
                Tried { answers, times, training }
            }
            _ => self.cross_validated(&data.train)?,
        };
        let fitted = match (&data.valid, &whole, &data.test) {
            (Some(valid), Some(model), _) => {
                let (answers, _) = answers(model, valid)?;
                threshold::fit(&answers).map(|it| (it, ThresholdFrom::Validation))
            }
            (.., None) => threshold::fit(&tried.answers).map(|it| (it, ThresholdFrom::CrossValidation)),
            // Training has cross-validated already.
            (_, Some(model), _) => Some((model.threshold(), ThresholdFrom::CrossValidation)),
            _ => None,
        };
        let (threshold, threshold_from) = fitted.unwrap_or((self.default_threshold(), ThresholdFrom::Setting));
        self.answers = tried.answers;
        let subject = Subject {
            model: embedded::NAME.to_owned(),
            folds: data.test.is_none().then_some(self.folds),
            threshold,
            threshold_from,
            training: tried.training,
            times: tried.times,
        };
        let cross_validated = data.test.is_none();
        let evidence = advice::Evidence {
            train: &data.train,
            answers: &self.answers,
            cross_validated,
            threshold,
            names: &data.names,
        };
        Ok(Measured::new(subject, &data.train, &self.answers, advice::advise(&evidence)))
    }

    /// Where nothing can be fitted.
    fn default_threshold(&self) -> f32 {
        match self.settings.model.threshold {
            Threshold::Fixed(threshold) => threshold.get(),
            Threshold::Auto => Prediction::EVEN,
        }
    }

    /// The answers to the examples themselves, in their order, each by a model that learnt from the other folds.
    fn cross_validated(&self, cases: &[Case]) -> Result<Tried, Failure> {
        let fold_of = folds::stratified(cases, self.folds);
        let mut tried: Vec<(usize, Answer, Duration)> = Vec::with_capacity(cases.len());
        let mut training = Duration::ZERO;
        for fold in 0..self.folds {
            if io::stderr().is_terminal() {
                output::tell(&format!("cross-validation: part {} of {}\n", fold + 1, self.folds));
            }
            let part =
                |here: bool| cases.iter().zip(&fold_of).enumerate().filter(move |(_, (_, at))| (**at == fold) == here);
            let learnt: Vec<Case> = part(false).map(|(_, (case, _))| case.clone()).collect();
            let (places, tests): (Vec<usize>, Vec<Case>) =
                part(true).map(|(place, (case, _))| (place, case.clone())).unzip();
            let begin = Instant::now();
            let model = train(&learnt)?;
            training += begin.elapsed();
            let (answers, times) = answers(&model, &tests)?;
            tried.extend(
                places.into_iter().zip(answers).zip(times).map(|((place, answer), time)| (place, answer, time)),
            );
        }
        tried.sort_by_key(|(place, ..)| *place);
        let (answers, times) = tried.into_iter().map(|(_, answer, time)| (answer, time)).unzip();
        Ok(Tried { answers, times, training })
    }
}

fn train(cases: &[Case]) -> Result<EmbeddedModel, Failure> {
    let examples: Vec<_> = cases
        .iter()
        .filter_map(|case| Some(embedded::Example { text: &case.text, intent: case.intent.as_ref()? }))
        .collect();
    EmbeddedModel::train(&examples)
        .map_err(|error| Failure::new(Exit::Data, format!("the intent model can't be trained: {error}")))
}

/// A model's answers, and how long each took.
fn answers(model: &dyn ModelClient, cases: &[Case]) -> Result<(Vec<Answer>, Vec<Duration>), Failure> {
    setup::runtime()?.block_on(ask(model, cases)).map_err(|error| Failure::new(Exit::Unavailable, error))
}
