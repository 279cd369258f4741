//! The secret shared with the EL, and the tokens made of it. It never appears in a log, an error or a `Debug`.

use alloy_primitives::hex;
use alloy_rpc_types_engine::Claims;
use core::fmt;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Hex digits of a secret: 256 bits (Engine API specification, authentication).
const SECRET_DIGITS: usize = 64;

/// No secret file is longer; a device or a log given by mistake is not read to its end.
const MAX_FILE_BYTES: u64 = 4096;

/// The 256-bit secret of the Engine API.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JwtSecret(alloy_rpc_types_engine::JwtSecret);

/// Why a file is no secret. Says what to do, never what the file holds.
#[derive(Debug, Error)]
pub enum JwtError {
    /// No such file.
    #[error(
        "there is no JWT secret at {}: name the file that the execution layer was started with", path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("cannot read the JWT secret at {}: let this user read the file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Not 64 digits.
    #[error(
        "the JWT secret at {} has {digits} digits: it must be one line of 64 hex digits, with or without 0x",
        path.display()
    )]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// How many characters it has, without `0x` and whitespace.
        digits: usize,
    },
    /// 64 characters, but not hex digits.
    #[error(
        "the JWT secret at {} is not hexadecimal: it must be one line of 64 hex digits, with or without 0x",
        path.display()
    )]
    NotHex {
        /// The file.
        path: PathBuf,
    },
}

impl JwtSecret {
    /// The secret of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let secret = alloy_rpc_types_engine::JwtSecret::from_hex(hex::encode(bytes));
        Self(secret.expect("32 bytes are 64 hex digits"))
    }

    /// Reads a secret file: 64 hex digits, with or without `0x`, whitespace around them.
    ///
    /// # Errors
    /// [`JwtError`], which names the path and the remedy.
    pub fn from_file(path: &Path) -> Result<Self, JwtError> {
        let owned = || path.to_path_buf();
        let mut content = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut content))
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => JwtError::Missing { path: owned() },
                _ => JwtError::Unreadable {
                    path: owned(),
                    source,
                },
            })?;
        let digits = content.trim_ascii();
        let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
        if digits.len() != SECRET_DIGITS {
            return Err(JwtError::WrongLength {
                path: owned(),
                digits: digits.len(),
            });
        }
        let mut secret = [0; SECRET_DIGITS / 2];
        hex::decode_to_slice(digits, &mut secret)
            .map_err(|_| JwtError::NotHex { path: owned() })?;
        Ok(Self::from_bytes(secret))
    }

    /// A token issued now. The EL accepts it for 60 s, so every attempt gets its own.
    pub(crate) fn token(&self) -> String {
        let claims = Claims::with_current_timestamp();
        self.0
            .encode(&claims)
            .expect("HS256 signs two numbers with any key")
    }
}

impl fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSecret(redacted)")
    }
}

/// Where the secret comes from.
#[derive(Clone, Debug)]
pub enum JwtSource {
    /// A file, read at the start and again whenever the EL refuses a token: a restarted EL may have made a new secret.
    File(PathBuf),
    /// A fixed secret, for an EL in the same process or in a test.
    Secret(JwtSecret),
}

impl JwtSource {
    /// The secret as it is now.
    ///
    /// # Errors
    /// As [`JwtSecret::from_file`].
    pub fn load(&self) -> Result<JwtSecret, JwtError> {
        match self {
            Self::File(path) => JwtSecret::from_file(path),
            Self::Secret(secret) => Ok(*secret),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DIGITS: &str = "f2b6b3e2a8f2b6b3e2a8f2b6b3e2a8f2b6b3e2a8f2b6b3e2a8f2b6b3e2a81234";

    fn load(content: &[u8]) -> Result<JwtSecret, JwtError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt.hex");
        std::fs::write(&path, content).unwrap();
        JwtSource::File(path).load()
    }

    #[test]
    fn prefix_and_surrounding_whitespace_do_not_matter() {
        let plain = load(DIGITS.as_bytes()).unwrap();
        for content in [
            format!("0x{DIGITS}\n"),
            format!("  {DIGITS}\r\n\n"),
            format!("\t0x{DIGITS}"),
        ] {
            assert_eq!(load(content.as_bytes()).unwrap(), plain);
        }
    }

    #[test]
    fn each_bad_file_has_its_own_error_with_path_and_without_content() {
        let missing = JwtSecret::from_file(Path::new("/no/such/jwt.hex")).unwrap_err();
        assert!(matches!(&missing, JwtError::Missing { .. }));
        assert!(missing.to_string().contains("/no/such/jwt.hex"));

        let folder = tempfile::tempdir().unwrap();
        let unreadable = JwtSecret::from_file(folder.path()).unwrap_err();
        assert!(matches!(unreadable, JwtError::Unreadable { .. }));

        let short = load(&DIGITS.as_bytes()[..62]).unwrap_err();
        assert!(matches!(short, JwtError::WrongLength { digits: 62, .. }));
        assert!(matches!(
            load(b"").unwrap_err(),
            JwtError::WrongLength { digits: 0, .. }
        ));

        let no_hex = load("g".repeat(64).as_bytes()).unwrap_err();
        assert!(matches!(no_hex, JwtError::NotHex { .. }));
        for error in [short, no_hex] {
            let text = format!("{error} {error:?}");
            assert!(text.contains("jwt.hex") && text.contains("64 hex digits"));
            assert!(!text.contains(&DIGITS[..8]) && !text.contains("gggg"));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = JwtSecret::from_bytes([0xab; 32]);
        let text = format!("{:?}", JwtSource::Secret(secret));
        assert_eq!(text, "Secret(JwtSecret(redacted))");
    }

    #[test]
    fn an_execution_layer_with_the_same_secret_accepts_the_token() {
        let secret = JwtSecret::from_bytes([7; 32]);
        let other = JwtSecret::from_bytes([8; 32]);
        assert!(secret.0.validate(&secret.token()).is_ok());
        assert!(other.0.validate(&secret.token()).is_err());
    }
}
