//! Opening the history: a directory that is made if need be, one file in it. A damaged file is moved aside and named; a
//! foreign or busy one is refused.

use super::{
    CHAIN, LAST, SPANS, SafeDb,
    door::{Door, Opened},
    guarded,
};
use crate::{
    codec::{CHAIN_BYTES, describe_chain, encode_chain},
    error::{OpenError, StoreError},
    metrics::SafeDbMetrics,
};
use light_node_protocol::RollupConfig;
use redb::{Builder, Database, ReadableTable, backends::InMemoryBackend};
use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};
use tracing::{info, warn};

/// The file's name in the directory. Other nodes keep their databases in directories that may be given to us, too.
pub const FILE_NAME: &str = "safe-heads.redb";

/// What is added to the name of a damaged file.
const ASIDE: &str = "corrupt";

/// About four months where every L1 block brings a new safe head, and 100 MB of disk; dispute games last for weeks.
const SPANS_MAX: u64 = 800_000;

/// Memory for pages of the file, in bytes. Writers touch its end; readers ask seldom.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Where the history is kept, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeDbConfig {
    /// The directory; `None` keeps it in memory, for as long as the process lives.
    pub directory: Option<PathBuf>,
    /// Spans (about: safe heads) that are kept; the oldest go first.
    pub spans_max: u64,
}

impl SafeDbConfig {
    /// The defaults in `directory`.
    pub const fn new(directory: Option<PathBuf>) -> Self {
        Self {
            directory,
            spans_max: SPANS_MAX,
        }
    }
}

/// What stands in the way of a file.
enum Obstacle {
    Io(io::Error),
    InUse,
    Corrupt(String),
    OtherChain(Box<[u8; CHAIN_BYTES]>),
    Other(StoreError),
}

impl SafeDb {
    /// Opens the history of a chain, or begins it. A damaged file is moved aside, and a new one begun.
    ///
    /// # Errors
    /// What the operator has to mend.
    pub fn open(config: &SafeDbConfig, chain: &RollupConfig) -> Result<Self, OpenError> {
        let ours = encode_chain(chain);
        let Some(directory) = &config.directory else {
            let path = PathBuf::from("memory");
            let database = in_memory(&ours).map_err(|source| OpenError::New { path, source })?;
            // There is nothing to open again.
            let gone = || Err(StoreError::from(redb::Error::PreviousIo));
            let opened = Opened::in_memory(database);
            return Ok(Self::over(Door::new(opened, gone), config));
        };
        fs::create_dir_all(directory).map_err(|cause| OpenError::Unusable {
            path: directory.clone(),
            cause,
        })?;
        let path = directory.join(FILE_NAME);
        let database = match open_file(&path, &ours) {
            Err(Obstacle::Corrupt(cause)) => {
                move_aside(&path, cause)?;
                open_file(&path, &ours)
            }
            outcome => outcome,
        };
        let database = database.map_err(|obstacle| obstacle.into_error(path.clone(), &ours))?;
        info!(path = %path.display(), "history of safe heads is open");
        let directory = directory.clone();
        let again = move || {
            // Somebody may have removed it.
            fs::create_dir_all(&directory).map_err(redb::Error::Io)?;
            open_file(&path, &ours).map_err(Obstacle::into_store_error)
        };
        Ok(Self::over(Door::new(database, again), config))
    }

    pub(super) fn over(door: Door, config: &SafeDbConfig) -> Self {
        let history = Self {
            door: Arc::new(door),
            spans_max: config.spans_max.max(1),
            metrics: SafeDbMetrics::default(),
        };
        // A file that cannot be read is found by the first who asks it.
        let _ = history.measure();
        history
    }
}

