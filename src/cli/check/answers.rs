//! What the bot answers from: its documents, its catalogues, and the services that it asks.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    runtime::Runtime,
    time::{Instant, timeout_at},
};

use super::Report;
use crate::{
    app::{
        BuildError, Workshop,
        intents::{HandlerDefinition, IntentDefinition, IntentsFile},
        services::{Services, variable},
        settings::{Backend, Kind, ModelName, Settings},
    },
    cli::output,
    handler::recommend::Shop,
    knowledge::Knowledge,
    outbound::{
        Failure, ServiceError,
        chat::{Message, Prompt, Role},
    },
};

/// How many of the places of one fault are told.
const TOLD: usize = 3;

/// Makes what answers, as a worker does at its start, and asks each service once.
pub(super) fn check(report: &mut Report, settings: &Settings, intents: &IntentsFile, runtime: &Runtime) {
    let workshop = Workshop::open(settings, intents);
    for definition in &intents.knowledge {
        if let Some(documents) = workshop.documents(&definition.name.name) {
            knowledge(report, &definition.name.name, documents.knowledge());
        }
    }
    for definition in &intents.catalogues {
        if let Some(shop) = workshop.shop(&definition.name.name) {
            report.ok("catalogue", format!("'{}': {}", definition.name.name, items(shop)));
            unpriced(report, &definition.name.name, &definition.path.name, shop);
            currencies(report, &definition.name.name, &definition.path.name, shop);
        }
    }
    match workshop.handlers() {
        Ok(_) => {}
        Err(BuildError::Intents(faults)) => {
            for fault in &faults.faults {
                report.fail("intents", format!("{}: {fault}", faults.source_name), "");
            }
        }
        Err(error) => report.fail("intents", error, ""),
    }
    fallback(report, intents);
    let mut used = used(settings, intents);
    let transcription = intents.transcription.as_ref().map(|name| name.name.as_str());
    used.extend(transcription.map(|name| (name, Used { kind: Kind::Transcription, is_covered: false })));
    let services = Services::new(settings);
    let asked = join_all(used.iter().map(|(name, of)| ask(&services, settings, name, of)));
    for ((name, of), asked) in used.iter().zip(runtime.block_on(asked)) {
        tell(report, name, of, asked);
    }
    unused(report, settings, &used);
}

/// How many there are of something.
fn counted(number: usize, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

/// A catalogue's items, which columns are taken for their price, and which rows aren't items.
fn items(shop: &Shop) -> String {
    let catalogue = shop.catalogue();
    let prices: Vec<String> = catalogue.prices().iter().map(|&at| format!("'{}'", catalogue.name(at))).collect();
    let price = match prices.is_empty() {
        true => "no column is a price: who says what it may cost gets no answer".to_owned(),
        false => format!("the price is {}", prices.join(", else ")),
    };
    let parts = match catalogue.parts() {
        0 => String::new(),
        parts => format!("; {} of variants", counted(parts, "row")),
    };
    let withdrawn = match catalogue.withdrawn() {
        0 => String::new(),
        withdrawn => format!("; {} not for sale: left out", counted(withdrawn, "item")),
    };
    format!("{}; {price}{parts}{withdrawn}", counted(catalogue.len(), "item"))
}

/// Tells which cells of a catalogue's prices are no numbers.
fn unpriced(report: &mut Report, name: &str, path: &str, shop: &Shop) {
    let cells = shop.catalogue().unpriced();
    if cells.is_empty() {
        return;
    }
    let places = cells.iter().take(TOLD).map(|it| format!("'{}' ({path}, line {})", excerpt(&it.cell), it.line));
    let first = places.collect::<Vec<_>>().join("; ");
    let more = if cells.len() > TOLD { "; …" } else { "" };
    let are = if cells.len() == 1 { "is no number and counts" } else { "are no numbers and count" };
    report.warn(
        "catalogue",
        format!("'{name}': {} {are} as none: {first}{more}", counted(cells.len(), "price")),
        "Users who say what it may cost aren't offered such an item. Write a number, or leave the cell empty.",
    );
}

/// Tells that a catalogue's prices are in several currencies, which nothing converts.
fn currencies(report: &mut Report, name: &str, path: &str, shop: &Shop) {
    let [(first, line), (second, other), ..] = shop.catalogue().currencies() else { return };
    let codes: Vec<&str> = shop.catalogue().currencies().iter().map(|(code, _)| *code).collect();
    report.warn(
        "catalogue",
        format!(
            "'{name}': prices in several currencies ({}): they are compared as numbers: {first} ({path}, line {line}); \
             {second} ({path}, line {other})",
            codes.join(", ")
        ),
        "Write all prices in one currency, or make a catalogue for each.",
    );
}

fn knowledge(report: &mut Report, name: &str, knowledge: &Knowledge) {
    let passages = knowledge.passages();
    let files: HashSet<&str> = passages.iter().map(|passage| &*passage.path).collect();
    let (of, files) = (counted(passages.len(), "passage"), counted(files.len(), "file"));
    report.ok("documents", format!("'{name}': {of} of {files}"));
    let questions: usize = passages.iter().map(|passage| passage.questions.len()).sum();
    let unfound = knowledge.unfound();
    if unfound.is_empty() {
        return;
    }
    let one = |it: &crate::knowledge::Unfound<'_>| {
        let instead = it.instead.filter(|other| other.id != it.passage.id);
        let instead = instead.map(|other| format!(", but '{}'", other.id)).unwrap_or_default();
        format!("'{}' ({}) doesn't find its answer{instead}", excerpt(it.question), place(it.passage))
    };
    let first = unfound.iter().take(TOLD).map(one).collect::<Vec<_>>().join("; ");
    let more = if unfound.len() > TOLD { "; …" } else { "" };
    report.warn(
        "documents",
        format!(
            "'{name}': of {} of your own, {} aren't answered: {first}{more}",
            counted(questions, "question"),
            unfound.len()
        ),
        "Where two entries have the same question the first one answers: take it from one of them.",
    );
}

