//! `run`: consume and answer, until told to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, setup};
use crate::{
    amqp::{Fatal, session::Ended},
    app::{self, BuildError},
    http::{self, Served},
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
    let checked = setup::intents(&settings)?;
    for warning in &checked.warnings {
        tracing::warn!("{warning}");
    }
    let metrics = telemetry::start_metrics().map_err(|error| Failure::new(Exit::Os, error))?;
    setup::runtime()?.block_on(async move {
        let stop = CancellationToken::new();
        let served = match settings.http.listen.get() {
            Some(address) => Some(http::bind(address.get()).await.map_err(|error| {
                let message =
                    format!("CHATBOT_HTTP_LISTEN: can't listen on {address}: {error}; choose another, or off");
                Failure::new(Exit::Config, message)
            })?),
            None => None,
        };
        watch_signals(stop.clone())?;

        let building = tokio::task::spawn_blocking(move || app::worker(&settings, &checked.file));
        let worker = building.await.map_err(|error| Failure::new(Exit::Os, error))?.map_err(build_failure)?;
        let upkeep = tokio::spawn(telemetry::upkeep(metrics.clone()));
        let preparing = tokio::spawn(worker.prepare());
        let serving_stop = CancellationToken::new();
        let serving = served.map(|listener| {
            match listener.local_addr() {
                Ok(address) => tracing::info!(%address, "health and metrics: /livez /readyz /metrics"),
                Err(error) => tracing::warn!(%error, "health and metrics have no address"),
            }
            let served = Served { ready: worker.readiness(), metrics };
            tokio::spawn(http::serve(listener, served, serving_stop.clone()))
        });
        let ended = worker.run(stop).await;
        upkeep.abort();
        preparing.abort();
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
        Ok(Exit::Ok)
    })
}

fn build_failure(error: BuildError) -> Failure {
    Failure::new(Exit::Config, error)
}

/// The first Ctrl-C or SIGTERM drains; the second ends the process at once.
fn watch_signals(stop: CancellationToken) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Os, format!("can't watch for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first {
                tracing::info!("stopping: what is in flight is finished first; once more ends at once");
                stop.cancel();
            } else {
                std::process::exit(Exit::Interrupted as i32);
            }
        }
    });
    Ok(())
}
