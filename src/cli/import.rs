//! `import`: an intents file, made of examples in another format.

use std::{fs::File, io::Write, path::PathBuf};

use super::{Exit, Failure, output, reading::ReadingArguments};
use crate::{
    app::{
        corpus::{CorpusFileError, load_corpora},
        import::to_intents_file,
        intents::IntentsFile,
    },
    corpus::Part,
};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker import data/nlu.yml --out intents.toml   Rasa's training data
  chatbot-worker import my-rasa-project/ --out intents.toml
  chatbot-worker import my-dialogflow-agent/ --out intents.toml   the unpacked export
  chatbot-worker import texts.csv chats.jsonl > intents.toml
  chatbot-worker import bitext.csv --text-column instruction --reply-column response > intents.toml
  CHATBOT_INTENTS_PATH=intents.toml chatbot-worker check

The formats, told by the end of a name; of a folder, all files in it that hold data:
  .yml, .yaml, .md         Rasa: intents, marked entities, synonyms, lookup tables, patterns, responses; forms that a rule
                           starts, as what an intent asks
  .csv, .tsv, .tab, .txt   a first row that names the columns of texts and intents; it shows what is between the cells
  .json, .jsonl            [{\"text\": \"…\", \"intent\": \"…\"}], or an object a line; rasa_nlu_data; CLINC150's form;
                           {\"intents\": [{\"tag\": …, \"patterns\": […], \"responses\": […]}]}; {\"intent\": [\"…\"]};
                           exports of Dialogflow ES (its folder), LUIS, CLU and Watson
  .toml                    an intents file, of which the examples and labels are taken

A FAQ, questions with their answers, needs no intents and no import: name it in [knowledge] of an intents file, and let
the handler search answer from it.

Labels become names of intents: what can't stand in one becomes _, and the label stays beside the intent. Texts that have
no intent are left out. What else was changed or left out is told at the end, once a kind, with the first. An intent whose
reply isn't in the files says TODO until you have written it.

Exit codes:
   0  made, and `check` will find no fault with it
  65  a file is wrong, or makes no bot
  71  the intents file can't be written";

/// How many warnings on the file that was made are told; `check` tells all.
const WARNINGS: usize = 10;

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The files or folders to take examples from
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadingArguments,
    /// The column or key of what the bot answers; of several answers to an intent, the first is taken
    #[arg(long, value_name = "NAME")]
    reply_column: Option<String>,
    /// Write the intents file there, where no file is yet; without it, to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let reading = arguments.reading.reading(Part::Train, arguments.reply_column.as_ref());
    let corpus = load_corpora(&arguments.files, &reading)
        .and_then(|corpus| corpus.strict().map_err(CorpusFileError::Row))
        .map_err(|error| Failure::new(Exit::Data, error))?;
    let from: Vec<_> = arguments.files.iter().map(|file| file.display().to_string()).collect();
    if !corpus.labels.is_empty() {
        output::tell(
            "Of an intents file, the examples and labels are taken, but no replies, handlers and thresholds\n",
        );
    }
    let imported = to_intents_file(&corpus, &from.join(", "));
    for note in imported.notes.iter() {
        output::tell(&format!("{}\n", output::one_line(&note.to_string())));
    }
    let checked = IntentsFile::parse("the intents file that they make", &imported.text)
        .map_err(|faults| Failure::new(Exit::Data, faults))?;
    for warning in checked.warnings.iter().take(WARNINGS) {
        output::tell(&format!("{}\n", output::one_line(&warning.to_string())));
    }
    if let more @ 1.. = checked.warnings.len().saturating_sub(WARNINGS) {
        output::tell(&format!("… and {more} more, which `chatbot-worker check` tells\n"));
    }
    let Some(path) = &arguments.out else {
        output::print(&imported.text)?;
        return Ok(Exit::Ok);
    };
    // What an author has written since the last import isn't to be lost.
    File::create_new(path)
        .and_then(|mut file| file.write_all(imported.text.as_bytes()))
        .map_err(|error| Failure::new(Exit::Os, format!("{}: can't be written: {error}", path.display())))?;
    let todo = if ["\"TODO:", "\"TODO："].iter().any(|todo| imported.text.contains(todo)) {
        "Write the replies that say TODO, then look"
    } else {
        "Look"
    };
    let examples: usize = checked.file.intents.iter().map(|intent| intent.examples.len()).sum();
    output::print(&format!(
        "{}: {} intents, {examples} examples. {todo} at it with\n  \
         CHATBOT_INTENTS_PATH={} chatbot-worker check\n",
        path.display(),
        checked.file.intents.len(),
        path.display(),
    ))?;
    Ok(Exit::Ok)
}
