//! The secret that the node and its execution layer share.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with a secret.
#[derive(Clone, Debug, Args)]
pub(crate) struct JwtArgs {
    #[command(subcommand)]
    pub(crate) command: JwtCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum JwtCommand {
    /// Make a new secret and write it to a file that only this user may read. Prints the file's path.
    Generate(GenerateArgs),
}

/// Where a new secret goes.
#[derive(Clone, Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The file; `-` prints the secret instead.
    #[arg(value_name = "FILE", default_value = "jwt.hex")]
    pub(crate) file: PathBuf,

    /// Replace the file if it exists. A running execution layer keeps the old secret until its restart.
    #[arg(long)]
    pub(crate) force: bool,

    /// Leave a file that exists as it is, and succeed: for containers and scripts that run at each start.
    #[arg(long, conflicts_with = "force")]
    pub(crate) if_missing: bool,
}
