//! A broker with queues that somebody else declared.

use chatbot_worker::amqp::{
    Names,
    migrate::{Migrator, Task},
    objects::topology::Topology,
};
use lapin::{
    options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

use super::text;
use crate::{
    admin::{Admin, complaints},
    support::{Bench, Client, broker_url, headers, short},
};

/// What somebody else might have declared.
pub(super) fn classic() -> FieldTable {
    FieldTable::default()
}

pub(super) fn quorum() -> FieldTable {
    headers(&[("x-queue-type", text("quorum"))])
}

/// A broker with the worker's objects, and somebody who administers it.
pub(super) struct Site {
    pub(super) admin: Admin,
    pub(super) names: Names,
    pub(super) topology: Topology,
    pub(super) client: Client,
}

impl Site {
    pub(super) async fn new() -> Self {
        let bench = Bench::new();
        let names = bench.names.clone();
        let topology = (*bench.bot().topology).clone();
        let admin = Admin::new(&names, &broker_url());
        assert_eq!(admin.run(&["topology", "declare"]).code, Some(0));
        let client = Client::new(&broker_url(), &names).await;
        Self { admin, names, topology, client }
    }

    /// Puts another queue in the place of the worker's, with its bindings.
    pub(super) async fn declare_other(&self, queue: &str, arguments: FieldTable) {
        let channel = &self.client.channel;
        channel.queue_delete(short(queue), QueueDeleteOptions::default()).await.unwrap();
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(short(queue), options, arguments).await.unwrap();
        for binding in self.topology.bindings_of(queue) {
            let (exchange, key) = (short(&binding.exchange), short(&binding.routing_key));
            let options = QueueBindOptions::default();
            channel.queue_bind(short(queue), exchange, key, options, binding.arguments.clone()).await.unwrap();
        }
    }

    /// The migrator, and what it has to do.
    pub(super) async fn migrator(&self) -> (Migrator, Vec<Task>) {
        let migrator = Migrator::open(&Bench::new().settings.broker, &self.names).await.unwrap();
        let tasks = migrator.survey(&self.topology).await.unwrap();
        (migrator, tasks)
    }

    /// Migrates to the end, by the command.
    #[track_caller]
    pub(super) fn migrate(&self) -> String {
        let ended = self.admin.run(&["topology", "migrate", "--yes"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out
    }

    /// Everything is as the worker declares it, and nothing of a migration is left.
    #[track_caller]
    pub(super) fn is_as_it_must_be(&self) {
        let (found, code) = self.admin.check();
        assert_eq!((code, complaints(&found, "topology")), (Some(0), vec![]), "{found:?}");
        let ended = self.admin.run(&["topology", "migrate", "--dry-run"]);
        assert!(ended.out.starts_with("Nothing is to be migrated"), "{ended:?}");
    }

    pub(super) async fn nothing_is_held(&self, queue: &str) {
        for name in [self.names.holding(), self.names.holding_of(queue)] {
            self.is_gone(&name).await;
        }
    }

    /// There is neither an exchange nor a queue of this name.
    pub(super) async fn is_gone(&self, name: &str) {
        let channel = self.client.connection.create_channel().await.unwrap();
        let options = lapin::options::ExchangeDeclareOptions { passive: true, ..Default::default() };
        let kind = lapin::ExchangeKind::Fanout;
        let found = channel.exchange_declare(short(name), kind, options, FieldTable::default()).await;
        assert!(found.is_err(), "exchange {name} is left");
        let channel = self.client.connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let found = channel.queue_declare(short(name), options, FieldTable::default()).await;
        assert!(found.is_err(), "queue {name} is left");
    }

    pub(super) async fn remove(self) {
        self.admin.remove().await;
    }
}
