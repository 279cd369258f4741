//! `admin_setLogLevel`: how much the whole process logs, until it ends. The program that set up logging says how it is changed.

use std::{fmt, sync::Arc};
use tracing::level_filters::LevelFilter;

/// Changes what is logged; the words are why it could not be done.
type Setter = dyn Fn(LevelFilter) -> Result<(), String> + Send + Sync;

/// A way to change what this process logs. Cheap to clone.
#[derive(Clone)]
pub struct SetLogLevel(Arc<Setter>);

impl SetLogLevel {
    /// What is done with a level; the error is why it was not.
    pub fn new(set: impl Fn(LevelFilter) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(set))
    }

    pub(crate) fn set(&self, level: LevelFilter) -> Result<(), String> {
        (self.0)(level)
    }
}

impl fmt::Debug for SetLogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetLogLevel")
    }
}

/// The level of a name: op-node's long and short names and the numbers in which its client writes the levels that its logger
/// has no name for, in any case; beside them `off`. There is no level above error here.
pub(crate) fn level_of(name: &str) -> Option<LevelFilter> {
    Some(match name.to_ascii_lowercase().as_str() {
        "trace" | "trce" | "debug-4" => LevelFilter::TRACE,
        "debug" | "dbug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" => LevelFilter::WARN,
        "error" | "eror" | "crit" | "error+4" => LevelFilter::ERROR,
        "off" => LevelFilter::OFF,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_names_that_op_node_takes_and_those_that_its_client_sends() {
        for (names, level) in [
            (&["trace", "TRCE", "DEBUG-4"][..], LevelFilter::TRACE),
            (&["debug", "DBUG"], LevelFilter::DEBUG),
            (&["info", "INFO"], LevelFilter::INFO),
            (&["warn"], LevelFilter::WARN),
            (&["error", "eror", "crit", "ERROR+4"], LevelFilter::ERROR),
            (&["off"], LevelFilter::OFF),
        ] {
            for name in names {
                assert_eq!(level_of(name), Some(level), "{name}");
            }
        }
        for name in ["", "loud", "info,engine=debug", "3", " info"] {
            assert_eq!(level_of(name), None, "{name}");
        }
    }
}
