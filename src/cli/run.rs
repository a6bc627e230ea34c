//! `run`: consume and answer, until told to stop.

use std::sync::{Arc, OnceLock};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Exit, Failure, serve, setup, signals, workers};
use crate::{
    amqp::{Fatal, Lookout, Names, session::Ended},
    app::{self, BuildError, Memory, Reloader, StoreFault},
    conversation::OpenError,
    http::{self, Served, Watched},
    telemetry,
};

/// Runs the worker.
pub(super) fn run() -> Result<Exit, Failure> {
    let loaded = setup::settings()?;
    let settings = loaded.settings;
    setup::log(&settings);
    for notice in &loaded.notices {
        tracing::info!("{notice}");
    }
    let settings = Arc::new(settings);
    let reload = Arc::new(Notify::new());
    let reloader = Reloader::new(settings.clone(), reload.clone());
    let checked = setup::intents(&settings)?;
    for warning in &checked.warnings {
        tracing::warn!("{warning}");
    }
    let metrics = telemetry::start_metrics().map_err(|error| Failure::new(Exit::Os, error))?;
    let runtime = setup::runtime()?;
    let ended = runtime.block_on(async move {
        let stop = CancellationToken::new();
        let (ready, watched) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let serving_stop = CancellationToken::new();
        // Before anything that takes its time: a probe that nobody answers has the worker killed before it has trained.
        let serving = match settings.http.listen.get() {
            Some(address) => {
                let listener = http::bind(address.get()).await.map_err(|error| serve::deaf(address, &error))?;
                match listener.local_addr() {
                    Ok(address) => tracing::info!(%address, "health and metrics: /livez /readyz /metrics; / is a page to watch them"),
                    Err(error) => tracing::warn!(%error, "health and metrics have no address"),
                }
                let served = Served { ready: ready.clone(), metrics: metrics.clone(), watched: watched.clone() };
                Some(tokio::spawn(http::serve(listener, served, serving_stop.clone())))
            }
            None => None,
        };
        signals::watch(stop.clone(), || {
            tracing::info!("stopping: what is in flight is finished first; once more ends at once");
        })?;
        let hangups = watch_hangups(reloader.is_some().then(|| reload.clone()))?;

        let names = Names::new(settings.amqp.exchange.as_str()).map_err(|error| Failure::new(Exit::Config, error))?;
        let (intents, answers) = (Arc::new(checked.file), app::answers(&settings).map_err(build_failure)?);
        let conversations = app::conversations(&settings, &intents);
        let conversations = tokio::select! {
            opened = conversations => opened.map_err(store_failure)?,
            () = stop.cancelled() => return Ok(Exit::Ok),
        };
        let memory = Arc::new(Memory { answers, conversations });
        let (listens, door_settings) = (settings.door.listen.get(), settings.clone());
        let building = tokio::task::spawn_blocking({
            let (intents, memory) = (intents.clone(), memory.clone());
            move || app::worker(&settings, &intents, &memory)
        });
        let built = tokio::select! {
            built = building => built.map_err(|error| Failure::new(Exit::Os, error))?,
            () = stop.cancelled() => return Ok(Exit::Ok),
        };
        let worker = built.map_err(build_failure)?;
        let door = match listens {
            Some(address) => Some(serve::open(&door_settings, address.get()).await?),
            None => None,
        };
        let door_ready = door.as_ref().map(|door| door.asker().readiness());
        let _ = ready.set([Some(worker.readiness()), door_ready].into_iter().flatten().collect());
        let _ = watched.set(self::watched(worker.lookout()));
        let upkeep = tokio::spawn(telemetry::upkeep(metrics));
        let replacer = worker.replacer();
        let reloading = reloader.map(|reloader| {
            let reloading = async move { reloader.run(names, &intents, replacer, memory).await };
            AbortOnDropHandle::new(tokio::spawn(reloading))
        });
        // The door closes first: what it has asked is answered by this worker, where there is no other.
        let (door_stop, worker_stop) = (stop, CancellationToken::new());
        let worker_stops = worker_stop.clone();
        let opened = tokio::spawn({
            let stop = door_stop.clone();
            async move {
                let closed = match door {
                    Some(door) => door.run(stop).await,
                    None => {
                        stop.cancelled().await;
                        Ok(())
                    }
                };
                worker_stops.cancel();
                closed
            }
        });
        let ended = worker.run(worker_stop).await;
        door_stop.cancel();
        let closed = opened.await.map_err(|error| Failure::new(Exit::Os, error))?;
        drop((reloading, hangups));
        upkeep.abort();
        serving_stop.cancel();
        if let Some(serving) = serving {
            serving.abort();
        }
        match ended {
            Ok(Ended::Drained) => tracing::info!("stopped; everything in flight was settled"),
            Ok(Ended::GraceExceeded(left)) => {
                tracing::warn!(left, "stopped; some messages took longer than the grace time and are delivered again");
            }
            Ok(Ended::Lost(_)) => {}
            Err(Fatal::Refused(error)) => return Err(Failure::new(Exit::Refused, error)),
            Err(Fatal::Misconfigured(error)) => return Err(Failure::new(Exit::Config, error)),
        }
        closed.map_err(serve::refused)?;
        Ok(Exit::Ok)
    });
    // A model in training, beside the one that served, is of no more use.
    runtime.shutdown_background();
    ended
}

/// What the page to watch the worker shows.
fn watched(lookout: Lookout) -> Watched {
    let queues = lookout.clone();
    // Texts and numbers always serialise.
    Watched {
        workers: Box::new(move || workers::watched(&lookout)),
        queues: Box::new(move || serde_json::to_string(&queues.queues()).unwrap_or_default()),
    }
}

/// Whoever has the file may just be ending.
fn store_failure(error: StoreFault) -> Failure {
    let exit = if matches!(error, StoreFault::File(OpenError::Locked(..))) { Exit::Os } else { Exit::Config };
    Failure::new(exit, error)
}

fn build_failure(error: BuildError) -> Failure {
    Failure::new(Exit::Config, error)
}

/// SIGHUP has the intents file read again. With the built-in bot (none to tell) there is none to read.
fn watch_hangups(reload: Option<Arc<Notify>>) -> Result<AbortOnDropHandle<()>, Failure> {
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| Failure::new(Exit::Os, format!("can't watch for signals: {error}")))?;
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match &reload {
                Some(reload) => reload.notify_one(),
                None => tracing::warn!("SIGHUP: the built-in bot has no file to read again; see CHATBOT_INTENTS_PATH"),
            }
        }
    })))
}
