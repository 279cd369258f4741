//! What an admin has said last, kept over restarts: a JSON file in the form that op-node keeps, replaced as a whole.

use light_node_actor::files;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// No file of ours is larger.
const MAX_BYTES: u64 = 64 << 10;

/// Why the kept state cannot be read.
#[derive(Debug, Error)]
pub enum AdminStateError {
    /// It is there and cannot be read.
    #[error("the kept state of the sequencer, {}, cannot be read", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// It is no state.
    #[error("{} does not hold the state of a sequencer: remove it, or name another file", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// It is far too large.
    #[error("{} does not hold the state of a sequencer: it is too large for one", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequencer_started: Option<bool>,
}

/// Whether the sequencer was started or stopped last; `None` if nobody has said.
///
/// # Errors
/// [`AdminStateError`] if there is a file that says neither.
pub(crate) fn read(path: &Path) -> Result<Option<bool>, AdminStateError> {
    let unread = |source: io::Error| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::FileTooLarge {
            AdminStateError::TooLarge { path }
        } else {
            AdminStateError::Io { path, source }
        }
    };
    let Some(json) = files::read_bounded(path, MAX_BYTES).map_err(unread)? else {
        return Ok(None);
    };
    let path = path.to_owned();
    let kept: Kept =
        serde_json::from_slice(&json).map_err(|source| AdminStateError::Json { path, source })?;
    Ok(kept.sequencer_started)
}

/// Keeps whether the sequencer is started.
///
/// # Errors
/// The system's, and the old file stays.
pub(crate) fn write(path: &Path, is_started: bool) -> io::Result<()> {
    let kept = Kept {
        sequencer_started: Some(is_started),
    };
    let json = serde_json::to_vec(&kept)?;
    // Who was told that it is stopped relies on that over a loss of power, too.
    files::write_atomically(path, &json, 0o644)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_was_said_last_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/admin.json");
        assert_eq!(read(&path).unwrap(), None);
        for is_started in [true, false, true] {
            write(&path, is_started).unwrap();
            assert_eq!(read(&path).unwrap(), Some(is_started));
        }
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            r#"{"sequencerStarted":true}"#
        );
        let names = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1);
    }

    #[test]
    fn a_file_that_is_something_else_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.json");
        for content in ["", "started", r#"{"sequencerStarted":"yes"}"#] {
            fs::write(&path, content).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(
                error.contains("admin.json does not hold the state"),
                "{error}"
            );
        }
        fs::write(&path, "{}").unwrap();
        assert_eq!(read(&path).unwrap(), None);
        fs::write(&path, " ".repeat(65 << 10)).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, AdminStateError::TooLarge { .. }), "{error}");
    }
}
