//! Answers shared through Redis; one that is slow or away costs no answer, and little time.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use chatbot_worker::{
    amqp::WorkQueue,
    answered::{Answers, Bounds, RedisAnswers, SharedAnswers},
    app::{self, settings::Settings},
    conversation::{RedisStore, Store, StoreError, Stored},
    domain::{Details, Key, Reply},
    redis_link::RedisUrl,
    renewed::Renewed,
};

use crate::{
    answered::Counting,
    mute::Mute,
    process::WorkerProcess,
    redis_server::RedisServer,
    support::{Bench, Client, INTENTS, Running, broker_url, eventually, intent, remove, short},
};

const HOUR: Duration = Duration::from_secs(3600);
/// What a request may cost more while Redis is slow or away: its two commands, and the machine's own slowness.
const LITTLE: Duration = Duration::from_millis(50 + 450);

fn at(url: &str) -> Renewed<RedisUrl> {
    Renewed::fixed(RedisUrl(url.into()))
}

fn start(url: &str) -> RedisAnswers {
    RedisAnswers::start(at(url), "shop", HOUR).unwrap()
}

async fn connected(answers: &RedisAnswers, expected: bool) {
    eventually("the connection", || async { (answers.is_connected() == expected).then_some(()) }).await;
}

fn key(name: &str) -> Key {
    Key::of([Some(name.as_bytes())])
}

