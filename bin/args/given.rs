//! What one layer of configuration says: a value with the place it comes from, or a fault that names that place. The layers
//! (flags, environment, file) make them, and `layers` lays them over each other.

use std::{ffi::OsString, fmt, path::Path, sync::Arc};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag, as typed with its dashes: it may be another node's name.
    Flag(String),
    /// A variable.
    Env(String),
    /// The configuration file.
    File {
        path: Arc<Path>,
        line: usize,
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Env(name) => f.write_str(name),
            Self::File { path, line, key } => write!(f, "{}:{line} {key}", path.display()),
        }
    }
}

/// Values for one flag from one place.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) flag: String,
    pub(crate) values: Vec<OsString>,
    pub(crate) origin: Origin,
}

/// Something wrong, in one sentence that names flag, variable or file.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    message: String,
    /// Wrong words on the command line, as opposed to a wrong configuration.
    pub(crate) is_usage: bool,
}

impl Fault {
    pub(crate) const fn configuration(message: String) -> Self {
        let is_usage = false;
        Self { message, is_usage }
    }

    /// A fault of what stands at `origin`.
    pub(crate) fn at(origin: &Origin, message: String) -> Self {
        let is_usage = matches!(origin, Origin::Flag(_));
        Self { message, is_usage }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The known name that a wrong one was probably meant to be.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Below this, two names have little more in common than their prefix.
    const LIKENESS_MIN: f64 = 0.8;
    let likeness = |known: &'a str| (strsim::jaro_winkler(wrong, known), known);
    let likely = known
        .into_iter()
        .map(likeness)
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN);
    likely
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}
