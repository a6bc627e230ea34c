//! What a connection needs and files hold, such as certificates and passwords: read again at each connect, since they
//! are renewed on disk while a worker runs.
//!
//! **Invariant:** a file that can't be used never ends a worker, nor keeps it from a broker that takes what it had. What
//! was read last without a fault is used then, and the fault is told once. The other side may have revoked it: then the
//! connect fails, and the next one reads again.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::spawn_blocking, time::timeout};

/// Reads it; the error tells which file is wrong, and how.
type Read<T> = dyn Fn() -> Result<T, String> + Send + Sync;

/// A value that is read again before each use. Its clones share what was read last.
pub struct Renewed<T> {
    last: Arc<Mutex<Last<T>>>,
    read: Option<Arc<Read<T>>>,
    /// One at a time: a file system that hangs may cost a thread, and not one for each try to connect.
    reading: Arc<AtomicBool>,
}

struct Last<T> {
    value: T,
    told: Option<String>,
}

/// Tells that nobody reads any more, also after a panic.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<T> Clone for Renewed<T> {
    fn clone(&self) -> Self {
        Self { last: self.last.clone(), read: self.read.clone(), reading: self.reading.clone() }
    }
}

impl<T: Clone + PartialEq + Send + 'static> Renewed<T> {
    /// A value that stays as it is.
    pub fn fixed(value: T) -> Self {
        Self { last: Arc::new(Mutex::new(Last { value, told: None })), read: None, reading: Arc::default() }
    }

    /// A value that was read, and is read again like this. `read` may block.
    pub fn new(value: T, read: impl Fn() -> Result<T, String> + Send + Sync + 'static) -> Self {
        Self { read: Some(Arc::new(read)), ..Self::fixed(value) }
    }

    /// What was read last without a fault.
    pub fn last(&self) -> T {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    /// The value as the files have it now; what was read last where they can't be used, or not within `limit`.
    pub async fn now(&self, limit: Duration) -> T {
        let Some(read) = self.read.clone() else { return self.last() };
        if self.reading.swap(true, Ordering::AcqRel) {
            return self.last();
        }
        let over = Over(self.reading.clone());
        let read = spawn_blocking(move || {
            let _over = over;
            read()
        });
        let found = match timeout(limit, read).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => Err(format!("the files couldn't be read: {error}")),
            Err(_) => Err(format!("the files couldn't be read within {limit:?}")),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(value) => {
                if last.value != value {
                    tracing::info!("connecting with certificates or credentials that were renewed");
                }
                *last = Last { value, told: None };
            }
            Err(fault) if last.told.as_ref() != Some(&fault) => {
                tracing::warn!("{fault}; connecting with what was there before");
                last.told = Some(fault);
            }
            Err(_) => {}
        }
        last.value.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[tokio::test]
    async fn what_was_read_last_without_a_fault_is_used() {
        let readings: [Result<u32, &str>; 5] = [Ok(1), Err("a.pem is gone"), Err("a.pem is gone"), Ok(2), Err("gone")];
        let next = AtomicUsize::new(0);
        let read = move || {
            let found = readings.get(next.fetch_add(1, SeqCst)).copied().unwrap_or(Err("no more"));
            found.map_err(str::to_owned)
        };
        let renewed = Renewed::new(0, read);
        let (clone, limit) = (renewed.clone(), Duration::from_secs(60));
        let told = |renewed: &Renewed<u32>| renewed.last.lock().unwrap_or_else(PoisonError::into_inner).told.clone();
        assert_eq!((renewed.last(), told(&renewed)), (0, None));
        assert_eq!((renewed.now(limit).await, told(&renewed)), (1, None));
        assert_eq!((clone.now(limit).await, told(&renewed).as_deref()), (1, Some("a.pem is gone")));
        assert_eq!((renewed.now(limit).await, told(&renewed).as_deref()), (1, Some("a.pem is gone")));
        assert_eq!((renewed.now(limit).await, told(&renewed)), (2, None));
        assert_eq!((renewed.now(limit).await, told(&renewed).as_deref()), (2, Some("gone")));
        assert_eq!((clone.last(), Renewed::fixed(7).now(limit).await), (2, 7));
    }
}
