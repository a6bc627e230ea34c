//! `topology show`: a table of what there is.

use super::{Configured, Exit, Failure, PROOF, UNPROVED, ask_failure, connect_failure, output};
use crate::{
    amqp::{
        migrate,
        objects::{
            admin::Admin,
            declare::TopologyMode,
            inspect::Survey,
            topology::{Exchange, Queue, Topology},
        },
    },
    cli::setup,
};

/// The broker doesn't tell this user whether it exists.
const UNTOLD: &str = "not told";

/// Prints the table; without a broker it tells only what there should be. What the broker doesn't tell is a failure: who looks
/// at the exit code alone would else take it for there.
pub(super) fn run() -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    let topology = &configured.topology;
    setup::runtime()?.block_on(async {
        let (rows, unknown) = match Admin::open(&configured.amqp.broker).await {
            Ok(admin) => {
                let mut survey = admin.survey(topology).await.map_err(ask_failure)?;
                let left = migrate::left(&admin, configured.names(), topology).await.map_err(ask_failure)?;
                survey.extend(left);
                admin.close().await;
                if configured.amqp.topology == TopologyMode::Verify {
                    output::tell(&format!("note: {UNPROVED}. {PROOF}\n"));
                }
                (output::table(&with_broker(topology, &survey)), untold(&survey))
            }
            Err(error) => {
                let Failure { exit, message } = connect_failure(error);
                let failure = Failure::new(exit, format!("what exists isn't known: {message}"));
                (output::table(&without_broker(topology)), Some(failure))
            }
        };
        output::print(&rows)?;
        unknown.map_or(Ok(Exit::Ok), Err)
    })
}

/// That the broker doesn't tell of everything; none where it does.
fn untold(survey: &Survey) -> Option<Failure> {
    let count = survey.unseen.len() + survey.unseen_exchanges.len();
    let message = format!(
        "{count} of these are '{UNTOLD}': this user has no right to them, and the broker doesn't tell it whether they exist. A \
         worker needn't know of each; run this as a user who may configure all of it, such as an administrator."
    );
    (count > 0).then(|| Failure::new(Exit::Refused, message))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;
    use crate::amqp::Names;

    #[test]
    fn what_the_broker_does_not_tell_is_a_failure() {
        let Topology { exchanges, queues, .. } = Topology::new(&Names::new("shop").unwrap(), [], &[]);
        let seen = Survey {
            exchanges: exchanges.iter().map(|exchange| (exchange.clone(), true)).collect(),
            queues: queues.iter().map(|queue| (queue.clone(), None)).collect(),
            ..Survey::default()
        };
        assert!(untold(&seen).is_none());
        let unseen = Survey { unseen: queues[..2].to_vec(), unseen_exchanges: exchanges[..1].to_vec(), ..seen };
        let failure = untold(&unseen).unwrap();
        assert_eq!(failure.exit, Exit::Refused);
        assert!(failure.message.starts_with("3 of these are 'not told'"), "{}", failure.message);
    }
}
