//! What is a Redis's own: names, expiry, what somebody else put there, one that is away, and doubts.

use chatbot_worker::conversation::StoreError;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_in_redis_expires_and_is_under_the_exchanges_name() {
    let server = RedisServer::start().await;
    let store = redis(&server.url(), Duration::from_secs(60));
    assert_eq!(store.put(&key("a"), stored(1, 1, "x")).await, Ok(Put::Done));
    let mut names: Vec<String> = server.ask(&["KEYS", "*"]);
    names.sort();
    let name = format!("shop:conversation:{}", key("a"));
    assert_eq!(names, [name.clone(), format!("{name}:expired")]);
    for (name, most) in names.iter().zip([60_000, 120_000]) {
        let left: u64 = server.ask(&["PTTL", name]);
        assert!((most / 2 + 1..=most).contains(&left), "{name}: {left}");
        let _: () = server.ask(&["PEXPIRE", name, "5000"]);
    }
    assert_eq!(store.put(&key("a"), stored(1, 2, "y")).await, Ok(Put::Done));
    for name in &names {
        let left: u64 = server.ask(&["PTTL", name]);
        assert!(left > 5_000, "a turn begins the time anew: {name}: {left}");
    }
    assert_eq!(server.ask::<String>(&["GET", &names[1]]), "1", "nothing but the number of its life");
    assert_eq!(all(&store, 10).await.len(), 1);
    assert_eq!(store.delete(&key("a")).await, Ok(true));
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*"]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_put_there_is_an_error_and_stays() {
    let server = RedisServer::start().await;
    let store = redis(&server.url(), HOUR);
    let name = format!("shop:conversation:{}", key("a"));
    for value in ["", "x", "1:1", "1\n{}", "a:b\n{}"] {
        let _: () = server.ask(&["SET", &name, value]);
        let found = store.get(&key("a")).await;
        assert!(matches!(&found, Err(StoreError::Unusable(message)) if message.contains(&name)), "{value}: {found:?}");
        assert_eq!(store.put(&key("a"), stored(1, 1, "x")).await, Ok(Put::Conflict), "{value}");
        assert_eq!(server.ask::<String>(&["GET", &name]), value);
    }
    let _: u64 = server.ask(&["DEL", &name]);
    let _: u64 = server.ask(&["LPUSH", &name, "a list"]);
    assert!(store.get(&key("a")).await.is_err());
    assert!(store.put(&key("a"), stored(1, 2, "x")).await.is_err());
    assert_eq!(store.put(&key("b"), stored(1, 1, "x")).await, Ok(Put::Done), "and it is still asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_frozen_or_dead_is_an_error_in_time_and_used_again() {
    let mut server = RedisServer::away();
    let store = redis(&server.url(), HOUR);
    let check = async |what: &str| {
        let began = std::time::Instant::now();
        let found = store.get(&key("a")).await;
        assert!(matches!(found, Err(StoreError::Away(_))), "{what}: {found:?}");
        let put = store.put(&key("a"), stored(1, 1, "x")).await;
        assert!(matches!(put, Err(StoreError::Away(_))), "{what}: {put:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{what}: {:?}", began.elapsed());
    };
    let works = async |what: &str| eventually(what, || async { store.get(&key("b")).await.ok() }).await;
    check("away").await;
    server.start_again().await;
    // Not an error: the call waits for the connection.
    works("started").await;
    server.freeze();
    check("frozen").await;
    server.thaw();
    works("thawed").await;
    server.kill();
    check("dead").await;
    server.start_again().await;
    works("started again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_lose_conversations_is_doubted() {
    let doubts = async |options: &[&str]| {
        let server = RedisServer::start_with(options).await;
        redis(&server.url(), HOUR).doubts().await.unwrap().join("\n")
    };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir(&folder).unwrap();
    let append = ["--appendonly", "yes", "--dir", folder.to_str().unwrap()];
    assert_eq!(doubts(&append).await, "");
    let found = doubts(&["--maxmemory-policy", "allkeys-lru"]).await;
    assert!(found.contains("append-only files are off") && found.contains("allkeys-lru"), "{found}");
    let found = doubts(&[&append[..], &["--maxmemory-policy", "volatile-ttl"]].concat()).await;
    assert!(!found.contains("append-only") && found.contains("volatile-ttl"), "{found}");

    let server = RedisServer::start().await;
    let _: () = server.ask(&["ACL", "SETUSER", "default", "-info", "-config"]);
    let store = redis(&server.url(), HOUR);
    let found = store.doubts().await.unwrap();
    assert!(found.len() == 2 && found.iter().all(|doubt| doubt.contains("+info")), "{found:?}");
    assert_eq!(store.put(&key("a"), stored(1, 1, "x")).await, Ok(Put::Done), "it is used all the same");
    std::fs::remove_dir_all(folder).unwrap();
}
