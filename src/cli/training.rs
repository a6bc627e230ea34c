//! How far a training is, shown on a terminal once it takes long.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::{LoadFault, QUIET, Watcher};

pub(super) fn bar(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A terminal that is shown a training; without one, nothing is.
pub(super) struct Terminal {
    started: Instant,
    bar: OnceLock<ProgressBar>,
    fault: OnceLock<String>,
}

impl Terminal {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), bar: OnceLock::new(), fault: OnceLock::new() }
    }

    /// Why the saved model couldn't be used.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }
}

impl Watcher for Terminal {
    fn learned(&self, done: usize, all: usize) {
        if self.started.elapsed() >= QUIET && io::stderr().is_terminal() {
            let bar = self.bar.get_or_init(|| {
                ProgressBar::new(all as u64).with_style(bar("training: {pos} of {len} intents {wide_bar} {eta}"))
            });
            bar.set_position(done as u64);
            if done == all {
                bar.finish_and_clear();
            }
        }
    }

    fn unfit(&self, fault: &LoadFault) {
        // One embedded model is made at most.
        let _ = self.fault.set(fault.to_string());
    }
}
