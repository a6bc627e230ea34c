//! `topology policy`: the policies that an administrator sets.

use super::{Exit, Failure, names, output, rabbitmqctl::set_policy};
use crate::{
    amqp::{Names, objects::permissions::escape},
    cli::setup,
};

/// Prints the commands. Lines that begin with `rabbitmqctl` are to be run as they are.
pub(super) fn run() -> Result<Exit, Failure> {
    let settings = setup::settings()?.settings;
    let names = names(&settings)?;
    let vhost = settings.amqp.url.iter().next().map_or("/", |url| url.vhost.as_str());
    output::print(&text(&names, vhost))?;
    Ok(Exit::Ok)
}

fn text(names: &Names, vhost: &str) -> String {
    let (exchange, died) = (escape(names.exchange()), names.died());
    let alternate = format!(r#"{{"alternate-exchange":"{died}"}}"#);
    let unroutable = set_policy(vhost, "exchanges", &names.unroutable_policy(), &format!("^{exchange}$"), &alternate);
    let policy = |what: &str, pattern: &str, definition: &str| {
        set_policy(vhost, "queues", &format!("{}-{what}", names.exchange()), pattern, definition)
    };
    let consumed = format!(r"^{exchange}\.(requests|suspects|died|intent\.[A-Za-z0-9_-]+)$");
    let failover = policy("failover", &consumed, r#"{"consumer-disconnected-timeout":5000}"#);
    let dead = policy(
        "dead",
        &format!(r"^{exchange}\..+\.dead$"),
        r#"{"message-ttl":2592000000,"overflow":"reject-publish"}"#,
    );
    let length = policy("length", &format!(r"^{exchange}\.requests$"), r#"{"max-length":100000}"#);
    let age = policy("age", &format!(r"^{exchange}\.requests$"), r#"{"message-ttl":600000}"#);
    format!(
        "\
# A message whose routing key nobody binds is dropped by the broker, or returned to a client that asked for that by
# `mandatory`. With this policy a worker gets it, and the client is answered `unroutable`.
{unroutable}

# On RabbitMQ 4.3 or newer, run this too; older ones know no such policy, and need none. There a queue whose consumer's
# node dies is served again only after a minute, as the broker waits for the consumer to come back. With it, after 5 s:
# {failover}

# What follows is optional; each command stands behind a `# `.

# Dead letters are kept for ever. To drop them after 30 days (in milliseconds; RabbitMQ 3.10 or newer):
# {dead}
# A limit on their number (max-length, max-length-bytes) belongs into the same policy, beside that `overflow`: without it the
# broker drops the oldest letters, without a word, for these queues don't say themselves what to do. With it a full queue
# refuses: the workers keep what it refuses, say so in their logs and try again, and answer less and less until it has room.
# Mind that a policy for all queues of the exchange, such as one with '^{exchange}\\.', is one for dead letters too.

# A limit on how many requests may wait. Mind that
# - the queues refuse what is too much (reject-publish): the broker nacks it, so a client that doesn't wait for
#   publisher confirms loses it, and one that does has to try again;
# - a retry that expires into a full queue waits until there is room, and then for minutes more;
# - the queues dead-letter at least once: dead letters that can't be handed on stay in a queue and count.
# Prefer an expiration on each request, or CHATBOT_WORKER_DEFAULT_TTL: what waited too long is answered
# `deadline_exceeded`. Or CHATBOT_OVERLOAD_MAX_DEPTH: the workers answer `overloaded` to what is too much, and keep it as
# dead letters. And never set `overflow` (but for dead letters, as above) or `dead-letter-*` by a policy: the queues' own
# arguments win.
# {length}

# A limit on how long a request may wait, here 10 minutes (in milliseconds). Mind that
# - what is older is answered `deadline_exceeded`, whether its client still waits or not, and dead-lettered;
# - the time counts from when a message came into this queue: a retry begins anew;
# - only one policy applies to a queue, that with the highest priority: write all that you want for it into one, as in
#   {{\"max-length\":100000,\"message-ttl\":600000,\"consumer-disconnected-timeout\":5000}}.
# Prefer an expiration on each request, as above, or CHATBOT_OVERLOAD_MAX_AGE.
# {age}
"
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn one_command_is_to_be_run_and_it_sets_the_alternate_exchange() {
        let text = text(&Names::new("chatbot").unwrap(), "it's");
        let commands: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let expected = concat!(
            r"rabbitmqctl set_policy --vhost 'it'\''s' --apply-to exchanges chatbot-unroutable ",
            r#"'^chatbot$' '{"alternate-exchange":"chatbot.died"}'"#
        );
        assert_eq!(commands, [expected]);
        let optional = text.lines().filter(|line| line.starts_with("# rabbitmqctl"));
        assert!(optional.clone().count() == 4 && optional.clone().all(|line| !line.contains("alternate-exchange")));
        // A limit that somebody adds to it refuses, and drops nothing.
        let dead: Vec<_> = optional.filter(|line| line.contains("chatbot-dead")).collect();
        let [dead] = &dead[..] else { unreachable!("one is for dead letters: {dead:?}") };
        assert!(dead.ends_with(r#"'{"message-ttl":2592000000,"overflow":"reject-publish"}'"#), "{dead}");
        assert!(text.contains(r"such as one with '^chatbot\.'"), "{text}");
    }
}
