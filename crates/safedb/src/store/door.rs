//! The open file behind all calls. After one failed read or write the store refuses every further call until it is opened
//! anew; so it is, now and then: a full disk shall cost samples, and not the history until the next restart. A file that was
//! removed can still be written, and nobody ever reads it again: so before each write it is looked for in its place.

use super::guarded;
use crate::error::StoreError;
use redb::Database;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tracing::{info, warn};

/// Between two attempts to open the file again; each reads all of it.
const REOPEN_AFTER: Duration = Duration::from_secs(30);

type Opener = Box<dyn Fn() -> Result<Opened, StoreError> + Send + Sync>;

/// An open store, and the file that it is in; without one it is in memory.
#[derive(Debug)]
pub(super) struct Opened {
    database: Database,
    file: Option<FileId>,
}

/// A file by its place and by what the system knows it by.
#[derive(Debug)]
struct FileId {
    path: PathBuf,
    id: (u64, u64),
}

impl Opened {
    pub(super) const fn in_memory(database: Database) -> Self {
        Self {
            database,
            file: None,
        }
    }

    /// The store in the file at `path`, which was opened just now.
    pub(super) fn in_file(database: Database, path: &Path) -> Self {
        let id = id_of(path);
        let file = id.map(|id| FileId {
            path: path.to_path_buf(),
            id,
        });
        Self { database, file }
    }

    /// Fails if the file is no longer in its place, or another one is.
    fn check_place(&self) -> Result<(), StoreError> {
        let gone = self
            .file
            .as_ref()
            .filter(|it| id_of(&it.path) != Some(it.id));
        gone.map_or(Ok(()), |it| {
            let path = it.path.clone();
            Err(StoreError::Gone { path })
        })
    }
}

/// Device and number of the file; `None` if there is none.
#[cfg(unix)]
fn id_of(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Where files have no number, it is only seen whether there is one.
#[cfg(not(unix))]
fn id_of(path: &Path) -> Option<(u64, u64)> {
    path.exists().then_some((0, 0))
}

pub(super) struct Door {
    opened: RwLock<Option<Opened>>,
    open: Opener,
    is_broken: AtomicBool,
    reopened_at: Mutex<Option<Instant>>,
    reopen_after: Duration,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("opened", &self.opened)
            .field("is_broken", &self.is_broken)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// `open` opens the same file once more, after `opened` was closed.
    pub(super) fn new(
        opened: Opened,
        open: impl Fn() -> Result<Opened, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            opened: RwLock::new(Some(opened)),
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
        self.with(|opened| work(&opened.database))
    }

    /// Does `work`, which writes, on the open file, if it is still where it was opened.
    pub(super) fn enter_to_write<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|opened| {
            opened.check_place()?;
            work(&opened.database)
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_broken.load(Ordering::Acquire) {
            self.reopen()?;
        }
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.as_ref().ok_or_else(closed)?;
        let outcome = guarded(|| work(opened));
        if outcome.as_ref().is_err_and(StoreError::breaks) {
            self.is_broken.store(true, Ordering::Release);
        }
        outcome
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
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
        let old = opened.take();
        let gone = old.as_ref().and_then(|old| old.check_place().err());
        // One that failed may fail at its end, too.
        let _ = guarded(|| {
            drop(old);
            Ok(())
        });
        *opened = Some((self.open)()?);
        self.is_broken.store(false, Ordering::Release);
        match gone {
            Some(error) => warn!(%error, "history of safe heads is gone; a new one begins"),
            None => info!("history of safe heads is open again after a failure"),
        }
        Ok(())
    }
}

fn closed() -> StoreError {
    StoreError::Storage(Box::new(redb::Error::PreviousIo))
}
