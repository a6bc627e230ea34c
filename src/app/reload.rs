//! Reading the intents file again while the worker runs.
//!
//! **Invariant:** whatever is wrong with the file, or with what the broker makes of it, the bot before serves on. The
//! settings stay as they were at the start.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use metrics::gauge;
use tokio::{sync::Notify, task::spawn_blocking, time::timeout};

use super::{bot, intents::IntentsFile, load_intents, settings::Settings, watch::Watched};
use crate::{
    amqp::{Bot, Names, ReplaceError, Replacer, WorkQueue},
    answered::Answers,
    domain::IntentName,
    model::embedded::Processors,
};

/// Reads the intents file again when it is told to, or when the file changes.
pub struct Reloader {
    settings: Arc<Settings>,
    watched: Watched,
    told: Arc<Notify>,
}

impl Reloader {
    /// For the file that the settings name, as it is now; so make it before the file is read for the first time. None for
    /// the built-in bot. `told` is notified to have the file read again, changed or not.
    pub fn new(settings: Arc<Settings>, told: Arc<Notify>) -> Option<Self> {
        let path = settings.intents.path.as_ref()?;
        Some(Self { watched: Watched::new(path.as_path()), settings, told })
    }

    /// Reloads, for as long as it is polled. `serving` is what the worker began with, and `answers` what it remembers.
    pub async fn run(mut self, names: Names, serving: &IntentsFile, replacer: Replacer, answers: Option<Arc<Answers>>) {
        let mut serving = intents_of(serving);
        ended(true);
        self.wanted().await;
        loop {
            tracing::info!("reading the intents file again");
            let Some((file, bot)) = self.built(&names, answers.clone()).await else {
                ended(false);
                self.wanted().await;
                continue;
            };
            // While the broker is away a bot waits, and a newer one takes its place.
            tokio::select! {
                outcome = replaced(bot, &replacer) => {
                    ended(outcome.is_ok());
                    match outcome {
                        Ok(()) => serving = tell_changes(&names, &serving, &file),
                        Err(error) => tracing::error!("the new bot can't serve; the one before serves on: {error}"),
                    }
                }
                () = self.wanted() => continue,
            }
            self.wanted().await;
        }
    }

    /// Waits until the file is to be read again.
    async fn wanted(&mut self) {
        let Self { settings, watched, told } = self;
        match settings.intents.watch.get() {
            None => told.notified().await,
            Some(every) => tokio::select! {
                () = told.notified() => watched.see().await,
                () = watched.changed(every.get()) => {}
            },
        }
    }

    /// The bot of the file as it is now, trained beside the one that serves; none where it can't be used.
    async fn built(&self, names: &Names, answers: Option<Arc<Answers>>) -> Option<(IntentsFile, Bot)> {
        let (settings, names) = (self.settings.clone(), names.clone());
        let building = spawn_blocking(move || {
            let checked = load_intents(&settings).map_err(|faults| faults.to_string())?;
            let bot = bot(&settings, &names, &checked.file, answers, Processors::AllButOne)
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
                tracing::error!("the intents file can't be used; the bot before serves on: {reasons}");
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
