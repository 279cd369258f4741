//! The node's key: who we are to peers, in libp2p and in discv5. It is made once and kept in a file that only its owner reads.
//! A broken file ends the start: a new identity in its place would come unnoticed. The key is never logged.

use alloy_primitives::hex;
use libp2p::identity::secp256k1::{Keypair, SecretKey};
use light_node_actor::files;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Largest file that is read: a key of 66 characters and some white space.
const BYTES_MAX: u64 = 256;
/// Only the owner reads and writes.
const MODE: u32 = 0o600;
/// Bits of a mode that let others do anything.
const OTHERS: u32 = 0o077;

/// Why a text is no node key. The text itself is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NodeKeyError {
    /// A key has 64 digits.
    #[error("a key has 64 hex digits, with or without 0x before them; this one has {digits}")]
    Length {
        /// How many characters there are, without `0x`.
        digits: usize,
    },
    /// There are other characters than hex digits.
    #[error("the key is not hex")]
    NotHex,
    /// It is zero, or above the order of the curve.
    #[error("the number is no secret key of secp256k1")]
    OutOfRange,
}

/// Why there is no node key.
#[derive(Debug, Error)]
pub enum NodeKeyFileError {
    /// The file cannot be read.
    #[error("cannot read the node key {}", path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read or change it, so they may be us.
    #[error("the node key {} is open to others (mode {mode:03o}); make it private: chmod 600", path.display())]
    Exposed {
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no key.
    #[error("the node key {} is broken; restore it, or remove it to become another node", path.display())]
    Broken {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: NodeKeyError,
    },
    /// A new key cannot be kept.
    #[error("cannot write a new node key to {}", path.display())]
    Write {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Reads a key as 64 hex digits, with or without `0x` before them and white space around.
///
/// # Errors
/// [`NodeKeyError`].
pub fn node_key_from_hex(text: &str) -> Result<Keypair, NodeKeyError> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits = text.chars().count();
    let mut bytes = Zeroizing::new([0; 32]);
    if digits != 2 * bytes.len() {
        return Err(NodeKeyError::Length { digits });
    }
    hex::decode_to_slice(text, bytes.as_mut_slice()).map_err(|_| NodeKeyError::NotHex)?;
    let secret = SecretKey::try_from_bytes(bytes.as_mut_slice());
    secret
        .map(Keypair::from)
        .map_err(|_| NodeKeyError::OutOfRange)
}

/// The key in the file at `path`. If there is no file, a new key is made and kept there before it is used.
///
/// # Errors
/// [`NodeKeyFileError`]: never is another key taken in place of one that cannot be read.
pub fn load_or_create_node_key(path: &Path) -> Result<Keypair, NodeKeyFileError> {
    let read_error = |source| NodeKeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    let Some(content) = files::read_bounded(path, BYTES_MAX).map_err(read_error)? else {
        return create(path);
    };
    let content = Zeroizing::new(content);
    let mode = fs::metadata(path).map_err(read_error)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(NodeKeyFileError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let text = std::str::from_utf8(&content).map_err(|_| NodeKeyError::NotHex);
    text.and_then(node_key_from_hex)
        .map_err(|source| NodeKeyFileError::Broken {
            path: path.to_owned(),
            source,
        })
}

fn create(path: &Path) -> Result<Keypair, NodeKeyFileError> {
    let key = Keypair::generate();
    let secret = Zeroizing::new(key.secret().to_bytes());
    let text = Zeroizing::new(hex::encode(secret.as_slice()));
    files::write_atomically(path, text.as_bytes(), MODE).map_err(|source| {
        NodeKeyFileError::Write {
            path: path.to_owned(),
            source,
        }
    })?;
    tracing::info!(path = %path.display(), "Made a new node key");
    Ok(key)
}

#[cfg(test)]
mod tests;
