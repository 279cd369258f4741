//! A question to a running node, for container runtimes and scripts.

use crate::args::{
    config::ConfigArgs,
    rpc::RpcArgs,
    value::{self, Endpoint},
};
use clap::Args;
use std::time::Duration;

/// Which node to ask, and for what.
#[derive(Clone, Debug, Args)]
pub(crate) struct HealthcheckArgs {
    /// RPC of the node. Without it the node on this machine at --rpc.addr and --rpc.port is asked; 0.0.0.0 and :: mean
    /// loopback.
    #[arg(
        long,
        value_name = "URL",
        value_parser = value::endpoint
    )]
    pub(crate) url: Option<Endpoint>,

    /// Ask whether the process serves (/healthz) and not whether it follows (/readyz). For whoever restarts what is
    /// unhealthy: a node that waits for L1, its source or its execution layer needs no restart.
    #[arg(long)]
    pub(crate) live: bool,

    /// Deadline of the whole check.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = value::duration)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    #[allow(dead_code, reason = "read before clap parses")]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
}
