//! A disk that is full, and what operators may find in the place of the file.

use super::*;
use crate::codec::encode_chain;
use door::Opened;
use open::{builder, set_up};
use redb::{BackendError, StorageBackend, backends::FileBackend};
use std::{
    io,
    ops::Bound,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// A file on a disk that can be full.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.room()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

/// A history on a disk, and the switch that fills the disk.
fn history_on_a_disk(directory: &Path) -> (SafeDb, Arc<AtomicBool>) {
    let is_full = Arc::new(AtomicBool::new(false));
    let path = directory.join(FILE_NAME);
    let switch = is_full.clone();
    let open = move || {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .unwrap();
        let file = FileBackend::new(file).unwrap();
        let is_full = switch.clone();
        let database = builder().create_with_backend(Disk { file, is_full })?;
        set_up(&database, &encode_chain(&RollupConfig::default()))?;
        Ok(Opened::in_memory(database))
    };
    let door = Door::new(open().unwrap(), open).reopening_after(Duration::ZERO);
    (SafeDb::over(door, &SafeDbConfig::new(None)), is_full)
}

#[test]
fn a_full_disk_costs_samples_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (history, is_full) = history_on_a_disk(directory.path());
    fill(&history, 10, 20);
    is_full.store(true, Ordering::Relaxed);
    for number in 21..25 {
        let refused = history.observe(&[seen(l1(number), number)]);
        assert!(refused.is_err(), "{refused:?}");
    }
    is_full.store(false, Ordering::Relaxed);
    assert_eq!(history.at(15).unwrap(), answer(l1(15), 15));
    fill(&history, 30, 40);
    assert_eq!(history.at(35).unwrap(), answer(l1(35), 35));
    assert_eq!(history.at(25).unwrap(), None);
    drop(history);
    let history = open(directory.path());
    assert_eq!(history.at(20).unwrap(), answer(l1(20), 20));
    assert_eq!(history.at(40).unwrap(), answer(l1(40), 40));
}

#[test]
fn a_failure_is_told_by_what_failed() {
    let directory = tempfile::tempdir().unwrap();
    let (history, is_full) = history_on_a_disk(directory.path());
    is_full.store(true, Ordering::Relaxed);
    let refused = history.observe(&[seen(l1(21), 21)]).unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("no storage space"), "{cause}");
}

#[test]
fn a_directory_in_the_place_of_the_file_is_named_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(FILE_NAME)).unwrap();
    let refusal = SafeDb::open(&config(directory.path()), &RollupConfig::default()).unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains(FILE_NAME) && text.contains("--safedb.path"),
        "{text}"
    );
}

#[test]
fn a_directory_that_is_removed_is_noticed_at_the_next_write_and_a_new_history_begins() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("safedb");
    let history = open(&directory);
    fill(&history, 10, 20);
    fs::remove_dir_all(&directory).unwrap();
    let lost = history.observe(&[seen(l1(22), 21)]).unwrap_err();
    let text = lost.to_string();
    assert!(
        text.contains("safedb") && text.contains("removed"),
        "{text}"
    );
    // What comes then is written where it is found again.
    fill(&history, 30, 40);
    assert_eq!(history.at(35).unwrap(), answer(l1(35), 35));
    assert_eq!(history.at(15).unwrap(), None, "what was removed is gone");
    drop(history);
    assert_eq!(open(&directory).at(35).unwrap(), answer(l1(35), 35));
}

#[test]
fn another_file_in_the_place_of_ours_is_noticed_also_by_a_rewind() {
    let directory = tempfile::tempdir().unwrap();
    let history = open(directory.path());
    fill(&history, 10, 20);
    let path = directory.path().join(FILE_NAME);
    fs::copy(&path, directory.path().join("restored")).unwrap();
    fs::rename(directory.path().join("restored"), &path).unwrap();
    let lost = history.rewind_to_l1(l1(15).id());
    assert!(matches!(lost, Err(StoreError::Gone { .. })), "{lost:?}");
    history.rewind_to_l1(l1(15).id()).unwrap();
    assert_eq!(
        history.at(12).unwrap(),
        answer(l1(12), 12),
        "the restored file"
    );
}

#[test]
fn a_place_that_stays_away_costs_samples_until_it_is_there_again() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("volume/safedb");
    let history = open(&directory);
    let volume = parent.path().join("volume");
    fill(&history, 10, 20);
    fs::remove_dir_all(&volume).unwrap();
    fs::write(&volume, "no directory").unwrap();
    for number in 22..25 {
        let refused = history.observe(&[seen(l1(number), number)]);
        assert!(refused.is_err(), "{refused:?}");
        assert!(history.at(12).is_err());
    }
    fs::remove_file(&volume).unwrap();
    // It is looked for now and then only.
    assert!(history.observe(&[seen(l1(25), 25)]).is_err());
}
