//! `classify`: what the bot takes a text to mean, without a broker.

use std::{
    io::{self, BufRead, IsTerminal},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use super::{Exit, Failure, Format, output, setup, training::Terminal};
use crate::{
    app,
    domain::{ChoiceRule, Classification, Doubt, IntentName, Prediction, Scored},
    model::{ModelClient, Query},
    telemetry, utf8,
};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker classify 我想查询产品规格
  chatbot-worker classify I want to return this kettle
  chatbot-worker classify --format json < texts.txt               a JSON object a line
  CHATBOT_INTENTS_PATH=my-bot.toml chatbot-worker classify 你好   with a bot of your own
  CHATBOT_MODEL_THRESHOLD=0.6 chatbot-worker classify hello       how sure the model has to be

Below the threshold, the intents file's fallback answers. The models of CHATBOT_MODEL_CHAIN are asked as by a worker.

Exit codes:
   0  classified
  65  standard input isn't UTF-8
  69  no model of the chain answers
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
    model: Arc<dyn ModelClient>,
    timeout: Duration,
    choice: ChoiceRule,
}

/// What a text is taken to mean; as a reply tells it.
#[derive(Serialize)]
struct Classified<'a> {
    text: &'a str,
    intent: Chosen,
    /// Of the likeliest intent; `None` if the model decided without a confidence.
    threshold: Option<f32>,
    #[serde(skip)]
    doubt: Option<Doubt>,
    ranking: Vec<Scored>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Arc<str>>,
}

#[derive(Serialize)]
struct Chosen {
    name: IntentName,
    confidence: Option<f32>,
    fallback: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted: Option<Scored>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = setup::settings()?.settings;
    if settings.model.links().count() > 1 {
        // Why one of them didn't answer, where another stands in for it.
        telemetry::start_log("off,chatbot_worker::outbound=warn", telemetry::Format::Text);
    }
    let checked = setup::intents(&settings)?;
    for warning in &checked.warnings {
        output::tell(&format!("{warning}\n"));
    }
    let runtime = setup::runtime()?;
    let terminal = Terminal::new();
    let model = app::model(&settings, &checked.file, &terminal).map_err(|error| Failure::new(Exit::Config, error))?;
    if let Some(fault) = terminal.fault() {
        output::tell(&format!("{fault}\n"));
    }
    if let Err(error) = runtime.block_on(model.prepare()) {
        output::tell(&format!("{error}\n"));
    }
    let choice = app::choice(&settings, &checked.file);
    let bot = Bot { model, timeout: settings.model.timeout.get(), choice };
    let show = |text: &str| runtime.block_on(bot.show(text, arguments.format));

    if !arguments.text.is_empty() {
        show(&arguments.text.join(" "))?;
        return Ok(Exit::Ok);
    }
    let input = io::stdin();
    if input.is_terminal() {
        output::tell("A text a line; Ctrl-D ends.\n");
    }
    for (number, line) in (1_usize..).zip(input.lock().split(b'\n')) {
        let line = line.map_err(|error| Failure::new(Exit::Os, format!("can't read standard input: {error}")))?;
        let text = utf8::decode(line)
            .map_err(|error| Failure::new(Exit::Data, format!("line {number} of standard input {error}")))?;
        let text = text.trim_end_matches('\r');
        if !text.trim().is_empty() {
            show(text)?;
        }
    }
    Ok(Exit::Ok)
}

impl Bot {
    async fn show(&self, text: &str, format: Format) -> Result<(), Failure> {
        let query = Query { text, locale: None, deadline: Instant::now() + self.timeout };
        let answer = self.model.classify(&query).await;
        let prediction = answer.map_err(|error| Failure::new(Exit::Unavailable, error))?;
        let classified = self.classified(text, prediction);
        output::print(&match format {
            Format::Text => for_people(&classified),
            Format::Json => output::json_line(&classified)?,
        })
    }

    /// The same decision as the worker's.
    fn classified<'a>(&self, text: &'a str, prediction: Prediction) -> Classified<'a> {
        let doubt = self.choice.doubt(&prediction);
        let threshold = prediction.decision.is_none().then(|| self.choice.threshold_of_likeliest(&prediction));
        let (name, classification) = self.choice.choose(prediction);
        let Classification { confidence, fallback, predicted, ranking, model, .. } = classification;
        Classified { text, intent: Chosen { name, confidence, fallback, predicted }, threshold, doubt, ranking, model }
    }
}

fn for_people(classified: &Classified<'_>) -> String {
    let Classified { text, intent, threshold, doubt, ranking, model } = classified;
    let model = model.as_deref().unwrap_or_default();
    let rows: Vec<_> = ranking
        .iter()
        .map(|scored| [String::new(), scored.name.to_string(), format!("{:.4}", scored.confidence)])
        .collect();
    let why = match (doubt, threshold) {
        (Some(Doubt::Ambiguous), _) => "the fallback, as the second is nearer than CHATBOT_MODEL_MARGIN".to_owned(),
        (Some(Doubt::Unsure(threshold)), _) => {
            format!("the fallback, as no confidence reaches the threshold of {threshold}")
        }
        (Some(Doubt::Nothing), _) => format!("the fallback, as '{model}' found none of the intents"),
        (None, Some(threshold)) => format!("as its confidence reaches the threshold of {threshold}"),
        (None, None) => format!("as '{model}' decided, which states no confidence"),
    };
    format!("{}\n{}  → {} answers, {why}\n", output::one_line(text), output::table(&rows), intent.name)
}
