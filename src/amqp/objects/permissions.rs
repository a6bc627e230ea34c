//! What a user of the broker may do: the least that a worker, a client, an operator or another program's consumer needs.
//!
//! RabbitMQ matches a resource's name against three regular expressions, and calls the default exchange `amq.default`:
//! <https://www.rabbitmq.com/docs/access-control#authorisation>
//!
//! **Invariant:** every expression is anchored, and matches no name outside of the exchange's namespace but
//! `amq.default` and a client's own reply queue.

use super::declare::TopologyMode;
use crate::{
    amqp::{Names, WorkQueue},
    domain::IntentName,
};

/// The three regular expressions of `rabbitmqctl set_permissions`; empty for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// What may be declared and deleted.
    pub configure: String,
    /// What may be published to, and which queue may be bound.
    pub write: String,
    /// What may be consumed, and bound from.
    pub read: String,
}

/// An intent's name, and a retry delay in milliseconds, as part of a queue's name. No dot: so no `.dead` queue matches.
const INTENT: &str = "[A-Za-z0-9_-]+";
const MILLIS: &str = "[0-9]+";
/// A worker's own queue, as part of its name.
const OWN: &str = r"worker\.[0-9a-f-]{36}";

impl Permissions {
    /// A worker's. Intents and delays aren't named one by one, so that a new one needs no administrator.
    ///
    /// - It publishes answers, dead letters and suspects through the default exchange.
    /// - To bind takes write on the queue and read on the exchange; to declare a queue that dead-letters takes read on
    ///   it and write on its dead-letter exchange.
    /// - Its own queue, by which it knows of other workers, it makes in either mode, and binds to the topic exchange as well.
    pub fn worker(names: &Names, mode: TopologyMode) -> Self {
        let exchange = escape(names.exchange());
        let consumed = format!(r"died|requests|suspects|person|intent\.{INTENT}|conversation\.[0-9a-f]");
        match mode {
            TopologyMode::Declare => Self {
                configure: format!(
                    r"^{exchange}(\.(({consumed})(\.dead)?|conversation\.dead|relay|control|{OWN}|retry(\.{MILLIS})?))?$"
                ),
                write: format!(r"^(amq\.default|{exchange}(\.({consumed}|relay|control|{OWN}|retry(\.{MILLIS})?))?)$"),
                read: format!(r"^{exchange}(\.({consumed}|relay|control|{OWN}|retry(\.{MILLIS})?))?$"),
            },
            TopologyMode::Verify => Self {
                configure: format!(r"^{exchange}\.{OWN}$"),
                write: format!(r"^(amq\.default|{exchange}(\.(relay|retry|control|{OWN}))?)$"),
                read: format!(r"^{exchange}(\.({consumed}|control|{OWN}))?$"),
            },
        }
    }

    /// A client's: to publish, and to have a reply queue that the broker names. With direct reply-to it needs only to
    /// write.
    pub fn client(names: &Names) -> Self {
        let reply_queue = r"^amq\.gen-.+$".to_owned();
        let write = format!("^{}$", escape(names.exchange()));
        Self { configure: reply_queue.clone(), write, read: reply_queue }
    }

    /// A door's: what a client may, and to ask the workers what they know.
    pub fn door(names: &Names) -> Self {
        let (exchange, control) = (escape(names.exchange()), escape(&names.control_exchange()));
        Self { write: format!("^({exchange}|{control})$"), ..Self::client(names) }
    }

    /// An operator's: to read dead letters, to send them again, and to put them back; and to ask who is alive.
    pub fn operator(names: &Names) -> Self {
        let (exchange, asks) = (escape(names.exchange()), Self::roll_call(names));
        Self {
            write: format!(r"^(amq\.default|{exchange}(\.(control|{OWN}))?)$"),
            read: format!(r"^{exchange}\.(.+\.dead|control|{OWN})$"),
            ..asks
        }
    }

    /// That of whoever asks who is alive, and no more: a queue of its own behind the exchange by which workers know of each
    /// other.
    pub fn roll_call(names: &Names) -> Self {
        let exchange = escape(names.exchange());
        let both = format!(r"^{exchange}\.(control|{OWN})$");
        Self { configure: format!(r"^{exchange}\.{OWN}$"), write: both.clone(), read: both }
    }

    /// That of the program by which people speak: it consumes what goes to them, replies, and publishes what they say. A
    /// reply queue that the broker names is for word of what became of that.
    pub fn person(names: &Names) -> Self {
        let (exchange, queue) = (escape(names.exchange()), escape(&names.queue(&WorkQueue::Person)));
        let reply_queue = r"amq\.gen-.+";
        Self {
            configure: format!("^{reply_queue}$"),
            write: format!(r"^(amq\.default|{exchange})$"),
            read: format!("^({queue}|{reply_queue})$"),
        }
    }

    /// That of another program that answers an intent: it consumes the intent's queue and replies.
    pub fn external(names: &Names, intent: &IntentName) -> Self {
        let queue = names.queue(&WorkQueue::Intent(intent.clone()));
        Self { configure: String::new(), write: r"^amq\.default$".to_owned(), read: format!("^{}$", escape(&queue)) }
    }

