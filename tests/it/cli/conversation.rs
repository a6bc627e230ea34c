//! `conversation`: what an operator sees of what is kept, and what is forgotten.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use chatbot_worker::{
    conversation::{Bounds, FileStore, Put, Record, RedisStore, State, Store, Who},
    domain::{Key, Role, Turn},
    redis_link::RedisUrl,
    renewed::Renewed,
};

use super::Program;
use crate::redis_server::RedisServer;

const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

fn path() -> PathBuf {
    let name = format!("conversations-{}.redb", uuid::Uuid::now_v7().simple());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

async fn open(path: &Path) -> FileStore {
    let bounds = Bounds { most: 1_000, bytes: 1 << 30, expires: HOUR };
    FileStore::open(path, bounds, true, std::time::Duration::ZERO).await.unwrap()
}

fn key(sender: &str, conversation: &str) -> Key {
    Record::key(Some("shop"), Some(sender), conversation)
}

/// Two of Alice's conversations and one of Bob's.
async fn fill(store: &dyn Store) {
    for (sender, conversation) in [("alice", "c-1"), ("bob", "c-1"), ("alice", "c-2")] {
        let who = Who { user_id: Some("shop".into()), sender: Some(sender.into()), conversation: conversation.into() };
        let said = |role, text: &str| Turn { role, text: text.into() };
        let mut state = State::default();
        state.history.extend([said(Role::User, "退货\u{1b}[2J"), said(Role::Assistant, "好的")]);
        let outcome = Bytes::from_static(b"{}");
        let record = Record::begin(who).after(Key::of([]), state, outcome, 1_700_000_000_123);
        assert_eq!(store.put(&key(sender, conversation), record.stored().unwrap()).await, Ok(Put::Done));
    }
}

fn in_file(path: &Path) -> Program {
    Program::new().with("CHATBOT_CONVERSATION_STORE", "file").with("CHATBOT_CONVERSATION_PATH", path.to_str().unwrap())
}

/// What every store's commands do, where [`fill`] has been.
fn the_commands_work(program: &Program) {
    let listed = program.run(&["conversation", "list"]);
    for part in ["KEY", "alice", "bob", "c-1", "c-2", "shop"] {
        assert!(listed.ok().contains(part), "{part}: {listed:?}");
    }
    assert!(!listed.out.contains("退货"), "{listed:?}");
    let rows = program.run(&["conversation", "list", "--sender", "alice", "--format", "json"]).json_lines();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((&rows[0]["user_id"], &rows[0]["turns"]), (&"shop".into(), &1.into()));
    assert_eq!(rows[0]["changed"], 1_700_000_000_123_u64);

    let shown = program.run(&["conversation", "show", &key("bob", "c-1").to_string()[..12]]);
    for part in ["bob", "2023-11-14T22:13:20.123Z", "> 退货\\u{1b}[2J", "< 好的"] {
        assert!(shown.ok().contains(part), "{part}: {shown:?}");
    }
    let shown = program.run(&["conversation", "show", "--conversation", "c-2", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_str(shown.ok()).unwrap();
    assert_eq!((&shown["sender"], &shown["state"]["history"][1]["text"]), (&"alice".into(), &"好的".into()));
    program.run(&["conversation", "show", "--conversation", "c-1"]).failed(1, &["2 conversations fit", "--sender"]);
    program.run(&["conversation", "show", "--conversation", "c-9"]).failed(1, &["no such conversation"]);
    program.run(&["conversation", "show", "xyz"]).failed(64, &["hexadecimal digits"]);
    program.run(&["conversation", "delete"]).failed(64, &["--conversation"]);

    program.run(&["conversation", "delete", "--sender", "alice"]).failed(64, &["2 conversations fit", "--all"]);
    let of_one = ["conversation", "delete", "--conversation", "c-1", "--sender", "bob", "--user", "shop"];
    assert_eq!(program.run(&of_one).ok(), "deleted: 1\n");
    program.run(&of_one).failed(1, &["no such conversation"]);
    assert_eq!(program.run(&["conversation", "delete", "--sender", "alice", "--all"]).ok(), "deleted: 2\n");
    assert_eq!(program.run(&["conversation", "list"]).ok(), "No conversation is kept, or fits.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_in_a_file_are_listed_shown_and_forgotten() {
    let path = path();
    let program = in_file(&path);
    program.run(&["conversation", "list"]).failed(1, &["isn't there", path.to_str().unwrap()]);
    let store = open(&path).await;
    fill(&store).await;
    program.run(&["conversation", "list"]).failed(69, &["in use by a worker", path.to_str().unwrap()]);
    drop(store);
    the_commands_work(&program);
    std::fs::write(&path, "not a store").unwrap();
    program.run(&["conversation", "list"]).failed(78, &["is damaged", path.to_str().unwrap()]);
    assert_eq!(std::fs::read(&path).unwrap(), b"not a store");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_in_redis_are_listed_shown_and_forgotten() {
    let mut server = RedisServer::start().await;
    let program = Program::new()
        .with("CHATBOT_CONVERSATION_STORE", "redis")
        .with("CHATBOT_CONVERSATION_REDIS_URL", &server.url());
    let url = Renewed::fixed(RedisUrl(server.url().into()));
    fill(&RedisStore::start(url, program.names.exchange(), HOUR).unwrap()).await;
    the_commands_work(&program);
    server.kill();
    program.run(&["conversation", "list"]).failed(69, &["CHATBOT_CONVERSATION_REDIS_URL"]);
}

#[test]
fn conversations_in_memory_are_the_workers_alone() {
    Program::new().run(&["conversation", "list"]).failed(78, &["worker's memory", "can't be read from outside"]);
}

/// What `check` says of the store: its status and message.
fn checked(program: &Program) -> (String, String) {
    let ended = program.run(&["check", "--format", "json"]);
    let lines: Vec<serde_json::Value> = serde_json::from_str(&ended.out).unwrap();
    let found: Vec<_> = lines.iter().filter(|line| line["check"] == "store").collect();
    let all = |field: &str| found.iter().map(|line| line[field].as_str().unwrap()).collect::<Vec<_>>().join("; ");
    (all("status"), all("message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn check_looks_at_the_store_and_makes_nothing() {
    let path = path();
    let file = in_file(&path);
    assert_eq!(checked(&file), ("ok".into(), format!("{} isn't there yet; a worker makes it", path.display())));
    assert!(!path.exists());
    let store = open(&path).await;
    assert_eq!(checked(&file), ("ok".into(), format!("{} is in use by a worker", path.display())));
    drop(store);
    assert_eq!(checked(&file).0, "ok");
    std::fs::write(&path, "not a store").unwrap();
    assert_eq!(checked(&file).0, "fail");
    std::fs::remove_file(&path).unwrap();
    let nowhere = in_file(&path.join("nowhere"));
    let (status, message) = checked(&nowhere);
    assert!(status == "fail" && message.contains("in a folder that is there"), "{message}");

    let mut server = RedisServer::start().await;
    let redis = Program::new()
        .with("CHATBOT_CONVERSATION_STORE", "redis")
        .with("CHATBOT_CONVERSATION_REDIS_URL", &server.url());
    let (status, message) = checked(&redis);
    assert!(status == "warn" && message.contains("append-only files are off"), "{status}: {message}");
    server.kill();
    assert_eq!(checked(&redis).0, "fail");
}

/// Two workers, each of which keeps conversations in its own memory: `check` fails, and names what mends it. One alone is well.
#[tokio::test(flavor = "multi_thread")]
async fn check_fails_where_workers_keep_conversations_apart() {
    let bot = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", uuid::Uuid::now_v7().simple()));
    let built_in = chatbot_worker::app::intents::BUILT_IN;
    std::fs::write(&bot, format!("{built_in}\n[conversation]\n")).unwrap();
    let program = Program::new().with("CHATBOT_INTENTS_PATH", bot.to_str().unwrap());
    tokio::task::block_in_place(|| {
        let mut first = program.start();
        first.until("this worker takes the queues of conversations");
        // The log says so before they are consumed.
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        while !program.run(&["check"]).out.contains("is consumed") {
            assert!(std::time::Instant::now() < deadline, "they are never consumed");
        }
        let alone = program.run(&["check"]);
        assert!(alone.ok().contains("is consumed"), "{alone:?}");
        let mut second = program.start();
        second.until("another worker has conversations");
        let apart = program.run(&["check"]);
        assert_eq!(apart.code, Some(78), "{apart:?}");
        for part in
            ["there are others", "it takes no queue of conversations", "(memory)", "CHATBOT_CONVERSATION_STORE=redis"]
        {
            assert!(apart.out.contains(part), "{part}: {apart:?}");
        }
        let shown = program.run(&["topology"]);
        assert!(shown.ok().contains(".conversation.f"), "{shown:?}");
        drop((first, second));
    });
    crate::support::remove(&crate::support::broker_url(), &program.names).await;
    program.remove().await;
    std::fs::remove_file(&bot).unwrap();
}
