//! `config`: the settings in force.
//!
//! **Invariant:** values are shown as their types serialise them, which masks secrets.

use super::{Exit, Failure, Format, output, setup};
use crate::{app::settings::DEFAULTS, config::Effective};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker config                          every setting, and where its value came from
  CHATBOT_CONFIG=my.toml chatbot-worker config   with a file of settings
  chatbot-worker config --default > my.toml      the documented defaults, to start that file from
  chatbot-worker config --format json | jq '.[] | select(.origin != \"default\")'

Passwords are never shown. A setting amqp.url is the variable CHATBOT_AMQP_URL, or CHATBOT_AMQP_URL_FILE,
which names a file that holds the value.

Exit codes:
   0  the settings are right
  78  they aren't; all that is wrong is told at once";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Print the built-in settings file, which documents every setting
    #[arg(long, conflicts_with = "format")]
    default: bool,
    /// How to print: text, a table for people; json, an array for programs
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    format: Format,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.default {
        output::print(DEFAULTS)?;
        return Ok(Exit::Ok);
    }
    let loaded = setup::settings()?;
    for notice in &loaded.notices {
        output::tell(&format!("{notice}\n"));
    }
    output::print(&match arguments.format {
        Format::Text => for_people(&loaded.effective),
        Format::Json => output::json(&loaded.effective)?,
    })?;
    Ok(Exit::Ok)
}

fn for_people(effective: &[Effective]) -> String {
    let heading = ["SETTING", "VALUE", "FROM"].map(str::to_owned);
    let rows = effective.iter().map(|Effective { key, value, origin }| {
        let value = if value.is_empty() { "(not set)" } else { value };
        [key.clone(), output::one_line(value), output::one_line(&origin.to_string())]
    });
    output::table(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}
