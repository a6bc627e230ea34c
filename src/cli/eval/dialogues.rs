//! `eval --dialogues`: does the bot do what its author wrote down?

use std::path::Path;

use tokio::runtime::Runtime;

use super::{Arguments, Exit, Failure, Format, output, setup, training::Terminal};
use crate::{
    app::{
        self,
        intents::{HandlerDefinition, IntentDefinition, IntentsFile},
    },
    config::suggest::nearest_word,
    conversation::State,
    domain::{Outcome, Request, Status},
    eval::dialogues::{Dialogue, Did, Found, Parted, RELEASE, read},
    pipeline::{Job, Pipeline, Turned},
};

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let files = arguments.dialogues.iter().map(|path| Ok((path, dialogues(path)?))).collect::<Result<Vec<_>, _>>()?;
    let settings = setup::settings()?.settings;
    let intents = without_services(setup::intents(&settings)?.file);
    let runtime = setup::runtime()?;
    let _entered = runtime.enter();
    let terminal = Terminal::new();
    let failure = |error: &dyn std::fmt::Display| Failure::new(Exit::Config, error);
    let model = app::model(&settings, &intents, &terminal).map_err(|error| failure(&error))?;
    let pipeline = app::pipeline(&settings, &intents, model).map_err(|error| failure(&error))?;
    let names: Vec<&str> = intents.intents.iter().map(|intent| intent.name.as_str()).collect();
    let forms = intents.intents.iter().filter_map(|intent| intent.form.as_ref());
    let slots: Vec<&str> = forms.flat_map(|form| &form.slots).map(|slot| slot.name.as_str()).collect();
    let mut found = Vec::with_capacity(files.len());
    for (path, dialogues) in &files {
        let mut parted: Vec<Parted> = Vec::new();
        for dialogue in dialogues {
            let one = held(&runtime, &pipeline, dialogue)?;
            parted.extend(one.map(|one| one.with_hints(|name| nearest(name, &names), |name| nearest(name, &slots))));
        }
        found.push(Found { file: path.display().to_string(), dialogues: dialogues.len(), parted });
    }
    match arguments.format {
        Format::Json => output::print(&output::json(&found)?)?,
        Format::Text => {
            let told: Vec<String> = found.iter().map(Found::for_people).collect();
            output::print(&output::printable(&told.join("\n")))?;
        }
    }
    Ok(if found.iter().all(Found::is_as_written) { Exit::Ok } else { Exit::No })
}

/// What was meant by a name that isn't known; none where it is known, or where nothing is near.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    nearest_word(name, known).filter(|nearest| *nearest != name)
}

fn dialogues(path: &Path) -> Result<Vec<Dialogue>, Failure> {
    read(&setup::read_text(path)?).map_err(|error| Failure::new(Exit::Data, format!("{}: {error}", path.display())))
}

/// The bot as it is without services: what a dialogue holds fast is what the bot does, whatever a service says. Whoever asks
/// one has a stand-in.
fn without_services(mut intents: IntentsFile) -> IntentsFile {
    let is_own = |handler: &HandlerDefinition| {
        use HandlerDefinition::{Recommend, Search, Template};
        matches!(handler, Template { .. } | Search { .. } | Recommend(_))
    };
    for IntentDefinition { handlers, .. } in &mut intents.intents {
        let asked = handlers.first().map(|handler| handler.name());
        handlers.retain(is_own);
        if let (true, Some(asked)) = (handlers.is_empty(), asked) {
            handlers.push(HandlerDefinition::Template { replies: vec![("en".to_owned(), format!("({asked})"))] });
        }
    }
    intents.knowledge.iter_mut().for_each(|knowledge| knowledge.embeddings = None);
    intents.transcription = None;
    intents
}

/// Holds a dialogue with the bot, as far as they go together.
fn held(runtime: &Runtime, pipeline: &Pipeline, dialogue: &Dialogue) -> Result<Option<Parted>, Failure> {
    let mut state = State::default();
    for (exchange, number) in dialogue.exchanges.iter().zip(1..) {
        if state.person && exchange.said == RELEASE {
            state.release();
            continue;
        }
        let request = Request { text: exchange.said.clone(), ..Request::default() };
        let job = Job::new(request);
        let turned = runtime.block_on(pipeline.turn(&job, state, number));
        let (turned, next) = turned.map_err(|error| {
            let place = format!("dialogue '{}', line {}", dialogue.name, exchange.line);
            Failure::new(Exit::Unavailable, format!("{place}: {error}"))
        })?;
        state = next;
        let is_intent = |name: &str| pipeline.routes().contains_key(name);
        if let Some(parted) = exchange.parted(dialogue, &did(turned), is_intent) {
            return Ok(Some(parted));
        }
    }
    Ok(None)
}

fn did(turned: Turned) -> Did {
    match turned {
        Turned::Person(handover) => Did { intent: handover.intent.as_str().to_owned(), person: true, ..Did::default() },
        Turned::Outcome(Outcome::Reply(reply)) => {
            let state = reply.details.state.as_ref();
            Did {
                intent: reply.intent.as_str().to_owned(),
                ask: state.and_then(|state| state.slot.clone()),
                confirm: state.is_some_and(|state| state.status == Status::Confirming),
                person: false,
                text: reply.text.clone(),
            }
        }
        Turned::Outcome(Outcome::Forward { intent, .. }) => {
            Did { intent: intent.as_str().to_owned(), ..Did::default() }
        }
        Turned::Outcome(_) => Did::default(),
    }
}
