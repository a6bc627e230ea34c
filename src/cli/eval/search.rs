//! `eval --search`: does a question find the passage that answers it, and is it known when none does?

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::{Arguments, Exit, Failure, Format, output, setup, text, write_page};
use crate::{
    app::{services::Services, settings::ModelName},
    eval::{
        in_words,
        search::{LOOKED_AT, SearchAnswer, SearchCase, SearchMeasured, Without, cases_of, halved, section},
        search_report::SearchReport,
    },
    knowledge::{self, Knowledge, Passage},
    outbound::{
        Vector, Vectors,
        embeddings::{Embedder, Role},
    },
    utf8,
};

/// A line of a test; `answers` and whatever else it has are for people.
#[derive(Deserialize)]
struct Line {
    question: String,
    passage: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.passages {
        return list(&passages(&arguments.knowledge)?, arguments.format);
    }
    let Some(test) = &arguments.test else {
        return Err(Failure::new(Exit::Usage, "--search needs --test, a file of questions"));
    };
    let helper = arguments.embeddings.as_ref().map(Helper::of).transpose()?;
    let passages = passages(&arguments.knowledge)?;
    let cases = cases(test, &passages)?;
    let began = Instant::now();
    let knowledge = Knowledge::build(passages);
    let indexing = began.elapsed();
    let questions: Vec<&str> = cases.iter().map(|case| case.question.as_str()).collect();
    let vectors = helper.as_ref().map(|helper| helper.vectors(&questions, Role::Question)).transpose()?;
    let vectors = vectors.unwrap_or_default();
    helper.as_ref().map(|helper| helper.prepare(&knowledge)).transpose()?;
    let mut times = Vec::with_capacity(cases.len());
    let answers = ask(&knowledge, &cases, &vectors, &mut times);
    let measured = if cases.iter().any(|case| case.passage.is_none()) {
        let n = knowledge.passages().len();
        SearchMeasured::of(n, &answers, (&answers, Without::Test), indexing, times)
    } else {
        let half = Knowledge::build(halved(knowledge.passages()));
        helper.as_ref().map(|helper| helper.prepare(&half)).transpose()?;
        let gate = ask(&half, &cases_of(&cases, &half), &vectors, &mut Vec::new());
        let n = knowledge.passages().len();
        SearchMeasured::of(n, &answers, (&gate, Without::Halved), indexing, times)
    };
    if let Some(folder) = &arguments.report {
        let title = test.display().to_string();
        let report =
            SearchReport { title: &title, measured: &measured, answers: &answers, passages: knowledge.passages() };
        let html =
            report.html().map_err(|error| Failure::new(Exit::Os, format!("the report can't be made: {error}")))?;
        write_page(folder, &html)?;
    }
    match arguments.format {
        Format::Json => output::print(&output::json(&measured)?)?,
        Format::Text => output::print(&for_people(test, &measured, &answers))?,
    }
    Ok(Exit::Ok)
}

fn passages(patterns: &[String]) -> Result<Vec<Passage>, Failure> {
    let (folder, own);
    let (base, patterns) = match patterns {
        // The bot's own.
        [] => {
            let intents = setup::intents(&setup::settings()?.settings)?.file;
            let paths = intents.knowledge.into_iter().flat_map(|knowledge| knowledge.paths);
            own = paths.map(|path| path.name).collect::<Vec<_>>();
            if own.is_empty() {
                let reason = "which documents are searched? The bot has none of its own: name them with --knowledge, such \
                              as --knowledge 'help/*.md'";
                return Err(Failure::new(Exit::Usage, reason));
            }
            folder = intents.folder.unwrap_or_default();
            (folder.as_path(), own.as_slice())
        }
        named => (Path::new("."), named),
    };
    let read = knowledge::read(base, patterns).map_err(|errors| Failure::new(Exit::Data, errors))?;
    for note in read.notes.iter() {
        output::tell(&format!("{}\n", output::one_line(&note.to_string())));
    }
    if read.passages.is_empty() {
        return Err(Failure::new(Exit::Data, "there is nothing in these documents to find"));
    }
    Ok(read.passages)
}

