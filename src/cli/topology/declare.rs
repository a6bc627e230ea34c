//! `topology declare`: make what is missing.

use super::{Configured, Exit, Failure, output, topology_failure};
use crate::{amqp::objects::declare::TopologyMode, cli::setup};

/// Declares everything, whatever the mode in the settings: whoever calls this means it.
pub(super) fn run() -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    let topology = &configured.topology;
    setup::runtime()?.block_on(async {
        let admin = configured.connect().await?;
        topology.apply(admin.link(), TopologyMode::Declare).await.map_err(topology_failure)?;
        admin.close().await;
        output::print(&format!(
            "Declared under '{}': {} exchanges, {} queues, {} bindings. What was there already is as it must be. The queues of \
             intents' dead letters are made by the first of them.\n",
            configured.names().exchange(),
            topology.exchanges.len(),
            topology.queues.iter().filter(|queue| !queue.on_demand).count(),
            topology.bindings.len(),
        ))?;
        Ok(Exit::Ok)
    })
}
