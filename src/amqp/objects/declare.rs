//! Declares a topology on a broker, or proves that it is there.

use std::collections::HashSet;

use futures_util::future::{join_all, try_join_all};
use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::timeout;

use super::{
    ask::{AskError, Came, answered, apart, together},
    problem::{Problem, TopologyError},
    topology::{Binding, Exchange, Queue, Topology},
};
use crate::amqp::{connection::link::Link, values::short};

/// On so many channels declarations go side by side at most.
const LANES: usize = 4;
/// Fewer don't need another channel.
const LEAST_IN_A_LANE: usize = 32;

/// Whether the worker declares its exchanges and queues or only proves that they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopologyMode {
    /// Declare.
    Declare,
    /// Prove existence, declare nothing.
    Verify,
}

impl Topology {
    /// Declares everything that has to be there from the start, or proves that it exists.
    ///
    /// Every session declares all of it again: bindings can't be looked at by AMQP, and a broker that was reset, or
    /// restored from a backup, has lost some or all. As nothing waits for anything else, that takes a few round trips.
    ///
    /// # Errors
    /// All [`Problem`]s at once, in the order of the topology, or that the connection was lost.
    pub async fn apply(&self, link: &Link, mode: TopologyMode) -> Result<(), TopologyError> {
        let problems = match mode {
            TopologyMode::Declare => self.declare(link).await,
            TopologyMode::Verify => self.verify(link).await,
        };
        let problems = problems.map_err(|error| TopologyError::Lost(error.to_string()))?;
        if problems.is_empty() { Ok(()) } else { Err(TopologyError::Problems(problems)) }
    }

    /// Bindings come last: one to an object that isn't there would only repeat what is known.
    async fn declare(&self, link: &Link) -> Result<Vec<Problem>, AskError> {
        let queues = self.queues.iter().filter(|queue| !queue.on_demand).map(Step::Queue);
        let objects: Vec<_> = self.exchanges(false).map(Step::Exchange).chain(queues).collect();
        let optional: Vec<_> = self.exchanges(true).map(Step::Exchange).collect();
        let bindings: Vec<_> = self.bindings.iter().map(Step::Binding).collect();
        let mut lanes = Lanes::open(link, objects.len().max(bindings.len())).await?;
        let (mut problems, optional) = tokio::try_join!(lanes.run(&objects), each(link, &optional))?;
        problems.extend(optional.into_iter().filter(|problem| !self.works_without(problem)));
        if problems.is_empty() {
            problems = lanes.run(&bindings).await?;
        }
        lanes.close().await;
        Ok(problems)
    }

    /// What a worker may not even look at isn't proved, where it only publishes there: RabbitMQ from 4.3 refuses to tell
    /// whether a queue exists to whoever has no right to it. Such a queue is asked about apart, as a refusal would close
    /// the channel of the others.
    async fn verify(&self, link: &Link) -> Result<Vec<Problem>, AskError> {
        let queues = || self.queues.iter().filter(|queue| !queue.on_demand);
        let read = queues().filter(|queue| queue.is_read).map(Step::ProofOfQueue);
        let seen: Vec<_> = self.exchanges(false).map(Step::Proof).chain(read).collect();
        let unread: Vec<_> = queues().filter(|queue| !queue.is_read).map(Step::ProofOfQueue).collect();
        let optional: Vec<_> = self.exchanges(true).map(Step::Proof).collect();
        let mut lanes = Lanes::open(link, seen.len()).await?;
        let (mut problems, unread, optional) =
            tokio::try_join!(lanes.run(&seen), each(link, &unread), each(link, &optional))?;
        lanes.close().await;
        problems.extend(unread.into_iter().filter(|problem| !problem.refused));
        problems.extend(optional.into_iter().filter(|problem| !self.works_without(problem)));
        Ok(problems)
    }

    /// Proves that the exchanges are there that a worker needs and, where that may declare, binds its `own` queues: what is
    /// bound stays as it is. What the broker says against it.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn look_after(
        &self,
        link: &Link,
        mode: TopologyMode,
        own: &HashSet<String>,
    ) -> Result<Vec<Problem>, AskError> {
        let proofs: Vec<_> = self.exchanges(false).map(Step::Proof).collect();
        let bindings: Vec<_> = match mode {
            TopologyMode::Declare => {
                self.bindings.iter().filter(|binding| own.contains(&binding.queue)).map(Step::Binding).collect()
            }
            TopologyMode::Verify => Vec::new(),
        };
        let mut lanes = Lanes::open(link, proofs.len().max(bindings.len())).await?;
        let mut problems = lanes.run(&proofs).await?;
        if problems.is_empty() {
            problems = lanes.run(&bindings).await?;
        }
        lanes.close().await;
        Ok(problems)
    }

    /// The exchanges that a worker needs, or those that are optional: these are asked about apart.
    fn exchanges(&self, optional: bool) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |exchange| exchange.is_optional == optional)
    }

    /// Whether a worker works on in spite of this: what it may not use, or isn't there, is optional.
    pub fn works_without(&self, problem: &Problem) -> bool {
        (problem.refused || problem.missing)
            && self.exchanges(true).any(|exchange| Step::Exchange(exchange).object() == problem.object)
    }
}

/// Declares one queue.
///
/// # Errors
/// [`AskError`].
pub(crate) async fn declare_one(link: &Link, queue: &Queue) -> Result<(), AskError> {
    Step::Queue(queue).apart(link).await
}

