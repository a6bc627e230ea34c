//! How a session learns that it can't go on.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// The end of a session, told by whoever first finds that it can't go on.
#[derive(Default)]
pub(crate) struct Ending {
    pub(crate) token: CancellationToken,
    reason: OnceLock<String>,
}

impl Ending {
    pub(crate) fn tell(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    pub(crate) fn reason(&self) -> String {
        self.reason.get().cloned().unwrap_or_else(|| "unknown".to_owned())
    }
}
