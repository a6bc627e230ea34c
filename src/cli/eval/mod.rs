//! `eval`: how good is the bot, or any model on any data?

mod cascade;
mod contest;
mod data;
mod dialogues;
mod search;
mod text;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::{contest::Contest, data::Data};
use super::{Exit, Failure, Format, output, reading::ReadingArguments, setup, training};
use crate::{
    app::settings::ModelName,
    config::types::Fraction,
    eval::{Answer, Measured, report::Report, tuning::Tuning},
};

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
  CHATBOT_QWEN_KIND=openai … chatbot-worker eval --model embedded,qwen --test heldout.jsonl
                                                             models side by side, on one table
  CHATBOT_QWEN_KIND=openai … chatbot-worker eval --tune --model embedded,qwen --budget 0.1
                                                             from which confidence on the first is believed, so that
                                                             the next is asked for one text in ten at the most

  chatbot-worker eval --search --knowledge 'help/*.md' --test questions.jsonl
                                                             do questions find the passage that answers them? A
                                                             line each: {\"question\": \"…\", \"passage\": its id or null}
  chatbot-worker eval --search --passages                    the ids of the bot's passages
  chatbot-worker eval --dialogues dialogues.md               does the bot do in its conversations what is written
                                                             there? ## begins a dialogue, > is what the user says,
                                                             and below it is what the bot does: the intent that
                                                             answers, ask and a slot, confirm, person, or how its
                                                             text begins. No service is asked for an answer

A file, or a folder of them, is of any format that `import` takes: an intents file, CSV, JSON, Rasa's; an intent that is
empty or null is out of scope. Of a data set with parts, --train takes train, --valid takes val, --test takes test. Any
label will do; a bot's intents are found by their labels, their names, and the names that import makes. A row that can't
be used is passed over and told, up to one in ten. The threshold is fitted to --valid, else by cross-validation on the examples; never
to the test. So is what --tune finds; with --test, the cascade is then tried out on it.

A model of another name than embedded has its settings in variables of its own, as for CHATBOT_MODEL_CHAIN. It is asked
for every text: with a language model, that costs what so many requests cost. What it fails on counts as a mistake.

Exit codes:
   0  measured, however good or bad it is; with --dialogues, all is as written
   1  with --dialogues: the bot does something else
  64  the command line is wrong
  65  a file of texts is wrong
  69  no model answers
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
    #[command(flatten)]
    reading: ReadingArguments,
    /// Into how many parts examples are parted, each tried on a model that learnt from the others [default: 5]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(2..=50))]
    cross_validate: Option<u8>,
    /// Learn from so many examples of each intent only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    shots: Option<u32>,
    /// Which of them: another number draws others
    #[arg(long, value_name = "S", default_value_t = 1, requires = "shots")]
    seed: u64,
    /// The models to measure, in place of the built-in one: names as in CHATBOT_MODEL_CHAIN, embedded among them
    #[arg(long = "model", value_name = "NAME,…", value_delimiter = ',')]
    models: Vec<ModelName>,
    /// Ask each model for so many texts at the same time; that takes less time, and each answer more
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    at_once: u8,
    /// Find from which confidence on a cascade's first model is believed, of the two that --model or the chain names
    #[arg(long)]
    tune: bool,
    /// The share of texts that the cascade's next model may be asked for, 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.1", requires = "tune")]
    budget: Fraction,
    /// Measure how well documents are searched, and not how well intents are told apart
    #[arg(long, conflicts_with_all = ["train", "valid", "cross_validate", "shots", "models", "tune"])]
    search: bool,
    /// List the documents' passages with their ids, which a test names, and measure nothing
    #[arg(long, requires = "search", conflicts_with_all = ["test", "embeddings", "report"])]
    passages: bool,
    /// The documents, files or patterns such as 'help/*.md': Markdown, text, HTML, CSV, JSON lines; without it, the bot's
    #[arg(long, value_name = "FILE", requires = "search", num_args = 1..)]
    knowledge: Vec<String>,
    /// A service of embeddings that helps to find: a name as in CHATBOT_MODEL_CHAIN
    #[arg(long, value_name = "SERVICE", requires = "search")]
    embeddings: Option<ModelName>,
    /// Hold these dialogues with the bot, and tell where it parts from what is written
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["train", "test", "valid", "cross_validate", "shots", "models", "tune", "search", "report"])]
    dialogues: Vec<PathBuf>,
    /// How to print: text for people; json for programs
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    format: Format,
    /// Write a report there, a page of HTML to look at: index.html
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if !arguments.dialogues.is_empty() {
        return dialogues::run(arguments);
    }
    if arguments.search {
        return search::run(arguments);
    }
    let settings = setup::settings_with_models(&arguments.models)?;
    if let Some(twice) = (1..arguments.models.len()).find(|&at| arguments.models[..at].contains(&arguments.models[at]))
    {
        return Err(Failure::new(Exit::Usage, format!("--model names '{}' twice", arguments.models[twice])));
    }
    let names = match arguments.models.as_slice() {
        [] if arguments.tune => settings.model.links().cloned().collect(),
        [] => vec![ModelName::Embedded],
        names => names.to_vec(),
    };
    let links = arguments.tune.then(|| cascade::links(&names)).transpose()?;
    let data = Data::load(arguments, &settings)?;
    let folds = usize::from(arguments.cross_validate.unwrap_or(5));
    let contest = Contest::new(&data, &settings, folds, arguments.at_once.into())?;
    let mut models = Vec::with_capacity(names.len());
    let mut answers = Vec::with_capacity(names.len());
    for name in &names {
        let (measured, said) = contest.measured(name)?;
        text::tell_of_failures(&measured);
        models.push(measured);
        answers.push(said);
    }
    if models.iter().all(|model| model.n_test > 0 && model.failed == model.n_test) {
        return Err(Failure::new(Exit::Unavailable, "no model answered"));
    }
    let tuned = links.map(|links| cascade::tune(&contest, &settings, links, &answers, arguments.budget)).transpose()?;
    if let Some(folder) = &arguments.report {
        let tuning = tuned.as_ref().map(|tuned| &tuned.tuning);
        report(folder, &data, &models, &answers[0], tuning)?;
    }
    match (arguments.format, &tuned) {
        (Format::Text, Some(tuned)) => {
            output::print(&(text::compared(&data, &models) + &cascade::for_people(tuned)))?;
        }
        (Format::Json, Some(tuned)) => output::print(&output::json(tuned)?)?,
        // One object where none was named, so that it stays as it was before there were several.
        (Format::Text, None) if arguments.models.is_empty() => {
            output::print(&text::of(&data, &models[0], &answers[0], settings.model.threshold))?;
        }
        (Format::Json, None) if arguments.models.is_empty() => output::print(&output::json(&models[0])?)?,
        (Format::Text, None) => output::print(&text::compared(&data, &models))?,
        (Format::Json, None) => output::print(&output::json(&models)?)?,
    }
    Ok(Exit::Ok)
}

fn report(
    folder: &Path,
    data: &Data,
    models: &[Measured],
    answers: &[Answer],
    tuning: Option<&Tuning>,
) -> Result<(), Failure> {
    let report = Report {
        title: &data.title,
        data: &data.description,
        models,
        train: &data.train,
        answers,
        names: &data.names,
        tuning,
    };
    let html = report.html().map_err(|error| Failure::new(Exit::Os, format!("the report can't be made: {error}")))?;
    write_page(folder, &html)
}

/// Writes a page of HTML into a folder, and tells where it is.
fn write_page(folder: &Path, html: &str) -> Result<(), Failure> {
    let page = folder.join("index.html");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&page, html))
        .map_err(|error| Failure::new(Exit::Os, format!("{}: can't be written: {error}", page.display())))?;
    output::tell(&format!("The report is {}\n", page.display()));
    Ok(())
}
