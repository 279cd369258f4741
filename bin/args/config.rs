//! The configuration file, and questions about the configuration.

use crate::args::node::NodeArgs;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Where the configuration file is.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct ConfigArgs {
    /// TOML file with any of these flags as keys, dots between tables; --l1 and --l2 are `l1.url` and `l2.url`. Flags win over
    /// variables, variables over the file.
    #[arg(long = "config", value_name = "FILE", env = "LIGHT_NODE_CONFIG")]
    #[allow(dead_code, reason = "read before clap parses")]
    pub(crate) config: Option<PathBuf>,
}

/// Flags of `light-node config`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigCommandArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// What to say about the configuration.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting of the node with its value and where that comes from. Takes the flags of `node`, too.
    Show(Box<ShowArgs>),
    /// Look for everything that is wrong with the configuration and can be seen without asking anybody: exit code 0 if
    /// nothing is. Takes the flags of `node`, too.
    Check(Box<CheckArgs>),
    /// Print the names of op-node, kona-node and its relatives that are accepted, and what they mean here.
    Aliases,
}

/// Flags of `light-node config show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArgs {
    /// Print JSON: `[{"flag", "key", "env", "value", "origin": {"kind", "name", "file", "line"}}]`.
    #[arg(long)]
    pub(crate) json: bool,

    /// Print URLs with the credentials in them.
    #[arg(long)]
    pub(crate) with_credentials: bool,

    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

/// Flags of `light-node config check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

/// How a dump shows URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dump {
    /// What may open the endpoint is replaced by `<redacted>`, which no node starts with.
    Redacted,
    /// As given.
    WithCredentials,
}