impl Obstacle {
    fn into_error(self, path: PathBuf, ours: &[u8; CHAIN_BYTES]) -> OpenError {
        match self {
            Self::Io(cause) => OpenError::Unusable { path, cause },
            Self::InUse => OpenError::InUse { path },
            Self::OtherChain(theirs) => OpenError::OtherChain {
                path,
                ours: describe_chain(ours),
                theirs: describe_chain(&theirs),
            },
            Self::Corrupt(cause) => OpenError::New {
                path,
                source: StoreError::Corrupt { cause },
            },
            Self::Other(source) => OpenError::New { path, source },
        }
    }
}

impl Obstacle {
    /// What stands in the way of a file that was open before.
    fn into_store_error(self) -> StoreError {
        match self {
            Self::Io(error) => StoreError::from(redb::Error::Io(error)),
            Self::InUse => StoreError::from(redb::Error::DatabaseAlreadyOpen),
            Self::Corrupt(cause) => StoreError::Corrupt { cause },
            Self::OtherChain(theirs) => StoreError::Corrupt {
                cause: format!("it is of {} now", describe_chain(&theirs)),
            },
            Self::Other(error) => error,
        }
    }
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt { cause } => Self::Corrupt(cause),
            error @ StoreError::Gone { .. } => Self::Other(error),
            StoreError::Storage(error) => match *error {
                redb::Error::Io(error) if is_damage(&error) => Self::Corrupt(error.to_string()),
                redb::Error::Io(error) => Self::Io(error),
                redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse,
                error @ (redb::Error::UpgradeRequired(_)
                | redb::Error::RepairAborted
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TypeDefinitionChanged { .. }
                | redb::Error::TableIsMultimap(_)) => Self::Corrupt(error.to_string()),
                error => Self::Other(StoreError::Storage(Box::new(error))),
            },
        }
    }
}

/// A file that ends early, or whose content is no content of ours.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof
    )
}

fn open_file(path: &Path, ours: &[u8; CHAIN_BYTES]) -> Result<Opened, Obstacle> {
    let opened = guarded(|| {
        let database = builder().create(path)?;
        let theirs = set_up(&database, ours)?;
        Ok((database, theirs))
    });
    let (database, theirs) = opened?;
    if theirs != *ours {
        return Err(Obstacle::OtherChain(Box::new(theirs)));
    }
    Ok(Opened::in_file(database, path))
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    // Pages are read without a look at their checksums later on, so they are looked at now.
    builder
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true);
    builder
}

fn in_memory(ours: &[u8; CHAIN_BYTES]) -> Result<Database, StoreError> {
    guarded(|| {
        let database = builder().create_with_backend(InMemoryBackend::new())?;
        set_up(&database, ours)?;
        Ok(database)
    })
}

/// Makes the tables of a new file. Returns the chain that the file is of. A file that has them is not written to: the disk may
/// be full.
pub(super) fn set_up(
    database: &Database,
    ours: &[u8; CHAIN_BYTES],
) -> Result<[u8; CHAIN_BYTES], StoreError> {
    let write = database.begin_write()?;
    let known = {
        write.open_table(SPANS)?;
        write.open_table(LAST)?;
        let mut chains = write.open_table(CHAIN)?;
        let known = chains.get(())?.map(|row| *row.value());
        if known.is_none() {
            chains.insert((), ours)?;
        }
        known
    };
    match known {
        Some(theirs) => {
            write.abort()?;
            Ok(theirs)
        }
        None => {
            write.commit()?;
            Ok(*ours)
        }
    }
}

/// One damaged file is kept for whoever wants to look at it; the next one takes its place.
fn move_aside(path: &Path, cause: String) -> Result<(), OpenError> {
    let aside = path.with_extension(format!("redb.{ASIDE}"));
    match fs::rename(path, &aside) {
        Ok(()) => {
            warn!(
                path = %path.display(), moved_to = %aside.display(), cause,
                "history of safe heads is corrupt and was moved aside; a new one begins"
            );
            Ok(())
        }
        Err(obstacle) => Err(OpenError::Corrupt {
            path: path.to_path_buf(),
            cause,
            obstacle,
        }),
    }
}
