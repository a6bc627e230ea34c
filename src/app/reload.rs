//! Making the bot again while the worker runs, of the intents file and the files that its models are made of.
//!
//! **Invariant:** whatever is wrong with a file, or with what the broker makes of it, the bot before serves on. The
//! settings stay as they were at the start, but for the services' keys that are in files of their own.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use metrics::gauge;
use tokio::{sync::Notify, task::spawn_blocking, time::timeout};

use super::{
    Memory, bot,
    intents::{IntentsFile, Name},
    load_intents,
    settings::{ModelName, Settings},
    watch::{Target, Watched},
};
use crate::{
    amqp::{Bot, Names, ReplaceError, Replacer, WorkQueue},
    domain::IntentName,
    model::embedded::Processors,
};

/// Makes the bot again when it is told to, or when one of the files changes.
pub struct Reloader {
    settings: Arc<Settings>,
    watched: Watched,
    told: Arc<Notify>,
}

impl Reloader {
    /// For the files that the settings name, as they are now; so make it before they are read for the first time. None
    /// where they name none. `told` is notified to have the files read again, changed or not.
    pub fn new(settings: Arc<Settings>, told: Arc<Notify>) -> Option<Self> {
        // A pipe can be read once, and not here.
        let is_file = settings.intents.path.as_ref().is_some_and(|path| !is_special(path.as_path()));
        let intents = if is_file { load_intents(&settings).ok().map(|checked| checked.file) } else { None };
        let targets = targets(&settings, intents.as_ref());
        if targets.is_empty() {
            return None;
        }
        Some(Self { watched: Watched::new(targets), settings, told })
    }

    /// Reloads, for as long as it is polled. `serving` is what the worker began with, and `memory` what it remembers.
    pub async fn run(mut self, names: Names, serving: &IntentsFile, replacer: Replacer, memory: Arc<Memory>) {
        let mut had_conversations = serving.conversation.is_some();
        let mut serving = intents_of(serving);
        ended(true);
        self.tell_watched();
        self.wanted().await;
        loop {
            let Some((file, bot)) = self.built(&names, memory.clone()).await else {
                ended(false);
                self.wanted().await;
                continue;
            };
            // While the broker is away a bot waits, and a newer one takes its place.
            tokio::select! {
                outcome = replaced(bot, &replacer) => {
                    ended(outcome.is_ok());
                    match outcome {
                        Ok(()) => {
                            serving = tell_changes(&names, &serving, &file);
                            if had_conversations && file.conversation.is_none() {
                                tracing::warn!(
                                    queues = format!("{}.conversation.0 … f", names.exchange()),
                                    "this worker no longer consumes the queues of conversations; they stay bound, and what \
                                     comes to them waits, until `chatbot-worker topology prune` deletes them"
                                );
                            }
                            had_conversations = file.conversation.is_some();
                        }
                        Err(error) => tracing::error!("the new bot can't serve; the one before serves on: {error}"),
                    }
                }
                () = self.wanted() => continue,
            }
            self.wanted().await;
        }
    }

    fn tell_watched(&self) {
        let files = listed(&self.watched.targets().iter().map(Target::path).collect::<Vec<_>>());
        match self.settings.intents.watch.get() {
            Some(every) => {
                tracing::info!(files, every = ?every.get(), "watched: the bot is made again when one changes")
            }
            None => tracing::info!(files, "not watched: SIGHUP has the bot made again of these files"),
        }
    }

    /// Waits until the bot is to be made again.
    async fn wanted(&mut self) {
        let Self { settings, watched, told } = self;
        let changed = match settings.intents.watch.get() {
            None => {
                told.notified().await;
                Vec::new()
            }
            Some(every) => tokio::select! {
                () = told.notified() => {
                    watched.see().await;
                    Vec::new()
                }
                changed = watched.changed(every.get()) => changed,
            },
        };
        match changed.is_empty() {
            true => tracing::info!("SIGHUP: making the bot again"),
            false => tracing::info!(changed = listed(&changed), "making the bot again"),
        }
    }

    /// A file that is none, such as a pipe: reading it could wait for ever.
    fn special(&self) -> Option<PathBuf> {
        self.watched.targets().iter().map(Target::path).find(|path| is_special(path))
    }

