//! What the L1 client is told at start.

use core::fmt;
use light_node_protocol::{BlockNumHash, redact_url};
use std::{ops::RangeInclusive, time::Duration};
use url::Url;

/// Shorter intervals would make a timer spin, longer ones overflow the clock.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// Settings of the L1 client and its watcher. Intervals count as at least a millisecond and at most a day.
#[derive(Clone)]
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

    /// The same with intervals that a timer can bear.
    pub(crate) fn bounded(mut self) -> Self {
        for interval in [
            &mut self.block_time,
            &mut self.epoch_poll_interval,
            &mut self.retry_interval,
        ] {
            *interval = (*interval).clamp(*INTERVALS.start(), *INTERVALS.end());
        }
        self
    }
}

/// Without what opens the endpoints.
impl fmt::Debug for L1Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<String> = self.endpoints.iter().map(redact_url).collect();
        f.debug_struct("L1Config")
            .field("endpoints", &endpoints)
            .field("l1_chain_id", &self.l1_chain_id)
            .field("genesis_l1", &self.genesis_l1)
            .field("block_time", &self.block_time)
            .field("epoch_poll_interval", &self.epoch_poll_interval)
            .field("retry_interval", &self.retry_interval)
            .field("request_deadline", &self.request_deadline)
            .field("check_deadline", &self.check_deadline)
            .field("trust_rpc", &self.trust_rpc)
            .finish()
    }
}
