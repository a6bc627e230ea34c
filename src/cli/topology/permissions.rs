//! `topology permissions`: what to grant, and no more.

use super::{Exit, Failure, names, output, rabbitmqctl::set_permissions};
use crate::{
    amqp::{
        Names,
        objects::{declare::TopologyMode, permissions::Permissions},
    },
    app::{self, settings::Topology},
    cli::setup,
    domain::IntentName,
};

const HELP: &str = "\
The worker's are those that its mode needs (CHATBOT_AMQP_TOPOLOGY): `declare` has to configure, `verify` no more than
its own queue, and then `chatbot-worker topology declare` is run by an administrator. The users have to exist: `rabbitmqctl add_user NAME`.
Each command replaces what the user may do in the virtual host.

Example:
  chatbot-worker topology permissions --worker bot --client website";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// The worker's user; that of CHATBOT_AMQP_URL where it is left out, unless that is guest
    #[arg(long, value_name = "USER")]
    worker: Option<String>,
    /// The user with which clients publish their requests
    #[arg(long, value_name = "USER", default_value = "CLIENT")]
    client: String,
    /// The user of a door: `chatbot-worker serve`
    #[arg(long, value_name = "USER", default_value = "DOOR")]
    door: String,
    /// The user with which dead letters are dealt with, by `chatbot-worker dead`
    #[arg(long, value_name = "USER", default_value = "OPERATOR")]
    operator: String,
    /// The user of the program that answers external intents
    #[arg(long, value_name = "USER", default_value = "PROGRAM")]
    external: String,
    /// The user of the program by which people speak
    #[arg(long, value_name = "USER", default_value = "PEOPLE")]
    person: String,
}

/// Prints the commands.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = setup::settings()?.settings;
    let intents = setup::intents(&settings)?.file;
    let url = settings.amqp.url.iter().next();
    // guest administers the broker: whoever pasted these into a shell would lock themselves out.
    let configured = url.map(|url| url.user.as_str()).filter(|user| *user != "guest");
    let worker = arguments.worker.as_deref().or(configured).unwrap_or("WORKER");
    let external: Vec<&IntentName> = app::external(&intents).collect();
    let mode = match settings.amqp.topology {
        Topology::Declare => TopologyMode::Declare,
        Topology::Verify => TopologyMode::Verify,
    };
    let users = Users {
        vhost: url.map_or("/", |url| url.vhost.as_str()),
        worker,
        client: &arguments.client,
        door: &arguments.door,
        operator: &arguments.operator,
        program: &arguments.external,
        people: intents.conversation.as_ref().and_then(|it| it.person.as_ref()).map(|_| &*arguments.person),
    };
    output::print(&text(&names(&settings)?, mode, &external, &users))?;
    Ok(Exit::Ok)
}

struct Users<'a> {
    vhost: &'a str,
    worker: &'a str,
    client: &'a str,
    door: &'a str,
    operator: &'a str,
    program: &'a str,
    /// None where the bot hands nothing to people.
    people: Option<&'a str>,
}

fn text(names: &Names, mode: TopologyMode, external: &[&IntentName], users: &Users<'_>) -> String {
    let Users { vhost, worker, client, door, operator, program, people } = users;
    let worker_in = |mode| set_permissions(vhost, worker, &Permissions::worker(names, mode));
    let (name, other, other_name) = match mode {
        TopologyMode::Declare => ("declare", TopologyMode::Verify, "verify"),
        TopologyMode::Verify => ("verify", TopologyMode::Declare, "declare"),
    };
    let mut text = format!(
        "\
# A worker with CHATBOT_AMQP_TOPOLOGY={name}, as it is set. It publishes replies through the default exchange, which
# RabbitMQ calls amq.default: with that it may publish into every queue of the virtual host, so give it one of its own.
{}

# The same with CHATBOT_AMQP_TOPOLOGY={other_name}:
# {}

# A client: it publishes requests, and gets its answers in an exclusive queue that the broker names. With direct
# reply-to it needs to write only.
{}

# A door, `chatbot-worker serve`: what a client may, and to ask the workers what they know.
{}

# Whoever deals with dead letters, by `chatbot-worker dead`.
{}
",
        worker_in(mode),
        worker_in(other),
        set_permissions(vhost, client, &Permissions::client(names)),
        set_permissions(vhost, door, &Permissions::door(names)),
        set_permissions(vhost, operator, &Permissions::operator(names)),
    );
    if let Some(people) = people {
        text.push_str(&format!(
            "\n# The program by which people speak, to which conversations are handed.\n{}\n",
            set_permissions(vhost, people, &Permissions::person(names))
        ));
    }
    for intent in external {
        text.push_str(&format!(
            "\n# The program that answers '{intent}'. For one user with several, join the expressions by |.\n{}\n",
            set_permissions(vhost, program, &Permissions::external(names, intent))
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn the_commands_to_run_are_for_the_mode_that_is_set() {
        let (names, intent) = (Names::new("chatbot").unwrap(), IntentName::new("returns").unwrap());
        let users =
            Users { vhost: "/", worker: "w", client: "c", door: "d", operator: "o", program: "p", people: Some("h") };
        let text = text(&names, TopologyMode::Verify, &[&intent], &users);
        let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("rabbitmqctl")).collect();
        let worker = concat!(
            r"rabbitmqctl set_permissions --vhost '/' 'w' '^chatbot\.worker\.[0-9a-f-]{36}$' ",
            r"'^(amq\.default|chatbot(\.(relay|retry|control|worker\.[0-9a-f-]{36}))?)$' ",
            r"'^chatbot(\.(died|requests|suspects|person|intent\.[A-Za-z0-9_-]+|conversation\.[0-9a-f]|control|",
            r"worker\.[0-9a-f-]{36}))?$'"
        );
        let client = r"rabbitmqctl set_permissions --vhost '/' 'c' '^amq\.gen-.+$' '^chatbot$' '^amq\.gen-.+$'";
        let door = r"rabbitmqctl set_permissions --vhost '/' 'd' '^amq\.gen-.+$' '^(chatbot|chatbot\.control)$' '^amq\.gen-.+$'";
        let operator = concat!(
            r"rabbitmqctl set_permissions --vhost '/' 'o' '' '^(amq\.default|chatbot)$' ",
            r"'^chatbot\..+\.dead$'"
        );
        let program = r"rabbitmqctl set_permissions --vhost '/' 'p' '' '^amq\.default$' '^chatbot\.intent\.returns$'";
        let people = concat!(
            r"rabbitmqctl set_permissions --vhost '/' 'h' '^amq\.gen-.+$' '^(amq\.default|chatbot)$' ",
            r"'^(chatbot\.person|amq\.gen-.+)$'"
        );
        assert_eq!(commands, [worker, client, door, operator, people, program]);
    }
}
