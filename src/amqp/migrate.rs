//! A queue that somebody declared with other arguments is replaced by the worker's, with nothing lost.
//!
//! AMQP can't change a queue, nor give it another name. So what the queue holds, and what comes meanwhile, is held in
//! another, [`Names::holding_of`]. An exchange of the same name leads to where messages are being moved, so that they
//! keep their routing key, by which a worker tells what a client asked, and a retry queue where to.
//!
//! | stage | afterwards |
//! | --- | --- |
//! | [`Stage::Divert`] | what is published comes to the holding queue |
//! | [`Stage::MoveOut`] | the old queue is empty, and gone |
//! | [`Stage::Replace`] | the right one is there, and what is published comes to it |
//! | [`Stage::MoveBack`] | the holding queue is empty, and gone |
//! | [`Stage::Finish`] | the exchange is gone |
//!
//! **Invariant:** a message is acked in one queue after the broker has confirmed it in the other. The state is the
//! broker's alone: whatever ends a migration, the next goes on from what it finds there. So a message may come twice, and
//! is never lost: those in flight when a move is interrupted, and those published while a binding is changed over.

mod error;
mod scaffold;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::time::{Instant, timeout};

use self::scaffold::exchange;
pub use self::{
    error::MigrateError,
    scaffold::{begun, left, scaffold},
};
use super::objects::{
    admin::Admin,
    ask::AskError,
    inspect::Depth,
    problem::Problem,
    topology::{Binding, Exchange, Queue, Topology},
};
use crate::amqp::{
    Names,
    connection::{
        address::Broker,
        link::{Link, Use},
        wire::Mended,
    },
    message::{properties::moved, trail::is_relayed},
    publishing::publisher::{Message, PublishError, Publisher},
    values::short,
};

/// Messages that are moved at a time: so many may come twice where a move is interrupted.
const IN_FLIGHT: u16 = 100;
/// A queue that hands out nothing for so long is looked at: it may be empty.
const QUIET: Duration = Duration::from_millis(100);
/// A queue that says it holds messages, and hands out none for so long, can't be emptied.
const STUCK: Duration = Duration::from_secs(10);

/// A part of a migration; each may be begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Bind the holding queue in the old one's place.
    Divert,
    /// Move what the old queue holds, and delete it.
    MoveOut,
    /// Declare the right one, and bind it in the holding queue's place.
    Replace,
    /// Move what is held, and delete the holding queue.
    MoveBack,
    /// Delete the exchange.
    Finish,
}

impl Stage {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::Divert, Self::MoveOut, Self::Replace, Self::MoveBack, Self::Finish];
}

/// A queue to be migrated.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The queue as it has to be.
    pub queue: Queue,
    /// Its bindings.
    pub bindings: Vec<Binding>,
    /// What the old one is, in the broker's words; none where only the rest of a migration is to be done.
    pub difference: Option<String>,
    /// What the old one holds, and who consumes it.
    pub depth: Depth,
    /// The first stage to be done.
    pub from: Stage,
}

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Messages.
    pub messages: u64,
    /// Those of which something couldn't be read, and was left out.
    pub unreadable: u64,
}

/// Connections to migrate by.
pub struct Migrator {
    admin: Admin,
    consuming: Link,
    publisher: Publisher,
    names: Names,
}

