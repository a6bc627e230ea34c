//! What every store of conversations does, tried on each: in memory, in a file, in a real Redis.

mod redis;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chatbot_worker::{
    conversation::{Bounds, FileStore, MemoryStore, Put, Record, RedisStore, State, Store, Stored, Who},
    domain::Key,
    redis_link::RedisUrl,
    renewed::Renewed,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use tokio::runtime::Runtime;

use crate::{redis_server::RedisServer, support::eventually};

const HOUR: Duration = Duration::from_secs(3_600);
const BOUNDS: Bounds = Bounds { most: 10_000, bytes: 64 << 20, expires: HOUR };
/// When conversations expire whose expiry is waited for: long enough for what is tried before they are no longer told to
/// have expired, as long after.
const SOON: Duration = Duration::from_secs(2);

/// Where a store under test is, so that it can be opened again.
enum Place {
    Memory,
    File(PathBuf),
    Redis(RedisServer),
}

impl Place {
    fn file() -> Self {
        let name = format!("conversations-{}.redb", uuid::Uuid::now_v7().simple());
        Self::File(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    async fn redis() -> Self {
        Self::Redis(RedisServer::start_with(&["--appendonly", "no"]).await)
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.open_for(HOUR).await
    }

    async fn open_for(&self, expires: Duration) -> Arc<dyn Store> {
        let bounds = Bounds { expires, ..BOUNDS };
        match self {
            Self::Memory => Arc::new(MemoryStore::new(bounds, "")),
            Self::File(path) => Arc::new(FileStore::open(path, bounds, true, Duration::ZERO).await.unwrap()),
            Self::Redis(server) => Arc::new(redis(&server.url(), expires)),
        }
    }

    /// Whether what is kept outlasts a store.
    fn outlasts(&self) -> bool {
        !matches!(self, Self::Memory)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::File(path) = self {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn redis(url: &str, expires: Duration) -> RedisStore {
    RedisStore::start(Renewed::fixed(RedisUrl(url.into())), "shop", expires).unwrap()
}

fn key(name: &str) -> Key {
    Key::of([Some(name.as_bytes())])
}

fn stored(life: u64, version: u64, text: &str) -> Stored {
    Stored { life, version, bytes: text.to_owned().into() }
}

async fn first_steps(store: &dyn Store) {
    let (a, b) = (key("a"), key("b"));
    assert_eq!(store.get(&a).await, Ok(None));
    assert_eq!(store.delete(&a).await, Ok(false));
    for wrong in [0, 2, u64::MAX] {
        assert_eq!(store.put(&a, stored(7, wrong, "x")).await, Ok(Put::Conflict), "{wrong}");
    }
    assert_eq!(store.put(&a, stored(7, 1, "退货\n\0")).await, Ok(Put::Done));
    assert_eq!(store.get(&a).await, Ok(Some(stored(7, 1, "退货\n\0"))));
    assert_eq!(store.get(&b).await, Ok(None), "and another's is none");
    for (life, version) in [(7, 1), (7, 3), (7, 0), (8, 2), (8, 1), (7, u64::MAX)] {
        assert_eq!(store.put(&a, stored(life, version, "x")).await, Ok(Put::Conflict), "{life}:{version}");
    }
    assert_eq!(store.put(&a, stored(7, 2, "")).await, Ok(Put::Done));
    assert_eq!(store.get(&a).await, Ok(Some(stored(7, 2, ""))));
    assert_eq!(store.delete(&a).await, Ok(true));
    assert_eq!(store.get(&a).await, Ok(None));
    assert_eq!(store.put(&a, stored(7, 3, "x")).await, Ok(Put::Conflict), "one that was forgotten doesn't go on");

    // A large number, and a large one.
    let large = "一二三四五六七八九十".repeat(60_000);
    assert_eq!(store.put(&a, stored(u64::MAX, 1, &large)).await, Ok(Put::Done));
    assert_eq!(store.get(&a).await, Ok(Some(stored(u64::MAX, 1, &large))));
    assert_eq!(store.delete(&a).await, Ok(true));
}

async fn all(store: &dyn Store, most: usize) -> BTreeMap<String, Stored> {
    let (mut found, mut from) = (BTreeMap::new(), None);
    loop {
        let page = store.page(from, most).await.unwrap();
        found.extend(page.found.into_iter().map(|(key, stored)| (key.to_string(), stored)));
        match page.next {
            Some(next) => from = Some(next),
            None => return found,
        }
    }
}

async fn listing(store: &dyn Store) {
    assert_eq!(all(store, 10).await, BTreeMap::new());
    let mut expected = BTreeMap::new();
    for number in 0..57 {
        let (key, stored) = (key(&number.to_string()), stored(number, 1, &number.to_string()));
        assert_eq!(store.put(&key, stored.clone()).await, Ok(Put::Done));
        expected.insert(key.to_string(), stored);
    }
    for most in [1, 10, 57, 1_000] {
        assert_eq!(all(store, most).await, expected, "{most}");
    }
    for number in 0..57 {
        assert_eq!(store.delete(&key(&number.to_string())).await, Ok(true));
    }
}

/// Many writers at once, each of which reads and writes the version after it: each version is written by one of them.
async fn each_version_has_one_writer(store: &Arc<dyn Store>) {
    const WRITERS: u64 = 8;
    const VERSIONS: u64 = 40;
    let key = key("raced");
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut won = Vec::new();
            loop {
                let there = store.get(&key).await.unwrap();
                let version = there.as_ref().map_or(0, |there| there.version);
                if version == VERSIONS {
                    return won;
                }
                let next = stored(1, version + 1, &writer.to_string());
                if store.put(&key, next).await.unwrap() == Put::Done {
                    won.push(version + 1);
                }
            }
        })
    });
    let mut won: Vec<u64> = Vec::new();
    for writer in futures_util::future::join_all(writers).await {
        won.extend(writer.unwrap());
    }
    assert_eq!(won.len() as u64, VERSIONS, "{won:?}");
    assert_eq!(won.into_iter().collect::<BTreeSet<_>>(), (1..=VERSIONS).collect());
    assert_eq!(store.delete(&key).await, Ok(true));
}

/// What is found once a conversation is kept no more.
async fn once_gone(store: &dyn Store, key: &Key) -> Option<Stored> {
    eventually("it is kept no more", || async {
        let found = store.get(key).await.unwrap();
        if found.as_ref().is_some_and(|found| found.version > 0) { None } else { Some(found) }
    })
    .await
}

/// That it has expired, of a life before this one, and nothing else.
fn says_that_it_expired(key: &Key, life: u64, found: Option<Stored>) -> u64 {
    let found = found.unwrap();
    assert!(found.life != life && found.version == 0, "{found:?}");
    assert!(!String::from_utf8_lossy(&found.bytes).contains("s3cret"), "{found:?}");
    let read = Record::read(key, &found).unwrap();
    assert_eq!((read.state, read.changed), (State::expired(), 0));
    found.life
}

async fn one_that_expires_says_so(store: &dyn Store) {
    let a = key("a");
    assert_eq!(store.put(&a, stored(7, 1, "s3cret")).await, Ok(Put::Done));
    assert_eq!(store.put(&a, stored(7, 2, "s3cret")).await, Ok(Put::Done));
    let one = says_that_it_expired(&a, 7, once_gone(store, &a).await);
    let another = says_that_it_expired(&a, 7, store.get(&a).await.unwrap());
    assert_ne!(one, another, "of two that find it, only one goes on");
    assert!(!all(store, 10).await.contains_key(&a.to_string()), "it isn't listed");
    for (life, version) in [(7, 1), (7, 2), (7, 3), (7, 0), (one, 0), (one, 2)] {
        assert_eq!(store.put(&a, stored(life, version, "x")).await, Ok(Put::Conflict), "{life}:{version}");
    }
    assert_eq!(store.put(&a, stored(one, 1, "s3cret")).await, Ok(Put::Done));
    assert_eq!(store.put(&a, stored(another, 1, "x")).await, Ok(Put::Conflict));
    assert_eq!(store.get(&a).await, Ok(Some(stored(one, 1, "s3cret"))));

    says_that_it_expired(&a, one, once_gone(store, &a).await);
    assert_eq!(store.put(&a, stored(one, 1, "x")).await, Ok(Put::Conflict));
    eventually("it is no longer told", || async { store.get(&a).await.unwrap().is_none().then_some(()) }).await;
    assert_eq!(store.put(&a, stored(one, 2, "x")).await, Ok(Put::Conflict));
    assert_eq!(store.put(&a, stored(8, 1, "x")).await, Ok(Put::Done));
}

/// One that was deleted, and one that its user had forgotten, with all turns before.
async fn one_that_was_forgotten_does_not(store: &dyn Store) {
    let [b, c, d] = ["b", "c", "d"].map(key);
    let who = Who { user_id: None, sender: None, conversation: "c".into() };
    let outcome = || Bytes::from_static(b"{}");
    let said = Record::begin(who).after(key("1"), State::expired(), outcome(), 1);
    let forgotten = said.clone().forgotten().after(key("2"), State::default(), outcome(), 2);
    for place in [&b, &c, &d] {
        assert_eq!(store.put(place, said.clone().stored().unwrap()).await, Ok(Put::Done));
    }
    assert_eq!(store.delete(&b).await, Ok(true));
    assert_eq!(store.get(&b).await, Ok(None));
    let forgotten = forgotten.stored().unwrap();
    assert_eq!(store.put(&c, forgotten.clone()).await, Ok(Put::Done));
    says_that_it_expired(&d, forgotten.life, once_gone(store, &d).await);
    assert_eq!(store.delete(&d).await, Ok(false), "there is no conversation any more");
    assert_eq!(store.get(&d).await, Ok(None), "and nobody is told");
    assert_eq!(once_gone(store, &c).await, None);
    assert_eq!(store.get(&b).await, Ok(None));
}

/// What happens next in a conversation that two writers have.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read(usize),
    /// The version after the one that this writer has read.
    Write(usize),
    /// The first turn of a life of its own, where it has read that there is none.
    Delete,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..2usize).prop_map(Step::Read),
        4 => (0..2usize).prop_map(Step::Write),
        1 => Just(Step::Delete),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

/// Whatever two writers do in which order, the store says what a single variable would.
async fn is_a_variable(place: &Place, store: &mut Option<Arc<dyn Store>>, key: Key, steps: &[Step]) {
    let (mut model, mut read, mut lives): (Option<Stored>, [Option<Stored>; 2], u64) = (None, [None, None], 0);
    for (number, step) in steps.iter().enumerate() {
        let there = store.as_ref().unwrap();
        match *step {
            Step::Read(writer) => {
                read[writer] = there.get(&key).await.unwrap();
                assert_eq!(read[writer], model, "{number} of {steps:?}");
            }
            Step::Write(writer) => {
                let (life, version) = match &read[writer] {
                    Some(known) => (known.life, known.version + 1),
                    None => {
                        lives += 1;
                        (lives, 1)
                    }
                };
                let next = stored(life, version, &format!("{writer} at {number}"));
                let expected = if model == read[writer] { Put::Done } else { Put::Conflict };
                assert_eq!(there.put(&key, next.clone()).await, Ok(expected), "{number} of {steps:?}");
                if expected == Put::Done {
                    model = Some(next);
                }
            }
            Step::Delete => assert_eq!(there.delete(&key).await, Ok(model.take().is_some())),
            Step::Restart if place.outlasts() => {
                // The file is free only when the store before is gone.
                *store = None;
                *store = Some(place.open().await);
            }
            Step::Restart => {}
        }
    }
    assert_eq!(store.as_ref().unwrap().get(&key).await, Ok(model), "{steps:?}");
}

fn whatever_two_writers_do(runtime: &Runtime, place: &Place, cases: u32) {
    let mut store = Some(runtime.block_on(place.open()));
    let store = std::cell::RefCell::new(&mut store);
    let case = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&steps(), |steps| {
            case.set(case.get() + 1);
            let key = key(&format!("case {}", case.get()));
            runtime.block_on(is_a_variable(place, &mut store.borrow_mut(), key, &steps));
            Ok(())
        })
        .unwrap();
}

fn every_store_does(place: &Place, runtime: &Runtime, cases: u32) {
    runtime.block_on(async {
        let store = place.open().await;
        first_steps(&*store).await;
        listing(&*store).await;
        each_version_has_one_writer(&store).await;
    });
    whatever_two_writers_do(runtime, place, cases);
    runtime.block_on(async {
        let store = place.open_for(SOON).await;
        tokio::join!(one_that_expires_says_so(&*store), one_that_was_forgotten_does_not(&*store));
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn memory_does_what_every_store_does() {
    every_store_does(&Place::Memory, &runtime(), 256);
}

#[test]
fn a_file_does_what_every_store_does() {
    every_store_does(&Place::file(), &runtime(), 24);
}

#[test]
fn a_redis_does_what_every_store_does() {
    let runtime = runtime();
    let place = runtime.block_on(Place::redis());
    every_store_does(&place, &runtime, 64);
}
