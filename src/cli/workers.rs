//! `workers`: who is alive.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{
    Exit, Failure, Format, output, setup,
    topology::{ask_failure, connect_failure},
};
use crate::{
    amqp::{
        Lookout, Names,
        objects::{admin::Admin, ask::AskError},
        presence::{Alive, Beat, roll_call},
    },
    app,
};

const HELP: &str = "\
Each worker of CHATBOT_AMQP_EXCHANGE is asked, and answers at once; what is heard within half a second is printed. A worker of
an earlier version, or one whose user may not use the exchange by which workers know of each other, isn't there: its log and
`chatbot-worker check` say so. Doors (`chatbot-worker serve`) aren't listed: they are clients, and tell nobody of themselves.

  BOT        a hash of the intents file, the files that this names, the models and the services; with * where it isn't that of
             most workers
  STORE      where it keeps conversations; - where its bot has none, or it takes none
  LANES      the queues of conversations of which it was handed something, by their digits: before, nobody can tell whose
             one is; `waits`: it takes none, as its store is its own and another worker may have conversations
  IN WORK    messages that it works on
  HEARD      how long ago it said so

In JSON it is an array of objects, with the whole hash, and `heard` in milliseconds.

It takes the right to configure, write and read a queue of its own (CHATBOT_AMQP_EXCHANGE.worker.…), and to write and read the
exchange CHATBOT_AMQP_EXCHANGE.control: a worker's user has it, and an operator's that `chatbot-worker topology permissions
--operator USER` was run for.

Examples:
  chatbot-worker workers
  chatbot-worker workers --format json | jq -r '.[] | select(.store == \"memory\") | .name'

Exit codes: 0 done, 69 no worker answers, or the broker is away or takes no messages, 77 the broker refuses the user, 78 the
settings or the broker's objects aren't as they must be.";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Asks who is alive, and prints it.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = setup::settings()?.settings;
    let amqp = app::amqp_settings(&settings).map_err(|error| Failure::new(Exit::Config, error))?;
    setup::runtime()?.block_on(async {
        let admin = Admin::open(&amqp.broker).await.map_err(connect_failure)?;
        let alive = roll_call(admin.link(), &amqp.names).await;
        admin.close().await;
        let user = settings.amqp.url.iter().next().map_or("USER", |url| url.user.as_str());
        let (alive, now) = (alive.map_err(|error| failure(error, &amqp.names, user))?, Instant::now());
        if alive.at(now).next().is_none() {
            let message = format!(
                "no worker of '{}' answers: is one running? `chatbot-worker run` starts one, `chatbot-worker check` tells \
                 what is wrong",
                amqp.names.exchange()
            );
            return Err(Failure::new(Exit::Unavailable, message));
        }
        output::print(&match arguments.format {
            Format::Text => output::table(&table(&alive, now)),
            Format::Json => output::json(&alive.at(now).map(Row::of).collect::<Vec<_>>())?,
        })?;
        Ok(Exit::Ok)
    })
}

/// `user` is whom the right is to be granted.
fn failure(error: AskError, names: &Names, user: &str) -> Failure {
    match error {
        AskError::Refused(problem) if problem.refused => {
            let exchange = names.exchange();
            let message = format!(
                "{}: the broker says: {}\n    To ask who is alive takes the right to configure, write and read a queue of one's \
                 own ({exchange}.worker.…), and to write and read exchange '{}'. `chatbot-worker topology permissions --operator \
                 {user}` prints the command that grants an operator's user that, and to deal with dead letters; for a user that \
                 has other rights as well, name it for each of them (--worker, --client, …), as one command replaces another.",
                problem.object,
                output::printable(&problem.broker),
                names.control_exchange()
            );
            Failure::new(Exit::Refused, message)
        }
        AskError::Refused(problem) if problem.missing => {
            let message = format!(
                "there is nothing by which workers know of each other, so none runs: the broker says: {}\n    \
                 `chatbot-worker run` starts one, and `chatbot-worker topology declare` makes what it needs.",
                output::printable(&problem.broker)
            );
            Failure::new(Exit::Unavailable, message)
        }
        other => ask_failure(other),
    }
}

/// A worker, for programs.
#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    beat: &'a Beat,
    /// How long ago, in milliseconds.
    heard: u64,
}

