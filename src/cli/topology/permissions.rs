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
Each command replaces what the user may do in the virtual host; one user who is given for several may do what each of
them takes.

Example:
  chatbot-worker topology permissions --worker bot --client website";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// The worker's user; that of CHATBOT_AMQP_URL where it is left out, unless that is guest or the operator's
    #[arg(long, value_name = "USER")]
    worker: Option<String>,
    /// The user with which clients publish their requests
    #[arg(long, value_name = "USER", default_value = "CLIENT")]
    client: String,
    /// The user of a door: `chatbot-worker serve`
    #[arg(long, value_name = "USER", default_value = "DOOR")]
    door: String,
    /// An operator's user, who deals with dead letters (`chatbot-worker dead`) and asks who is alive (`workers`)
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
    // guest administers the broker: whoever pasted these into a shell would lock themselves out. And an operator who runs this
    // is no worker.
    let configured =
        url.map(|url| url.user.as_str()).filter(|user| *user != "guest" && *user != arguments.operator.as_str());
    let worker = arguments.worker.as_deref().or(configured).unwrap_or("WORKER");
    let external: Vec<&IntentName> = app::external(&intents).collect();
    let mode = match settings.amqp.topology {
        Topology::Declare => TopologyMode::Declare,
        Topology::Verify => TopologyMode::Verify,
    };
    let users = Users {
        vhost: url.map_or("/", |url| url.vhost.as_str()),
        worker,
        has_door: settings.door.listen.get().is_some(),
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
    /// Whether the worker opens a door, too.
    has_door: bool,
    client: &'a str,
    door: &'a str,
    operator: &'a str,
    program: &'a str,
    /// None where the bot hands nothing to people.
    people: Option<&'a str>,
}

/// What somebody does on the broker: in words, by which user, and what that takes.
struct Part<'a> {
    words: String,
    user: &'a str,
    takes: Permissions,
}

fn text(names: &Names, mode: TopologyMode, external: &[&IntentName], users: &Users<'_>) -> String {
    let (name, other, other_name) = match mode {
        TopologyMode::Declare => ("declare", TopologyMode::Verify, "verify"),
        TopologyMode::Verify => ("verify", TopologyMode::Declare, "declare"),
    };
    let parts = parts(names, mode, name, external, users);
    // Each command replaces the one before of its user.
    let command = |part: &Part<'_>, takes: Permissions| {
        let all = parts.iter().filter(|of| of.user == part.user);
        let all = all.map(|of| if of.words == part.words { takes.clone() } else { of.takes.clone() });
        let all = all.reduce(Permissions::and).unwrap_or(takes.clone());
        set_permissions(users.vhost, part.user, &all)
    };
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        let gap = if at == 0 { "" } else { "\n" };
        text.push_str(&format!("{gap}{}\n{}\n", part.words, command(part, part.takes.clone())));
        if at == 0 {
            let takes = worker(names, other, users.has_door);
            text.push_str(&format!(
                "\n# The same with CHATBOT_AMQP_TOPOLOGY={other_name}:\n# {}\n",
                command(part, takes)
            ));
        }
    }
    text
}

/// What a worker takes, and its door where it has one.
fn worker(names: &Names, mode: TopologyMode, has_door: bool) -> Permissions {
    let worker = Permissions::worker(names, mode);
    if has_door { worker.and(Permissions::door(names)) } else { worker }
}

fn parts<'a>(
    names: &Names,
    mode: TopologyMode,
    mode_name: &str,
    external: &[&IntentName],
    users: &Users<'a>,
) -> Vec<Part<'a>> {
    let door = if users.has_door { ", and with a door (CHATBOT_DOOR_LISTEN)" } else { "" };
    let part = |words: &str, user, takes| Part { words: words.to_owned(), user, takes };
    let mut parts = vec![
        part(
            &format!(
                "\
# A worker with CHATBOT_AMQP_TOPOLOGY={mode_name}{door}, as it is set. It publishes replies through the default exchange,
# which RabbitMQ calls amq.default: with that it may publish into every queue of the virtual host, so give it one of its own."
            ),
            users.worker,
            worker(names, mode, users.has_door),
        ),
        part(
            "\
# A client: it publishes requests, and gets its answers in an exclusive queue that the broker names. With direct
# reply-to it needs to write only.",
            users.client,
            Permissions::client(names),
        ),
        part(
            "# A door, `chatbot-worker serve`: what a client may, and to ask the workers what they know.",
            users.door,
            Permissions::door(names),
        ),
        part(
            "# An operator: who deals with dead letters, by `chatbot-worker dead`, and asks who is alive, by `workers`.",
            users.operator,
            Permissions::operator(names),
        ),
    ];
    if let Some(people) = users.people {
        let words = "# The program by which people speak, to which conversations are handed.";
        parts.push(part(words, people, Permissions::person(names)));
    }
    for intent in external {
        let words = format!("# The program that answers '{intent}'.");
        parts.push(part(&words, users.program, Permissions::external(names, intent)));
    }
    parts
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn the_commands_to_run_are_for_the_mode_that_is_set() {
        let (names, intent) = (Names::new("chatbot").unwrap(), IntentName::new("returns").unwrap());
        let users = Users {
            vhost: "/",
            worker: "w",
            has_door: false,
            client: "c",
            door: "d",
            operator: "o",
            program: "p",
            people: Some("h"),
        };
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
            r"rabbitmqctl set_permissions --vhost '/' 'o' '^chatbot\.worker\.[0-9a-f-]{36}$' ",
            r"'^(amq\.default|chatbot(\.(control|worker\.[0-9a-f-]{36}))?)$' ",
            r"'^chatbot\.(.+\.dead|control|worker\.[0-9a-f-]{36})$'"
        );
        let program = r"rabbitmqctl set_permissions --vhost '/' 'p' '' '^amq\.default$' '^chatbot\.intent\.returns$'";
        let people = concat!(
            r"rabbitmqctl set_permissions --vhost '/' 'h' '^amq\.gen-.+$' '^(amq\.default|chatbot)$' ",
            r"'^(chatbot\.person|amq\.gen-.+)$'"
        );
        assert_eq!(commands, [worker, client, door, operator, people, program]);
    }

    #[test]
    fn one_user_for_several_may_what_each_takes() {
        let (names, intents) = (Names::new("chatbot").unwrap(), ["a", "b"].map(|name| IntentName::new(name).unwrap()));
        let users = Users {
            vhost: "/",
            worker: "w",
            has_door: true,
            client: "c",
            door: "c",
            operator: "o",
            program: "p",
            people: None,
        };
        let text = text(&names, TopologyMode::Verify, &intents.iter().collect::<Vec<_>>(), &users);
        let of = |user: &str| {
            let command = format!("rabbitmqctl set_permissions --vhost '/' '{user}' ");
            text.lines().filter_map(|line| line.strip_prefix(&command)).collect::<Vec<_>>()
        };
        let worker = Permissions::worker(&names, TopologyMode::Verify);
        let door = Permissions::door(&names);
        let both = format!("'{}|{}' ", worker.configure, door.configure);
        assert!(of("w")[0].starts_with(&both), "{text}");
        // Whichever of them is run last, it is the same.
        assert_eq!(of("c").len(), 2, "{text}");
        for (user, write) in [("c", r"'^chatbot$|^(chatbot|chatbot\.control)$'"), ("p", r"'^amq\.default$'")] {
            assert!(of(user).iter().all(|command| command.contains(write)), "{user}: {text}");
        }
        let read = r"'^chatbot\.intent\.a$|^chatbot\.intent\.b$'";
        assert!(of("p")[0].ends_with(read), "{text}");
    }
}