fn place(passage: &crate::knowledge::Passage) -> String {
    format!("{}, line {}", passage.path, passage.line)
}

/// A question short enough for a line of many.
fn excerpt(question: &str) -> String {
    const LONGEST: usize = 60;
    let line = output::one_line(question);
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Whether a question that is like no intent's examples is looked up in the documents.
fn fallback(report: &mut Report, intents: &IntentsFile) {
    let looks_up = |intent: &&IntentDefinition| {
        intent.handlers.iter().any(|handler| match handler {
            HandlerDefinition::Search { .. } => true,
            HandlerDefinition::Llm(llm) => llm.knowledge.is_some(),
            _ => false,
        })
    };
    let Some(with) = intents.intents.iter().find(looks_up) else { return };
    let fallback = intents.intents.iter().find(|intent| intent.name == intents.fallback);
    if fallback.is_none_or(|fallback| looks_up(&fallback)) {
        return;
    }
    report.warn(
        "intents",
        format!(
            "questions that are like no intent's examples go to the fallback '{}', which looks into no documents; '{}' does",
            intents.fallback, with.name
        ),
        &format!(
            "Put search, or llm with knowledge, into the handlers of '{}', or set fallback = \"{}\".",
            intents.fallback, with.name
        ),
    );
}

/// What the bot has a service for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Used {
    kind: Kind,
    /// Whether everything that asks it has something else behind it.
    is_covered: bool,
}

/// The services that the intents file names and the settings have, by name.
fn used<'a>(settings: &'a Settings, intents: &'a IntentsFile) -> BTreeMap<&'a str, Used> {
    let mut used = BTreeMap::<&str, Used>::new();
    let mut uses = |name: &'a str, kind: Kind, is_covered: bool| {
        let is_there = settings.backend.get(name).is_some_and(|section| section.kind == Some(kind));
        if is_there {
            used.entry(name).or_insert(Used { kind, is_covered: true }).is_covered &= is_covered;
        }
    };
    for intent in &intents.intents {
        for (at, handler) in intent.handlers.iter().enumerate() {
            let is_covered = at + 1 < intent.handlers.len() || intent.external;
            match handler {
                HandlerDefinition::Llm(llm) => uses(&llm.service.name, Kind::OpenAi, is_covered),
                HandlerDefinition::Translate(translate) => uses(&translate.service.name, Kind::OpenAi, is_covered),
                HandlerDefinition::Webhook { service } => uses(&service.name, Kind::Webhook, is_covered),
                HandlerDefinition::Template { .. }
                | HandlerDefinition::Search { .. }
                | HandlerDefinition::Recommend(_) => {}
            }
        }
    }
    for knowledge in &intents.knowledge {
        if let Some(service) = &knowledge.embeddings {
            // Words and the built-in vectors stand in for it.
            uses(&service.name, Kind::Embeddings, true);
        }
    }
    used
}

