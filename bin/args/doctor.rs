//! The examination of a set-up before it runs, or while it does not do what it should.

use crate::args::node::NodeArgs;
use clap::Args;

/// The node's own flags, and the form of the findings.
#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the findings as JSON: `{"version", "healthy", "findings": [{"id", "severity", "subject", "detail", "fix"}]}`.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) node: NodeArgs,
}
