//! How far a training is, shown on a terminal once it takes long.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{app::QUIET, model::embedded::Progress};

/// Runs `work`, which trains, with something to tell its progress to.
pub(super) fn shown<T>(work: impl FnOnce(Progress<'_>) -> T) -> T {
    let (started, bar) = (Instant::now(), OnceLock::new());
    let on_terminal = io::stderr().is_terminal();
    let result = work(&|done, all| {
        if on_terminal && started.elapsed() >= QUIET {
            let bar = bar.get_or_init(|| {
                let style = ProgressStyle::with_template("training: {pos} of {len} intents {wide_bar} {eta}");
                ProgressBar::new(all as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            });
            bar.set_position(done as u64);
        }
    });
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }
    result
}
