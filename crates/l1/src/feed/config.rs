//! What the feed is told at start.

use super::decode::Addresses;
use alloy_primitives::Address;
use light_node_protocol::RollupConfig;
use std::time::Duration;

/// Settings of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1FeedConfig {
    pub(crate) addresses: Addresses,
    /// Blocks that are fetched ahead of derivation.
    pub window_blocks: u64,
    /// Bytes of blocks and blobs ahead of derivation at which nothing more is fetched ahead.
    pub window_bytes: usize,
    /// Requests for blocks that may be under way.
    pub max_concurrency: usize,
    /// JSON-RPC calls a second at the most; a batch counts as many as it has. Zero is no limit. The watcher is not held up.
    pub calls_per_second: u32,
    /// Deadline of a request for a block or its receipts.
    pub request_deadline: Duration,
}

impl L1FeedConfig {
    /// The settings for a chain: 64 blocks or 128 MiB ahead, 16 requests at once, no rate limit.
    pub const fn new(rollup: &RollupConfig) -> Self {
        Self::of_contracts(
            rollup.batch_inbox_address,
            rollup.deposit_contract_address,
            rollup.l1_system_config_address,
        )
    }

    /// The same for contracts at these addresses.
    pub const fn of_contracts(inbox: Address, portal: Address, system_config: Address) -> Self {
        Self {
            addresses: Addresses {
                inbox,
                portal,
                system_config,
            },
            window_blocks: 64,
            window_bytes: 128 << 20,
            max_concurrency: 16,
            calls_per_second: 0,
            request_deadline: Duration::from_secs(30),
        }
    }
}