    /// Those of one user who is both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = |one: String, other: String| match (one.is_empty(), other.is_empty() || one == other) {
            (true, _) => other,
            (false, true) => one,
            (false, false) => format!("{one}|{other}"),
        };
        Self {
            configure: both(self.configure, other.configure),
            write: both(self.write, other.write),
            read: both(self.read, other.read),
        }
    }
}

/// A name as a regular expression that matches it alone. A `-` means something only within brackets.
pub fn escape(name: &str) -> String {
    let special = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_client_may_write_to_the_exchange_alone() {
        let names = Names::new("shop-1_a").unwrap();
        let expected = Permissions {
            configure: r"^amq\.gen-.+$".into(),
            write: "^shop-1_a$".into(),
            read: r"^amq\.gen-.+$".into(),
        };
        assert_eq!(Permissions::client(&names), expected);
    }

    #[test]
    fn a_door_is_a_client_that_may_ask_the_workers() {
        let names = Names::new("shop-1_a").unwrap();
        let permissions = Permissions::door(&names);
        assert_eq!(permissions.write, r"^(shop-1_a|shop-1_a\.control)$");
        assert_eq!(
            Permissions { write: Permissions::client(&names).write, ..permissions },
            Permissions::client(&names)
        );
    }

    #[test]
    fn one_user_may_what_each_of_its_parts_may() {
        let names = Names::new("shop").unwrap();
        let both = Permissions::operator(&names).and(Permissions::client(&names));
        let expected = Permissions {
            configure: r"^shop\.worker\.[0-9a-f-]{36}$|^amq\.gen-.+$".into(),
            write: r"^(amq\.default|shop(\.(control|worker\.[0-9a-f-]{36}))?)$|^shop$".into(),
            read: r"^shop\.(.+\.dead|control|worker\.[0-9a-f-]{36})$|^amq\.gen-.+$".into(),
        };
        assert_eq!(both, expected);
        let client = Permissions::client(&names);
        assert_eq!(client.clone().and(client.clone()), client);
        assert_eq!(
            client.clone().and(Permissions::external(&names, &IntentName::new("a").unwrap())).configure,
            client.configure
        );
    }

    #[test]
    fn a_worker_that_verifies_may_configure_its_own_queue_alone() {
        let names = Names::new("shop").unwrap();
        let permissions = Permissions::worker(&names, TopologyMode::Verify);
        assert_eq!(permissions.configure, r"^shop\.worker\.[0-9a-f-]{36}$");
        assert_eq!(permissions.write, r"^(amq\.default|shop(\.(relay|retry|control|worker\.[0-9a-f-]{36}))?)$");
        let configure = regex::Regex::new(&permissions.configure).unwrap();
        assert!(configure.is_match(&names.worker_queue(uuid::Uuid::now_v7())));
        assert!(!configure.is_match(&names.control_exchange()));
    }

    #[test]
    fn an_operator_reads_dead_letters_and_hears_who_is_alive() {
        let names = Names::new("shop").unwrap();
        let (own, control) = (names.worker_queue(uuid::Uuid::now_v7()), names.control_exchange());
        let may = |expression: &str, name: &str| regex::Regex::new(expression).unwrap().is_match(name);
        let requests = names.queue(&WorkQueue::Requests);
        let operator = Permissions::operator(&names);
        for (name, configure, write, read) in [
            (own.as_str(), true, true, true),
            (control.as_str(), false, true, true),
            ("shop", false, true, false),
            ("amq.default", false, true, false),
            (requests.as_str(), false, false, false),
            (Names::dead(&requests).as_str(), false, false, true),
            ("shopping.control", false, false, false),
        ] {
            let Permissions { configure: declares, write: writes, read: reads } = &operator;
            assert_eq!((may(declares, name), may(writes, name), may(reads, name)), (configure, write, read), "{name}");
        }
        let least = Permissions::roll_call(&names);
        assert_eq!(least.configure, operator.configure);
        for expression in [&least.write, &least.read] {
            assert!(may(expression, &own) && may(expression, &control) && !may(expression, "shop"), "{expression}");
            assert!(!may(expression, &Names::dead(&requests)), "{expression}");
        }
    }

    #[test]
    fn peoples_program_reads_their_queue_alone_and_writes_as_a_client_does() {
        let permissions = Permissions::person(&Names::new("shop").unwrap());
        let expected = (r"^amq\.gen-.+$", r"^(amq\.default|shop)$", r"^(shop\.person|amq\.gen-.+)$");
        let Permissions { configure, write, read } = &permissions;
        assert_eq!((configure.as_str(), write.as_str(), read.as_str()), expected);
    }

    #[test]
    fn another_program_reads_its_intents_queue_alone() {
        let permissions = Permissions::external(&Names::new("shop").unwrap(), &IntentName::new("refund").unwrap());
        assert_eq!(permissions.read, r"^shop\.intent\.refund$");
        assert_eq!(permissions.write, r"^amq\.default$");
    }
}