fn cases(file: &Path, passages: &[Passage]) -> Result<Vec<SearchCase>, Failure> {
    let fault = |line: Option<usize>, reason: String| {
        let line = line.map_or(String::new(), |line| format!("line {line}: "));
        Failure::new(Exit::Data, format!("{}: {line}{reason}", file.display()))
    };
    let text = utf8::decode_read(fs::read(file)).map_err(|reason| fault(None, reason))?;
    let ids = ids(passages);
    let mut cases = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let form = "{\"question\": \"…\", \"passage\": \"its id\" or null}";
        let read: Line = serde_json::from_str(line)
            .map_err(|error| fault(Some(number), format!("this isn't {form}: column {}", error.column())))?;
        let passage = read.passage.as_deref().map(|id| ids.get(id).copied().flatten().ok_or(id)).transpose();
        let passage = passage.map_err(|id| {
            let known: Vec<_> = passages.iter().take(3).map(|passage| format!("'{}'", passage.id)).collect();
            let reason = format!(
                "there is no passage '{}'; there are {}, …: correct it (eval --search --passages lists them all), or \
                 write null",
                output::one_line(id),
                known.join(", ")
            );
            fault(Some(number), reason)
        })?;
        cases.push(SearchCase { question: read.question, passage: passage.map(str::to_owned) });
    }
    if cases.is_empty() {
        return Err(fault(None, "there is no question in it".to_owned()));
    }
    Ok(cases)
}

/// What names a passage, with the id that it is counted by: its own id, and those of the sections in it. None where
/// sections of one name are in several.
fn ids(passages: &[Passage]) -> HashMap<&str, Option<&str>> {
    let mut ids: HashMap<&str, Option<&str>> = HashMap::new();
    for passage in passages {
        for merged in &passage.merged {
            ids.entry(&**merged).and_modify(|id| *id = None).or_insert(Some(section(&passage.id)));
        }
    }
    ids.extend(passages.iter().map(|passage| (&*passage.id, Some(section(&passage.id)))));
    ids
}

/// A passage as it is listed.
#[derive(Serialize)]
struct Listed<'p> {
    id: &'p str,
    title: String,
    /// The sections that are in it, and name it, too.
    merged: Vec<&'p str>,
}

/// Lists what a test may name.
fn list(passages: &[Passage], format: Format) -> Result<Exit, Failure> {
    let mut seen = HashSet::new();
    let mut listed = Vec::new();
    for passage in passages.iter().filter(|passage| seen.insert(section(&passage.id))) {
        let title: Vec<&str> = std::iter::once(&passage.title).chain(&passage.headings).map(|it| &**it).collect();
        let merged = passage.merged.iter().map(|id| &**id).collect();
        listed.push(Listed { id: section(&passage.id), title: title.join(" › "), merged });
    }
    let shown = match format {
        Format::Json => output::json(&listed)?,
        Format::Text => output::table(&rows(&listed)),
    };
    output::print(&shown)?;
    Ok(Exit::Ok)
}

fn rows(listed: &[Listed<'_>]) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    for passage in listed {
        rows.push([output::one_line(passage.id), output::one_line(&passage.title)]);
        let within = |id: &&str| [output::one_line(id), format!("in {}", output::one_line(passage.id))];
        rows.extend(passage.merged.iter().map(within));
    }
    rows
}

/// The service that helps to find.
struct Helper {
    embedder: Arc<Embedder>,
    runtime: Runtime,
}

impl Helper {
    fn of(name: &ModelName) -> Result<Self, Failure> {
        let settings = setup::settings_with_models(std::slice::from_ref(name))?;
        let embedder = Services::new(&settings).embedder(&name.to_string());
        let embedder = embedder.map_err(|fault| Failure::new(Exit::Config, fault))?;
        Ok(Self { embedder, runtime: setup::runtime()? })
    }

