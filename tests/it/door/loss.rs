//! The door whose broker goes away and comes back, whose worker dies, and that is itself told to stop.

use std::{
    process::{Child, Stdio},
    sync::Arc,
    time::Duration,
};

use chatbot_worker::amqp::Names;
use serde_json::{Value, json};

use super::{Opened, Rules, refused};
use crate::{
    chaos::proxy::Proxy,
    cli::program::Program,
    conversations::Kept,
    process::WorkerProcess,
    streaming::{WORDS, Writes, hears_cancels, worker},
    support::{Bench, PATIENCE, broker_url, eventually, remove},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_is_told_and_waited_for() {
    let worker = Bench::new().start().await;
    let mut proxy = Proxy::start(&worker.url).await;
    let door = Opened::open(proxy.url(), &worker.names, Rules::default()).await;
    door.ask(&json!({"body": "refund"})).await;
    proxy.refuse().await;
    proxy.cut();
    eventually("the door isn't ready", || async { (door.get("/readyz").await.status() == 503).then_some(()) }).await;
    let away = door.post("/api/messages", &json!({"body": "refund"})).await;
    assert!(away.headers().contains_key("retry-after"));
    assert_eq!(refused(away).await, (503, "unavailable".to_owned()));
    proxy.heal().await;
    eventually("the door is ready again", || async { door.get("/readyz").await.status().is_success().then_some(()) })
        .await;
    assert_eq!(door.ask(&json!({"body": "refund"})).await["body"], "refund: refund");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_when_the_connection_is_lost_is_answered_all_the_same() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let mut proxy = Proxy::start(&worker.url).await;
    let door = Opened::open(proxy.url(), &worker.names, Rules::default()).await;
    let lost = async {
        writes.begins().await;
        proxy.refuse().await;
        proxy.cut();
        eventually("the door isn't ready", || async { (door.get("/readyz").await.status() == 503).then_some(()) })
            .await;
        proxy.heal().await;
        loop {
            writes.go_on();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let asked = json!({"id": "7", "body": "refund", "stream": true});
    let answer = tokio::select! {
        answer = door.ask(&asked) => answer,
        () = lost => unreachable!("it goes on for ever"),
    };
    assert_eq!((&answer["body"], &answer["in_reply_to"]), (&json!("退货很简单，三十天内。"), &json!("7")));
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_is_followed_by_another() {
    let names = Names::new(&format!("t{}", &uuid::Uuid::now_v7().simple().to_string()[12..])).unwrap();
    let url = broker_url();
    let mut first = WorkerProcess::start(&url, &names);
    let door = Opened::open(&url, &names, Rules::default()).await;
    let asked: Vec<_> = (0..20).map(|at| json!({"id": at.to_string(), "body": format!("refund {at}")})).collect();
    let answers = futures_util::future::join_all(asked.iter().map(|body| door.ask(body)));
    let (answers, second) = tokio::join!(answers, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        first.kill();
        WorkerProcess::start(&url, &names)
    });
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer["body"], format!("refund: refund {at}"));
    }
    door.close().await;
    drop(second);
    remove(&url, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_when_the_door_stops_is_answered_first() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let door = Opened::before(&worker).await;
    let (url, http, stop) = (door.url.clone(), door.http.clone(), door.stop.clone());
    let asking = tokio::spawn(async move {
        let request = http.post(format!("{url}/api/messages")).header("content-type", "application/json");
        request.body(r#"{"body":"refund"}"#).send().await.unwrap().json::<Value>().await.unwrap()
    });
    writes.begins().await;
    stop.cancel();
    eventually("nobody new is let in", || async {
        let other = reqwest::Client::builder().no_proxy().build().unwrap();
        other.get(format!("{}/livez", door.url)).send().await.is_err().then_some(())
    })
    .await;
    writes.write(WORDS.len()).await;
    assert_eq!(asking.await.unwrap()["body"], "退货很简单，三十天内。");
    door.close().await;
    worker.stop().await;
}

/// A door as a process on this port.
fn process(program: &Program) -> Child {
    program.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_is_killed_and_started_anew_loses_nothing_and_has_nothing_said_twice() {
    const CONVERSATIONS: usize = 8;
    const TURNS: usize = 40;
    let store = Arc::new(Kept::default());
    let worker = Bench::new().conversations(store.clone()).start().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = Program::of(&worker.names).with("CHATBOT_DOOR_LISTEN", &port.to_string());
    let url = format!("http://{port}/api/messages");
    let talking = (0..CONVERSATIONS).map(|conversation| {
        let url = url.clone();
        tokio::spawn(async move {
            let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
            for turn in 0..TURNS {
                let (conversation, text) = (format!("c{conversation}"), format!("refund {turn}"));
                let body = json!({"body": text, "conversation": conversation}).to_string();
                // As any client that wants its answer: the same again, until it is there.
                eventually("the door answers", || async {
                    let asked = http.post(&url).header("content-type", "application/json");
                    let asked = asked.header("idempotency-key", format!("{conversation}-{turn}")).body(body.clone());
                    let answer = asked.send().await.ok().filter(|answer| answer.status() == 200)?;
                    let answer: Value = answer.json().await.ok()?;
                    assert_eq!(answer["body"], format!("refund: {text}"));
                    Some(())
                })
                .await;
            }
        })
    });
    let talking = futures_util::future::join_all(talking.collect::<Vec<_>>());
    let killing = async {
        for said in [40, 120, 200] {
            let mut door = process(&program);
            eventually("some is said", || async {
                (store.said().values().map(Vec::len).sum::<usize>() >= said).then_some(())
            })
            .await;
            door.kill().unwrap();
            door.wait().unwrap();
        }
        process(&program)
    };
    let (talked, mut door) = tokio::join!(talking, killing);
    talked.into_iter().for_each(|talked| talked.unwrap());
    let expected: Vec<String> = (0..TURNS).map(|turn| format!("refund {turn}")).collect();
    let said = store.said();
    assert_eq!(said.len(), CONVERSATIONS);
    for (conversation, said) in said {
        assert_eq!(said, expected[TURNS.saturating_sub(said.len())..], "{conversation}");
    }
    door.kill().unwrap();
    door.wait().unwrap();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_its_connection_and_asks_again_gets_the_whole_answer() {
    let (writes, store) = (Writes::default(), Arc::new(Kept::default()));
    let mut bench = Bench::new().handler("refund", writes.clone()).conversations(store.clone());
    bench.parts.handler_timeout = Duration::from_secs(60);
    let worker = bench.start().await;
    hears_cancels(&worker).await;
    let door = Opened::before(&worker).await;
    let asked = json!({"id": "7", "body": "refund", "conversation": "c"});
    tokio::select! {
        _ = door.post("/api/messages", &asked) => panic!("there is no answer"),
        () = async { writes.begins().await; writes.write(1).await } => {}
    }
    writes.is_stopped().await;
    let (answer, ()) = tokio::join!(door.ask(&asked), writes.write(WORDS.len()));
    assert_eq!((&answer["body"], answer.get("finish")), (&json!("退货很简单，三十天内。"), None));
    assert_eq!(store.said()["c"], ["refund"], "it is said once");
    door.close().await;
    worker.stop().await;
}
