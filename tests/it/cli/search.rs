//! `eval --search`: no broker.

use std::fs;

use serde_json::{Value, json};

use super::{folder::Folder, program::Program};
use crate::stub::{Act, Stub};

const PASSAGES: &str = r#"{"id": "kettle", "title": "Returns", "text": "A kettle can be returned within thirty days of delivery."}
{"id": "japan", "title": "Shipping", "text": "Parcels are shipped to Japan, and to no other country abroad."}
{"id": "hours", "title": "Hours", "text": "The hotline is staffed from nine to five on weekdays."}
{"id": "warranty", "title": "Warranty", "text": "Shavers have a warranty of two years on the motor."}
{"id": "invoice", "title": "Invoices", "text": "An electronic invoice is sent by mail after payment."}
{"id": "gift", "title": "Gift cards", "text": "Gift cards expire three years after they were bought."}
"#;

/// The third asks for what another passage says, so that it is missed.
const QUESTIONS: &str = r#"{"question": "within how many days can a kettle be returned", "passage": "kettle", "answers": ["thirty"]}
{"question": "are parcels shipped to Japan", "passage": "japan"}
{"question": "when do gift cards expire", "passage": "hours"}

{"question": "how long is the warranty on the motor of a shaver", "passage": "warranty"}
{"question": "who wrote Hamlet", "passage": null}
"#;

fn program() -> Program {
    Program::new()
}

fn share(value: &Value) -> f64 {
    let share = value.as_f64().unwrap_or_else(|| panic!("{value}"));
    assert!((0.0..=1.0).contains(&share), "{share}");
    share
}

