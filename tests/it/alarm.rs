//! A broker that takes no messages, for want of memory or disk: who asks is told at once.

use std::time::{Duration, Instant};

use crate::{cli::program::Program, node::Node, support::eventually};

/// The step limit of a connection, which a question that is never answered takes; many of them take it many times.
const ONE_STEP: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn check_and_workers_say_at_once_which_alarm_the_broker_has() {
    let node = Node::start("alarm");
    let program = Program::new().without("CHATBOT_AMQP_URL").with("CHATBOT_AMQP_URL", &node.url);
    program.run(&["topology", "declare"]).ok();
    node.ctl(&["set_vm_memory_high_watermark", "0.0000001"]);
    eventually("the alarm", || async {
        (node.ctl(&["--quiet", "eval", "rabbit_alarm:get_alarms()."]).trim() != "[]").then_some(())
    })
    .await;
    let begun = Instant::now();
    let workers = program.run(&["workers"]);
    assert!(begun.elapsed() < ONE_STEP, "{:?}", begun.elapsed());
    workers.failed(69, &["it says: low on memory"]);

    // To train the model, after the broker, may take longer.
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
