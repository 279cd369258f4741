//! What is logged, and how.

use clap::{Args, ValueEnum};

/// Flags of the log.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LogArgs {
    /// Lowest level that is logged, or a filter such as `info,light_node_engine=debug`. RUST_LOG wins over it.
    #[arg(
        long = "log.level",
        value_name = "FILTER",
        env = "LIGHT_NODE_LOG_LEVEL",
        global = true
    )]
    pub(crate) level: Option<String>,

    /// Form of the log lines on stdout.
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        env = "LIGHT_NODE_LOG_FORMAT",
        default_value = "auto",
        global = true
    )]
    pub(crate) format: LogFormat,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// `pretty` on a terminal, `logfmt` otherwise.
    Auto,
    /// Coloured, for people.
    // Other nodes' names for what looks much the same.
    #[value(aliases = ["terminal", "text", "full", "compact"])]
    Pretty,
    /// `key=value` pairs.
    #[value(alias = "logfmtms")]
    Logfmt,
    /// One JSON object a line.
    #[value(alias = "jsonms")]
    Json,
}