    /// The bot of the files as they are now, trained beside the one that serves; `None` if one can't be used.
    async fn built(&mut self, names: &Names, memory: Arc<Memory>) -> Option<(IntentsFile, Bot)> {
        // What the intents file names now is watched before it is read, so that no change in between is missed.
        let (settings, special) = (self.settings.clone(), self.special());
        let loading = spawn_blocking(move || match special {
            Some(path) => Err(format!("{} is no regular file any more, but a pipe or a device", path.display())),
            None => load_intents(&settings).map_err(|faults| faults.to_string()),
        });
        let loaded = loading.await.unwrap_or_else(|error| Err(format!("the intents file can't be read: {error}")));
        if let Ok(checked) = &loaded {
            self.watched.turn_to(targets(&self.settings, Some(&checked.file))).await;
        }
        let (settings, names, special) = (self.settings.clone(), names.clone(), self.special());
        let building = spawn_blocking(move || {
            let checked = loaded?;
            if let Some(path) = special {
                return Err(format!("{} is no regular file, but a pipe or a device", path.display()));
            }
            let settings = with_keys_of_now(&settings)?;
            let bot = bot(&settings, &names, &checked.file, &memory, Processors::AllButOne)
                .map_err(|error| error.to_string())?;
            Ok::<_, String>((checked, bot))
        });
        match building.await.unwrap_or_else(|error| Err(format!("the model can't be trained: {error}"))) {
            Ok((checked, bot)) => {
                for warning in &checked.warnings {
                    tracing::warn!("{warning}");
                }
                Some((checked.file, bot))
            }
            Err(reasons) => {
                // Each in an entry of its own, as an entry is one line.
                let mut reasons = reasons.lines();
                let first = reasons.next().unwrap_or_default();
                tracing::error!("the bot can't be made of the files as they are; the one before serves on: {first}");
                reasons.for_each(|reason| tracing::error!("{reason}"));
                None
            }
        }
    }
}

/// Puts a bot in the place of the one that serves, once its model is prepared: meanwhile that one answers as well as ever.
async fn replaced(bot: Bot, replacer: &Replacer) -> Result<(), ReplaceError> {
    /// Behind a service that is away nothing waits for longer: the chain's other models answer, as at a first start.
    const MOST: Duration = Duration::from_secs(30);
    let _ = timeout(MOST, bot.pipeline.prepare()).await;
    replacer.replace(bot).await
}

/// What a bot is made of, each once: the files of the settings, and those that the intents file names.
fn targets(settings: &Settings, intents: Option<&IntentsFile>) -> BTreeSet<Target> {
    let is_asked = settings.model.links().any(|name| *name == ModelName::Embedded);
    let embedded = settings.embedded.path.as_ref().filter(|_| is_asked).map(|path| path.as_path());
    let services = settings.backend.values().flat_map(|service| {
        let paths = [&service.rules_path, &service.ca_path].map(|path| path.as_ref().map(|path| path.as_path()));
        let secrets = [&service.api_key_file, &service.secret_file];
        paths.into_iter().chain(secrets.map(|file| file.as_ref().map(|file| file.path.as_path())))
    });
    let own = settings.intents.path.as_ref().map(|path| path.as_path());
    // A pipe would be empty for whoever reads it next. What isn't there yet may come.
    let is_read_again = |path: &&Path| !is_special(path);
    let files = services.chain([embedded, own]).flatten().filter(is_read_again);
    let named = intents.into_iter().flat_map(|file| {
        let folder = file.folder.clone().unwrap_or_default();
        let catalogues = file.catalogues.iter().map(|catalogue| folder.join(&catalogue.path.name));
        let documents = file.knowledge.iter().flat_map(|knowledge| &knowledge.paths);
        let pattern = |path: &Name| Target::Pattern { folder: folder.clone(), pattern: path.name.clone() };
        catalogues.map(Target::Path).chain(documents.map(pattern)).collect::<Vec<_>>()
    });
    files.map(|path| Target::Path(path.to_owned())).chain(named).collect()
}

/// Whether a path leads to what is neither file nor folder, such as a pipe: reading it could wait for ever.
fn is_special(path: &Path) -> bool {
    path.exists() && !path.is_file() && !path.is_dir()
}

/// The settings, with the services' keys as their files have them now.
fn with_keys_of_now(settings: &Settings) -> Result<Settings, String> {
    let mut settings = settings.clone();
    for backend in settings.backend.values_mut() {
        if let Some(file) = &backend.api_key_file {
            backend.api_key = Some(file.read()?);
        }
        if let Some(file) = &backend.secret_file {
            backend.secret = Some(file.read()?);
        }
    }
    Ok(settings)
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn intents_of(file: &IntentsFile) -> BTreeSet<IntentName> {
    file.intents.iter().map(|intent| intent.name.clone()).collect()
}

/// Tells what is new and what is gone. Returns the intents that serve now.
fn tell_changes(names: &Names, before: &BTreeSet<IntentName>, file: &IntentsFile) -> BTreeSet<IntentName> {
    let now = intents_of(file);
    let joined =
        |names: &mut dyn Iterator<Item = &IntentName>| names.map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (added, removed) = (joined(&mut now.difference(before)), joined(&mut before.difference(&now)));
    tracing::info!(intents = now.len(), added, removed, "reloaded: the new bot serves");
    for gone in before.difference(&now) {
        let queue = names.queue(&WorkQueue::Intent(gone.clone()));
        tracing::warn!(
            queue,
            "this worker no longer consumes the queue of a removed intent; it stays bound, and what comes to it waits, \
             until `chatbot-worker topology prune` deletes it"
        );
    }
    now
}

/// A load of the bot ended, well or not.
fn ended(well: bool) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    gauge!("chatbot_last_reload_successful").set(if well { 1.0 } else { 0.0 });
    gauge!("chatbot_last_reload_timestamp_seconds").set(now);
}