fn reply(text: &str) -> Reply {
    Reply {
        id: "id".to_owned(),
        in_reply_to: Some("q".to_owned()),
        receiver: None,
        conversation: None,
        metadata: None,
        text: text.to_owned(),
        locale: Some("zh".to_owned()),
        intent: intent("refund"),
        classification: None,
        entities: Vec::new(),
        details: Details::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_shared_for_a_while_and_a_bots_with_nobody_else() {
    let server = RedisServer::start().await;
    let (first, second) = (start(&server.url()), start(&server.url()));
    let other_bot = RedisAnswers::start(at(&server.url()), "bank", HOUR).unwrap();
    for answers in [&first, &second, &other_bot] {
        connected(answers, true).await;
    }
    first.put(&key("a"), &reply("退货")).await;
    assert_eq!(second.get(&key("a")).await, Some(reply("退货")));
    assert_eq!(second.get(&key("b")).await, None);
    assert_eq!(other_bot.get(&key("a")).await, None);

    let names: Vec<String> = server.ask(&["KEYS", "*"]);
    assert_eq!(names, [format!("shop:answered:1:{}", key("a"))]);
    let left: u64 = server.ask(&["PTTL", &names[0]]);
    assert!((1..=3_600_000).contains(&left), "{left}");

    // What somebody else put there is no answer.
    for value in ["", "{}", "\u{1}", r#"{"type":"chat.error","id":"x","error":{"code":"internal"}}"#] {
        let _: () = server.ask(&["SET", &names[0], value]);
        assert_eq!(first.get(&key("a")).await, None, "{value:?}");
    }
    let _: () = server.ask(&["DEL", &names[0]]);
    let _: u64 = server.ask(&["LPUSH", &names[0], "a list"]);
    assert_eq!(first.get(&key("a")).await, None);
    first.put(&key("a"), &reply("again")).await;
    assert_eq!(first.get(&key("a")).await, Some(reply("again")), "and it is still asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_freezes_or_dies_costs_little_time_and_is_used_again() {
    let mut server = RedisServer::away();
    let answers = start(&server.url());
    let check = async |what: &str| {
        let (since, mut slowest) = (Instant::now(), Duration::ZERO);
        for number in 0..200 {
            let began = Instant::now();
            assert_eq!(answers.get(&key(&number.to_string())).await, None);
            answers.put(&key(&number.to_string()), &reply("x")).await;
            slowest = slowest.max(began.elapsed());
        }
        assert!(slowest < LITTLE, "{what}: {slowest:?}");
        // Had each waited, it would be 10 s: only those wait that were asking when it happened.
        assert!(since.elapsed() < Duration::from_secs(2), "{what}: {:?}", since.elapsed());
    };
    check("away at the start").await;
    server.start_again().await;
    connected(&answers, true).await;
    server.freeze();
    check("frozen").await;
    assert!(!answers.is_connected());
    server.thaw();
    connected(&answers, true).await;
    server.kill();
    check("dead").await;
    assert!(!answers.is_connected());
    server.start_again().await;
    connected(&answers, true).await;
    answers.put(&key("a"), &reply("退货")).await;
    assert_eq!(answers.get(&key("a")).await, Some(reply("退货")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_asks_for_a_password_is_used_by_those_who_have_it() {
    let server = RedisServer::start_with(&["--requirepass", "p/w"]).await;
    let with = |userinfo: &str| start(&server.url().replace("redis://", &format!("redis://{userinfo}")));
    let right = with(":p%2Fw@");
    connected(&right, true).await;
    right.put(&key("a"), &reply("x")).await;
    assert_eq!(right.get(&key("a")).await, Some(reply("x")));
    for wrong in ["", ":wrong@"] {
        let wrong = with(wrong);
        for _ in 0..20 {
            assert_eq!(wrong.get(&key("a")).await, None);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!wrong.is_connected());
    }
}

/// The rights that OPERATING.md names are all that is needed, and each of them is.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_are_documented_are_those_that_are_needed() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATING.md")).unwrap();
    let granting = page.lines().find(|line| line.starts_with("ACL SETUSER chatbot ")).unwrap();
    let granting: Vec<&str> = granting.split(' ').collect();
    let server = RedisServer::start().await;
    let _: () = server.ask(&granting);
    // Another database than the first has to be selected.
    let url = server.url().replace("redis://", "redis://chatbot:PASSWORD@").replace("/0", "/1");
    let answers = RedisAnswers::start(at(&url), "chatbot", HOUR).unwrap();
    let store = RedisStore::start(at(&url), "chatbot", HOUR).unwrap();
    connected(&answers, true).await;
    answers.put(&key("a"), &reply("退货")).await;
    assert_eq!(answers.get(&key("a")).await, Some(reply("退货")));
    all_of(&store).await.unwrap();
    let doubts = store.doubts().await.unwrap().concat();
    assert!(!doubts.contains("refuses"), "{doubts}");

    let needed = granting.iter().filter_map(|word| word.strip_prefix('+'));
    for right in needed {
        let _: () = server.ask(&["ACL", "SETUSER", "chatbot", &format!("-{right}")]);
        let works = match right {
            // Only a new connection asks so.
            "ping" | "select" => RedisStore::start(at(&url), "chatbot", HOUR).unwrap().get(&key("b")).await.is_ok(),
            "info" => !store.doubts().await.unwrap().concat().contains("refuses"),
            "set" => {
                answers.put(&key(right), &reply("x")).await;
                answers.get(&key(right)).await.is_some()
            }
            _ => all_of(&store).await.is_ok(),
        };
        assert!(!works, "{right} isn't needed");
        let _: () = server.ask(&["ACL", "SETUSER", "chatbot", &format!("+{right}")]);
    }
}

/// All that is asked of a store.
async fn all_of(store: &RedisStore) -> Result<(), StoreError> {
    let (a, kept) = (key("a"), |version| Stored { life: 7, version, bytes: "x".into() });
    store.try_write().await?;
    store.delete(&a).await?;
    store.put(&a, kept(1)).await?;
    store.put(&a, kept(2)).await?;
    store.get(&a).await?;
    store.page(None, 10).await?;
    Ok(())
}

/// A worker that shares its answers.
pub fn sharing(mut bench: Bench, redis: &str) -> (Bench, Arc<RedisAnswers>) {
    let shared = Arc::new(RedisAnswers::start(at(redis), bench.names.exchange(), HOUR).unwrap());
    let bounds = Bounds { entries: 1000, bytes: 1 << 20, age: HOUR };
    bench.answers = Some(Arc::new(Answers::new(bounds, Some(shared.clone()))));
    (bench, shared)
}

async fn ask(worker: &Running, client: &mut Client, id: &str) -> Duration {
    let began = Instant::now();
    client.publish("request", client.properties(id).with_message_id(short(id)), b"refund").await;
    let answer = client.next().await;
    assert_eq!((answer.correlation_id(), answer.text()), (Some(id), Some("refund: refund")));
    assert!(*worker.ready.borrow());
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_answered_is_answered_by_another_without_a_second_run() {
    let server = RedisServer::start().await;
    let mute = Mute::start(&broker_url()).await;
    let bench = Bench::new();
    let names = bench.names.clone();
    bench.start().await.stop_and_leave().await;
    let mut first = WorkerProcess::start_sharing(&mute.url, &names, &server.url());
    let mut client = Client::new(&broker_url(), &names).await;
    // All of them: a worker that is still starting would be kept from that.
    let mut queues = vec![names.queue(&WorkQueue::Requests), names.queue(&WorkQueue::Suspects), names.died()];
    let served = INTENTS.iter().filter(|&&name| name != "outside");
    queues.extend(served.map(|name| names.queue(&WorkQueue::Intent(intent(name)))));
    for queue in &queues {
        eventually("a consumer", || async {
            let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
            let queue = client.channel.queue_declare(short(queue), passive, Default::default()).await.unwrap();
            (queue.consumer_count() == 1).then_some(())
        })
        .await;
    }
    mute.swallow_acks();
    client.publish("request", client.properties("c").with_message_id(short("m")), "refund 退货".as_bytes()).await;
    let answer = client.next().await;
    assert_eq!(answer.text(), Some("refund: refund 退货"));
    first.kill();

    let counting = Counting::new();
    let mut bench = Bench::new().handler("refund", counting.clone());
    bench.settings.names = names.clone();
    bench.names = names;
    let (bench, shared) = sharing(bench, &server.url());
    connected(&shared, true).await;
    let second = bench.start().await;
    assert_eq!(client.next().await.delivery.data, answer.delivery.data);
    assert_eq!(counting.runs(), 0);
    // Only what comes again is looked up: the same message, sent by its client a second time, is worked on.
    client.publish("request", client.properties("c").with_message_id(short("m")), "refund 退货".as_bytes()).await;
    assert_ne!(client.next().await.delivery.data, answer.delivery.data);
    assert_eq!(counting.runs(), 1);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_fails_in_the_middle_costs_no_answer() {
    let mut server = RedisServer::start().await;
    let (bench, shared) = sharing(Bench::new(), &server.url());
    connected(&shared, true).await;
    let worker = bench.start().await;
    let mut client = worker.client().await;
    ask(&worker, &mut client, "before").await;
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), 1);
    for fault in ["freeze", "thaw", "kill", "start"] {
        match fault {
            "freeze" => server.freeze(),
            "thaw" => server.thaw(),
            "kill" => server.kill(),
            _ => server.start_again().await,
        }
        for number in 0..20 {
            let took = ask(&worker, &mut client, &format!("{fault}{number}")).await;
            assert!(took < LITTLE, "{fault} {number}: {took:?}");
        }
    }
    connected(&shared, true).await;
    ask(&worker, &mut client, "after").await;
    assert!(server.ask::<u64>(&["DBSIZE"]) >= 1);
    let (url, names) = (worker.url.clone(), worker.names.clone());
    worker.stop_and_leave().await;
    remove(&url, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_read_again_at_each_connect() {
    let (mut old, new) = (RedisServer::start().await, RedisServer::start_with(&["--requirepass", "n3w"]).await);
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-{}", uuid::Uuid::now_v7().simple()));
    std::fs::write(&file, old.url()).unwrap();
    let variables = [("CHATBOT_ANSWERED_REDIS_URL_FILE", file.to_str().unwrap())].into_iter().collect();
    let settings = Settings::load(&variables, &|path| std::fs::read(path)).unwrap().settings;
    let answers = app::shared_answers(&settings).unwrap().unwrap();
    connected(&answers, true).await;
    std::fs::write(&file, format!("{}\n", new.url().replace("redis://", "redis://:n3w@"))).unwrap();
    old.kill();
    eventually("the other Redis", || async {
        answers.put(&key("moved"), &reply("a")).await;
        answers.get(&key("moved")).await
    })
    .await;
    assert!(answers.is_connected());
    std::fs::remove_file(file).unwrap();
}
