//! The queues of dead letters: what waits in them, and when each is made.

use lapin::{Confirmation, options::BasicPublishOptions};

use super::*;
use crate::admin::shell;

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_waits_and_what_has_waited_for_too_long() {
    let office = Office::open().await;
    let check = || {
        let checked = tokio::task::block_in_place(|| office.program.run(&["check", "--format", "json"]));
        let found: Vec<Value> = serde_json::from_str(&checked.out).unwrap();
        let dead = found.iter().filter(|line| line["check"] == "dead");
        dead.map(|line| format!("{}: {}", line["status"], line["message"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(check(), ["ok: no dead letter waits; whether a policy limits their queues can't be asked by AMQP"]);
    office.put("requests", "request", "timeout", Duration::ZERO, "a").await;
    office.put("requests", "request", "timeout", Duration::ZERO, "b").await;
    office.put("requests", "request", "crashed", Duration::ZERO, "c").await;
    office.put("intent.refund", "intent.refund", "timeout", Duration::from_secs(40 * 86_400), "d").await;
    let exchange = office.names.exchange();
    let expected = [
        format!("warn: 3 in {exchange}.requests.dead: what couldn't be answered (timeout 2, crashed 1)"),
        format!("warn: 1 in {exchange}.intent.refund.dead: what couldn't be answered (timeout 1)"),
        format!(
            "warn: {exchange}.intent.refund.dead holds a letter that is 40 days old: nothing limits their age to 30 days"
        ),
    ];
    assert_eq!(check(), expected);
    assert_eq!(office.depth(&office.queue("requests")).await, 3);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_letter_of_an_intent_makes_its_queue_and_none_is_lost() {
    const LETTERS: usize = 40;
    let worker = Bench::new().start().await;
    let office = Office::of(&worker.names).await;
    let refund = office.queue("intent.refund");
    assert!(!office.client.exists(&refund).await, "it is made by its first letter");
    assert!(office.client.exists(&office.queue("requests")).await);
    office.dead(&["list", "--queue", "intent.refund"]).ok();
    for _ in 0..LETTERS {
        office.client.publish("intent.refund", BasicProperties::default().with_delivery_mode(2), b"").await;
    }
    eventually("all letters", || async { (office.depth(&refund).await == LETTERS).then_some(()) }).await;
    assert_eq!(office.depth(&office.queue("requests")).await, 0);
    let listed = lines(office.dead(&["list", "--format", "json", "--queue", "intent.refund"]).ok());
    assert_eq!(listed.len(), LETTERS);
    worker.stop_and_leave().await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_its_queue_may_not_be_made_a_letter_is_found_among_those_of_the_requests() {
    let office = Office::open().await;
    let mut bench = Bench::new().named(&office.names);
    // The other intent of the bench is not in the office's file.
    bench.parts.routes.remove("queued");
    bench.settings.topology = chatbot_worker::amqp::objects::declare::TopologyMode::Verify;
    let worker = bench.start().await;
    office.client.publish("intent.refund", BasicProperties::default().with_delivery_mode(2), b"").await;
    office.client.publish("request", BasicProperties::default().with_delivery_mode(2), b"").await;
    let requests = office.queue("requests");
    eventually("both letters", || async { (office.depth(&requests).await == 2).then_some(()) }).await;
    assert!(!office.client.exists(&office.queue("intent.refund")).await);

    let of = |queue: &str| lines(office.dead(&["list", "--format", "json", "--queue", queue]).ok());
    for queue in ["requests", "intent.refund"] {
        let listed = of(queue);
        assert_eq!(listed.len(), 1, "{queue}: {listed:?}");
        assert_eq!(listed[0]["queue"], queue);
    }
    let id = of("intent.refund")[0]["id"].clone();
    // It is put back there, and is the same.
    let file = office.folder.join("refund.jsonl");
    let export = ["export", "--queue", "intent.refund", "--remove", "--output", file.to_str().unwrap()];
    assert_eq!(office.dead(&export).err, "exported and removed: 1\n");
    assert_eq!(office.depth(&requests).await, 1, "the other stays");
    assert_eq!(office.dead(&["import", file.to_str().unwrap()]).ok(), "imported: 1 of 1\n");
    assert_eq!(office.depth(&requests).await, 2);
    assert_eq!(of("intent.refund")[0]["id"], id);
    // Once its queue is there, it goes there.
    office.client.make_dead_letter_queue(&WorkQueue::Intent(intent("refund"))).await;
    office.client.publish("intent.refund", BasicProperties::default().with_delivery_mode(2), b"").await;
    office.client.take(&office.queue("intent.refund")).await;
    worker.stop_and_leave().await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_beside_the_printed_policys_overflow_refuses_and_drops_no_letter() {
    let office = Office::open().await;
    let (queue, name) = (office.queue("requests"), format!("{}-dead", office.names.exchange()));
    let printed = tokio::task::block_in_place(|| office.program.run(&["topology", "policy"]));
    let is_wanted = |line: &&str| line.starts_with("rabbitmqctl") && line.contains(&name);
    let policy = printed.ok().lines().filter_map(|line| line.strip_prefix("# ")).find(is_wanted).unwrap();
    let limited = policy.replacen('{', r#"{"max-length":3,"#, 1);
    assert!(limited.contains(r#"'{"max-length":3,"message-ttl":"#), "{limited}");
    shell(&limited);
    // The policy may take a moment to apply.
    let (mut kept, mut refused) = (0, false);
    while !refused && kept < 1000 {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
        let publish = office.client.channel.basic_publish(short(""), short(&queue), options, b"letter", properties);
        match publish.await.unwrap().await.unwrap() {
            Confirmation::Ack(_) => kept += 1,
            Confirmation::Nack(_) => refused = true,
            Confirmation::NotRequested => unreachable!("it publishes with confirms"),
        }
    }
    assert!(refused, "{kept}");
    assert_eq!(office.depth(&queue).await, kept, "none was dropped");
    shell(&format!("rabbitmqctl clear_policy {name}"));
    office.close().await;
}
