//! Why the broker refuses an object, in words that say how to mend it.

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};

/// What the broker says against one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The object, such as `queue 'chatbot.requests'`.
    pub object: String,
    /// The broker's words.
    pub broker: String,
    /// What to do.
    pub mend: String,
    /// Whether the user lacks a permission.
    pub refused: bool,
    /// Whether the object isn't there.
    pub missing: bool,
    /// Whether the object is there, and other than it must be.
    pub differs: bool,
}

/// Why the topology isn't there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// Objects that the broker refuses, or that are missing; all of them.
    #[error("{}", problems(.0))]
    Problems(Vec<Problem>),
    /// The connection was lost meanwhile.
    #[error("the connection was lost while declaring: {0}")]
    Lost(String),
}

fn problems(problems: &[Problem]) -> String {
    let lines = problems.iter().map(|p| format!("{}: the broker says: {}\n    {}", p.object, p.broker, p.mend));
    lines.collect::<Vec<_>>().join("\n")
}

/// What a refusal means; none where it is no refusal.
pub(crate) fn problem(object: &str, error: &lapin::Error) -> Option<Problem> {
    let ErrorKind::ProtocolError(refused) = error.kind() else { return None };
    let AMQPErrorKind::Soft(soft) = refused.kind() else { return None };
    let mend = match soft {
        AMQPSoftError::PRECONDITIONFAILED => differs(refused.get_message().as_str()),
        AMQPSoftError::ACCESSREFUSED => {
            "The user lacks a permission. `chatbot-worker topology permissions` prints the \
                                         command that grants what is needed."
                .to_owned()
        }
        AMQPSoftError::NOTFOUND => "It is missing. `chatbot-worker topology declare` creates it, as a user who may \
                                    configure; or set CHATBOT_AMQP_TOPOLOGY=declare."
            .to_owned(),
        AMQPSoftError::RESOURCELOCKED => "Another connection holds it exclusively; delete it there.".to_owned(),
        _ => "Unexpected; the broker's log tells more.".to_owned(),
    };
    Some(Problem {
        object: object.to_owned(),
        broker: format!("{} {}", refused.get_id(), refused.get_message()),
        mend,
        refused: *soft == AMQPSoftError::ACCESSREFUSED,
        missing: *soft == AMQPSoftError::NOTFOUND,
        differs: *soft == AMQPSoftError::PRECONDITIONFAILED,
    })
}

/// What to do about a declaration that the broker refuses since the object is another: `reason` is the broker's, such as
/// `PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is
/// 'classic'`.
fn differs(reason: &str) -> String {
    let difference = reason.split_once("inequivalent arg '").and_then(|(_, rest)| rest.split_once('\''));
    let Some((argument, rest)) = difference else {
        return "The broker's log tells more.".to_owned();
    };
    let values = rest.split_once("': ").map(|(_, values)| values.replace("received", "the worker's is"));
    let values = values.map(|values| format!(" ({})", values.replace(" but current is", ", the broker's is")));
    let mend = if reason.contains("for queue '") {
        "That can't be changed. `chatbot-worker topology migrate` puts the worker's in its place, with what it holds."
    } else {
        "That can't be changed, and `topology migrate` replaces queues only. Queues, and what they hold, outlive an exchange; its \
         bindings don't, and what is published while it is gone fails. So: stop the workers and those that publish; note what \
         others have bound to it (`rabbitmqctl list_bindings`); delete it (the management page, or `rabbitmqadmin`); \
         `chatbot-worker topology declare` makes it and binds the worker's queues; bind the others again; start all again. Or \
         use another CHATBOT_AMQP_EXCHANGE."
    };
    format!("It exists, and its {argument} isn't what the worker declares{}. {mend}", values.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_with_both_values() {
        let check = |reason: &str, expected: &str| {
            let mend = differs(reason);
            assert!(mend.starts_with(expected), "{mend}");
        };
        let reason = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'a.b' in vhost '/': received the \
                      value 'quorum' of type 'longstr' but current is none";
        let said = "(the worker's is the value 'quorum' of type 'longstr', the broker's is none)";
        check(reason, &format!("It exists, and its x-queue-type isn't what the worker declares {said}."));
        let exchange = "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'a' in vhost '/': received 'topic' but \
                        current is 'fanout'";
        check(
            exchange,
            "It exists, and its type isn't what the worker declares (the worker's is 'topic', the broker's is 'fanout'). That \
             can't be changed, and `topology migrate` replaces queues only.",
        );
        assert!(differs(reason).contains("`chatbot-worker topology migrate` puts"), "{}", differs(reason));
        let steps = ["list_bindings", "delete it", "topology declare", "bind the others again"];
        let places: Vec<_> = steps.iter().map(|step| differs(exchange).find(step)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
        check("inequivalent arg 'x", "The broker's log");
        check("inequivalent arg 'durable'", "It exists, and its durable isn't what the worker declares. That");
        check("PRECONDITION_FAILED - something else", "The broker's log");
    }
}
