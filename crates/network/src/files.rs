//! Small files that must be whole or absent: the node key, the gater's lists, the node records. They are written beside their
//! place, synced, and moved there in one step.

use rand::RngCore;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Writes `content` to `path` in one step: whoever reads it finds the old content or the new one, also after a power cut.
/// Folders on the way are made.
///
/// # Errors
/// What the file system says; the old file is then untouched.
pub(crate) fn write_atomically(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let unfinished = unfinished_beside(path);
    let written =
        write_new(&unfinished, content, mode).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // Nothing can be done about a leftover that does not go away; its name is never used again.
        let _ = fs::remove_file(&unfinished);
        return written;
    }
    // The name in the folder is data of the folder.
    File::open(folder)?.sync_all()
}

/// Reads a file of at most `bytes_max` bytes; `None` if there is none.
///
/// # Errors
/// What the file system says, and [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(content))
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A name of its own each time: a leftover of a crash stands in nobody's way.
fn unfinished_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.new", rand::rng().next_u64()));
    path.with_file_name(name)
}
