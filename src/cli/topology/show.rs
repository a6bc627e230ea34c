//! `topology show`: a table of what there is.

use super::{Configured, Exit, Failure, ask_failure, output};
use crate::{
    amqp::{
        migrate,
        objects::{
            admin::Admin,
            inspect::Survey,
            topology::{Exchange, Queue, Topology},
        },
    },
    cli::setup,
};

/// The broker doesn't tell this user whether it exists.
const UNTOLD: &str = "not told";

/// Prints the table; without a broker it tells only what there should be.
pub(super) fn run() -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    let topology = &configured.topology;
    setup::runtime()?.block_on(async {
        let rows = match Admin::open(&configured.amqp.broker).await {
            Ok(admin) => {
                let mut survey = admin.survey(topology).await.map_err(ask_failure)?;
                let left = migrate::left(&admin, configured.names(), topology).await.map_err(ask_failure)?;
                survey.extend(left);
                admin.close().await;
                output::table(&with_broker(topology, &survey))
            }
            Err(error) => {
                output::tell(&format!("note: what exists isn't known: {error}\n"));
                output::table(&without_broker(topology))
            }
        };
        output::print(&rows)?;
        Ok(Exit::Ok)
    })
}

fn without_broker(topology: &Topology) -> Vec<[String; 4]> {
    let mut rows = vec![["KIND", "NAME", "BINDING", "PURPOSE"].map(str::to_owned)];
    rows.extend(
        topology.exchanges.iter().map(|exchange| {
            [exchange_kind(exchange), exchange.name.clone(), String::new(), exchange.purpose.to_owned()]
        }),
    );
    rows.extend(
        topology
            .queues
            .iter()
            .map(|queue| ["queue".to_owned(), queue.name.clone(), bindings(topology, queue), queue.purpose.to_owned()]),
    );
    rows
}

fn with_broker(topology: &Topology, survey: &Survey) -> Vec<[String; 7]> {
    let mut rows = vec![["KIND", "NAME", "STATE", "MESSAGES", "CONSUMERS", "BINDING", "PURPOSE"].map(str::to_owned)];
    let state = |exists| if exists { "exists" } else { "MISSING" }.to_owned();
    for (exchange, exists) in &survey.exchanges {
        let (kind, name, purpose) = (exchange_kind(exchange), exchange.name.clone(), exchange.purpose.to_owned());
        rows.push([kind, name, state(*exists), String::new(), String::new(), String::new(), purpose]);
    }
    for exchange in &survey.unseen_exchanges {
        let (kind, name, purpose) = (exchange_kind(exchange), exchange.name.clone(), exchange.purpose.to_owned());
        rows.push([kind, name, UNTOLD.to_owned(), String::new(), String::new(), String::new(), purpose]);
    }
    let unseen = survey.unseen.iter().map(|queue| (queue, None, UNTOLD));
    let seen = survey.queues.iter().map(|(queue, depth)| match depth {
        Some(depth) => (queue, Some(*depth), "exists"),
        None if queue.on_demand => (queue, None, "not yet"),
        None => (queue, None, "MISSING"),
    });
    for (queue, depth, state) in seen.chain(unseen) {
        let (messages, consumers) =
            depth.map(|depth| (depth.messages.to_string(), depth.consumers.to_string())).unwrap_or_default();
        let (name, purpose) = (queue.name.clone(), queue.purpose.to_owned());
        let kind = "queue".to_owned();
        rows.push([kind, name, state.to_owned(), messages, consumers, bindings(topology, queue), purpose]);
    }
    rows
}

fn exchange_kind(exchange: &Exchange) -> String {
    format!("{} exchange", exchange.kind_name())
}

fn bindings(topology: &Topology, queue: &Queue) -> String {
    let bindings = topology.bindings.iter().filter(|binding| binding.queue == queue.name);
    bindings.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
