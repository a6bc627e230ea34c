//! Letters that are written down, put back and purged.

use std::time::Instant;

use lapin::{options::BasicNackOptions, types::DecimalValue};

use super::*;
use crate::{
    cli::program::end_of,
    raw::{RawMessage, RawPublisher, property},
    support::PATIENCE,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_purged_and_imported_is_what_it_was_byte_for_byte() {
    let office = Office::open().await;
    let file = office.folder.join("dead.jsonl");
    let file = file.to_str().unwrap();
    let dead = office.queue("intent.refund");
    let table = headers(&[
        ("chatbot-dead-reason", AMQPValue::LongString("timeout".into())),
        ("i8", AMQPValue::ShortShortInt(-7)),
        ("i16", AMQPValue::ShortInt(-700)),
        ("u32", AMQPValue::LongUInt(7)),
        ("f32", AMQPValue::Float(0.1)),
        ("f64", AMQPValue::Double(1e-300)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 1, value: 7 })),
        ("bytes", AMQPValue::ByteArray(vec![0, 0xff].into())),
        ("not text", AMQPValue::LongString(vec![0xff, 0xfe].into())),
        ("time", AMQPValue::Timestamp(1_700_000_000)),
        ("list", AMQPValue::FieldArray(vec![AMQPValue::Void, AMQPValue::Boolean(true)].into())),
        ("table", AMQPValue::FieldTable(headers(&[("在", AMQPValue::LongLongInt(i64::MIN))]))),
    ]);
    let properties = BasicProperties::default()
        .with_headers(table)
        .with_content_type(short("application/json"))
        .with_content_encoding(short("gzip"))
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id(short("c"))
        .with_reply_to(short("answers"))
        .with_message_id(short("m"))
        .with_timestamp(7)
        .with_type(short("chat.request"))
        .with_app_id(short("app"));
    let bodies: [&[u8]; 3] = [&[0x1f, 0x8b, 0xff, 0], "怎么退货\n\"".as_bytes(), b""];
    office.client.make_dead_letter_queue(&WorkQueue::Intent(intent("refund"))).await;
    for body in bodies {
        office.client.publish_to("", &dead, properties.clone(), body).await;
    }
    let read = async || {
        let mut found = Vec::new();
        while let Some(got) = office.client.channel.basic_get(short(&dead), BasicGetOptions::default()).await.unwrap() {
            found.push((got.delivery.properties, got.delivery.data));
        }
        let back = BasicNackOptions { multiple: true, requeue: true };
        office.client.channel.basic_nack(0, back).await.unwrap();
        eventually("they are back", || async { (office.depth(&dead).await == found.len()).then_some(()) }).await;
        found
    };
    let written = read().await;
    assert_eq!(written.len(), 3);
    let ids = |ended: Ended| -> BTreeSet<String> {
        lines(ended.ok()).iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
    };
    let before = ids(office.dead(&["list", "--format", "json"]));

    let exported = office.dead(&["export", "--all", "--output", file]);
    assert_eq!((exported.code, exported.err.as_str()), (Some(0), "exported: 3\n"), "{exported:?}");
    office.dead(&["export", "--all", "--output", file]).failed(71, &["can't be made", "name another"]);
    let listed = office.dead(&["purge", "--all"]);
    listed.failed(64, &["add --yes"]);
    assert!(listed.out.contains("intent.refund"), "{listed:?}");
    assert_eq!(office.depth(&dead).await, 3);
    assert_eq!(office.dead(&["purge", "--all", "--yes"]).ok(), "dropped: 3\n");
    assert_eq!(office.depth(&dead).await, 0);
    assert_eq!(office.dead(&["import", file]).ok(), "imported: 3 of 3\n");
    let back = read().await;
    for (properties, body) in &back {
        let expected = written.iter().find(|(_, of)| of == body).unwrap();
        assert_eq!(properties, &expected.0);
    }
    assert_eq!(back.len(), 3);
    assert_eq!(ids(office.dead(&["list", "--format", "json"])), before);

    // Taken out by the export itself, and put back; a line that was cut off puts back nothing.
    let file = office.folder.join("removed.jsonl");
    let removed = office.dead(&["export", "--all", "--remove", "--output", file.to_str().unwrap()]);
    assert_eq!((removed.code, removed.err.as_str()), (Some(0), "exported and removed: 3\n"), "{removed:?}");
    assert_eq!(office.depth(&dead).await, 0);
    let whole = std::fs::read_to_string(&file).unwrap();
    // At its end, and within a character.
    for end in [whole.len() - 9, whole.find('货').unwrap() + 1] {
        let cut = &whole.as_bytes()[..end];
        std::fs::write(&file, cut).unwrap();
        let line = 1 + cut.iter().filter(|&&byte| byte == b'\n').count();
        let told = format!("line {line}: it isn't a dead letter");
        office.dead(&["import", file.to_str().unwrap()]).failed(65, &[&told]);
    }
    std::fs::write(&file, whole.replacen("chat.request", "chat.riquest", 1)).unwrap();
    office.dead(&["import", file.to_str().unwrap()]).failed(65, &["line 1: it was changed"]);
    assert_eq!(office.depth(&dead).await, 0);
    std::fs::write(&file, whole).unwrap();
    assert_eq!(office.dead(&["import", file.to_str().unwrap()]).ok(), "imported: 3 of 3\n");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_worker_adds_letters_two_commands_take_each_out_once() {
    const LETTERS: usize = 600;
    let worker = Bench::new().start().await;
    let office = Office::of(&worker.names).await;
    let file = |number: usize| office.folder.join(format!("{number}.jsonl"));
    let export = |number: usize| {
        let path = file(number);
        office.start(&["export", "--all", "--remove", "--output", path.to_str().unwrap()])
    };
    let client = Client::new(&broker_url(), &office.names).await;
    let publishing = tokio::spawn(async move {
        for number in 0..LETTERS {
            // Not a request: the worker dead-letters it.
            let body = format!("{{\"body\":\"\",\"n\":{number}}}");
            let properties = BasicProperties::default().with_delivery_mode(2);
            client.publish("request", properties.with_content_type(short("application/json")), body.as_bytes()).await;
        }
    });
    let (mut files, mut taken_meanwhile, begun) = (0, 0, Instant::now());
    loop {
        let mut pair = [export(files), export(files + 1)];
        files += 2;
        let codes = tokio::task::block_in_place(|| pair.each_mut().map(|child| end_of(child).code()));
        // 1: it came when there was none.
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 1))), "{codes:?}");
        let taken: usize = (0..files).map(|number| count(&file(number))).sum();
        if taken >= LETTERS {
            break;
        }
        taken_meanwhile = taken;
        assert!(begun.elapsed() < PATIENCE, "taken: {taken}");
    }
    publishing.await.unwrap();
    assert!(taken_meanwhile > 0, "they were all there before the first command");
    let taken: Vec<String> = (0..files)
        .flat_map(|number| lines(&std::fs::read_to_string(file(number)).unwrap()))
        .map(|letter| letter["body"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(taken.len(), LETTERS);
    assert_eq!(distinct(&taken).len(), LETTERS);
    assert_eq!(office.depth(&office.queue("requests")).await, 0);
    worker.stop_and_leave().await;
    office.close().await;
}

fn count(file: &std::path::Path) -> usize {
    std::fs::read_to_string(file).unwrap().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_is_counted_and_kept_or_purged() {
    let office = Office::open().await;
    let died = Names::dead(&office.names.died());
    let mut raw = RawPublisher::connect(&broker_url());
    let mut publish = |queue: &str| {
        let properties = vec![property::message_id(b"\xff"), property::delivery_mode(2)];
        raw.publish(&RawMessage { exchange: "", key: queue.as_bytes(), properties, body: b"raw" });
    };
    publish(&died);
    publish(&died);
    publish(&office.queue("requests"));
    office.put("requests", "request", "timeout", Duration::ZERO, "readable").await;

    let listed = office.dead(&["list"]);
    assert_eq!(listed.code, Some(0));
    assert!(listed.err.contains("note: 2 more are in"), "{listed:?}");
    let count: Value = serde_json::from_str(&office.dead(&["list", "--count", "--format", "json"]).out).unwrap();
    assert_eq!((&count["died"], &count["letters"]), (&2.into(), &2.into()));
    for command in ["replay", "export"] {
        office.dead(&[command, "--queue", "died"]).failed(64, &["can be counted and purged only"]);
        let done = office.dead(&[command, "--queue", "requests"]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(format!("{done:?}").contains("can't be read whole"), "{done:?}");
    }
    assert_eq!(office.depth(&office.queue("requests")).await, 1);
    office.dead(&["purge", "--queue", "died"]).failed(64, &["add --yes"]);
    office.dead(&["purge", "--queue", "died", "--reason", "timeout", "--yes"]).failed(64, &["goes with no other"]);
    assert_eq!(office.depth(&died).await, 2);
    assert_eq!(office.dead(&["purge", "--queue", "died", "--yes"]).ok(), "dropped: 2\n");
    assert_eq!(office.depth(&died).await, 0);
    assert_eq!(office.dead(&["purge", "--queue", "requests", "--yes"]).ok(), "dropped: 1\n");
    office.close().await;
}
