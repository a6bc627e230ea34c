//! The embedded model of a bot: loaded from a file where one is named and fits, else trained.
//!
//! **Invariant:** a file that doesn't fit costs the time of a training, never an answer.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    intents::{IntentDefinition, IntentsFile},
    settings::Settings,
};
use crate::model::embedded::{EmbeddedModel, Example, LoadError, Processors, TrainError, TrainingData};

/// A training that takes longer tells how far it is, and again after as long.
pub const QUIET: Duration = Duration::from_secs(2);

/// A saved model isn't larger. CLINC150's, with 150 intents, takes a few per cent of it.
const MAX_SIZE: u64 = 1 << 30;

/// Whoever has the embedded model made: is told what goes on meanwhile.
pub trait Watcher: Sync {
    /// So many intents of so many are learned. Called by the threads that train, often.
    fn learned(&self, done: usize, all: usize);

    /// The model that the settings name can't be used, and is trained.
    fn unfit(&self, fault: &LoadFault);

    /// What the training may take of the machine.
    fn processors(&self) -> Processors {
        Processors::All
    }
}

/// Tells the log.
#[derive(Debug)]
pub struct Log {
    told: Mutex<Instant>,
    processors: Processors,
}

impl Log {
    /// Of a training on so many processors.
    pub fn of(processors: Processors) -> Self {
        Self { told: Mutex::new(Instant::now()), processors }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::of(Processors::All)
    }
}

impl Watcher for Log {
    fn learned(&self, done: usize, all: usize) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= QUIET {
            *told = Instant::now();
            tracing::info!(intents = done, of = all, "training the intent model");
        }
    }

    fn unfit(&self, fault: &LoadFault) {
        tracing::warn!("{fault}");
    }

    fn processors(&self) -> Processors {
        self.processors
    }
}

/// Why a saved model can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "CHATBOT_EMBEDDED_PATH: {}: {reason}; so the model is trained anew. Save it again, with the same settings: \
     chatbot-worker train --out {0}", path.display()
)]
pub struct LoadFault {
    path: PathBuf,
    #[source]
    reason: LoadFaultReason,
}

#[derive(Debug, thiserror::Error)]
enum LoadFaultReason {
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Model(#[from] LoadError),
}

/// The embedded model for an intents file's examples. Takes a processor's time: call it where that is no harm.
///
/// # Errors
/// [`TrainError`].
pub(super) fn embedded(
    settings: &Settings,
    intents: &IntentsFile,
    watcher: &dyn Watcher,
) -> Result<EmbeddedModel, TrainError> {
    let (started, data) = (Instant::now(), training_data(intents));
    let rule = super::choice(settings, intents);
    let threshold = |model: &EmbeddedModel| rule.threshold.unwrap_or_else(|| model.threshold());
    if let Some(path) = &settings.embedded.path {
        match load(path.as_path(), &data) {
            Ok(model) => {
                let (took, threshold) = (started.elapsed(), threshold(&model));
                tracing::info!(?took, threshold, %path, "the intent model is loaded");
                return Ok(model);
            }
            Err(fault) => watcher.unfit(&fault),
        }
    }
    let model = EmbeddedModel::train_on(&data, watcher.processors(), &|done, all| watcher.learned(done, all))?;
    tracing::info!(took = ?started.elapsed(), threshold = threshold(&model), "the intent model is trained");
    Ok(model)
}

/// The same model, trained whatever the settings are.
///
/// # Errors
/// [`TrainError`].
pub fn train(intents: &IntentsFile) -> Result<EmbeddedModel, TrainError> {
    EmbeddedModel::train(&training_data(intents))
}

/// The same, and as bytes to be saved.
///
/// # Errors
/// [`TrainError`].
pub fn train_to_save(intents: &IntentsFile, watcher: &dyn Watcher) -> Result<(EmbeddedModel, Vec<u8>), TrainError> {
    let data = training_data(intents);
    let model = EmbeddedModel::train_telling(&data, &|done, all| watcher.learned(done, all))?;
    let bytes = model.to_bytes(&data);
    Ok((model, bytes))
}

/// The examples, and what their intents' descriptions say.
fn training_data(intents: &IntentsFile) -> TrainingData<'_> {
    let mut data = TrainingData::default();
    for IntentDefinition { name: intent, description, examples, .. } in &intents.intents {
        data.examples.extend(examples.iter().map(|example| Example { text: &example.text, intent }));
        if let Some(description) = description.as_deref().filter(|_| !examples.is_empty()) {
            data.descriptions.insert(intent, description);
        }
    }
    data
}

fn load(path: &Path, data: &TrainingData<'_>) -> Result<EmbeddedModel, LoadFault> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_SIZE).read_to_end(&mut bytes)?;
        Ok(EmbeddedModel::from_bytes(&bytes, data)?)
    };
    read().map_err(|reason| LoadFault { path: path.to_owned(), reason })
}
