//! `import`: an intents file, made of examples in another format.

use std::{fs::File, io::Write, path::PathBuf};

use super::{Exit, Failure, output};
use crate::{
    app::{
        corpus::{CorpusFileError, load_corpora},
        import::to_intents_file,
        intents::IntentsFile,
    },
    corpus::Reading,
};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker import data/nlu.yml --out intents.toml   Rasa's training data
  chatbot-worker import faq.csv chats.jsonl > intents.toml
  CHATBOT_INTENTS_PATH=intents.toml chatbot-worker check

The formats, told by the end of a name:
  .yml, .yaml      Rasa's nlu.yml: intents, marked entities, synonyms, lookup tables, patterns
  .csv, .tsv       a first row that names the columns text and intent
  .jsonl, .json    {\"text\": \"…\", \"intent\": \"…\"} a line
  .toml            an intents file

Labels become names of intents: what can't stand in one becomes _, and what was changed is told. Texts that have no
intent are left out. Replies aren't in such files: each says TODO until you have written it.

Exit codes:
   0  made, and `check` will find no fault with it
  65  a file is wrong, or makes no bot
  71  the intents file can't be written";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The files to take examples from
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the intents file there, where no file is yet; without it, to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let corpus = load_corpora(&arguments.files, &Reading::default())
        .and_then(|corpus| corpus.strict().map_err(CorpusFileError::Row))
        .map_err(|error| Failure::new(Exit::Data, error))?;
    let from: Vec<_> = arguments.files.iter().map(|file| file.display().to_string()).collect();
    let imported = to_intents_file(&corpus, &from.join(", "));
    for note in imported.notes.iter() {
        output::tell(&format!("{}\n", output::one_line(&note.to_string())));
    }
    let checked = IntentsFile::parse("the intents file that they make", &imported.text)
        .map_err(|faults| Failure::new(Exit::Data, faults))?;
    for warning in &checked.warnings {
        output::tell(&format!("{}\n", output::one_line(&warning.to_string())));
    }
    let Some(path) = &arguments.out else {
        output::print(&imported.text)?;
        return Ok(Exit::Ok);
    };
    // What an author has written since the last import isn't to be lost.
    File::create_new(path)
        .and_then(|mut file| file.write_all(imported.text.as_bytes()))
        .map_err(|error| Failure::new(Exit::Os, format!("{}: can't be written: {error}", path.display())))?;
    let examples: usize = checked.file.intents.iter().map(|intent| intent.examples.len()).sum();
    output::print(&format!(
        "{}: {} intents, {examples} examples. Write the replies that say TODO, then look at it with\n  \
         CHATBOT_INTENTS_PATH={} chatbot-worker check\n",
        path.display(),
        checked.file.intents.len(),
        path.display(),
    ))?;
    Ok(Exit::Ok)
}