    /// The service's vectors of texts. A measurement without them would be one of something else.
    fn vectors(&self, texts: &[&str], role: Role) -> Result<Vec<Option<Vector>>, Failure> {
        let (mut had, known) = (Vec::new(), Vectors::of_process());
        let filled = self.embedder.fill(&mut had, texts, role, &known);
        self.runtime.block_on(filled).map_err(|error| Failure::new(Exit::Unavailable, error))?;
        Ok(had)
    }

    fn prepare(&self, knowledge: &Knowledge) -> Result<(), Failure> {
        let texts: Vec<String> = knowledge.passages().iter().map(Passage::all).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        knowledge.set_vectors(self.vectors(&texts, Role::Passage)?);
        Ok(())
    }
}

/// Asks every question; `vectors` are a service's of them, or none.
fn ask(
    knowledge: &Knowledge,
    cases: &[SearchCase],
    vectors: &[Option<Vector>],
    times: &mut Vec<Duration>,
) -> Vec<SearchAnswer> {
    let answers = cases.iter().enumerate().map(|(at, case)| {
        let began = Instant::now();
        let vector = vectors.get(at).and_then(Option::as_deref);
        let found = knowledge.search(&case.question, vector, LOOKED_AT);
        times.push(began.elapsed());
        SearchAnswer {
            case: case.clone(),
            found: whole_ids(found.hits.iter().map(|hit| &*hit.passage.id)),
            answerable: found.answerable,
            is_open: found.is_open,
        }
    });
    answers.collect()
}

/// The ids of what was found, each once: a section that was split counts as one, whichever of its parts is found.
fn whole_ids<'i>(ids: impl Iterator<Item = &'i str>) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    for id in ids {
        let id = section(id);
        if whole.iter().all(|known| known != id) {
            whole.push(id.to_owned());
        }
    }
    whole
}

/// The mistakes that are told; the report has more.
const MISTAKES: usize = 10;

fn for_people(test: &Path, measured: &SearchMeasured, answers: &[SearchAnswer]) -> String {
    let row = |name: &str, value: String, about: String| [format!("  {name}"), value, about];
    let time = |micros: Option<f64>| micros.map_or("-".to_owned(), in_words);
    let (low, high) = measured.hit_at_1_interval;
    let gate = &measured.gate;
    let whence = match gate.without {
        Without::Test => "of the test's questions".to_owned(),
        Without::Halved => "with every other passage taken away".to_owned(),
    };
    let rows = [
        row("questions", measured.n_test.to_string(), format!("{} of them with an answer", measured.n_answerable)),
        row("passages", measured.n_passages.to_string(), format!("indexed in {:.2} s", measured.index_seconds)),
        row(
            "first",
            text::percent(measured.hit_at_1),
            format!("their passage is; {:.1} to {:.1} % with 95 % confidence", low * 100.0, high * 100.0),
        ),
        row("first three", text::percent(measured.hit_at_3), "their passage is among these".to_owned()),
        row("MRR", text::decimals(measured.mrr), "the mean of 1 / rank".to_owned()),
        row("gate's AUROC", text::percent(gate.auroc), whence),
        row(
            "answered rightly",
            text::percent(gate.answered_rightly),
            format!("of {} that are answered there", gate.n_with),
        ),
        row("refused rightly", text::percent(gate.refused_rightly), format!("of {} that aren't", gate.n_without)),
        row("time", time(measured.latency_us.p50), format!("a search; 99 % within {}", time(measured.latency_us.p99))),
    ];
    let mut said = format!("{}: how well its questions are answered\n{}", test.display(), output::table(&rows));
    let wrong = answers.iter().filter(|it| it.case.passage.is_some() && it.rank() != Some(0)).take(MISTAKES);
    let wrong: Vec<_> = wrong
        .map(|it| {
            let id = |id: Option<&String>| id.map_or("nothing".to_owned(), |id| output::one_line(id));
            let expected = it.case.passage.as_ref();
            [
                format!("  {}", output::one_line(&it.case.question)),
                format!("{}, not {}", id(it.found.first()), id(expected)),
            ]
        })
        .collect();
    if !wrong.is_empty() {
        said += &format!("\nThe first that found another passage:\n{}", output::table(&wrong));
    }
    said
}
