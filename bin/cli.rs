//! The command line as a whole: no subcommand runs the node.

use crate::{
    args::{log::LogArgs, node::NodeArgs},
    commands,
};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// A rollup node for OP Stack chains. Without a subcommand it runs the node; `light-node node --help` lists its flags.
#[derive(Debug, Parser)]
#[command(
    name = "light-node",
    version,
    about,
    propagate_version = true,
    override_usage = "light-node [COMMAND] [OPTIONS]"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the node (also without a subcommand).
    Node(Box<NodeArgs>),
    /// Run an L1, an execution layer, a sequencer and followers in this process.
    #[cfg(feature = "devnet")]
    Devnet(crate::args::devnet::DevnetArgs),
}

impl Cli {
    /// Runs the chosen command to its end.
    pub(crate) fn run(self) -> eyre::Result<()> {
        match self.command {
            Command::Node(args) => commands::node::run(&args, &self.log),
            #[cfg(feature = "devnet")]
            Command::Devnet(args) => commands::devnet::run(&args, &self.log),
        }
    }
}

/// The arguments with the default subcommand put in: `light-node --l2=...` means `light-node node --l2=...`. Container
/// images pass their own name as first argument; it is dropped.
pub(crate) fn arguments(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut given = given.into_iter();
    let program = given.next().unwrap_or_else(|| "light-node".into());
    let mut rest: Vec<OsString> = given.collect();
    if rest.first().is_some_and(|first| first == "light-node") {
        rest.remove(0);
    }
    let names_command =
        first_word(&rest).is_some_and(|word| !word.starts_with('-') || TOP_LEVEL.contains(&word));
    let default_command = (!names_command).then(|| OsString::from("node"));
    std::iter::once(program)
        .chain(default_command)
        .chain(rest)
        .collect()
}

/// The first argument that is no flag of the log: those may stand before the subcommand too.
fn first_word(rest: &[OsString]) -> Option<&str> {
    let mut words = rest.iter().map(|word| word.to_str().unwrap_or("-"));
    while let Some(word) = words.next() {
        if !word.starts_with("--log.") {
            return Some(word);
        }
        if !word.contains('=') {
            words.next();
        }
    }
    None
}

/// Flags that speak of the whole program and not of the node.
const TOP_LEVEL: [&str; 4] = ["--help", "-h", "--version", "-V"];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn completed(given: &[&str]) -> Vec<String> {
        arguments(given.iter().map(OsString::from))
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect()
    }

    #[test]
    fn no_subcommand_means_node() {
        assert_eq!(completed(&["ln"]), ["ln", "node"]);
        assert_eq!(completed(&["ln", "--l1=x"]), ["ln", "node", "--l1=x"]);
        assert_eq!(
            completed(&["ln", "node", "--l1=x"]),
            ["ln", "node", "--l1=x"]
        );
        assert_eq!(completed(&["ln", "devnet"]), ["ln", "devnet"]);
        assert_eq!(completed(&["ln", "--version"]), ["ln", "--version"]);
        assert_eq!(
            completed(&["ln", "--log.level", "debug", "--log.format=json", "devnet"]),
            ["ln", "--log.level", "debug", "--log.format=json", "devnet"]
        );
        assert_eq!(
            completed(&["ln", "--log.level=debug", "--l1=x"]),
            ["ln", "node", "--log.level=debug", "--l1=x"]
        );
    }

    #[test]
    fn a_leading_program_name_is_dropped() {
        assert_eq!(
            completed(&["ln", "light-node", "--l1=x"]),
            ["ln", "node", "--l1=x"]
        );
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