fn measured(arguments: &[&str]) -> Value {
    let ended = program().run(&[&["eval", "--search", "--format", "json"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn a_search_is_measured_and_each_measure_is_what_its_name_says() {
    let folder = Folder::new();
    let (passages, questions) = (folder.file("passages.jsonl", PASSAGES), folder.file("questions.jsonl", QUESTIONS));
    let report = folder.path("report");
    let found = measured(&["--knowledge", &passages, "--test", &questions, "--report", &report]);
    assert_eq!((&found["n_test"], &found["n_answerable"], &found["n_passages"]), (&json!(5), &json!(4), &json!(6)));
    assert_eq!(found["hit_at_1"], 0.75, "{found}");
    assert!(share(&found["hit_at_3"]) >= 0.75 && share(&found["mrr"]) >= 0.75, "{found}");
    let gate = &found["gate"];
    assert_eq!((&gate["without"], &gate["n_with"], &gate["n_without"]), (&json!("test"), &json!(4), &json!(1)));
    // Nothing is like the last question, so that all others are surer.
    assert_eq!((share(&gate["auroc"]), share(&gate["refused_rightly"])), (1.0, 1.0), "{found}");
    assert!(share(&gate["answered_rightly"]) <= 0.75, "what is missed isn't answered rightly: {found}");
    assert!(found["index_seconds"].as_f64().unwrap() > 0.0);
    let [p50, p99] = ["p50", "p99"].map(|at| found["latency_us"][at].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99, "{found}");

    let page = fs::read_to_string(format!("{report}/index.html")).unwrap();
    for shown in ["<!doctype html>", "questions.jsonl", "when do gift cards expire", "75.0"] {
        assert!(page.to_lowercase().contains(&shown.to_lowercase()), "{shown:?} isn't on the page: {page}");
    }
    assert!(!page.contains("<script") && !page.contains("http"), "it loads nothing");

    let ended = program().run(&["eval", "--search", "--knowledge", &passages, "--test", &questions]);
    let text = ended.ok();
    for told in ["75.0", "4 of them with an answer", "indexed in", "when do gift cards expire", "gift, not hours"] {
        assert!(text.contains(told), "{told:?} isn't told: {text}");
    }
}

#[test]
fn markdown_is_searched_and_without_unanswerable_questions_every_other_passage_is_taken_away() {
    let folder = Folder::new();
    fs::create_dir(folder.path("help")).unwrap();
    let filler =
        "Please read this carefully, since it holds for all that was said, and keep the box and the bill. ".repeat(12);
    for (name, title, text) in [
        ("returns", "Returns", "A kettle can be returned within thirty days."),
        ("shipping", "Shipping", "Parcels are shipped to Japan only."),
        ("hours", "Hours", "The hotline is staffed from nine to five."),
        ("gifts", "Gift cards", "Gift cards expire after three years."),
    ] {
        folder.file(&format!("help/{name}.md"), &format!("# {title}\n\n{text} {filler}\n"));
    }
    let ids =
        ["help/gifts.md#gift-cards", "help/hours.md#hours", "help/returns.md#returns", "help/shipping.md#shipping"];
    let questions =
        ["when do gift cards expire", "who staffs the hotline", "can a kettle be returned", "are parcels shipped"];
    let line = |(question, id): (&&str, &&str)| json!({"question": question, "passage": id}).to_string() + "\n";
    let test = folder.file("test.jsonl", &questions.iter().zip(&ids).map(line).collect::<String>());
    // Paths are those of the pattern, so the program runs where the folder is.
    let mut command =
        program().command(&["eval", "--search", "--format=json", "--knowledge", "help/*.md", "--test", &test]);
    let ended = command.current_dir(folder.path("")).output().unwrap();
    let err = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{err}");
    let found: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&found["n_test"], &found["n_answerable"], &found["hit_at_1"]), (&json!(4), &json!(4), &json!(1.0)));
    let gate = &found["gate"];
    assert_eq!((&gate["without"], &gate["n_with"], &gate["n_without"]), (&json!("halved"), &json!(2), &json!(2)));
}

#[test]
fn a_short_section_that_became_part_of_a_passage_names_that_passage() {
    let folder = Folder::new();
    let help = folder.file("returns.md", "# Returns\n\n## How long\n\nThirty days.\n\n## What not\n\nNo shavers.\n");
    let named = |heading: &str| format!("{help}#{heading}");
    let line = |id: &str| json!({"question": "are shavers taken back", "passage": id}).to_string() + "\n";
    let test = folder.file("test.jsonl", &["what-not", "returns"].map(|it| line(&named(it))).concat());
    assert_eq!(measured(&["--knowledge", &help, "--test", &test])["hit_at_1"], 1.0);

    let list =
        |format: &str| program().run(&["eval", "--search", "--passages", "--knowledge", &help, "--format", format]);
    let listed: Value = serde_json::from_str(list("json").ok()).unwrap();
    let merged = ["how-long", "what-not"].map(named);
    assert_eq!(listed, json!([{"id": named("returns"), "title": "Returns", "merged": merged}]));
    let text = list("text");
    assert!(text.ok().contains(&format!("in {}", named("returns"))), "{text:?}");
}

#[test]
fn what_is_wrong_with_a_search_is_told_with_file_line_and_remedy() {
    let folder = Folder::new();
    let passages = folder.file("passages.jsonl", PASSAGES);
    let check = |test: &str, code: i32, said: &[&str]| {
        let test = folder.file("test.jsonl", test);
        program().run(&["eval", "--search", "--knowledge", &passages, "--test", &test]).failed(code, said);
    };
    let first = "{\"question\": \"when\", \"passage\": \"hours\"}\n";
    let unknown = format!("{first}\n{{\"question\": \"when\", \"passage\": \"nowhere\"}}\n");
    check(
        &unknown,
        65,
        &["test.jsonl: line 3: there is no passage 'nowhere'; there are 'kettle', 'japan', 'hours', …", "write null"],
    );
    check(&format!("{first}{{\"question\": \"wh\n"), 65, &["test.jsonl: line 2: this isn't {\"question\"", "column"]);
    check("{\"text\": \"when\"}\n", 65, &["test.jsonl: line 1: this isn't"]);
    check("\n\n", 65, &["test.jsonl: there is no question in it"]);

    let test = folder.file("test.jsonl", first);
    let search = |knowledge: &str| program().run(&["eval", "--search", "--knowledge", knowledge, "--test", &test]);
    let broken = folder.file("broken.jsonl", "{\"id\": \"a\", \"text\": \"One.\"}\n{\"id\": \"b\", \"te\n");
    search(&broken).failed(65, &["broken.jsonl", "line 2"]);
    search(&folder.path("nothing/*.md")).failed(65, &["nothing"]);
    program().run(&["eval", "--search", "--knowledge", &passages]).failed(64, &["--test"]);
    program()
        .run(&["eval", "--search", "--test", &folder.path("absent.jsonl"), "--knowledge", &passages])
        .failed(65, &["absent.jsonl"]);
    // The built-in bot has no documents of its own.
    program().run(&["eval", "--search", "--test", &test]).failed(64, &["name them with --knowledge"]);
    let arguments = ["eval", "--search", "--embeddings", "vectors", "--knowledge", &passages, "--test", &test];
    program().run(&arguments).failed(78, &["CHATBOT_VECTORS_KIND"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_vectors_helps_a_search_and_one_that_is_away_ends_the_measurement() {
    let folder = Folder::new();
    let passages = folder.file("passages.jsonl", PASSAGES);
    // No word of it is in any passage.
    let test = folder.file("test.jsonl", "{\"question\": \"money back for tea equipment\", \"passage\": \"kettle\"}\n");
    let stub = Stub::start(|seen| {
        let texts = seen.body["input"].as_array().unwrap();
        let about = |text: &str| f32::from(u8::from(text.contains("kettle") || text.contains("tea")));
        let one =
            |(index, text): (usize, &Value)| json!({"index": index, "embedding": [about(text.as_str().unwrap()), 0.1]});
        Act::json(json!({"data": texts.iter().enumerate().map(one).collect::<Vec<_>>()}))
    })
    .await;
    let helped = |url: &str| {
        let program = program().with("CHATBOT_VECTORS_KIND", "embeddings").with("CHATBOT_VECTORS_URL", url);
        program.run(&[
            "eval",
            "--search",
            "--embeddings",
            "vectors",
            "--knowledge",
            &passages,
            "--test",
            &test,
            "--format",
            "json",
        ])
    };
    let found: Value = serde_json::from_str(helped(&stub.url).ok()).unwrap();
    assert_eq!(found["hit_at_3"], 1.0, "{found}");
    helped("http://127.0.0.1:1").failed(69, &["'vectors' can't be reached"]);
}
