//! Real data of public chains, which is not part of the project: `LIGHT_NODE_TESTDATA` names its folder.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// A file or folder of the real data; `None`, with word that the test is skipped, where it is not there.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/testdata");
    let root = env::var_os("LIGHT_NODE_TESTDATA").map_or_else(default, PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    // Not by `eprintln`, which says nothing where a test passes.
    let root = root.display();
    let _ = writeln!(
        io::stderr(),
        "skipped: no {name} in {root}, which LIGHT_NODE_TESTDATA names"
    );
    None
}
