//! The history of safe heads.

use clap::{Args, builder::BoolishValueParser};
use std::path::PathBuf;

/// Flags of the safe-head history.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Safe-head history")]
pub(crate) struct SafeDbArgs {
    /// Directory in which the history of safe heads is kept for `optimism_safeHeadAtL1Block`. Without it the history begins anew at
    /// each start.
    #[arg(
        long = "safedb.path",
        value_name = "DIR",
        env = "LIGHT_NODE_SAFEDB_PATH"
    )]
    pub(crate) path: Option<PathBuf>,

    /// Keep no history of safe heads at all.
    #[arg(long = "safedb.disable", env = "LIGHT_NODE_SAFEDB_DISABLE", value_parser = BoolishValueParser::new())]
    pub(crate) disable: bool,
}
