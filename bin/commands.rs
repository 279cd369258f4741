//! What the subcommands do, one file each.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod derivation;
#[cfg(feature = "devnet")]
pub(crate) mod devnet;
pub(crate) mod doctor;
pub(crate) mod healthcheck;
pub(crate) mod http;
pub(crate) mod jwt;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod sequencer;
pub(crate) mod shutdown;
pub(crate) mod version;

use std::io::Write;

/// Prints a line for people. Whoever reads them may go at any time (`| head`): then it is lost, and nothing else happens.
pub(crate) fn print_line(text: &str) {
    // A closed pipe or a full disk is no reason to fail: the exit code says the same.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// One fault as it is, several as a list.
pub(crate) fn all_of(faults: &[String]) -> String {
    match faults {
        [fault] => fault.clone(),
        faults => {
            let lines = faults.iter().map(|fault| format!("\n  - {fault}"));
            let lines: String = lines.collect();
            format!("{} things are wrong:{lines}", faults.len())
        }
    }
}
