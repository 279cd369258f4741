//! What methods and pages answer from: the handles of the other actors.

use light_node_actor::CancellationToken;
use light_node_engine::EngineHandle;
use light_node_engine_api::ElReader;
use light_node_follow::FollowHandle;
use light_node_l1::L1Handle;
use light_node_protocol::{RollupConfig, SyncStatus};
use std::sync::Arc;

/// Whom the server reads from.
#[derive(Clone, Debug)]
pub struct RpcPeers {
    /// The chain.
    pub rollup_config: Arc<RollupConfig>,
    /// L2 heads; `admin_postUnsafePayload` goes there too.
    pub engine: EngineHandle,
    /// Blocks and proofs for output roots.
    pub reader: Arc<dyn ElReader>,
    /// L1 heads.
    pub l1: L1Handle,
    /// The follow source's verdicts.
    pub follow: FollowHandle,
}

impl RpcPeers {
    /// One coherent answer to `optimism_syncStatus`, without a call to anybody.
    pub(crate) fn sync_status(&self) -> SyncStatus {
        crate::sync_status(&self.rollup_config, &self.engine.state(), &self.l1.heads())
    }
}

/// What methods and pages answer from.
#[derive(Debug)]
pub(crate) struct RpcContext {
    pub(crate) peers: RpcPeers,
    pub(crate) version: String,
    /// Ends the subscriptions, which would otherwise keep the server alive.
    pub(crate) token: CancellationToken,
}
