//! Publishing with confirms, replies, acks, and settlement: outcome → publishes → ack.

use tokio::task::yield_now;

pub mod acks;
pub mod connections;
pub(super) mod events;
mod owed;
pub mod publisher;
pub mod replies;
pub mod settle;
mod waiting;

/// How often [`after_others`] yields. Beside once, twice took a tenth less processor time for a request that goes through
/// its intent's queue, and three times brought nothing more; a request that is alone took as long.
const YIELDS: usize = 2;

/// Lets all tasks that are ready run first, and those that they and the network make ready meanwhile. For whatever is
/// handed to lapin: its thread wakes for what comes alone, and writes together what comes together.
async fn after_others() {
    for _ in 0..YIELDS {
        yield_now().await;
    }
}
