//! Tests of the file. That it compares and sets, as every store, is `tests/it/conversation_stores.rs`.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod disk;
mod expiry;

use std::fs;

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
