//! A queue that somebody else declared with other arguments is replaced, under load and interrupted, and nothing is lost.

mod messages;
mod site;

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use chatbot_worker::amqp::{Names, WorkQueue, migrate::Stage};
use lapin::{
    options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::{
    messages::{all_as_published, body, properties, publish, publish_on, take_all},
    site::{Site, classic, quorum},
};
use crate::{
    admin::complaints,
    support::{Bench, PATIENCE, broker_url, eventually, header, headers, intent, remove, short},
};

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_migrated_under_load_and_each_message_stays_as_it_was() {
    let site = Site::new().await;
    let queue = site.names.queue(&WorkQueue::Requests);
    for (arguments, difference) in [(classic(), "x-"), (quorum(), "x-dead-letter")] {
        site.declare_other(&queue, arguments).await;
        publish(&site.client, 0..500).await;
        // The worker's own words lead to the command, and it says first what it would do.
        let refused = site.admin.run(&["topology", "declare"]);
        assert!(refused.code == Some(78) && refused.err.contains("topology migrate"), "{refused:?}");
        let planned = site.admin.run(&["topology", "migrate", "--dry-run"]);
        assert_eq!(planned.code, Some(0), "{planned:?}");
        assert!(planned.out.starts_with(&format!("queue '{queue}', messages: 500, consumers: 0\n")), "{planned:?}");
        assert!(planned.out.contains(&format!("inequivalent arg '{difference}")), "{planned:?}");
        assert_eq!(planned.out.lines().count(), 2 + Stage::ALL.len(), "{planned:?}");
        assert_eq!(site.admin.run(&["topology", "migrate"]).code, Some(64));
        assert_eq!(site.client.depth(&queue).await, 500, "nothing was done yet");

        let (stop, publishing) = publish_on(&site.names, 500);
        let told = site.migrate();
        stop.cancel();
        let published = publishing.await.unwrap();
        assert!(told.starts_with(&format!("migrated queue '{queue}': it holds the ")), "{told}");
        assert!(published > 500, "{published}");
        site.is_as_it_must_be();
        site.nothing_is_held(&queue).await;
        let taken = take_all(&site.client, &queue).await;
        let twice = all_as_published(&taken, published);
        assert!(twice <= 100, "{twice} of {published} came twice");
    }
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_after_any_stage_it_goes_on_with_nothing_lost() {
    let site = Site::new().await;
    let queue = site.names.queue(&WorkQueue::Requests);
    for done in 0..=Stage::ALL.len() {
        site.declare_other(&queue, if done % 2 == 0 { classic() } else { quorum() }).await;
        publish(&site.client, 0..200).await;
        let (stop, publishing) = publish_on(&site.names, 200);
        let (migrator, tasks) = site.migrator().await;
        assert_eq!(tasks.len(), 1, "{done}: {tasks:?}");
        for stage in Stage::ALL.into_iter().take(done) {
            migrator.run(&tasks[0], stage, |_| {}).await.unwrap();
        }
        migrator.close().await;
        let (found, _) = site.admin.check();
        let begun =
            complaints(&found, "topology").iter().any(|told| told.starts_with("warn: a queue is being migrated"));
        assert_eq!(begun, done > 0, "{found:?}");
        // What happens then is no matter: a worker's start, say, that finds the old queue or none.
        site.admin.run(&["topology", "declare"]);
        site.migrate();
        stop.cancel();
        let published = publishing.await.unwrap();
        site.is_as_it_must_be();
        site.nothing_is_held(&queue).await;
        all_as_published(&take_all(&site.client, &queue).await, published);
    }
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_within_a_move_only_what_was_in_flight_comes_twice() {
    let site = Site::new().await;
    let queue = site.names.queue(&WorkQueue::Requests);
    for within in [Stage::MoveOut, Stage::MoveBack] {
        site.declare_other(&queue, classic()).await;
        publish(&site.client, 0..600).await;
        let (migrator, tasks) = site.migrator().await;
        for stage in Stage::ALL.into_iter().filter(|stage| *stage < within) {
            migrator.run(&tasks[0], stage, |_| {}).await.unwrap();
        }
        let (enough, moved) = (Notify::new(), AtomicU64::new(0));
        let progress = |so_far| {
            moved.store(so_far, Ordering::Relaxed);
            if so_far == 150 {
                enough.notify_one();
            }
        };
        tokio::select! {
            ended = migrator.run(&tasks[0], within, progress) => unreachable!("it wasn't interrupted: {ended:?}"),
            () = enough.notified() => {}
        }
        drop(migrator);
        site.migrate();
        site.is_as_it_must_be();
        let twice = all_as_published(&take_all(&site.client, &queue).await, 600);
        assert!(twice <= 100, "{within:?}: {twice} came twice");
    }
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_under_load_it_ends_with_nothing_lost() {
    let site = Site::new().await;
    let queue = site.names.queue(&WorkQueue::Requests);
    site.declare_other(&queue, classic()).await;
    publish(&site.client, 0..1500).await;
    let (stop, publishing) = publish_on(&site.names, 1500);
    let mut kills = 0;
    for patience in (1..).map(|try_number| Duration::from_millis(40 * try_number)) {
        let mut command = site.admin.command(&["topology", "migrate", "--yes"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(patience).await;
        let Some(status) = child.try_wait().unwrap() else {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            continue;
        };
        // One that comes before the broker has noticed the last one's end may find its consumer.
        if status.success() {
            break;
        }
        assert!(kills < 200, "{status}");
    }
    stop.cancel();
    let published = publishing.await.unwrap();
    assert!(kills > 3, "{kills}");
    site.is_as_it_must_be();
    site.nothing_is_held(&queue).await;
    all_as_published(&take_all(&site.client, &queue).await, published);
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_queue_is_migrated_and_works_as_before() {
    let site = Site::new().await;
    let (names, client) = (&site.names, &site.client);
    let requests = names.queue(&WorkQueue::Requests);
    let refund = names.queue(&WorkQueue::Intent(intent("refund")));
    let (dead, suspects) = (Names::dead(&requests), names.queue(&WorkQueue::Suspects));
    let (retry, died) = (names.retry_queue(Duration::from_millis(100)), names.died());
    let all = [&requests, &refund, &dead, &suspects, &retry, &died, &Names::dead(&died)];
    for (number, queue) in all.iter().enumerate() {
        site.declare_other(queue, if number % 2 == 0 { classic() } else { quorum() }).await;
    }
    let plain = |body: &str| (client.properties(body).with_message_id(short(body)), body.to_owned());
    // One for each: a client's, a worker's retry and dead letter, and what nobody binds.
    let (properties, text_of) = plain("refund please");
    client.publish("intent.refund", properties.with_user_id(short("guest")), text_of.as_bytes()).await;
    let (properties, text_of) = plain("refund again");
    let waits = headers(&[("chatbot-retry-delay-ms", AMQPValue::LongLongInt(100))]);
    let properties = properties.with_headers(waits);
    client.publish_to(&names.retry_exchange(), &requests, properties, text_of.as_bytes()).await;
    let (properties, text_of) = plain("dead");
    let reason = headers(&[("chatbot-dead-reason", text("internal"))]);
    client.publish_to("", &dead, properties.with_headers(reason), text_of.as_bytes()).await;
    let (properties, text_of) = plain("nobody");
    client.publish_to(&died, "nobody.binds.this", properties, text_of.as_bytes()).await;

    site.migrate();
    site.is_as_it_must_be();
    for queue in all {
        site.nothing_is_held(queue).await;
    }
    let letter = client.take(&dead).await;
    assert_eq!(
        (letter.data.as_slice(), header(&letter, "chatbot-dead-reason").as_deref()),
        (&b"dead"[..], Some("internal"))
    );
    // What a worker makes of them is what it would have made before.
    let worker = Bench::new().named(names).start().await;
    let mut answers = BTreeMap::new();
    let mut client = site.client;
    while answers.len() < 3 {
        let answer = client.next().await;
        answers.insert(answer.correlation_id().unwrap().to_owned(), answer);
    }
    assert_eq!(answers["refund please"].text(), Some("refund: refund please"));
    assert_eq!(answers["refund again"].text(), Some("refund: refund again"));
    assert_eq!(answers["nobody"].code(), Some("unroutable"));
    assert!(answers["nobody"].json["error"]["message"].as_str().unwrap().contains("nobody.binds.this"));
    worker.stop_and_leave().await;
    remove(&broker_url(), &site.names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_of_people_is_migrated_with_what_lets_them_speak() {
    let mut site = Site::new().await;
    site.topology = site.topology.clone().with_person(&site.names);
    let people = site.names.queue(&WorkQueue::Person);
    site.declare_other(&people, classic()).await;
    // As a worker hands it over.
    let ours = [("chatbot-conversation", "0.pass"), ("chatbot-intent", "human_agent")];
    let handed = properties(1).with_headers(headers(&ours.map(|(name, value)| (name, text(value)))));
    site.client.publish_to("", &people, handed, &body(1)).await;
    let (migrator, tasks) = site.migrator().await;
    assert_eq!(tasks.iter().map(|task| task.queue.name.as_str()).collect::<Vec<_>>(), [people.as_str()]);
    for stage in Stage::ALL {
        migrator.run(&tasks[0], stage, |_| {}).await.unwrap();
    }
    migrator.done().await.unwrap();
    assert!(migrator.survey(&site.topology).await.unwrap().is_empty());
    migrator.close().await;
    site.nothing_is_held(&people).await;
    let taken = site.client.take(&people).await;
    assert_eq!((taken.routing_key.as_str(), taken.data.as_slice()), (people.as_str(), body(1).as_slice()));
    for (name, value) in ours {
        assert_eq!(header(&taken, name).as_deref(), Some(value));
    }
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_consumed_is_not_touched() {
    let site = Site::new().await;
    let queue = site.names.queue(&WorkQueue::Requests);
    site.declare_other(&queue, classic()).await;
    publish(&site.client, 0..3).await;
    let channel = site.client.connection.create_channel().await.unwrap();
    let options = lapin::options::BasicConsumeOptions::default();
    let consumer = channel.basic_consume(short(&queue), short(""), options, FieldTable::default()).await.unwrap();
    let ended = site.admin.run(&["topology", "migrate", "--yes"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains(&format!("queue '{queue}' has 1 consumers: stop them first")), "{ended:?}");
    site.nothing_is_held(&queue).await;
    drop(consumer);
    channel.close(200, short("done")).await.unwrap();
    eventually("the consumer's end", || async {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let found = site.client.channel.queue_declare(short(&queue), options, FieldTable::default()).await.unwrap();
        (found.consumer_count() == 0).then_some(())
    })
    .await;
    site.migrate();
    tokio::time::timeout(PATIENCE, async { all_as_published(&take_all(&site.client, &queue).await, 3) }).await.unwrap();
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interrupted_migration_holds_is_shown_and_goes_only_as_other_queues_do() {
    let site = Site::new().await;
    let (requests, refund) = (WorkQueue::Requests, WorkQueue::Intent(intent("refund")));
    let [requests, refund] = [requests, refund].map(|queue| site.names.queue(&queue));
    for queue in [&requests, &refund] {
        site.declare_other(queue, classic()).await;
    }
    let planned = site.admin.run(&["topology", "migrate", "--dry-run", "--format", "json"]);
    let planned: Vec<Value> = planned.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let queues: Vec<&Value> = planned.iter().map(|line| &line["queue"]).collect();
    assert!(queues.len() == 2 && queues.contains(&&json!(requests)) && queues.contains(&&json!(refund)), "{planned:?}");
    assert_eq!(planned[0]["stages"], json!(["divert", "move_out", "replace", "move_back", "finish"]));
    assert!(planned[0]["difference"].as_str().is_some_and(|it| it.contains("inequivalent arg")), "{planned:?}");
    publish(&site.client, 0..3).await;
    site.client.publish("intent.refund", properties(3), b"refund").await;
    let (migrator, tasks) = site.migrator().await;
    for task in &tasks {
        for stage in [Stage::Divert, Stage::MoveOut] {
            migrator.run(task, stage, |_| {}).await.unwrap();
        }
    }
    migrator.close().await;
    let held = [&requests, &refund].map(|queue| site.names.holding_of(queue));
    let shown = site.admin.run(&["topology"]);
    let row = shown.out.lines().find(|line| line.starts_with("queue") && line.contains(&held[0])).expect(&shown.out);
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[2..5], ["exists", "3", "0"], "{row}");

    // An intent that is taken out meanwhile: what is held of it is found by the broker's list, and kept.
    site.admin.without_intent("refund");
    let list = format!("{}\n{}\n", held[0], held[1]);
    let prune = || site.admin.run_with(&["topology", "prune", "--queues", "-", "--yes"], &list);
    let pruned = prune();
    assert_eq!(pruned.code, Some(1), "{pruned:?}");
    assert!(pruned.out.contains(&format!("keep '{}': messages: 1", held[1])), "{pruned:?}");
    assert!(!pruned.out.contains(&held[0]), "{pruned:?}");
    take_all(&site.client, &held[1]).await;
    let pruned = prune();
    assert_eq!(pruned.code, Some(0), "{pruned:?}");
    site.is_gone(&held[1]).await;

    let deleted = site.admin.run(&["topology", "delete", "--yes"]);
    assert_eq!(deleted.code, Some(1), "{deleted:?}");
    assert!(deleted.out.contains(&format!("queue '{}', messages: 3", held[0])), "{deleted:?}");
    let deleted = site.admin.run(&["topology", "delete", "--yes", "--with-messages"]);
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    site.nothing_is_held(&requests).await;
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_migrated_is_told_to_programs() {
    let site = Site::new().await;
    let queue = site.names.queue(&WorkQueue::Requests);
    site.declare_other(&queue, classic()).await;
    publish(&site.client, 0..3).await;
    let migrated = site.admin.run(&["topology", "migrate", "--yes", "--format", "json"]);
    assert_eq!(migrated.code, Some(0), "{migrated:?}");
    let line: Value = serde_json::from_str(&migrated.out).unwrap();
    assert_eq!((&line["queue"], &line["moved"], &line["unreadable"]), (&json!(queue), &json!(3), &json!(0)), "{line}");
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_another_type_is_told_with_what_to_do_and_fails() {
    let site = Site::new().await;
    let (exchange, requests) = (site.names.exchange(), site.names.queue(&WorkQueue::Requests));
    let channel = &site.client.channel;
    channel.exchange_delete(short(exchange), ExchangeDeleteOptions::default()).await.unwrap();
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let kind = lapin::ExchangeKind::Fanout;
    channel.exchange_declare(short(exchange), kind, options, FieldTable::default()).await.unwrap();
    for option in ["--dry-run", "--yes"] {
        let ended = site.admin.run(&["topology", "migrate", option]);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        let said = [
            format!("exchange '{exchange}': the broker says: 406 PRECONDITION_FAILED - inequivalent arg 'type'"),
            "`topology migrate` replaces queues only".to_owned(),
        ];
        assert!(said.iter().all(|said| ended.err.contains(said)), "{ended:?}");
    }
    // The steps that it says.
    channel.exchange_delete(short(exchange), ExchangeDeleteOptions::default()).await.unwrap();
    assert_eq!(site.admin.run(&["topology", "declare"]).code, Some(0));
    site.is_as_it_must_be();
    publish(&site.client, 0..1).await;
    assert_eq!(site.client.depth(&requests).await, 1);
    site.remove().await;
}
