//! What most commands begin with: settings, intents, a runtime.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use tokio::runtime::{Builder, Runtime};

use super::{Exit, Failure};
use crate::{
    app::{
        self,
        intents::Checked,
        settings::{ModelName, Settings},
    },
    config::{Loaded, Problems, Variables},
    telemetry, utf8,
};

/// The settings of this process's environment.
///
/// # Errors
/// All that is wrong with them.
pub(super) fn settings() -> Result<Loaded<Settings>, Failure> {
    load().map_err(|problems| Failure::new(Exit::Config, problems))
}

/// The same, with the sections of these models besides those of the chain.
///
/// # Errors
/// All that is wrong with them.
pub(super) fn settings_with_models(models: &[ModelName]) -> Result<Settings, Failure> {
    let variables = Variables::from_os(std::env::vars_os());
    let loaded = Settings::load_with_models(models, &variables, &|path| std::fs::read(path));
    loaded.map(|loaded| loaded.settings).map_err(|problems| Failure::new(Exit::Config, problems))
}

/// The same, with the problems one by one.
///
/// # Errors
/// All that is wrong with them.
pub(super) fn load() -> Result<Loaded<Settings>, Problems> {
    let variables = Variables::from_os(std::env::vars_os());
    Settings::load(&variables, &|path| std::fs::read(path))
}

/// A file's text; that of the standard input for `-`.
///
/// # Errors
/// Where it can't be read.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let stdin = path.as_os_str() == "-";
    let read = if stdin { io::stdin().read_to_end(&mut bytes).map(|_| bytes) } else { fs::read(path) };
    utf8::decode_read(read).map_err(|reason| Failure::new(Exit::Data, format!("{}: {reason}", path.display())))
}

/// The intents file that the settings name.
///
/// # Errors
/// All of its faults.
pub(super) fn intents(settings: &Settings) -> Result<Checked, Failure> {
    app::load_intents(settings).map_err(|faults| Failure::new(Exit::Config, faults))
}

/// Starts the log as the settings say.
pub(super) fn log(settings: &Settings) {
    let format = match settings.log.format {
        app::settings::LogFormat::Text => telemetry::Format::Text,
        app::settings::LogFormat::Json => telemetry::Format::Json,
    };
    telemetry::start_log(settings.log.level.as_str(), format);
}

/// A runtime for a command.
///
/// # Errors
/// The system's, where it gives no thread.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Half of the processors: lapin has a thread of its own for each connection, and a task that moves from one thread to
    // another costs more than most of what a task here does.
    let threads = std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2));
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Os, format!("the system gives no thread: {error}")))
}
