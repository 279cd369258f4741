//! What is logged, and how.

use clap::{Args, ValueEnum};

/// Flags of the log.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LogArgs {
    /// Lowest level that is logged, or a filter such as `info,light_node_engine=debug`. RUST_LOG wins over it unless it is empty.
    /// Without either: `info`, and `warn` for a devnet without a terminal.
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

    /// Colours in the pretty form. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(
        long = "log.color",
        value_name = "WHEN",
        env = "LIGHT_NODE_LOG_COLOR",
        default_value = "auto",
        // op-node has it as a switch.
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always",
        global = true
    )]
    pub(crate) color: LogColor,
}

/// When log lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogColor {
    /// On a terminal.
    Auto,
    #[value(alias = "true")]
    Always,
    #[value(alias = "false")]
    Never,
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
