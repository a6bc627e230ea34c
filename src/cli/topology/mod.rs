//! `topology`: the exchanges and queues, for whoever administers the broker.

mod declare;
mod delete;
mod migrate;
pub(super) mod orphans;
mod permissions;
mod policy;
mod prune;
mod rabbitmqctl;
mod show;

use clap::Subcommand;

use super::{Exit, Failure, output, setup};
use crate::{
    amqp::{
        Names, Settings as AmqpSettings,
        connection::error::ConnectError,
        objects::{admin::Admin, ask::AskError, problem::TopologyError, topology::Topology},
    },
    app::{self, settings::Settings},
};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker topology                       what there is, and what it holds
  chatbot-worker topology declare               make what is missing; as often as you like
  chatbot-worker topology migrate --dry-run     what `migrate --yes` would replace
  chatbot-worker topology permissions           what to grant to the worker and to its clients
  chatbot-worker topology policy                what to run so that no message is lost for its routing key
  chatbot-worker topology delete                what `delete --yes` would delete

The names begin with CHATBOT_AMQP_EXCHANGE; intents and retry delays are those of the settings and the intents file.
Exit codes: 0 done, 1 refused (see the message), 64 nothing done for want of --yes, 69 the broker is away (what there should be
is listed all the same), 77 the broker refuses the user, or doesn't tell it whether something exists, 78 the settings, the
intents or the broker's objects aren't as they must be.";

/// What a worker that only verifies doesn't know.
pub(in crate::cli) const UNPROVED: &str = "CHATBOT_AMQP_TOPOLOGY=verify proves that the exchanges and queues exist, and \
                                           not that their types and arguments are right";
/// How it is proved.
pub(in crate::cli) const PROOF: &str = "As a user who may configure: `CHATBOT_AMQP_TOPOLOGY=declare chatbot-worker check` \
                                        proves types and arguments, and `chatbot-worker topology declare` makes what is \
                                        missing, bindings too.";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the exchanges and queues, whether they exist and what they hold (the default)
    Show,
    /// Make what is missing, and say what is other than it must be
    Declare,
    /// Replace queues that are other than they must be, with nothing lost
    Migrate(migrate::Arguments),
    /// Delete all exchanges and queues of these settings
    Delete(delete::Arguments),
    /// Delete the queues of intents and retry delays that are no longer configured
    Prune(prune::Arguments),
    /// Print the commands that set the broker's policies: lines that begin with `rabbitmqctl` are to be run
    Policy,
    /// Print the commands that grant the permissions that are needed, and no more
    Permissions(permissions::Arguments),
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match arguments.command.as_ref().unwrap_or(&Command::Show) {
        Command::Show => show::run(),
        Command::Declare => declare::run(),
        Command::Migrate(arguments) => migrate::run(arguments),
        Command::Delete(arguments) => delete::run(arguments),
        Command::Prune(arguments) => prune::run(arguments),
        Command::Policy => policy::run(),
        Command::Permissions(arguments) => permissions::run(arguments),
    }
}

/// What the settings and the intents file say of the broker.
pub(in crate::cli) struct Configured {
    pub(in crate::cli) amqp: AmqpSettings,
    pub(in crate::cli) topology: Topology,
}

impl Configured {
    pub(in crate::cli) fn load() -> Result<Self, Failure> {
        let settings = setup::settings()?.settings;
        let intents = setup::intents(&settings)?.file;
        let amqp = app::amqp_settings(&settings).map_err(|error| Failure::new(Exit::Config, error))?;
        let topology = app::topology(&settings, &amqp.names, &intents);
        Ok(Self { amqp, topology })
    }

    pub(in crate::cli) fn names(&self) -> &Names {
        &self.amqp.names
    }

    pub(in crate::cli) async fn connect(&self) -> Result<Admin, Failure> {
        Admin::open(&self.amqp.broker).await.map_err(connect_failure)
    }
}

/// The names alone, for commands that need neither a broker nor what leads to it.
fn names(settings: &Settings) -> Result<Names, Failure> {
    Names::new(settings.amqp.exchange.as_str()).map_err(|error| Failure::new(Exit::Config, error))
}

/// Each exit code is the one with which a worker would end, or wait; it waits for a certificate as well, while this
/// says that waiting alone won't bring it.
pub(in crate::cli) fn connect_failure(error: ConnectError) -> Failure {
    let exit = match error {
        ConnectError::Credentials { .. } => Exit::Refused,
        ConnectError::VirtualHost { .. } | ConnectError::Tls(_) => Exit::Config,
        ConnectError::Unreachable(_) => Exit::Unavailable,
    };
    Failure::new(exit, error)
}

pub(in crate::cli) fn ask_failure(error: AskError) -> Failure {
    match error {
        AskError::Refused(problem) => topology_failure(TopologyError::Problems(vec![problem])),
        AskError::Lost(_) | AskError::Blocked(_) => Failure::new(Exit::Unavailable, error),
    }
}

fn topology_failure(error: TopologyError) -> Failure {
    let exit = match &error {
        TopologyError::Problems(problems) if problems.iter().any(|problem| problem.refused) => Exit::Refused,
        TopologyError::Problems(_) => Exit::Config,
        TopologyError::Lost(_) => Exit::Unavailable,
    };
    Failure::new(exit, output::printable(&error.to_string()))
}
