//! `eval`: how good is the bot, or any model on any data?

mod contest;
mod data;
mod text;

use std::{fs, path::PathBuf};

use self::{contest::Contest, data::Data};
use super::{Exit, Failure, Format, output, setup};
use crate::eval::report::Report;

const EXAMPLES: &str = "\
Examples:
  chatbot-worker eval                                        is my bot good? Each example is classified by a model
                                                             that was trained on the others
  CHATBOT_INTENTS_PATH=my-bot.toml chatbot-worker eval --report report
                                                             the same of a bot of your own; report/index.html is a
                                                             page to look at
  chatbot-worker eval --test heldout.jsonl                   the bot, on texts that aren't among its examples
  chatbot-worker eval --train train.jsonl --valid valid.jsonl --test test.jsonl --format json
                                                             the bot's kind of model, on any data
  chatbot-worker eval --train train.jsonl --shots 10 --seed 2 --test test.jsonl
                                                             … from ten examples of each intent

A file is an intents file (.toml) or JSON lines (.jsonl), {\"text\": \"…\", \"intent\": \"…\"}, with null for what is
out of scope. Any label will do. The threshold is fitted to --valid, else by cross-validation on the examples; never
to the test.

Exit codes:
   0  measured, however good or bad it is
  65  a file of texts is wrong
  69  a model doesn't answer
  71  the report can't be written
  78  the settings or the intents file are wrong";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// What to learn from; without it, the bot's examples
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// What to measure with; without it, the examples themselves, by cross-validation
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// What to fit the threshold to; best with texts out of scope among them
    #[arg(long, value_name = "FILE")]
    valid: Option<PathBuf>,
    /// Into how many parts examples are parted, each tried on a model that learnt from the others [default: 5]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(2..=50))]
    cross_validate: Option<u8>,
    /// Learn from so many examples of each intent only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    shots: Option<u32>,
    /// Which of them: another number draws others
    #[arg(long, value_name = "S", default_value_t = 1, requires = "shots")]
    seed: u64,
    /// How to print: text for people; json for programs
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    format: Format,
    /// Write a report there, a page of HTML to look at: index.html
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = setup::settings()?.settings;
    let data = Data::load(arguments, &settings)?;
    let mut contest = Contest::new(&data, &settings, usize::from(arguments.cross_validate.unwrap_or(5)));
    let measured = contest.embedded()?;
    let models = [measured];
    let report = Report {
        title: &data.title,
        data: &data.description,
        models: &models,
        train: &data.train,
        answers: &contest.answers,
        names: &data.names,
    };
    if let Some(folder) = &arguments.report {
        let page = folder.join("index.html");
        let html =
            report.html().map_err(|error| Failure::new(Exit::Os, format!("the report can't be made: {error}")))?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&page, html))
            .map_err(|error| Failure::new(Exit::Os, format!("{}: can't be written: {error}", page.display())))?;
        output::tell(&format!("The report is {}\n", page.display()));
    }
    let [measured] = &models;
    match arguments.format {
        Format::Text => output::print(&text::of(&data, measured, &contest.answers))?,
        Format::Json => output::print(&output::json(measured)?)?,
    }
    Ok(Exit::Ok)
}
