//! `train`: the bot's model, saved, so that workers needn't train it.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Instant,
};

use serde::Serialize;

use super::{Exit, Failure, Format, output, setup, training::Terminal};
use crate::{app, model::embedded::is_saved};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker train --out model.bin
  CHATBOT_INTENTS_PATH=my-bot.toml chatbot-worker train --out model.bin
  CHATBOT_INTENTS_PATH=my-bot.toml CHATBOT_EMBEDDED_PATH=model.bin chatbot-worker run

Training takes a bot with hundreds of intents seconds; loading, a moment. A saved model is that of these examples and
this version of the program: with others, a worker warns and trains anew.

Exit codes:
   0  saved
  71  the file can't be written
  78  the settings or the intents file are wrong; all that is wrong is told at once";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Save the model there; a file that is there already is replaced at once, and only by a whole one
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How to print: text for people, or json
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    format: Format,
}

/// What was done.
#[derive(Serialize)]
struct Trained<'a> {
    path: &'a Path,
    intents: usize,
    examples: usize,
    bytes: usize,
    threshold: f32,
    train_seconds: f64,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = setup::settings()?.settings;
    let checked = setup::intents(&settings)?;
    for warning in &checked.warnings {
        output::tell(&format!("{warning}\n"));
    }
    if is_another(&arguments.out) {
        let reason = "it exists and is no saved model: name another file, or remove it first";
        return Err(Failure::new(Exit::Os, format!("{}: {reason}", arguments.out.display())));
    }
    let started = Instant::now();
    let (model, bytes) = app::train_to_save(&checked.file, &Terminal::new())
        .map_err(|error| Failure::new(Exit::Config, format!("the intent model can't be trained: {error}")))?;
    let train_seconds = started.elapsed().as_secs_f64();
    write(&arguments.out, &bytes)
        .map_err(|error| Failure::new(Exit::Os, format!("{}: can't be written: {error}", arguments.out.display())))?;
    let trained = Trained {
        path: &arguments.out,
        intents: checked.file.intents.iter().filter(|intent| !intent.examples.is_empty()).count(),
        examples: checked.file.intents.iter().map(|intent| intent.examples.len()).sum(),
        bytes: bytes.len(),
        threshold: app::choice(&settings, &checked.file).threshold.unwrap_or_else(|| model.threshold()),
        train_seconds,
    };
    output::print(&match arguments.format {
        Format::Text => for_people(&trained),
        Format::Json => output::json_line(&trained)?,
    })?;
    Ok(Exit::Ok)
}

/// Whether something else than a saved model would be overwritten, such as the bot itself.
fn is_another(path: &Path) -> bool {
    let begin = || {
        let mut begin = Vec::new();
        File::open(path)?.take(64).read_to_end(&mut begin).map(|_| begin)
    };
    path.exists() && (!path.is_file() || !begin().is_ok_and(|begin: Vec<u8>| begin.is_empty() || is_saved(&begin)))
}

/// Writes beside the file and renames, so that a reader finds a whole one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside)))
}

fn for_people(trained: &Trained<'_>) -> String {
    let Trained { path, intents, examples, bytes, threshold, train_seconds } = trained;
    let (path, size) = (path.display(), *bytes as f64 / f64::from(1 << 20));
    format!(
        "{path}: trained on {examples} examples of {intents} intents in {train_seconds:.1} s; the threshold is \
         {threshold}; {size:.1} MiB. A worker with these intents loads it with\n  CHATBOT_EMBEDDED_PATH={path} \
         chatbot-worker run\n"
    )
}
