//! Small files that must be whole or absent: keys, lists of peers, the last word of an admin. They are written beside their place,
//! synced, and moved there in one step.

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
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
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
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder that is gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let name = format!("light-node-files-{:016x}", rand::rng().next_u64());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_was_written_last_is_read_and_nothing_is_left_beside_it() {
        let folder = Folder::new();
        let path = folder.0.join("below/file");
        assert_eq!(read_bounded(&path, 8).unwrap(), None);
        for content in [&b"old"[..], b"newer"] {
            write_atomically(&path, content, 0o600).unwrap();
            assert_eq!(read_bounded(&path, 8).unwrap().as_deref(), Some(content));
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = Folder::new();
        let path = folder.0.join("file");
        write_atomically(&path, b"nine byte", 0o644).unwrap();
        assert!(read_bounded(&path, 9).unwrap().is_some());
        let refused = read_bounded(&path, 8).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let folder = Folder::new();
        let path = folder.0.join("taken");
        fs::create_dir_all(path.join("by a folder")).unwrap();
        assert!(write_atomically(&path, b"new", 0o644).is_err());
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }
}
