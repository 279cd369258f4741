//! Questions about the program itself.

use clap::Args;
use clap_complete::Shell;

/// Flags of `light-node completions`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell that is to read the script.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Flags of `light-node version`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct VersionArgs {
    /// Print JSON: `{"version", "commit", "rustc", "target", "profile", "features"}`.
    #[arg(long)]
    pub(crate) json: bool,
}
