//! What a migration puts beside the queues while it lasts, and whether it is there.

use lapin::ExchangeKind;

use crate::amqp::{
    Names,
    objects::{
        admin::Admin,
        ask::AskError,
        inspect::Survey,
        topology::{Binding, Exchange, Topology},
    },
};

/// Whether a migration was begun, and isn't done. RabbitMQ from 4.3 on doesn't tell a user without rights to it, for whom it
/// wasn't: whoever migrates has them.
///
/// # Errors
/// [`AskError`].
pub async fn begun(admin: &Admin, names: &Names) -> Result<bool, AskError> {
    match admin.has_exchange(&exchange(names.holding())).await {
        Err(AskError::Refused(problem)) if problem.refused => Ok(false),
        begun => begun,
    }
}

/// What migrations put beside these queues while they last: an exchange that marks them ([`Names::holding`]), and for each
/// queue one that leads to where its messages are being moved, and the queue that holds them.
pub fn scaffold(topology: &Topology, names: &Names) -> Topology {
    let mut scaffold =
        Topology { exchanges: vec![exchange(names.holding())], queues: Vec::new(), bindings: Vec::new() };
    for queue in &topology.queues {
        let holding = queue.holding(names);
        let bound = |binding: &Binding| Binding { queue: holding.name.clone(), ..binding.clone() };
        scaffold.bindings.extend(topology.bindings_of(&queue.name).map(bound));
        scaffold.exchanges.push(exchange(holding.name.clone()));
        scaffold.queues.push(holding);
    }
    scaffold
}

/// What of the [`scaffold`] is there: nothing, unless a migration was begun and isn't done.
///
/// # Errors
/// [`AskError`].
pub async fn left(admin: &Admin, names: &Names, topology: &Topology) -> Result<Survey, AskError> {
    if !begun(admin, names).await? {
        return Ok(Survey::default());
    }
    let mut left = admin.survey(&scaffold(topology, names)).await?;
    left.exchanges.retain(|(_, exists)| *exists);
    left.queues.retain(|(_, depth)| depth.is_some());
    Ok(left)
}

pub(super) fn exchange(name: String) -> Exchange {
    let purpose = "leads to where messages are being moved";
    Exchange { name, kind: ExchangeKind::Fanout, purpose, is_optional: false }
}
