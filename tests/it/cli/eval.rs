//! `eval` and `import`: no broker.

use std::fs;

use chatbot_worker::app::intents::BUILT_IN;

use serde_json::{Value, json};

use super::{folder::Folder, program::Program};
use crate::stub::{Act, Seen, Stub};

const TRAIN: &str = r#"{"text":"where is my order","intent":"order?"}
{"text":"track my parcel","intent":"order?"}
{"text":"我的订单在哪","intent":"order?"}
{"text":"order status please","intent":"order?"}
{"text":"i want my money back","intent":"退款"}
{"text":"please refund me","intent":"退款"}
{"text":"我要退款","intent":"退款"}
{"text":"give me a refund","intent":"退款"}
"#;
const TEST: &str = r#"{"text":"where is my parcel","intent":"order?"}
{"text":"refund my money","intent":"退款"}
{"text":"my order","intent":"退款"}
{"text":"qwxz vrtp","intent":null}
"#;

#[test]
fn a_model_is_measured_on_any_data() {
    let folder = Folder::new();
    let (train, test) = (folder.file("train.jsonl", TRAIN), folder.file("test.jsonl", TEST));
    let report = folder.path("report");
    let arguments =
        ["eval", "--train", &train, "--valid", &test, "--test", &test, "--format", "json", "--report", &report];
    let ended = Program::new().run(&arguments);
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(ended.err, format!("The report is {report}/index.html\n"));
    assert_eq!((&json["n_train"], &json["n_intents"], &json["n_test"]), (&8.into(), &2.into(), &4.into()));
    assert!((json["accuracy"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{json}");
    for name in ["/macro_f1", "/oos/auroc", "/oos/recall", "/oos/in_scope_accuracy", "/ece", "/threshold"] {
        let share = json.pointer(name).unwrap().as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{name} of {json}");
    }
    assert!(json["train_seconds"].as_f64().unwrap() > 0.0);
    let [p50, p99] = ["p50", "p99"].map(|name| json["latency_us"][name].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99, "{json}");
    assert_eq!(json["threshold_from"], "validation");

    let page = fs::read_to_string(folder.path("report/index.html")).unwrap();
    for there in ["my order", "order?", "退款", "66.7 %", "<polyline"] {
        assert!(page.contains(there), "{there} isn't in the report");
    }
}

#[test]
fn a_bot_is_measured_by_cross_validation() {
    let folder = Folder::new();
    let bot = folder.file("bot.toml", BUILT_IN);
    let ended = Program::new().with("CHATBOT_INTENTS_PATH", &bot).run(&["eval", "--cross-validate", "3"]);
    let said = ended.ok();
    for there in
        ["cross-validated in 3 parts", "accuracy", "of 100 texts", "Taken for each other", "The worst confusions"]
    {
        assert!(said.contains(there), "{there} isn't in {said}");
    }
    let ended =
        Program::new().run(&["eval", "--train", &folder.file("t.jsonl", TRAIN), "--shots", "2", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(ended.ok()).unwrap();
    assert_eq!((&json["n_train"], &json["folds"], &json["oos"]["auroc"]), (&4.into(), &5.into(), &().into()));
}

const BOT: &str = r#"
fallback = "help"
[intents.help]
reply.en = "help"
[intents.order]
description = "Asks where an order is."
examples = ["where is my order", "track my parcel", "我的订单在哪", "order status please", "when will it come"]
reply.en = "order"
[intents.refund]
examples = ["i want my money back", "please refund me", "我要退款", "give me a refund", "退钱给我"]
reply.en = "refund"
"#;

/// What the first model says of the texts t0 to t9: that all are orders, and how sure it is.
const CONFIDENCES: [f64; 10] = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.625, 0.6, 0.55];

/// What they are: the last four are none.
fn texts(of: &[usize]) -> String {
    let intent = |number: usize| if number < 6 { "order" } else { "refund" };
    of.iter().map(|&n| json!({"text": format!("t{n}"), "intent": intent(n)}).to_string() + "\n").collect()
}

fn number(text: &str) -> usize {
    text.trim_start_matches('t').parse().unwrap()
}

/// A model that is sure where it is right, one that is always right but fails on t9 and says not how sure it is, and a
/// program whose settings name them.
async fn cheap_and_dear() -> (Stub, Stub, Program) {
    let cheap = Stub::start(|seen: &Seen| {
        let number = number(seen.body["q"].as_str().unwrap());
        Act::json(json!({"intent": "order", "confidence": CONFIDENCES[number]}))
    })
    .await;
    let dear = Stub::start(|seen: &Seen| {
        let user: Value = serde_json::from_str(seen.body["messages"][1]["content"].as_str().unwrap()).unwrap();
        match number(user["text"].as_str().unwrap()) {
            9 => Act::status(500),
            0..6 => Act::completion(r#"{"intent": "order"}"#),
            _ => Act::completion(r#"{"intent": "refund"}"#),
        }
    })
    .await;
    let program = Program::new()
        .with("CHATBOT_CHEAP_KIND", "http")
        .with("CHATBOT_CHEAP_URL", &cheap.url)
        .with("CHATBOT_CHEAP_BODY", r#"{"q": {{ text }}}"#)
        .with("CHATBOT_CHEAP_INTENT_POINTER", "/intent")
        .with("CHATBOT_CHEAP_CONFIDENCE_POINTER", "/confidence")
        .with("CHATBOT_DEAR_KIND", "openai")
        .with("CHATBOT_DEAR_URL", &dear.url)
        .with("CHATBOT_DEAR_MODEL", "m");
    (cheap, dear, program)
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_compared_on_one_table() {
    let folder = Folder::new();
    let (_cheap, dear, program) = cheap_and_dear().await;
    let program = program.with("CHATBOT_INTENTS_PATH", &folder.file("bot.toml", BOT));
    let test = folder.file("test.jsonl", &texts(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    let report = folder.path("report");
    let all = ["eval", "--test", &test, "--model", "embedded,cheap,dear", "--at-once", "2"];
    let (as_json, as_text) = tokio::task::block_in_place(|| {
        (program.run(&[&all[..], &["--format", "json", "--report", &report]].concat()), program.run(&all))
    });

    let json: Value = serde_json::from_str(&as_json.out).unwrap();
    let [embedded, cheap, model] = [&json[0], &json[1], &json[2]];
    let names = [embedded, cheap, model].map(|model| model["model"].as_str().unwrap());
    assert_eq!((json.as_array().unwrap().len(), names), (3, ["embedded", "cheap", "dear"]));
    assert!(embedded["ece"].is_number() && embedded["failed"] == 0, "{embedded}");
    assert_eq!(
        (&cheap["accuracy"], &cheap["failed"], &cheap["threshold_from"]),
        (&json!(0.6), &json!(0), &json!("advised"))
    );
    assert!(cheap["ece"].is_number() && cheap["latency_us"]["p99"].as_f64() > Some(0.0), "{cheap}");
    assert_eq!((&model["accuracy"], &model["failed"], &model["threshold"]), (&json!(0.9), &json!(1), &json!(null)));
    assert_eq!((&model["ece"], &model["threshold_from"]), (&json!(null), &json!("decided")));
    assert_eq!((&model["failures"][0]["kind"], &model["failures"][0]["count"]), (&json!("server"), &json!(1)));
    // What it is told of the bot, and of the labels.
    let instructions = dear.seen()[0].body["messages"][0]["content"].as_str().unwrap().to_owned();
    assert!(instructions.contains("- order: Asks where an order is.\n- refund"), "{instructions}");
    assert!(dear.most_at_once() <= 2, "{}", dear.most_at_once());

    let said = as_text.out.lines().find(|line| line.starts_with("dear")).unwrap_or_default().to_owned();
    let cells: Vec<&str> = said.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!((cells[1], cells[4], cells[7], cells[10]), ("90.0 %", "-", "-", "1 of 10"), "{as_text:?}");
    assert!(as_text.err.contains("dear failed on 1 of 10 texts (1 server): the model 'dear' failed: "), "{as_text:?}");
    let page = fs::read_to_string(folder.path("report/index.html")).unwrap();
    for there in ["The models", ">cheap<", ">dear<"] {
        assert!(page.contains(there), "{there} isn't in the report");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_away_is_told() {
    let folder = Folder::new();
    let bot = folder.file("bot.toml", BOT);
    let stub = Stub::start(|_| Act::status(500)).await;
    let program = Program::new()
        .with("CHATBOT_INTENTS_PATH", &bot)
        .with("CHATBOT_X_KIND", "openai")
        .with("CHATBOT_X_URL", &stub.url)
        .with("CHATBOT_X_MODEL", "m")
        .with("CHATBOT_X_RETRIES", "off");
    let test = folder.file("test.jsonl", &texts(&[0; 30]));
    let said = ["x failed on 30 of 30 texts (10 server, 20 weren't asked", "no model answered"];
    tokio::task::block_in_place(|| program.run(&["eval", "--model", "x", "--test", &test]).failed(69, &said));
    assert_eq!(stub.seen().len(), 10);
    program.run(&["eval", "--model", "x,x"]).failed(64, &["--model names 'x' twice"]);
    program.run(&["eval", "--model", "y"]).failed(78, &["CHATBOT_Y_KIND"]);
    program.run(&["eval", "--tune", "--model", "x"]).failed(64, &["--model embedded,qwen"]);
    Program::new().run(&["eval", "--tune"]).failed(64, &["a cascade of two models is tuned, and there are 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cascade_is_tuned_to_what_the_next_model_may_cost() {
    let folder = Folder::new();
    let (_cheap, dear, program) = cheap_and_dear().await;
    let program = program.with("CHATBOT_INTENTS_PATH", &folder.file("bot.toml", BOT));
    let valid = folder.file("valid.jsonl", &texts(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    let test = folder.file("test.jsonl", &texts(&[0, 1, 2, 4, 6]));
    let report = folder.path("report");
    let all = ["eval", "--tune", "--model", "cheap,dear", "--valid", &valid, "--test", &test];
    let run = |more: &[&str]| tokio::task::block_in_place(|| program.run(&[&all[..], more].concat()));

    let json: Value =
        serde_json::from_str(run(&["--budget", "0.4", "--format", "json", "--report", &report]).out.as_str()).unwrap();
    // The next mends what the first has below 0.7, but for the last, on which it fails.
    assert_eq!((&json["min_confidence"], &json["min_margin"], &json["n"]), (&json!(0.675), &json!(0.0), &json!(10)));
    assert_eq!((&json["best"]["asked"], &json["best"]["right"]), (&json!(0.4), &json!(0.9)));
    assert_eq!((&json["first_alone"], &json["next_alone"]), (&json!(0.6), &json!(0.9)));
    assert_eq!((&json["test"]["asked"], &json["test"]["right"]), (&json!(0.2), &json!(1.0)));
    assert_eq!(json["curve"].as_array().unwrap().len(), 11);
    let set: Vec<&str> = json["settings"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(
        set,
        ["CHATBOT_MODEL_CHAIN=cheap,dear", "CHATBOT_CHEAP_MIN_CONFIDENCE=0.675", "CHATBOT_CHEAP_MIN_MARGIN=0"]
    );
    assert!(fs::read_to_string(folder.path("report/index.html")).unwrap().contains("A cascade"));

    let said = run(&["--budget", "0.1"]).out;
    for there in
        ["◀ the best within the budget", "CHATBOT_CHEAP_MIN_CONFIDENCE=0", "On the test", "cheap alone treats 60.0 %"]
    {
        assert!(said.contains(there), "{there} isn't in {said}");
    }

    // A chain with these settings does what was promised.
    let chain = set.iter().fold(program, |program, line| {
        let (name, value) = line.split_once('=').unwrap();
        program.with(name, value)
    });
    let before = dear.seen().len();
    let asked = |text: &str| {
        let ended = tokio::task::block_in_place(|| chain.run(&["classify", "--format", "json", text]));
        let json: Value = serde_json::from_str(ended.ok()).unwrap();
        (json["intent"]["name"].clone(), json["model"].clone())
    };
    assert_eq!(asked("t5"), (json!("order"), json!("cheap")));
    assert_eq!(asked("t6"), (json!("refund"), json!("dear")));
    assert_eq!(dear.seen().len(), before + 1);
}

#[test]
fn a_file_that_cant_be_measured_with_is_told() {
    let folder = Folder::new();
    let check = |name: &str, content: &str, code: i32, said: &str| {
        let path = folder.file(name, content);
        Program::new().run(&["eval", "--test", &path]).failed(code, &[&path, said]);
    };
    check("a.jsonl", "{\"text\":\"a\",\"intent\":\"b\"}\n{}", 65, "line 2: it has no 'intent'");
    check("b.jsonl", "", 65, "there is no utterance in it");
    let no_dash = "nlu:\n- intent: a\n  examples: |\n    hello there\n    你好\n";
    check("b.yml", no_dash, 65, "line 4: there is no utterance: write '- ' before each example");
    check("b.md", "## intent:a\n你好\n", 65, "line 2: there is no utterance: write '- ' before each example");
    check("c.pdf", "hi", 65, "doesn't tell its format");
    check("d.csv", "hi,there\n", 65, "line 1: the first row has to name the columns");
    check("e.toml", "fallback = 1", 78, "there are no intents");
    Program::new().run(&["eval", "--train", &folder.path("none.jsonl")]).failed(65, &["none.jsonl: can't be read"]);
    let one = folder.file("one.jsonl", "{\"text\":\"a\",\"intent\":\"b\"}\n");
    Program::new().run(&["eval", "--train", &one]).failed(65, &["a model tells at least 2 apart"]);
}

#[test]
fn other_formats_are_imported_and_read_directly() {
    let folder = Folder::new();
    let nlu = folder.file(
        "nlu.yml",
        "nlu:\n- intent: faq/order\n  examples: |\n    - where is my [kettle](product)\n    - track my order\n    - my parcel\n\
         - intent: 退款\n  examples: |\n    - 我要退款\n    - 把钱退给我\n    - 退钱\n",
    );
    let program = Program::new();
    let out = folder.path("intents.toml");
    let ended = program.run(&["import", &nlu, "--out", &out]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("3 intents, 6 examples"), "{ended:?}");
    assert!(ended.err.contains("changed (2 times, first 'faq/order' became faq_order)"), "{ended:?}");
    let made = fs::read_to_string(&out).unwrap();
    for there in ["values.\"kettle\"", "TODO", "labels = [\"退款\"]"] {
        assert!(made.contains(there), "{there} isn't in {made}");
    }
    program.run(&["import", &nlu, "--out", &out]).failed(71, &["intents.toml: can't be written"]);
    for name in ["nofolder", "没有"] {
        let nowhere = folder.path(name);
        program
            .run(&["import", &nowhere])
            .failed(65, &[&nowhere, "there is no such file or folder", "a folder of such"]);
    }
    program
        .run(&["import", &folder.file("bad.yml", "nlu: [")])
        .failed(65, &["bad.yml: line ", "this isn't valid YAML"]);

    for path in [&out, &nlu] {
        let bot = Program::new().with("CHATBOT_INTENTS_PATH", path);
        let ended = bot.run(&["classify", "track", "my", "order", "please"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("  faq_order"), "{ended:?}");
    }
    let wrong = Program::new().with("CHATBOT_INTENTS_PATH", &folder.path("none.yml"));
    wrong.run(&["classify", "hi"]).failed(78, &["none.yml has a fault", "can't be read"]);
}

/// A table of examples in English and Chinese, whose labels can't be names.
const TABLE: &str = "utterance;label\r\nwhere is my order;order?\r\ntrack my parcel, please;order?\r\norder status;order?\r\n\
                     my parcel;order?\r\n我要退款;退款\r\n把钱退给我;退款\r\n退钱;退款\r\n请退款;退款\r\n;\r\n投诉你们;投诉\r\n\
                     我要投诉;投诉\r\n投诉客服;投诉\r\n太差了我投诉;投诉\r\n";

#[test]
fn a_bot_made_of_a_file_is_right_about_that_file() {
    let folder = Folder::new();
    let (table, out) = (folder.path("表.csv"), folder.path("bot.toml"));
    let (gbk, _, _) = encoding_rs::GBK.encode(TABLE);
    fs::write(&table, gbk).unwrap();
    let program = Program::new();
    let ended = program.run(&["import", &table, "--out", &out]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for told in ["was read as GBK", "from the column 'utterance', the intents from 'label'", "'order?' became order"] {
        assert!(ended.err.contains(told), "{told}: {ended:?}");
    }
    let made = fs::read_to_string(&out).unwrap();
    assert!(made.contains("labels = [\"order?\"]") && made.contains("labels = [\"投诉\"]"), "{made}");
    for bot in [&out, &table] {
        let bot = Program::new().with("CHATBOT_INTENTS_PATH", bot);
        let ended = bot.run(&["eval", "--test", &table, "--format", "json"]);
        let json: Value = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        assert!(json["accuracy"].as_f64().unwrap() > 0.9 && json["n_test"] == 12, "{json}");
        assert!(!ended.err.contains("nothing was learnt of"), "{ended:?}");
    }
}

#[test]
fn import_is_strict_and_eval_passes_over_a_few_rows() {
    let folder = Folder::new();
    let train = folder.file("train.jsonl", TRAIN);
    let row = |n: usize| format!("where is parcel {n},order?\n");
    let rows: String = (0..19).map(row).collect();
    let few = folder.file("few.csv", &format!("text,intent\n{rows}I want to cancel, please,cancel\n"));
    let many = folder.file("many.csv", "text,intent\na,b\n,b\n");
    let program = Program::new();
    let told = "line 21: there are 3 cells where the header has 2, 'I want to cancel', 'please', 'cancel'";
    program.run(&["import", &few]).failed(65, &[&few, told]);
    let ended = program.run(&["eval", "--train", &train, "--test", &few]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.err.contains("1 of 20 rows can't be used, of which the first is") && ended.err.contains(told),
        "{ended:?}"
    );
    let told = ["1 of 2 rows can't be used", "line 3: it has no text", "more than one in ten"];
    program.run(&["eval", "--train", &train, "--test", &many]).failed(65, &told);
}

#[test]
fn a_folder_is_read_as_a_whole_and_what_is_no_data_is_told() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("bot/data/.git")).unwrap();
    folder.file("bot/data/nlu.csv", "text,intent\nhi,greet\nhello,greet\n");
    folder.file(
        "bot/data/more.json",
        "[{\"text\": \"bye\", \"intent\": \"goodbye\"}, {\"text\": \"cya\", \"intent\": \"goodbye\"}]",
    );
    folder.file("bot/data/.git/config.yml", "nlu: [");
    folder.file("bot/data/empty.csv", "");
    folder.file("bot/package.json", "{\"name\": \"bot\"}");
    folder.file("bot/requirements.txt", "rasa==3.6\n");
    folder.file("bot/logo.png", "\u{1}");
    fs::create_dir_all(folder.path("bot/node_modules/x")).unwrap();
    folder.file("bot/node_modules/x/bad.csv", "text,intent\n\"hi,greet\n");
    folder.file("bot/pyproject.toml", "[project]\nname = \"bot\"\n");
    let bot = folder.path("bot");
    let out = folder.path("bot.toml");
    let ended = Program::new().run(&["import", &bot, "--out", &out]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("3 intents, 4 examples"), "{ended:?}");
    for told in [
        "no data for a bot (2 times, first in",
        "of no format that is known",
        "no intents file",
        "without data",
        "libraries",
    ] {
        assert!(ended.err.contains(told), "{told}: {ended:?}");
    }
    let direct = Program::new().with("CHATBOT_INTENTS_PATH", &bot);
    assert_eq!(direct.run(&["classify", "hello"]).code, Some(0));
    // A bot's replies would be lost.
    fs::copy(&out, folder.path("bot/data/bot.toml")).unwrap();
    direct.run(&["classify", "hello"]).failed(78, &["bot.toml in it is an intents file"]);
    // What is data and at fault isn't passed over.
    folder.file("bot/data/bad.csv", "text,intent\n\"hi,greet\n");
    Program::new().run(&["import", &bot]).failed(65, &["bad.csv: line 2", "isn't closed"]);
}
