//! Ctrl-C and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure};

/// The first Ctrl-C or SIGTERM is told and stops what watches the token; the second ends the process at once.
///
/// # Errors
/// The system's, where signals can't be watched.
pub(super) fn watch(stop: CancellationToken, tell: fn()) -> Result<(), Failure> {
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
                tell();
                stop.cancel();
            } else {
                std::process::exit(Exit::Interrupted as i32);
            }
        }
    });
    Ok(())
}