impl<'a> Row<'a> {
    fn of((beat, ago): (&'a Beat, Duration)) -> Self {
        Self { beat, heard: u64::try_from(ago.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// The workers as the page to watch one shows them; `this` is its name.
pub(super) fn watched(lookout: &Lookout) -> String {
    #[derive(Serialize)]
    struct Watched<'a> {
        this: &'a str,
        workers: Vec<Row<'a>>,
    }
    lookout.workers(|alive| {
        let workers = alive.at(Instant::now()).map(Row::of).collect();
        // Texts and numbers always serialise.
        serde_json::to_string(&Watched { this: lookout.name(), workers }).unwrap_or_default()
    })
}

fn table(alive: &Alive, now: Instant) -> Vec<[String; 7]> {
    let usual = alive.usual_bot(now);
    let mut rows = vec![["NAME", "VERSION", "BOT", "STORE", "LANES", "IN WORK", "HEARD"].map(str::to_owned)];
    rows.extend(alive.at(now).map(|(beat, ago)| {
        let differs = if usual == Some(beat.bot.as_str()) { "" } else { "*" };
        let [name, version, bot] = [&beat.name, &beat.version, &short(&beat.bot)].map(|text| output::one_line(text));
        let store = beat.store.map_or_else(|| "-".to_owned(), |store| store.to_string());
        let heard = format!("{:.1}s", ago.as_secs_f64());
        [name, version, bot + differs, store, lanes(beat), beat.in_flight.to_string(), heard]
    }));
    rows
}

/// The beginning of a bot's hash, that hardly another has.
pub(super) fn short(bot: &str) -> String {
    bot.chars().take(8).collect()
}

fn lanes(beat: &Beat) -> String {
    match beat.lanes.to_string() {
        _ if beat.waits => "waits".to_owned(),
        lanes if lanes.is_empty() => "-".to_owned(),
        lanes => lanes,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;
    use crate::amqp::{
        objects::problem::Problem,
        presence::{Lanes, StoreKind},
    };

    #[test]
    fn the_right_that_is_lacking_is_named_with_the_command_that_grants_it() {
        let names = Names::new("shop").unwrap();
        let problem = Problem {
            object: "exchange 'shop.control'".to_owned(),
            broker: "403 ACCESS_REFUSED - read access to exchange 'shop.control' in vhost '/' refused for user 'eve'"
                .to_owned(),
            mend: String::new(),
            refused: true,
            missing: false,
            differs: false,
        };
        let told = failure(AskError::Refused(problem.clone()), &names, "eve");
        assert_eq!(told.exit, Exit::Refused);
        let said = [
            "exchange 'shop.control': the broker says: 403 ACCESS_REFUSED",
            "configure, write and read a queue of one's own (shop.worker.…)",
            "write and read exchange 'shop.control'",
            "`chatbot-worker topology permissions --operator eve`",
        ];
        assert!(said.iter().all(|said| told.message.contains(said)), "{}", told.message);
        let missing = Problem { refused: false, missing: true, ..problem };
        assert_eq!(failure(AskError::Refused(missing), &names, "eve").exit, Exit::Unavailable);
    }

    #[test]
    fn workers_stand_below_one_another_and_a_bot_that_differs_is_marked() {
        let (mut alive, now) = (Alive::default(), Instant::now());
        let beat = |name: &str, bot: &str| Beat {
            name: name.into(),
            version: "0.1.0".into(),
            bot: bot.into(),
            store: Some(StoreKind::Redis),
            lanes: Lanes::default().with(3).with(11),
            waits: false,
            in_flight: 7,
            leaves: false,
        };
        alive.hear(beat("a", "0123456789abcdef"), now);
        alive.hear(Beat { lanes: Lanes::default(), in_flight: 0, ..beat("b", "0123456789abcdef") }, now);
        alive.hear(Beat { store: Some(StoreKind::File), waits: true, ..beat("c", "ffff") }, now);
        alive.hear(Beat { store: None, lanes: Lanes::default(), ..beat("d\u{7}", "0123456789abcdef") }, now);
        let expected = "\
NAME    VERSION  BOT       STORE  LANES  IN WORK  HEARD
a       0.1.0    01234567  redis  3b     7        1.5s
b       0.1.0    01234567  redis  -      0        1.5s
c       0.1.0    ffff*     file   waits  7        1.5s
d\\u{7}  0.1.0    01234567  -      -      7        1.5s
";
        let later = now + Duration::from_millis(1_500);
        assert_eq!(output::table(&table(&alive, later)), expected);
        let json = serde_json::to_value(alive.at(later).map(Row::of).collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(json[0]["lanes"], "3b");
        assert_eq!((&json[2]["waits"], &json[2]["heard"]), (&true.into(), &1_500.into()));
    }
}
