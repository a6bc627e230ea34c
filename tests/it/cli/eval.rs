//! `eval` and `import`: no broker.

use std::{fs, path::PathBuf};

use chatbot_worker::app::intents::BUILT_IN;

use super::program::Program;

/// A folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("chatbot-eval-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// A file in it; its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

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

#[test]
fn a_file_that_cant_be_measured_with_is_told() {
    let folder = Folder::new();
    let check = |name: &str, content: &str, code: i32, said: &str| {
        let path = folder.file(name, content);
        Program::new().run(&["eval", "--test", &path]).failed(code, &[&path, said]);
    };
    check("a.jsonl", "{\"text\":\"a\",\"intent\":\"b\"}\n{}", 65, "line 2: missing field");
    check("b.jsonl", "", 65, "there is no utterance in it");
    check("c.txt", "hi", 65, "doesn't tell its format");
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
    assert!(ended.err.contains("the label 'faq/order' became the intent faq_order"), "{ended:?}");
    let made = fs::read_to_string(&out).unwrap();
    assert!(made.contains("values.\"kettle\"") && made.contains("TODO"), "{made}");
    program.run(&["import", &nlu, "--out", &out]).failed(71, &["intents.toml: can't be written"]);
    program.run(&["import", &folder.file("bad.yml", "nlu: [")]).failed(65, &["bad.yml: this isn't valid YAML"]);

    for path in [&out, &nlu] {
        let bot = Program::new().with("CHATBOT_INTENTS_PATH", path);
        let ended = bot.run(&["classify", "track", "my", "order", "please"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("  faq_order"), "{ended:?}");
    }
    let wrong = Program::new().with("CHATBOT_INTENTS_PATH", &folder.path("none.yml"));
    wrong.run(&["classify", "hi"]).failed(78, &["none.yml: can't be read"]);
}