/// What is asked of the broker about one object.
#[derive(Clone, Copy)]
enum Step<'a> {
    Exchange(&'a Exchange),
    Queue(&'a Queue),
    Binding(&'a Binding),
    Proof(&'a Exchange),
    ProofOfQueue(&'a Queue),
}

impl Step<'_> {
    fn object(self) -> String {
        match self {
            Self::Exchange(exchange) | Self::Proof(exchange) => format!("exchange '{}'", exchange.name),
            Self::Queue(queue) | Self::ProofOfQueue(queue) => format!("queue '{}'", queue.name),
            Self::Binding(Binding { queue, exchange, .. }) => {
                format!("binding of queue '{queue}' to exchange '{exchange}'")
            }
        }
    }

    async fn on(self, channel: &Channel) -> Result<(), lapin::Error> {
        match self {
            Self::Exchange(exchange) => declare_exchange(channel, exchange, false).await,
            Self::Queue(queue) => declare_queue(channel, queue, false).await,
            Self::Binding(binding) => bind(channel, binding).await,
            Self::Proof(exchange) => declare_exchange(channel, exchange, true).await,
            Self::ProofOfQueue(queue) => declare_queue(channel, queue, true).await,
        }
    }

    /// Does it on a channel of its own.
    async fn apart(self, link: &Link) -> Result<(), AskError> {
        let done = async {
            let channel = link.channel().await?;
            self.on(&channel).await?;
            let _ = channel.close(200, short("done")).await;
            Ok(())
        };
        answered(link, &self.object(), done).await
    }
}

/// Some channels side by side, which RabbitMQ serves with as many processes.
struct Lanes<'a> {
    link: &'a Link,
    /// Those that no refusal has closed.
    open: Vec<Channel>,
}

impl<'a> Lanes<'a> {
    /// Opens as many as so many steps are worth.
    async fn open(link: &'a Link, steps: usize) -> Result<Self, AskError> {
        let limit = link.step_limit();
        let lanes = steps.div_ceil(LEAST_IN_A_LANE).clamp(1, LANES);
        let opened = timeout(limit, try_join_all((0..lanes).map(|_| link.channel()))).await;
        let opened = opened.map_err(|_| AskError::Lost(format!("no channel within {limit:?}")))?;
        Ok(Self { link, open: opened.map_err(|error| AskError::Lost(error.to_string()))? })
    }

    /// Does the steps, each lane its part of them together. What stood behind one that was refused is done anew.
    async fn run(&mut self, steps: &[Step<'_>]) -> Result<Vec<Problem>, AskError> {
        let link = self.link;
        let parts = steps.chunks(steps.len().div_ceil(self.open.len().max(1)).max(1));
        let lanes: Vec<_> = self.open.drain(..).zip(parts).map(|(channel, part)| lane(link, channel, part)).collect();
        let mut problems = Vec::new();
        for (channel, found) in try_join_all(lanes).await? {
            self.open.extend(channel);
            problems.extend(found);
        }
        Ok(problems)
    }

    async fn close(self) {
        let close = self.open.iter().map(|channel| channel.close(200, short("")));
        let _ = timeout(self.link.step_limit(), join_all(close)).await;
    }
}

/// The problems of some steps, and their channel, unless one of them has closed it.
async fn lane(link: &Link, channel: Channel, steps: &[Step<'_>]) -> Result<(Option<Channel>, Vec<Problem>), AskError> {
    let mut questions = Vec::with_capacity(steps.len());
    for step in steps {
        questions.push((step.object(), step.on(&channel)));
    }
    match together(link.step_limit(), questions).await? {
        Came::Through => Ok((Some(channel), Vec::new())),
        Came::Refused(done, problem) => {
            let mut problems = vec![problem];
            problems.extend(each(link, steps.get(done + 1..).unwrap_or_default()).await?);
            Ok((None, problems))
        }
    }
}

/// Does each step on a channel of its own: where one is refused, more may be.
async fn each(link: &Link, steps: &[Step<'_>]) -> Result<Vec<Problem>, AskError> {
    let (mut problems, mut work) = (Vec::new(), Vec::with_capacity(steps.len()));
    for step in steps {
        work.push(step.apart(link));
    }
    for result in apart(work).await {
        match result {
            Ok(()) => {}
            Err(AskError::Refused(problem)) => problems.push(problem),
            Err(lost) => return Err(lost),
        }
    }
    Ok(problems)
}

pub(crate) async fn declare_exchange(
    channel: &Channel,
    exchange: &Exchange,
    passive: bool,
) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions { passive, durable: true, ..Default::default() };
    channel.exchange_declare(short(&exchange.name), exchange.kind.clone(), options, FieldTable::default()).await
}

pub(crate) async fn declare_queue(channel: &Channel, queue: &Queue, passive: bool) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions { passive, durable: true, ..Default::default() };
    channel.queue_declare(short(&queue.name), options, queue.arguments.clone()).await.map(|_| ())
}

pub(crate) async fn bind(channel: &Channel, binding: &Binding) -> Result<(), lapin::Error> {
    let Binding { exchange, queue, routing_key, arguments } = binding;
    let options = QueueBindOptions::default();
    channel.queue_bind(short(queue), short(exchange), short(routing_key), options, arguments.clone()).await
}
