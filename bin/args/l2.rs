//! The execution layer that the node drives.

use crate::args::value::{self, Endpoint};
use clap::Args;
use std::path::PathBuf;

/// Flags of the Engine API.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Execution layer")]
pub(crate) struct L2Args {
    /// Authenticated Engine API endpoint of op-reth or op-geth.
    #[arg(
        long = "l2",
        value_name = "URL",
        env = "LIGHT_NODE_L2",
        hide_env_values = true,
        value_parser = value::endpoint
    )]
    pub(crate) engine: Option<Endpoint>,

    /// File with the JWT secret that the execution layer was started with (64 hex digits).
    #[arg(
        long = "l2.jwt-secret",
        value_name = "FILE",
        env = "LIGHT_NODE_L2_JWT_SECRET"
    )]
    pub(crate) jwt_secret: Option<PathBuf>,
}
