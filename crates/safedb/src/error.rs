//! Why the history cannot be opened, and why a call fails.

use std::path::PathBuf;
use thiserror::Error;

/// The history cannot be opened. The operator's to mend; the message says how.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory does not exist and cannot be made, or the file in it cannot be made or read.
    #[error(
        "cannot keep the history of safe heads in {}: {cause}; give --safedb.path a directory that this process may write, \
         or --safedb.disable", path.display()
    )]
    Unusable {
        /// Directory or file.
        path: PathBuf,
        /// What the system says; the message has it.
        cause: std::io::Error,
    },
    /// Another process has the file open.
    #[error(
        "{} is in use by another process; give each node its own --safedb.path, or --safedb.disable", path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is the history of another chain.
    #[error(
        "{} is the history of {theirs}, and this node is of {ours}; give --safedb.path another directory, or remove the file",
        path.display()
    )]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// Our chain.
        ours: String,
        /// The file's.
        theirs: String,
    },
    /// The file is damaged and cannot be moved out of the way.
    #[error("{} is corrupt ({cause}) and cannot be moved aside: {obstacle}; remove it", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
        /// Why it cannot be moved; the message has it.
        obstacle: std::io::Error,
    },
    /// A new file cannot be set up either.
    #[error("cannot set up the history of safe heads in {}", path.display())]
    New {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// A call fails. Nothing of it has happened; the next one may succeed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk, or the store's format.
    #[error("the history of safe heads cannot be read or written")]
    Storage(#[source] Box<redb::Error>),
    /// The file is not where it was opened: it, its directory or its volume was taken away. What is written would be lost.
    #[error("{} was removed or replaced while it was in use", path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// The store gave up on itself: it is corrupt.
    #[error("the history of safe heads is corrupt: {cause}")]
    Corrupt {
        /// What it says.
        cause: String,
    },
}

impl StoreError {
    /// After such a failure the store must be opened anew.
    pub(crate) fn breaks(&self) -> bool {
        match self {
            Self::Storage(error) => {
                matches!(**error, redb::Error::Io(_) | redb::Error::PreviousIo)
            }
            Self::Gone { .. } | Self::Corrupt { .. } => true,
        }
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Corrupted(cause) => Self::Corrupt { cause },
            error => Self::Storage(Box::new(error)),
        }
    }
}
