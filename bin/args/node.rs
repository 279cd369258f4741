//! The node's flags, group by group.

use crate::args::{
    chain::ChainArgs,
    config::{ConfigArgs, Dump},
    derive::DeriveArgs,
    follow::FollowArgs,
    l1::L1Args,
    l2::L2Args,
    metrics::MetricsArgs,
    p2p::P2pArgs,
    rpc::RpcArgs,
    safedb::SafeDbArgs,
    sequencer::SequencerArgs,
};
use clap::Args;

/// All settings of the node.
#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) chain: ChainArgs,
    #[command(flatten)]
    pub(crate) l1: L1Args,
    #[command(flatten)]
    pub(crate) l2: L2Args,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(flatten)]
    pub(crate) derive: DeriveArgs,
    #[command(flatten)]
    pub(crate) p2p: P2pArgs,
    #[command(flatten)]
    pub(crate) sequencer: SequencerArgs,
    #[command(flatten)]
    pub(crate) safedb: SafeDbArgs,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

/// Flags of `light-node node`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Print the configuration that flags, environment and file make together as a file for --config, and end.
    #[arg(
        long,
        value_name = "URLS",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "redacted",
        help_heading = "Configuration"
    )]
    pub(crate) dump_config: Option<Dump>,

    #[command(flatten)]
    pub(crate) node: NodeArgs,
}
