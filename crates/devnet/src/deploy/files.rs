//! The files by which programs outside join the devnet.

use super::Deployment;
use alloy_rpc_types_engine::JwtSecret;
use light_node_devnet_l1::l1_genesis_json;
use serde::Serialize;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// A file could not be written.
#[derive(Debug, Error)]
#[error("cannot write {path}")]
pub struct FileError {
    /// Which file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// Where the files of a devnet are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployedFiles {
    /// The L2's genesis for op-geth and op-reth.
    pub genesis: PathBuf,
    /// The rollup config for rollup nodes.
    pub rollup: PathBuf,
    /// The L1's genesis; op-node reads the L1's chain config from it.
    pub l1_genesis: PathBuf,
    /// The secret of all Engine API ports.
    pub jwt: PathBuf,
    /// Where everything listens.
    pub endpoints: PathBuf,
}

impl DeployedFiles {
    /// The names that the files have in `directory`.
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            genesis: directory.join("genesis.json"),
            rollup: directory.join("rollup.json"),
            l1_genesis: directory.join("l1-genesis.json"),
            jwt: directory.join("jwt.hex"),
            endpoints: directory.join("endpoints.json"),
        }
    }

    /// Writes everything but the endpoints, which are known only later. The JWT secret is a new one, and is returned.
    ///
    /// # Errors
    /// The first file that cannot be written.
    pub fn write(&self, deployment: &Deployment) -> Result<JwtSecret, FileError> {
        // Scripts wait for this one: that of an earlier run would send them to ports that nobody listens on.
        remove(&self.endpoints).map_err(|source| file_error(&self.endpoints, source))?;
        write_json(&self.genesis, &deployment.l2_genesis)?;
        write_json(&self.rollup, &*deployment.rollup_config)?;
        write_json(&self.l1_genesis, &l1_genesis_json(&deployment.l1))?;
        let secret = JwtSecret::random();
        write_secret(&self.jwt, &secret)?;
        Ok(secret)
    }
}

/// Writes `value` for people to read: indented, with a new line at the end. Whoever reads the file while it is written
/// sees all of it or nothing.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    let write = || {
        let text = serde_json::to_string_pretty(value)?;
        let unfinished = path.with_extension("json.tmp");
        fs::write(&unfinished, text + "\n")?;
        fs::rename(unfinished, path)
    };
    write().map_err(|source| file_error(path, source))
}

/// Nobody else on the machine may read the secret, also not in the moment between creation and writing.
fn write_secret(path: &Path, secret: &JwtSecret) -> Result<(), FileError> {
    let write = || {
        // An old file would keep its own permissions.
        remove(path)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let text = alloy_primitives::hex::encode(secret.as_bytes());
        options.open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|source| file_error(path, source))
}

/// Removes a file that may be there.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn file_error(path: &Path, source: std::io::Error) -> FileError {
    FileError {
        path: path.to_owned(),
        source,
    }
}
