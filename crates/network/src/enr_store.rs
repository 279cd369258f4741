//! Node records on disk, so that a restart finds its peers without the bootnodes. One record a line: what is broken costs its line
//! and nothing else.

use discv5::Enr;
use light_node_actor::files;
use std::{io, path::PathBuf};

/// Most records that are kept: a node has 30 peers, and 512 records are 150 KB.
pub(crate) const RECORDS_MAX: usize = 512;
/// Largest file that is read. A record has 300 bytes by its standard, 404 as text.
const BYTES_MAX: u64 = 1024 * 1024;

/// The file of node records.
#[derive(Clone, Debug)]
pub(crate) struct EnrStore {
    path: PathBuf,
}

impl EnrStore {
    /// The store at a path; nothing is read yet.
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The records that can be read, at most [`RECORDS_MAX`]. They can all be found again, so a broken file is no reason not to
    /// start.
    pub(crate) fn load(&self) -> Vec<Enr> {
        let content = match files::read_bounded(&self.path, BYTES_MAX) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "Cannot read the node records; beginning without");
                return Vec::new();
            }
        };
        let text = String::from_utf8_lossy(&content);
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let (mut records, mut broken) = (Vec::new(), 0_usize);
        for line in lines.take(RECORDS_MAX) {
            match line.trim().parse() {
                Ok(record) => records.push(record),
                Err(_) => broken += 1,
            }
        }
        if broken > 0 {
            tracing::warn!(path = %self.path.display(), broken, read = records.len(), "Some of the node records are broken; going on without them");
        }
        records
    }

    /// Keeps the first [`RECORDS_MAX`] records in place of those before.
    ///
    /// # Errors
    /// What the file system says; the old file is then untouched.
    pub(crate) fn save(&self, records: &[Enr]) -> io::Result<()> {
        let mut text = String::new();
        for record in records.iter().take(RECORDS_MAX) {
            text.push_str(&record.to_base64());
            text.push('\n');
        }
        files::write_atomically(&self.path, text.as_bytes(), 0o644)
    }
}

#[cfg(test)]
mod tests;
