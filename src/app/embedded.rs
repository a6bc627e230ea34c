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

use super::{intents::IntentsFile, settings::Settings};
use crate::model::{
    ModelClient,
    embedded::{EmbeddedModel, Example, LoadError, Progress, TrainError},
};

/// A training that takes longer tells how far it is, and again after as long.
pub const QUIET: Duration = Duration::from_secs(2);

/// A saved model isn't larger. CLINC150's, with 150 intents, takes a few per cent of it.
const MAX_SIZE: u64 = 1 << 30;

/// A bot's embedded model, and where it came from.
pub struct Embedded {
    /// The model.
    pub model: EmbeddedModel,
    /// The file that it was loaded from; none where it was trained.
    pub loaded: Option<PathBuf>,
    /// Why it wasn't loaded from the file that the settings name.
    pub fault: Option<LoadFault>,
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
pub fn embedded(settings: &Settings, intents: &IntentsFile, progress: Progress<'_>) -> Result<Embedded, TrainError> {
    let examples = examples(intents);
    let fault = match settings.embedded.path.as_ref().map(|path| load(path.as_path(), &examples)) {
        Some(Ok((model, path))) => return Ok(Embedded { model, loaded: Some(path), fault: None }),
        Some(Err(fault)) => Some(fault),
        None => None,
    };
    Ok(Embedded { model: EmbeddedModel::train_telling(&examples, progress)?, loaded: None, fault })
}

/// The same model, trained whatever the settings are.
///
/// # Errors
/// [`TrainError`].
pub fn train(intents: &IntentsFile) -> Result<EmbeddedModel, TrainError> {
    EmbeddedModel::train(&examples(intents))
}

/// The same, and as bytes to be saved.
///
/// # Errors
/// [`TrainError`].
pub fn train_to_save(intents: &IntentsFile, progress: Progress<'_>) -> Result<(EmbeddedModel, Vec<u8>), TrainError> {
    let examples = examples(intents);
    let model = EmbeddedModel::train_telling(&examples, progress)?;
    let bytes = model.to_bytes(&examples);
    Ok((model, bytes))
}

/// [`embedded`], told in the log.
pub(super) fn logged(settings: &Settings, intents: &IntentsFile) -> Result<EmbeddedModel, TrainError> {
    let started = Instant::now();
    let told = Mutex::new(started);
    let Embedded { model, loaded, fault } = embedded(settings, intents, &|done, all| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= QUIET {
            *told = Instant::now();
            tracing::info!(intents = done, of = all, "training the intent model");
        }
    })?;
    if let Some(fault) = fault {
        tracing::warn!("{fault}");
    }
    let (took, threshold) = (started.elapsed(), super::threshold(settings, model.threshold()));
    match loaded {
        Some(path) => tracing::info!(?took, threshold, path = %path.display(), "the intent model is loaded"),
        None => tracing::info!(?took, threshold, "the intent model is trained"),
    }
    Ok(model)
}

fn examples(intents: &IntentsFile) -> Vec<Example<'_>> {
    intents
        .intents
        .iter()
        .flat_map(|intent| intent.examples.iter().map(|example| Example { text: &example.text, intent: &intent.name }))
        .collect()
}

fn load(path: &Path, examples: &[Example<'_>]) -> Result<(EmbeddedModel, PathBuf), LoadFault> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_SIZE).read_to_end(&mut bytes)?;
        Ok::<_, LoadFaultReason>(EmbeddedModel::from_bytes(&bytes, examples)?)
    };
    let path = path.to_owned();
    match read() {
        Ok(model) => Ok((model, path)),
        Err(reason) => Err(LoadFault { path, reason }),
    }
}
