//! The open file behind all calls. After one failed read or write the store refuses every further call until it is opened
//! anew; so it is, now and then: a full disk shall cost samples, and not the history until the next restart.

use super::guarded;
use crate::error::StoreError;
use redb::Database;
use std::{
    fmt,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tracing::info;

/// Between two attempts to open the file again; each reads all of it.
const REOPEN_AFTER: Duration = Duration::from_secs(30);

type Opener = Box<dyn Fn() -> Result<Database, StoreError> + Send + Sync>;

pub(super) struct Door {
    database: RwLock<Option<Database>>,
    open: Opener,
    is_broken: AtomicBool,
    reopened_at: Mutex<Option<Instant>>,
    reopen_after: Duration,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("database", &self.database)
            .field("is_broken", &self.is_broken)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// `open` opens the same file once more, after `database` was closed.
    pub(super) fn new(
        database: Database,
        open: impl Fn() -> Result<Database, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            database: RwLock::new(Some(database)),
            open: Box::new(open),
            is_broken: AtomicBool::new(false),
            reopened_at: Mutex::new(None),
            reopen_after: REOPEN_AFTER,
        }
    }

    /// The same with another time between two attempts.
    #[cfg(test)]
    pub(super) const fn reopening_after(mut self, reopen_after: Duration) -> Self {
        self.reopen_after = reopen_after;
        self
    }

    /// Does `work` on the open file.
    pub(super) fn enter<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_broken.load(Ordering::Acquire) {
            self.reopen()?;
        }
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or_else(closed)?;
        let outcome = guarded(|| work(database));
        if outcome.as_ref().is_err_and(StoreError::breaks) {
            self.is_broken.store(true, Ordering::Release);
        }
        outcome
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if !self.is_broken.load(Ordering::Acquire) {
            return Ok(());
        }
        {
            let last = self.reopened_at.lock();
            let mut last = last.unwrap_or_else(PoisonError::into_inner);
            if last.is_some_and(|last| last.elapsed() < self.reopen_after) {
                return Err(closed());
            }
            *last = Some(Instant::now());
        }
        let old = database.take();
        // One that failed may fail at its end, too.
        let _ = guarded(|| {
            drop(old);
            Ok(())
        });
        *database = Some((self.open)()?);
        self.is_broken.store(false, Ordering::Release);
        info!("history of safe heads is open again after a failure");
        Ok(())
    }
}

fn closed() -> StoreError {
    StoreError::Storage(Box::new(redb::Error::PreviousIo))
}
