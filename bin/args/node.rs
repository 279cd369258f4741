//! The node's flags, group by group.

use crate::args::{chain::ChainArgs, follow::FollowArgs, l1::L1Args, l2::L2Args, rpc::RpcArgs};
use clap::Args;

/// All flags of the node.
#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    pub(crate) chain: ChainArgs,
    #[command(flatten)]
    pub(crate) l1: L1Args,
    #[command(flatten)]
    pub(crate) l2: L2Args,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
}
