//! `topology declare`: make what is missing.

use super::{Configured, Exit, Failure, output, topology_failure};
use crate::{amqp::objects::declare::TopologyMode, cli::setup};

/// Declares everything, whatever the mode in the settings: whoever calls this means it.
pub(super) fn run() -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    let topology = &configured.topology;
    setup::runtime()?.block_on(async {
        let inspector = configured.connect().await?;
        topology.apply(inspector.link(), TopologyMode::Declare).await.map_err(topology_failure)?;
        inspector.close().await;
        output::print(&format!(
            "Declared under '{}': {} exchanges, {} queues, {} bindings. What was there already is as it must be.\n",
            configured.names().exchange(),
            topology.exchanges.len(),
            topology.queues.len(),
            topology.bindings.len(),
        ))?;
        Ok(Exit::Ok)
    })
}
