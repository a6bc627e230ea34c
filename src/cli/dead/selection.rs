//! Which letters a command is about, as the command line says it.

use super::{Exit, Failure};
use crate::{
    amqp::{
        Names, WorkQueue,
        dead::{Filter, LetterId},
    },
    cli::topology::Configured,
    config::types::BoundedDuration,
    domain::{IntentName, Lane},
};

/// The queue of what can't be read, as `--queue` names it.
pub(super) const DIED: &str = "died";

type Age = BoundedDuration<1, { 100 * 366 * 24 * 3_600_000 }>;

/// The options that choose letters; several values of one are alternatives, several options have to fit together.
#[derive(Debug, clap::Args)]
#[group(id = "selection", multiple = true)]
pub(super) struct Selection {
    /// Those of this work queue: requests, suspects or intent.NAME
    #[arg(long, value_name = "QUEUE", value_delimiter = ',')]
    queue: Vec<String>,
    /// Those with this chatbot-dead-reason, such as timeout
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    reason: Vec<String>,
    /// Those for this intent
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = IntentName::new)]
    intent: Vec<IntentName>,
    /// Those that have been there for longer: 30s, 45m, 720h
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,
    /// Those that have been there for less
    #[arg(long, value_name = "AGE")]
    newer_than: Option<Age>,
}

/// Letters by name, or by what they are, or all: for commands that do something with them.
#[derive(Debug, clap::Args)]
#[group(id = "chosen", required = true, multiple = true, args = ["id", "queue", "reason", "intent", "older_than", "newer_than", "all"])]
pub(super) struct Chosen {
    /// The letters' IDs, as `dead list` prints them; a beginning that only one has is enough
    #[arg(value_name = "ID", value_parser = id_prefix)]
    pub(super) id: Vec<String>,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// All of them
    #[arg(long, conflicts_with_all = ["id", "reason", "intent", "older_than", "newer_than"])]
    all: bool,
}

/// The beginning of an ID.
pub(super) fn id_prefix(text: &str) -> Result<String, String> {
    let hexadecimal = text.chars().all(|c| c.is_ascii_hexdigit());
    match text.len() {
        1..=LetterId::DIGITS if hexadecimal => Ok(text.to_ascii_lowercase()),
        _ => Err(format!("an ID is up to {} hexadecimal digits, as `dead list` prints them", LetterId::DIGITS)),
    }
}

impl Selection {
    /// Which letters are meant.
    ///
    /// # Errors
    /// Names that no queue has.
    pub(super) fn filter(&self, names: &Names, ids: &[String]) -> Result<Filter, Failure> {
        Ok(Filter {
            ids: ids.to_vec(),
            queues: self.queue.iter().map(|shown| parse(names, shown)).collect::<Result<Vec<_>, _>>()?.concat(),
            reasons: self.reason.clone(),
            intents: self.intent.clone(),
            older_than: self.older_than.map(BoundedDuration::get),
            newer_than: self.newer_than.map(BoundedDuration::get),
        })
    }

    /// Whether only the queue of what can't be read is meant.
    ///
    /// # Errors
    /// Where it is meant together with what doesn't go with it.
    pub(super) fn died(&self) -> Result<bool, Failure> {
        if !self.queue.iter().any(|queue| queue == DIED) {
            return Ok(false);
        }
        let alone = self.queue.len() == 1 && self.reason.is_empty() && self.intent.is_empty();
        if alone && self.older_than.is_none() && self.newer_than.is_none() {
            return Ok(true);
        }
        Err(Failure::new(Exit::Usage, "what is in 'died' can't be read: --queue died goes with no other option"))
    }

    /// Whether nothing is asked for: all letters of all queues are meant.
    pub(super) fn is_empty(&self) -> bool {
        let Self { queue, reason, intent, older_than, newer_than } = self;
        queue.is_empty() && reason.is_empty() && intent.is_empty() && older_than.is_none() && newer_than.is_none()
    }
}

/// The work queues of the settings and the intents file.
pub(super) fn work_queues(configured: &Configured) -> Vec<WorkQueue> {
    let names = configured.names();
    let mut queues: Vec<WorkQueue> =
        configured.topology.queues.iter().filter_map(|queue| names.work_queue(&queue.name)).collect();
    queues.sort_by_key(ToString::to_string);
    queues
}

/// A work queue by its short name, its name on the broker, or its dead-letter queue's.
fn parse(names: &Names, shown: &str) -> Result<Vec<WorkQueue>, Failure> {
    let name = shown.strip_suffix(".dead").unwrap_or(shown);
    let of_all = Names::dead(&names.queue(&WorkQueue::Conversation(Lane::ALL[0])));
    if name == "conversation" || of_all.strip_suffix(".dead") == Some(name) {
        return Ok(Lane::ALL.map(WorkQueue::Conversation).to_vec());
    }
    let found = WorkQueue::parse(name).or_else(|| names.work_queue(name));
    found.map(|queue| vec![queue]).ok_or_else(|| match shown {
        DIED => Failure::new(Exit::Usage, "what is in 'died' can't be read: it can be counted and purged only"),
        _ => Failure::new(
            Exit::Usage,
            format!("'{shown}' is no work queue: requests, suspects, conversation or intent.NAME (and for `dead purge`, died)"),
        ),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_queue_is_known_by_each_of_its_names() {
        let names = Names::new("shop").unwrap();
        for shown in ["intent.refund", "intent.refund.dead", "shop.intent.refund", "shop.intent.refund.dead"] {
            assert_eq!(parse(&names, shown).unwrap()[0].to_string(), "intent.refund");
        }
        for shown in ["conversation", "conversation.dead", "shop.conversation", "shop.conversation.dead"] {
            assert_eq!(parse(&names, shown).unwrap().len(), 16, "{shown}");
        }
        assert_eq!(parse(&names, "conversation.3").unwrap().len(), 1);
        for other in ["", "refund", "other.requests", "died", "shop.died.dead", "intent.a.b", "retry.1000"] {
            assert_eq!(parse(&names, other).unwrap_err().exit, Exit::Usage, "{other}");
        }
    }

    #[test]
    fn an_id_is_hexadecimal_and_no_longer_than_a_whole_one() {
        assert_eq!(id_prefix("0aF"), Ok("0af".to_owned()));
        for wrong in ["", "g", "0a-", &"a".repeat(33)] {
            assert!(id_prefix(wrong).is_err(), "{wrong}");
        }
    }
}
