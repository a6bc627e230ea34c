//! Tests of the file. That it compares and sets, as every store, is `tests/it/conversation_stores.rs`.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs, io,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const BOUNDS: Bounds = Bounds { most: 1_000, bytes: 1 << 20, expires: HOUR };

/// A folder of a test's own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("conversations-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("conversations.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn open_with(folder: &Folder, bounds: Bounds) -> FileStore {
    FileStore::open(&folder.file(), bounds, true, Duration::ZERO).await.unwrap()
}

async fn refused(folder: &Folder, make: bool) -> OpenError {
    FileStore::open(&folder.file(), BOUNDS, make, Duration::from_millis(250)).await.map(|_| ()).unwrap_err()
}

fn key(number: usize) -> Key {
    Key::of([Some(number.to_string().as_bytes())])
}

fn first(text: &str) -> Stored {
    Stored { life: 1, version: 1, bytes: text.to_owned().into() }
}

async fn there(store: &FileStore, numbers: std::ops::Range<usize>) -> Vec<usize> {
    let mut there = Vec::new();
    for number in numbers {
        if store.get(&key(number)).await.unwrap().is_some_and(|found| found.version > 0) {
            there.push(number);
        }
    }
    there
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_file_is_its_users_alone_also_where_it_was_not() {
    let folder = Folder::new();
    drop(open_with(&folder, BOUNDS).await);
    assert_eq!(mode(&folder.file()), 0o600);
    fs::set_permissions(folder.file(), Permissions::from_mode(0o644)).unwrap();
    drop(open_with(&folder, BOUNDS).await);
    assert_eq!(mode(&folder.file()), 0o600);
}

#[tokio::test]
async fn what_was_confirmed_is_there_again_and_counted() {
    let folder = Folder::new();
    let store = open_with(&folder, BOUNDS).await;
    for number in 0..10 {
        assert_eq!(store.put(&key(number), first("a")).await, Ok(Put::Done));
    }
    assert_eq!(store.delete(&key(3)).await, Ok(true));
    drop(store);
    let (database, total) = open(&folder.file(), false).unwrap();
    assert_eq!(total, Total { conversations: 9, bytes: 9 * 129, ..Total::default() });
    drop(database);
    let store = open_with(&folder, BOUNDS).await;
    assert_eq!(there(&store, 0..11).await, [0, 1, 2, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_file_that_another_has_is_waited_for_and_then_refused() {
    let folder = Folder::new();
    let store = open_with(&folder, BOUNDS).await;
    let error = refused(&folder, true).await;
    assert!(matches!(error, OpenError::Locked(..)), "{error}");
    assert!(error.to_string().contains("for 250ms"), "{error}");
    store.put(&key(1), first("a")).await.unwrap();

    let path = folder.file();
    let waiting = tokio::spawn(async move { FileStore::open(&path, BOUNDS, true, LOCK_LIMIT).await });
    drop(store);
    assert_eq!(there(&waiting.await.unwrap().unwrap(), 0..3).await, [1]);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_made_where_it_may_be() {
    let folder = Folder::new();
    assert!(matches!(refused(&folder, false).await, OpenError::Missing(_)));
    assert!(!folder.file().exists());
    fs::remove_dir(&folder.0).unwrap();
    let error = refused(&folder, true).await;
    assert!(matches!(error, OpenError::Io(..)), "{error}");
    assert!(error.to_string().contains("CHATBOT_CONVERSATION_PATH"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_stays_as_it_is() {
    let folder = Folder::new();
    let store = open_with(&folder, BOUNDS).await;
    for number in 0..200 {
        store.put(&key(number), first(&"text ".repeat(100))).await.unwrap();
    }
    drop(store);
    let whole = fs::read(folder.file()).unwrap();
    let page = 4_096;
    // Not this program's; cut off; its head gone.
    let mut headless = whole.clone();
    headless[..page].fill(0xa5);
    for damaged in [b"id,title\n1,Kettle\n".repeat(1_000), whole[..whole.len() / 2].to_vec(), headless] {
        fs::write(folder.file(), &damaged).unwrap();
        let error = refused(&folder, true).await;
        assert!(matches!(error, OpenError::Damaged(..)), "{error}");
        assert!(error.to_string().contains(folder.file().to_str().unwrap()), "{error}");
        assert_eq!(fs::read(folder.file()).unwrap(), damaged, "{error}");
    }
    fs::write(folder.file(), &whole).unwrap();
    assert_eq!(there(&open_with(&folder, BOUNDS).await, 0..200).await.len(), 200);
}

/// Whatever page is overwritten: what is read is what was written, or an error, and nothing panics on the way out.
#[tokio::test]
async fn a_page_that_is_overwritten_is_an_error_or_was_not_needed() {
    let folder = Folder::new();
    let store = open_with(&folder, BOUNDS).await;
    let text = "text ".repeat(100);
    for number in 0..100 {
        store.put(&key(number), first(&text)).await.unwrap();
    }
    drop(store);
    let whole = fs::read(folder.file()).unwrap();
    let used: Vec<usize> =
        (1..whole.len() / 4_096).filter(|page| whole[page * 4_096..][..4_096].iter().any(|&b| b != 0)).collect();
    let mut errors = 0;
    for page in used.iter().step_by(used.len().div_ceil(12)) {
        let mut damaged = whole.clone();
        damaged[page * 4_096..][..4_096].fill(0xa5);
        fs::write(folder.file(), &damaged).unwrap();
        match FileStore::open(&folder.file(), BOUNDS, true, Duration::ZERO).await {
            Err(error) => {
                assert!(matches!(error, OpenError::Damaged(..)), "{error}");
                errors += 1;
            }
            Ok(store) => {
                for number in 0..100 {
                    match store.get(&key(number)).await {
                        Ok(found) => assert_eq!(found, Some(first(&text)), "{page}: {number}"),
                        // A page that names one beyond the end breaks the file until it is opened again.
                        Err(StoreError::Unusable(_) | StoreError::Away(_)) => errors += 1,
                        Err(error) => unreachable!("{error}"),
                    }
                }
            }
        }
    }
    assert!(errors > 0, "no page was needed");
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let folder = Folder::new();
    drop(open_with(&folder, BOUNDS).await);
    let database = Database::create(folder.file()).unwrap();
    table::set_form(&database, 2);
    drop(database);
    assert!(matches!(refused(&folder, true).await, OpenError::Newer(_)));
}

#[tokio::test]
async fn the_one_whose_last_turn_is_the_longest_ago_goes_first() {
    let folder = Folder::new();
    let store = open_with(&folder, Bounds { most: 3, ..BOUNDS }).await;
    for number in 0..5 {
        store.put(&key(number), first("a")).await.unwrap();
    }
    assert_eq!(there(&store, 0..5).await, [2, 3, 4]);
    drop(store);
    // 129 bytes each.
    let store = open_with(&folder, Bounds { bytes: 260, ..BOUNDS }).await;
    let large = Stored { bytes: vec![b'x'; 200].into(), ..first("") };
    assert!(matches!(store.put(&key(9), large).await, Err(StoreError::TooLarge { .. })));
    store.put(&key(9), first("a")).await.unwrap();
    assert_eq!(there(&store, 0..10).await, [4, 9]);
}

/// A file on a disk that can be full.
#[derive(Debug)]
struct OnDisk {
    file: FileBackend,
    is_full: Arc<AtomicBool>,
}

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            // ENOSPC
            return Err(io::Error::from_raw_os_error(28));
        }
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// Opens a file on such a disk.
fn on_disk(folder: &Folder, is_full: &Arc<AtomicBool>) -> Opener {
    let (path, is_full) = (folder.file(), is_full.clone());
    Box::new(move || {
        let file = FileBackend::new(open_file(&path, true)?).unwrap();
        open_database(&path, OnDisk { file, is_full: is_full.clone() })
    })
}

#[test]
fn a_disk_that_is_full_at_the_start_is_not_taken_for_a_damaged_file() {
    let folder = Folder::new();
    let error = on_disk(&folder, &Arc::new(AtomicBool::new(true)))().map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Io(..)) && error.to_string().contains("os error 28"), "{error}");
}

#[tokio::test]
async fn a_disk_that_was_full_is_written_again_once_it_has_room() {
    let folder = Folder::new();
    let is_full = Arc::new(AtomicBool::new(false));
    let open = on_disk(&folder, &is_full);
    let opened = open().unwrap();
    let store = FileStore::start(&folder.file(), BOUNDS, opened, open).unwrap();
    assert_eq!(store.put(&key(1), first("a")).await, Ok(Put::Done));

    is_full.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let error = store.put(&key(2), first("b")).await.unwrap_err();
        assert!(matches!(error, StoreError::Away(_)), "{error}");
        assert!(error.to_string().contains("os error 28"), "{error}");
    }
    is_full.store(false, Ordering::SeqCst);
    let put = loop {
        match store.put(&key(2), first("b")).await {
            Err(StoreError::Away(_)) => tokio::task::yield_now().await,
            put => break put,
        }
    };
    assert_eq!(put, Ok(Put::Done));
    assert_eq!(there(&store, 0..4).await, [1, 2]);
}

#[tokio::test]
async fn who_reads_a_file_that_failed_waits_for_it_too() {
    let folder = Folder::new();
    let store = open_with(&folder, BOUNDS).await;
    store.put(&key(1), first("a")).await.unwrap();
    *store.file.write().unwrap() = None;
    let error = store.get(&key(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Away(_)), "{error}");
    // The thread that writes finds it closed, and opens it again.
    while store.put(&key(2), first("b")).await != Ok(Put::Done) {}
    assert_eq!(there(&store, 0..4).await, [1, 2]);
}

/// A file, as the thread that writes has it, at times of a test's choice.
struct Tables {
    database: Database,
    bounds: Bounds,
    total: Total,
    now: u64,
}

impl Tables {
    fn open(folder: &Folder, bounds: Bounds) -> Self {
        let (database, total) = open(&folder.file(), true).unwrap();
        Self { database, bounds, total, now: now() }
    }

    fn write(&mut self, changes: Vec<Change>) -> Vec<Result<Put, StoreError>> {
        let (results, total) = Table::write(&self.database, changes, self.total, self.bounds, self.now).unwrap();
        self.total = total;
        results
    }

    fn put(&mut self, number: usize, stored: Stored) -> Result<Put, StoreError> {
        self.write(vec![Change::Put(key(number), stored)]).pop().unwrap()
    }

    /// By the version that is found, those that are kept and those that are told to have expired.
    fn found(&self, numbers: std::ops::Range<usize>) -> [Vec<usize>; 2] {
        let get = |number| Table::get(&self.database, &key(number), self.bounds.expires, self.now).unwrap();
        let of = |is_kept| move |number: &usize| get(*number).is_some_and(|found| (found.version > 0) == is_kept);
        [true, false].map(|is_kept| numbers.clone().filter(of(is_kept)).collect())
    }
}

#[test]
fn that_it_has_expired_is_told_for_as_long_again_swept_or_not_and_holds_nothing() {
    let hour = u64::try_from(HOUR.as_micros()).unwrap();
    for is_swept in [false, true] {
        let folder = Folder::new();
        let mut tables = Tables::open(&folder, BOUNDS);
        for number in 0..10 {
            assert_eq!(tables.put(number, first("s3cret")), Ok(Put::Done));
        }
        let [all, none]: [Vec<usize>; 2] = [(0..10).collect(), Vec::new()];
        tables.now += hour - 1;
        assert_eq!(tables.found(0..10), [all.clone(), none.clone()]);
        // The last changed some microseconds after the first.
        tables.now += 100;
        if is_swept {
            tables.write(Vec::new());
            let expected = Total { conversations: 0, ended: 10, bytes: 10 * 127, swept: tables.total.swept };
            assert_eq!(tables.total, expected);
            // As it is found by the next who opens it.
            drop(tables.database);
            let (database, total) = open(&folder.file(), true).unwrap();
            assert_eq!(total, Total { swept: 0, ..expected });
            (tables.database, tables.total) = (database, total);
        }
        assert_eq!(tables.found(0..10), [none.clone(), all]);
        let listed = Table::page(&tables.database, None, 100, HOUR, tables.now).unwrap();
        assert_eq!(listed, Page { found: Vec::new(), next: None });
        // Writers of the life before come too late, with its first turn, too.
        for version in [1, 2] {
            assert_eq!(tables.put(1, Stored { version, ..first("b") }), Ok(Put::Conflict));
        }
        assert_eq!(tables.put(1, Stored { life: 2, ..first("b") }), Ok(Put::Done), "it begins anew");
        assert_eq!(tables.write(vec![Change::Delete(key(2))]), [Ok(Put::Conflict)], "it isn't told any more");
        assert_eq!(tables.found(0..10), [vec![1], vec![0, 3, 4, 5, 6, 7, 8, 9]]);
        tables.now += hour;
        assert_eq!(tables.found(0..10), [none.clone(), vec![1]]);
        tables.write(Vec::new());
        assert_eq!((tables.total.conversations, tables.total.ended, tables.total.bytes), (0, 1, 127));
        tables.now += hour;
        tables.write(Vec::new());
        assert_eq!((tables.total.ended, tables.total.bytes), (0, 0));
        assert_eq!(tables.put(1, first("b")), Ok(Put::Done), "nothing is known of it");
    }
}

#[test]
fn what_was_forgotten_expires_without_a_trace() {
    let hour = u64::try_from(HOUR.as_micros()).unwrap();
    let folder = Folder::new();
    let mut tables = Tables::open(&folder, BOUNDS);
    tables.put(0, crate::conversation::record::tests::blank(1)).unwrap();
    tables.now += hour;
    assert_eq!(tables.found(0..1), [[0; 0], [0; 0]]);
    tables.write(Vec::new());
    assert_eq!((tables.total.conversations, tables.total.ended, tables.total.bytes), (0, 0, 0));
}

#[test]
fn what_has_expired_makes_room_before_a_conversation_does() {
    let hour = u64::try_from(HOUR.as_micros()).unwrap();
    // 127 bytes each of what has expired, and 129 of the others.
    for bounds in [Bounds { most: 10, ..BOUNDS }, Bounds { bytes: 1_290, ..BOUNDS }] {
        let folder = Folder::new();
        let mut tables = Tables::open(&folder, bounds);
        for number in 0..6 {
            tables.put(number, first("a")).unwrap();
        }
        tables.now += hour + 100;
        for number in 6..14 {
            tables.put(number, first("a")).unwrap();
        }
        assert_eq!(tables.found(0..14), [(6..14).collect(), vec![4, 5]], "{bounds:?}");
        // One that was dropped as there were too many says nothing.
        for number in 14..20 {
            tables.put(number, first("a")).unwrap();
        }
        assert_eq!(tables.found(0..20), [(10..20).collect(), vec![]], "{bounds:?}");
    }
}

/// As many expire at once as several commits sweep; and a clock that is put back leaves nothing behind.
#[test]
fn all_that_has_expired_is_swept_in_the_course_of_things() {
    let hour = u64::try_from(HOUR.as_micros()).unwrap();
    let folder = Folder::new();
    let mut tables = Tables::open(&folder, BOUNDS);
    let puts = (0..600).map(|number| Change::Put(key(number), first("a")));
    tables.write(puts.collect());
    tables.now += hour + 1_000;
    for ended in [256, 512, 600, 600] {
        tables.write(Vec::new());
        assert_eq!((tables.total.ended, tables.total.conversations), (ended, 600 - ended));
    }
    tables.now -= 3 * hour;
    tables.put(700, first("a")).unwrap();
    tables.now += hour;
    tables.write(Vec::new());
    assert_eq!((tables.total.ended, tables.total.conversations), (601, 0));
    tables.now += 3 * hour;
    for ended in [345, 89, 0] {
        tables.write(Vec::new());
        assert_eq!(tables.total.ended, ended);
    }
    assert_eq!(tables.total.bytes, 0);
}

#[tokio::test]
async fn what_begins_anew_says_so_until_its_next_turn_also_after_a_restart() {
    let folder = Folder::new();
    let store = open_with(&folder, BOUNDS).await;
    crate::conversation::record::tests::begins_anew(&store).await;
    store.begin_anew().await.unwrap();
    drop(store);
    let store = open_with(&folder, BOUNDS).await;
    let said = crate::conversation::record::tests::said(&store).await;
    assert_eq!(said, [(true, vec![]), (true, vec![])]);
}