impl Migrator {
    /// Connects.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn open(broker: &Broker, names: &Names) -> Result<Self, MigrateError> {
        let name = "chatbot-worker topology migrate";
        let (consuming, publishing) =
            tokio::try_join!(Link::open(broker, name, Use::Consume), Link::open(broker, name, Use::Consume))?;
        let publisher = Publisher::open(publishing, broker.confirm_timeout).await;
        let publisher = publisher.map_err(|error| AskError::Lost(error.to_string()))?;
        Ok(Self { admin: Admin::open(broker).await?, consuming, publisher, names: names.clone() })
    }

    /// The exchanges that are there, and others than a worker declares: these can't be migrated. It changes nothing. One that
    /// this user may not declare isn't known.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn exchanges(&self, topology: &Topology) -> Result<Vec<Problem>, MigrateError> {
        let mut differing = Vec::new();
        for exchange in &topology.exchanges {
            let found = match self.admin.has_exchange(exchange).await {
                Ok(true) => self.admin.redeclare_exchange(exchange).await,
                found => found.map(|_| ()),
            };
            match found {
                Err(AskError::Refused(problem)) if problem.differs => differing.push(problem),
                Ok(()) | Err(AskError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(differing)
    }

    /// What has to be migrated, in an order in which it can be. It changes nothing.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn survey(&self, topology: &Topology) -> Result<Vec<Task>, MigrateError> {
        let mut tasks = Vec::new();
        let begun = begun(&self.admin, &self.names).await?;
        for queue in &topology.queues {
            let depth = self.admin.depth(&queue.name).await?;
            let difference = match depth {
                Some(_) => match self.admin.redeclare_queue(queue).await {
                    Ok(()) => None,
                    Err(AskError::Refused(problem)) if problem.differs => Some(problem.broker),
                    Err(error) => return Err(error.into()),
                },
                None => None,
            };
            let from = if difference.is_some() {
                Stage::Divert
            } else if begun && self.admin.has_exchange(&self.way(queue)).await? {
                Stage::Replace
            } else {
                continue;
            };
            let (queue, bindings) = (queue.clone(), topology.bindings_of(&queue.name).cloned().collect());
            let depth = depth.unwrap_or(Depth { messages: 0, consumers: 0 });
            tasks.push(Task { queue, bindings, difference, depth, from });
        }
        Ok(tasks)
    }

    /// Does one stage. `progress` is told how many messages have been moved so far.
    ///
    /// # Errors
    /// [`MigrateError`]; the stage can be begun again.
    pub async fn run(&self, task: &Task, stage: Stage, progress: impl FnMut(u64)) -> Result<Moved, MigrateError> {
        let holding = task.queue.holding(&self.names);
        match stage {
            Stage::Divert => {
                self.nobody_consumes(&task.queue.name).await?;
                for exchange in [exchange(self.names.holding()), self.way(&task.queue)] {
                    self.admin.redeclare_exchange(&exchange).await?;
                }
                self.change_over(task, &holding.name, &task.queue.name, &holding).await?;
            }
            Stage::MoveOut => return self.empty(&task.queue.name, &self.way(&task.queue).name, progress).await,
            Stage::Replace => {
                self.admin.redeclare_exchange(&self.way(&task.queue)).await?;
                self.change_over(task, &task.queue.name, &holding.name, &task.queue).await?;
            }
            Stage::MoveBack => {
                if self.admin.depth(&holding.name).await?.is_some() {
                    return self.empty(&holding.name, &self.way(&task.queue).name, progress).await;
                }
            }
            Stage::Finish => self.admin.delete_exchange(&self.way(&task.queue).name).await?,
        }
        Ok(Moved::default())
    }

    /// Tells the broker that nothing is being migrated any more.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn done(&self) -> Result<(), MigrateError> {
        Ok(self.admin.delete_exchange(&self.names.holding()).await?)
    }

    /// Closes the connections.
    pub async fn close(self) {
        let limit = self.consuming.step_limit();
        tokio::join!(self.admin.close(), self.consuming.close(limit), self.publisher.link().close(limit));
    }

    /// The exchange that leads to where a queue's messages are being moved.
    fn way(&self, queue: &Queue) -> Exchange {
        exchange(self.names.holding_of(&queue.name))
    }

    async fn nobody_consumes(&self, queue: &str) -> Result<(), MigrateError> {
        match self.admin.depth(queue).await? {
            Some(Depth { consumers: consumers @ 1.., .. }) => {
                Err(MigrateError::Consumed { queue: queue.to_owned(), consumers })
            }
            _ => Ok(()),
        }
    }

    /// Declares `queue`, and binds `to` wherever `from` is bound, in its place. First the one, then the other, so that at
    /// no moment neither is bound.
    async fn change_over(&self, task: &Task, to: &str, from: &str, queue: &Queue) -> Result<(), MigrateError> {
        self.admin.redeclare_queue(queue).await?;
        let at = |queue: &str| {
            let queue = queue.to_owned();
            task.bindings.iter().map(move |binding| Binding { queue: queue.clone(), ..binding.clone() })
        };
        for (to, from) in at(to).zip(at(from)) {
            self.admin.bind(&to).await?;
            self.admin.unbind(&from).await?;
        }
        let way = |queue: &str| Binding {
            exchange: self.way(&task.queue).name,
            queue: queue.to_owned(),
            routing_key: String::new(),
            arguments: FieldTable::default(),
        };
        self.admin.unbind(&way(from)).await?;
        self.admin.bind(&way(to)).await?;
        Ok(())
    }

    /// Moves what a queue holds to where the exchange `way` leads, and deletes the queue.
    ///
    /// Quorum queues know no deletion that asks whether they are empty. So the queue is consumed until it is gone: what
    /// comes by its name between the last look and the deletion is handed out before that, and is moved as well.
    async fn empty(&self, queue: &str, way: &str, mut progress: impl FnMut(u64)) -> Result<Moved, MigrateError> {
        let lost = |error: lapin::Error| AskError::Lost(error.to_string());
        self.nobody_consumes(queue).await?;
        let channel = self.consuming.channel().await.map_err(lost)?;
        channel.basic_qos(IN_FLIGHT, BasicQosOptions::default()).await.map_err(lost)?;
        let options = BasicConsumeOptions { exclusive: true, ..Default::default() };
        let consuming = channel.basic_consume(short(queue), short(""), options, FieldTable::default());
        let mut consumer = consuming.await.map_err(lost)?;
        let (mut moving, mut moved) = (FuturesUnordered::new(), Moved::default());
        let (mut quiet_since, mut deleted, mut ended) = (Instant::now(), false, false);
        while !(ended && moving.is_empty()) {
            tokio::select! {
                Some(done) = moving.next() => {
                    let done: Result<bool, PublishError> = done;
                    let unreadable = done.map_err(|error| MigrateError::Publish { queue: queue.to_owned(), error })?;
                    moved.messages += 1;
                    moved.unreadable += u64::from(unreadable);
                    progress(moved.messages);
                    quiet_since = Instant::now();
                }
                delivery = timeout(QUIET, consumer.next()), if !ended => match delivery {
                    Ok(Some(delivery)) => moving.push(self.move_one(&channel, delivery.map_err(lost)?, way)),
                    Ok(None) => ended = true,
                    Err(_) if !moving.is_empty() => {}
                    Err(_) if deleted && quiet_since.elapsed() > STUCK => {
                        return Err(AskError::Lost(format!("the consumer of '{queue}' doesn't end")).into());
                    }
                    Err(_) if deleted => {}
                    Err(_) => match self.admin.depth(queue).await? {
                        Some(Depth { consumers: consumers @ 2.., .. }) => {
                            let consumers = consumers - 1;
                            return Err(MigrateError::Consumed { queue: queue.to_owned(), consumers });
                        }
                        Some(Depth { messages: left @ 1.., .. }) if quiet_since.elapsed() > STUCK => {
                            return Err(MigrateError::Stuck { queue: queue.to_owned(), left });
                        }
                        Some(Depth { messages: 0, .. }) => {
                            self.admin.delete_queue(queue).await?;
                            (deleted, quiet_since) = (true, Instant::now());
                        }
                        _ => {}
                    },
                },
            }
        }
        if deleted { Ok(moved) } else { Err(MigrateError::Gone(queue.to_owned())) }
    }

    /// Publishes one message, and acks it once the broker has confirmed that. Whether something of it couldn't be read.
    async fn move_one(&self, channel: &Channel, delivery: Delivery, way: &str) -> Result<bool, PublishError> {
        let mended: &Arc<Mended> = self.consuming.mended();
        let blemishes = mended.take(channel.id(), delivery.delivery_tag);
        let (exchange, key) = (delivery.exchange.as_str(), delivery.routing_key.as_str());
        let is_relayed = is_relayed(&self.names, exchange, key, &delivery.properties);
        let message = Message {
            exchange: short(way),
            routing_key: delivery.routing_key,
            mandatory: true,
            properties: moved(&delivery.properties, is_relayed, &blemishes),
            body: delivery.data.into(),
        };
        self.publisher.publish(message).await?;
        // Where it can't be acked, it comes again. Not by lapin's `Acker`, which may never answer when the connection ends.
        let _ = channel.basic_ack(delivery.delivery_tag, Default::default()).await;
        Ok(!blemishes.is_empty())
    }
}
