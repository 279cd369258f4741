//! What the L1 client is told at start.

use light_node_protocol::BlockNumHash;
use std::time::Duration;
use url::Url;

/// Settings of the L1 client and its watcher.
#[derive(Clone, Debug)]
pub struct L1Config {
    /// JSON-RPC endpoints (http or https), the preferred one first.
    pub endpoints: Vec<Url>,
    /// Chain id that every endpoint must have.
    pub l1_chain_id: u64,
    /// The L1 block after which the rollup starts; an endpoint that has another block at this height is refused.
    pub genesis_l1: BlockNumHash,
    /// Time between two L1 blocks.
    pub block_time: Duration,
    /// How often the `safe` and `finalized` tags are asked for. They travel with a request for the head.
    pub epoch_poll_interval: Duration,
    /// How long to wait before asking again for a head that was due and had not come.
    pub retry_interval: Duration,
    /// Deadline of a request that nobody waits for.
    pub request_deadline: Duration,
    /// Deadline of a request that a check waits for.
    pub check_deadline: Duration,
    /// Believe the block hash that an endpoint announces instead of recomputing it from the header.
    pub trust_rpc: bool,
}

impl L1Config {
    /// Settings of an Ethereum L1: 12 s blocks, tags once per epoch of 32 blocks.
    pub const fn new(endpoints: Vec<Url>, l1_chain_id: u64, genesis_l1: BlockNumHash) -> Self {
        Self {
            endpoints,
            l1_chain_id,
            genesis_l1,
            block_time: Duration::from_secs(12),
            epoch_poll_interval: Duration::from_secs(384),
            retry_interval: Duration::from_secs(2),
            request_deadline: Duration::from_secs(10),
            check_deadline: Duration::from_secs(5),
            trust_rpc: false,
        }
    }

    /// The same with another time between L1 blocks; a devnet's L1 is asked again sooner for a late block.
    pub fn with_block_time(mut self, block_time: Duration) -> Self {
        self.block_time = block_time;
        self.retry_interval = self.retry_interval.min(block_time);
        self
    }

    /// The same with another interval for the `safe` and `finalized` tags.
    pub const fn with_epoch_poll_interval(mut self, interval: Duration) -> Self {
        self.epoch_poll_interval = interval;
        self
    }
}
