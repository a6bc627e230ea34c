//! A disk that is full, or fails, and then is right again.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

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
