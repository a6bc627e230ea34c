//! Letting others go first, so that what follows finds company.

use tokio::task::yield_now;

/// How often. Beside once, twice took a tenth less processor time for a request that goes through its intent's queue, and
/// three times brought nothing more; a request that is alone took as long.
const TURNS: usize = 2;

/// Lets all tasks that are ready run first, and those that they and the network make ready meanwhile. For whatever is
/// handed to lapin: its thread wakes for what comes alone, and writes together what comes together.
pub(super) async fn after_others() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}
