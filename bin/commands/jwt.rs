//! Makes the secret that the node and its execution layer share. A secret that is in use is never lost by mistake: an
//! existing file is left alone, and a new one appears whole or not at all.

use crate::args::jwt::{GenerateArgs, JwtArgs, JwtCommand};
use eyre::{Context, bail, eyre};
use rand::{TryRngCore, rngs::OsRng};
use std::{
    io::{ErrorKind, Write},
    path::Path,
};
use tempfile::NamedTempFile;

/// Length of the secret that the Engine API's authentication demands.
const SECRET_BYTES: usize = 32;

/// Runs the chosen command.
///
/// # Errors
/// If the system has no randomness, the file exists, or it cannot be written.
pub(crate) fn run(args: &JwtArgs) -> eyre::Result<()> {
    match &args.command {
        JwtCommand::Generate(args) => generate(args),
    }
}

fn generate(args: &GenerateArgs) -> eyre::Result<()> {
    let line = secret()? + "\n";
    let is_stdout = args.file.as_os_str() == "-";
    let printed = if is_stdout {
        line
    } else {
        if !(args.if_missing && args.file.exists()) {
            write(&args.file, line.as_bytes(), args.force)?;
        }
        let path = args.file.canonicalize().unwrap_or(args.file.clone());
        format!("{}\n", path.display())
    };
    let shown = std::io::stdout().write_all(printed.as_bytes());
    if is_stdout {
        // A secret that nobody received must not look like one that was made.
        shown.wrap_err("cannot print the secret")?;
    }
    Ok(())
}

/// A new secret as 64 hex digits, from the system's randomness.
fn secret() -> eyre::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    OsRng
        .try_fill_bytes(&mut bytes)
        .wrap_err("the system gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that only this user may read, whole or not at all.
fn write(path: &Path, content: &[u8], force: bool) -> eyre::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let cannot = || format!("cannot write {}", path.display());
    // Temporary files are made with mode 0600, and keep it when they get their name.
    let mut file = NamedTempFile::new_in(folder).wrap_err_with(cannot)?;
    file.write_all(content).wrap_err_with(cannot)?;
    file.as_file().sync_all().wrap_err_with(cannot)?;
    if force {
        file.persist(path)
            .map_err(|failed| failed.error)
            .wrap_err_with(cannot)?;
        return Ok(());
    }
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} exists and was left as it is; --force replaces it",
            path.display()
        ),
        Err(failed) => Err(eyre!(failed.error).wrap_err(cannot())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_64_hex_digits_and_differ() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        for secret in [&one, &other] {
            assert_eq!(secret.len(), 64);
            assert!(secret.bytes().all(|digit| digit.is_ascii_hexdigit()));
        }
        assert_ne!(one, other);
    }
}
