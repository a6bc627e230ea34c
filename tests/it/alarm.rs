//! A broker that takes no messages, for want of memory or disk: who asks is told so.

use std::path::Path;

use crate::{cli::program::Program, node::Node, support::eventually};

const LETTER: &str =
    r#"{"queue":"requests","properties":{"headers":{"chatbot-routing-key":{"long_string":"request"}}},"body":"hi"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn commands_say_which_alarm_the_broker_has_and_wait_for_none() {
    let node = Node::start("alarm");
    let program = Program::new().without("CHATBOT_AMQP_URL").with("CHATBOT_AMQP_URL", &node.url);
    program.run(&["topology", "declare"]).ok();
    let letters = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alarm.jsonl");
    std::fs::write(&letters, LETTER).unwrap();
    let import = ["dead", "import", letters.to_str().unwrap()];
    assert_eq!(program.run(&import).ok(), "imported: 1 of 1\n");
    node.ctl(&["set_vm_memory_high_watermark", "0.0000001"]);
    eventually("the alarm", || async {
        (node.ctl(&["--quiet", "eval", "rabbit_alarm:get_alarms()."]).trim() != "[]").then_some(())
    })
    .await;
    let why = ["it says: low on memory"];
    program.run(&["workers"]).failed(69, &why);
    program.run(&["dead", "replay", "--all"]).failed(69, &why);
    program.run(&import).failed(69, &why);
    std::fs::remove_file(letters).unwrap();

    let checked = program.run(&["check", "--format", "json"]);
    assert_eq!(checked.code, Some(69), "{checked:?}");
    let found: Vec<serde_json::Value> = serde_json::from_str(&checked.out).unwrap();
    let failed: Vec<_> = found.iter().filter(|line| line["status"] == "fail").collect();
    assert!(
        matches!(&failed[..], [line] if line["message"].as_str().is_some_and(|it| it.contains("it says: low on memory"))
            && line["mend"].as_str().is_some_and(|it| it.contains("vm_memory_high_watermark"))),
        "{failed:?}"
    );
    // What needs no publishing is looked at all the same.
    let is_there = |check: &str| found.iter().any(|line| line["check"] == check);
    assert!(["topology", "consumers", "messages", "dead"].into_iter().all(is_there), "{found:?}");
}
