//! `train`, and the model that it saved.

use std::fs;

use chatbot_worker::app::intents::BUILT_IN;

use super::{folder::Folder, program::Program};

#[test]
fn a_saved_model_answers_as_the_trained_one_until_the_examples_change() {
    let folder = Folder::new();
    let (intents, saved) = (folder.file("bot.toml", BUILT_IN), folder.path("model.bin"));
    let program = || Program::new().with("CHATBOT_INTENTS_PATH", &intents);
    let trained = program().run(&["train", "--out", &saved, "--format", "json"]);
    let told = &trained.json_lines()[0];
    assert_eq!((told["path"].as_str(), told["intents"].as_u64()), (Some(saved.as_str()), Some(19)));
    assert_eq!(told["bytes"].as_u64(), Some(fs::metadata(&saved).unwrap().len()));
    assert!(!fs::exists(format!("{saved}.part")).unwrap());

    // Where nobody listens: a worker waits for its broker with the model made.
    let loading = || program().with("CHATBOT_EMBEDDED_PATH", &saved).with("CHATBOT_AMQP_URL", super::NOBODY);
    let texts = "我想查询产品规格\nI want to return this kettle\nqwxz\n".as_bytes();
    let ask = ["classify", "--format", "json"];
    let expected = program().fed(&ask, texts);
    assert_eq!(loading().fed(&ask, texts).ok(), expected.ok());
    let checked = loading().run(&["check"]);
    assert!(checked.out.contains(&format!("loaded from {saved}")), "{checked:?}");
    let mut worker = loading().start();
    worker.until("the intent model is loaded");
    drop(worker);

    assert!(BUILT_IN.contains("\"hello there\""));
    fs::write(&intents, BUILT_IN.replace("\"hello there\"", "\"hello you\"")).unwrap();
    let stale = loading().fed(&ask, texts);
    stale.failed(0, &[&saved, "trained on other examples", "chatbot-worker train --out"]);
    assert_eq!(stale.out.lines().count(), 3);
    let mut worker = loading().start();
    worker.until("trained on other examples");
    worker.until("the intent model is trained");

    fs::write(&saved, "no model").unwrap();
    loading().fed(&ask, texts).failed(0, &["it isn't a saved model"]);
    fs::remove_file(&saved).unwrap();
    loading().fed(&ask, texts).failed(0, &["it can't be read"]);
    program().run(&["train", "--out", &folder.path("missing/model.bin")]).failed(71, &["can't be written"]);
    // Its own bot, say: what is no saved model isn't overwritten.
    let bot = fs::read_to_string(&intents).unwrap();
    program().run(&["train", "--out", &intents]).failed(71, &["no saved model"]);
    assert_eq!(fs::read_to_string(&intents).unwrap(), bot);
}
