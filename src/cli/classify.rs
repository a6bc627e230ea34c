//! `classify`: what the bot takes a text to mean, without a broker.

use std::io::{self, ErrorKind, IsTerminal};

use serde::Serialize;

use super::{Exit, Failure, Format, output, setup};
use crate::{
    app,
    domain::{IntentName, Scored},
    model::embedded::EmbeddedModel,
};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker classify 我想查询产品规格
  chatbot-worker classify I want to return this kettle
  chatbot-worker classify --format json < texts.txt               a JSON object a line
  CHATBOT_INTENTS_PATH=my-bot.toml chatbot-worker classify 你好   with a bot of your own
  CHATBOT_MODEL_THRESHOLD=0.6 chatbot-worker classify hello       how sure the model has to be

Below the threshold, the intents file's fallback answers.

Exit codes:
   0  classified
  65  standard input isn't UTF-8
  78  the settings or the intents file are wrong; all that is wrong is told at once";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The text; words are joined by spaces. Without it, each line of standard input
    text: Vec<String>,
    /// How to print: a table for people; json, an object on a line for each text
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    format: Format,
}

/// What decides which intent answers.
struct Bot {
    model: EmbeddedModel,
    threshold: f32,
    fallback: IntentName,
}

/// What a text is taken to mean; as a reply tells it.
#[derive(Serialize)]
struct Classified<'a> {
    text: &'a str,
    intent: Chosen<'a>,
    threshold: f32,
    ranking: &'a [Scored],
}

#[derive(Serialize)]
struct Chosen<'a> {
    name: &'a IntentName,
    confidence: Option<f32>,
    fallback: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted: Option<&'a Scored>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = setup::settings()?.settings;
    let checked = setup::intents(&settings)?;
    for warning in &checked.warnings {
        output::tell(&format!("{warning}\n"));
    }
    let model = app::train(&checked.file)
        .map_err(|error| Failure::new(Exit::Config, format!("the intent model can't be trained: {error}")))?;
    let bot = Bot { model, threshold: settings.model.threshold.get(), fallback: checked.file.fallback };

    if !arguments.text.is_empty() {
        bot.show(&arguments.text.join(" "), arguments.format)?;
        return Ok(Exit::Ok);
    }
    let input = io::stdin();
    if input.is_terminal() {
        output::tell("A text a line; Ctrl-D ends.\n");
    }
    for (number, line) in (1_usize..).zip(input.lines()) {
        let line = line.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => Failure::new(Exit::Data, format!("line {number} of standard input isn't UTF-8")),
            _ => Failure::new(Exit::Os, format!("can't read standard input: {error}")),
        })?;
        if !line.trim().is_empty() {
            bot.show(&line, arguments.format)?;
        }
    }
    Ok(Exit::Ok)
}

impl Bot {
    fn show(&self, text: &str, format: Format) -> Result<(), Failure> {
        let ranking = self.model.rank(text);
        let classified = self.classified(text, &ranking);
        output::print(&match format {
            Format::Text => for_people(&classified),
            Format::Json => output::json_line(&classified)?,
        })
    }

    /// The same decision as the worker's.
    fn classified<'a>(&'a self, text: &'a str, ranking: &'a [Scored]) -> Classified<'a> {
        let intent = match ranking.first() {
            Some(best) if best.confidence >= self.threshold => {
                let Scored { confidence, .. } = Scored::new(best.name.clone(), best.confidence);
                Chosen { name: &best.name, confidence: Some(confidence), fallback: false, predicted: None }
            }
            predicted => Chosen { name: &self.fallback, confidence: None, fallback: true, predicted },
        };
        Classified { text, intent, threshold: self.threshold, ranking }
    }
}

fn for_people(classified: &Classified<'_>) -> String {
    let Classified { text, intent, threshold, ranking } = classified;
    let rows: Vec<_> = ranking
        .iter()
        .map(|scored| [String::new(), scored.name.to_string(), format!("{:.4}", scored.confidence)])
        .collect();
    let why = match intent.fallback {
        true => "the fallback, as no confidence reaches the threshold of",
        false => "as its confidence reaches the threshold of",
    };
    format!("{}\n{}  → {} answers, {why} {threshold}\n", output::one_line(text), output::table(&rows), intent.name)
}