/// What came of asking, and how long it took.
type Asked = (Result<&'static str, ServiceError>, Duration);

/// Asks a service for the least that shows that it would answer.
async fn ask(services: &Services<'_>, settings: &Settings, name: &str, used: &Used) -> Asked {
    let began = Instant::now();
    let section = settings.backend.get(name);
    let limit = section.map_or(Duration::ZERO, |section| section.answer_limit(settings.worker.handler_timeout.get()));
    let deadline = began + limit;
    let late = || ServiceError::new(&name.into(), Failure::Timeout, "no whole answer in time");
    let fault = |fault: String| ServiceError::new(&name.into(), Failure::Internal, fault);
    let result = match used.kind {
        Kind::OpenAi => match services.chat(name) {
            // Not within the service's bounds, which would ask twice.
            Ok(chat) => {
                let asked = timeout_at(deadline, chat.asked(&one_token(), deadline)).await;
                said(asked.unwrap_or_else(|_| Err(late())).map(|_| ()))
            }
            Err(error) => Err(fault(error.to_string())),
        },
        Kind::Embeddings => match services.embedder(name) {
            Ok(embedder) => embedder.ask(&["hello"], deadline).await.map(|_| "makes vectors"),
            Err(error) => Err(fault(error.to_string())),
        },
        Kind::Webhook => {
            services.reach(name, deadline).await.map(|()| "can be reached; it isn't called, as it may act")
        }
        _ => services.reach(name, deadline).await.map(|()| "can be reached"),
    };
    (result, began.elapsed())
}

/// What costs least.
fn one_token() -> Prompt<'static> {
    let message = Message { role: Role::User, text: "Hi".to_owned() };
    Prompt {
        messages: vec![message],
        schema: None,
        logprobs: false,
        max_tokens: Some(1),
        stream: false,
        pictures: vec![],
        follower: None,
        private: vec![],
    }
}

/// Models that think complain that one token is too little: so key and model are right.
fn said(asked: Result<(), ServiceError>) -> Result<&'static str, ServiceError> {
    match asked {
        Err(error) if error.said.as_ref().is_some_and(|said| said.to_lowercase().contains("output limit")) => {
            Ok("takes the key and knows the model")
        }
        asked => asked.map(|()| "answers"),
    }
}

fn tell(report: &mut Report, name: &str, used: &Used, (result, took): Asked) {
    match result {
        Ok(did) => report.ok("service", format!("'{name}' ({}) {did}: {} ms", used.kind, took.as_millis())),
        Err(error) => {
            let mend = mend(name, error.failure);
            match (used.kind, used.is_covered) {
                (Kind::Embeddings, _) => {
                    report.warn("service", error, &format!("{mend} Words and the built-in vectors find meanwhile."));
                }
                (Kind::Transcription, _) => report.warn("service", error, &mend),
                (_, true) => report.warn("service", error, &format!("{mend} The next handler answers meanwhile.")),
                (_, false) => report.fail("service", error, &format!("{mend} An intent has nobody else to answer.")),
            }
        }
    }
}

/// What to do about a service.
fn mend(name: &str, failure: Failure) -> String {
    let variable = |key: &str| variable(name, key);
    match failure {
        Failure::Unreachable => format!("Start it, or set {} to where it is.", variable("URL")),
        Failure::Timeout | Failure::OutOfTime => {
            format!("Look at what keeps it, or set {} to more.", variable("ANSWER_TIMEOUT"))
        }
        Failure::Throttled | Failure::Server | Failure::Budget => "It may pass: run this again.".to_owned(),
        Failure::Denied | Failure::Refused | Failure::BadAnswer => {
            format!("Look at {}, {} and {}.", variable("API_KEY"), variable("URL"), variable("MODEL"))
        }
        _ => "Run this again; a worker's log tells more.".to_owned(),
    }
}

/// Sections of services that nobody asks, and webhooks that can't know who calls.
fn unused(report: &mut Report, settings: &Settings, used: &BTreeMap<&str, Used>) {
    for (name, section) in &settings.backend {
        let Some(kind) = section.kind else { continue };
        let is_model =
            settings.model.links().any(|link| matches!(link, ModelName::Section(_)) && link.to_string() == *name);
        if !is_model && !used.contains_key(name.as_str()) {
            report.warn(
                "service",
                format!("nobody asks '{name}' ({kind}): no intent, no documents, and not CHATBOT_MODEL_CHAIN"),
                &format!("Name it there, or unset {}.", variable(name, "KIND")),
            );
        } else if is_unsigned(section) {
            report.warn(
                "service",
                format!(
                    "'{name}' (webhook) has no secret, so its requests aren't signed, and anybody could send it such"
                ),
                &format!("Set {}, and have the program check the signature.", variable(name, "SECRET")),
            );
        }
    }
}

fn is_unsigned(section: &Backend) -> bool {
    section.kind == Some(Kind::Webhook) && section.secret.is_none()
}
