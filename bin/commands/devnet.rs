//! Runs the devnet until a signal: prints its banner, then keeps one line per node up to date. On a terminal its logs go to a
//! file beside the others.

use crate::{
    args::{devnet::DevnetArgs, log::LogArgs},
    commands::{self, shutdown},
    telemetry,
};
use eyre::Context;
use light_node_devnet::{Devnet, StatusLines};
use std::{
    fs::File,
    io::{IsTerminal, stdout},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Runs the devnet until a signal ends it.
///
/// # Errors
/// If it does not start, or a part of it ends by itself.
pub(crate) fn run(args: &DevnetArgs, log: &LogArgs) -> eyre::Result<()> {
    let datadir = DataDir::new(args.datadir.as_deref())?;
    let is_terminal = stdout().is_terminal();
    // Logs would tear up lines that are drawn in place.
    if is_terminal {
        telemetry::init(log, "info", Some(datadir.log_file()?))?;
    } else {
        telemetry::init(log, "warn", None)?;
    }
    let config = args.config(datadir.path.clone());
    shutdown::run_until_signal(|token| async move {
        let mut devnet = Devnet::start(config, token.clone()).await?;
        commands::print_line(&devnet.banner(&program()));
        let lines = StatusLines::new(&devnet).show(stdout(), is_terminal, token);
        // Whoever reads the lines may go before the devnet does: then it runs on in silence.
        tokio::spawn(lines);
        Ok(devnet.wait().await?)
    })
}

/// How this program can be started again, wherever it lies.
fn program() -> String {
    std::env::current_exe().map_or_else(
        |_| "light-node".to_owned(),
        |path| path.display().to_string(),
    )
}

/// The directory of the devnet's files. A temporary one goes with the devnet.
struct DataDir {
    path: PathBuf,
    is_temporary: bool,
}

impl DataDir {
    fn new(given: Option<&Path>) -> eyre::Result<Self> {
        let (path, created) = match given {
            Some(path) => (path.to_owned(), std::fs::create_dir_all(path)),
            None => {
                let path = temporary_path();
                // Fails if anything is there already: it is not ours to fill or to remove.
                let created = std::fs::DirBuilder::new().mode(0o700).create(&path);
                (path, created)
            }
        };
        created
            .and_then(|()| path.canonicalize())
            .map(|path| Self {
                path,
                is_temporary: given.is_none(),
            })
            .wrap_err_with(|| format!("cannot create --datadir={}", path.display()))
    }

    /// A new file for the logs.
    fn log_file(&self) -> eyre::Result<File> {
        let path = self.path.join("light-node.log");
        File::create(&path).wrap_err_with(|| format!("cannot write {}", path.display()))
    }
}

fn temporary_path() -> PathBuf {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let name = format!("light-node-devnet-{}-{}", now.as_secs(), std::process::id());
    std::env::temp_dir().join(name)
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.is_temporary {
            // What cannot be removed is left to the system, which owns the directory above.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
