//! The binary as its own source of truth: the flags with which it derives a test's chain, and the wait until it has.

use super::{chain::Chain, flags::Flags, process::NodeProcess, wait::until};
use light_node_protocol::SyncStatus;
use serde_json::json;
use std::time::Duration;

/// Long enough for a busy machine; what is waited for takes some seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Flags with which the binary derives on the spare execution layer.
pub(crate) fn flags(chain: &Chain) -> Flags {
    let endpoints = chain.endpoints();
    chain
        .flags()
        .without("--l2.follow.source")
        .without("--l2.follow.poll-interval")
        .with("--l1.beacon", &endpoints.beacon)
        .with("--l1.chain-config", endpoints.files.l1_genesis.display())
        .with("--safedb.path", chain.dir().join("safedb").display())
}

/// Waits until the node is ready with a safe head and a finalized head that are the sequencer's, at or above these numbers.
pub(crate) async fn derives_up_to(
    chain: &Chain,
    node: &NodeProcess,
    safe: u64,
    finalized: u64,
) -> SyncStatus {
    let rpc = node.rpc();
    until(
        "the sequencer's chain, safe and finalized",
        LIMIT,
        || async {
            let ours = rpc.sync_status().await?;
            let is_theirs = |number, hash| chain.hash_on_sequencer_el(number) == Some(hash);
            let has_safe =
                ours.safe_l2.number >= safe && is_theirs(ours.safe_l2.number, ours.safe_l2.hash);
            let has_finalized = ours.finalized_l2.number >= finalized
                && is_theirs(ours.finalized_l2.number, ours.finalized_l2.hash);
            let is_near = ours.current_l1.number + 3 >= ours.head_l1.number;
            if has_safe && has_finalized && is_near {
                Ok(ours)
            } else {
                let reference = chain.source().status();
                Err(json!({ "ours": ours, "reference": reference }))
            }
        },
    )
    .await
}
