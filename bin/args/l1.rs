//! Our own view of L1.

use crate::args::value::{self, Endpoint};
use clap::{Args, builder::BoolishValueParser};
use std::time::Duration;

/// Time between two slots of Ethereum.
pub(crate) const SLOT_DURATION: Duration = Duration::from_secs(12);

/// Flags of the L1 client.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "L1")]
pub(crate) struct L1Args {
    /// HTTP endpoint of an L1 execution node. Several (repeated or comma separated) fail over in this order.
    #[arg(
        long = "l1",
        value_name = "URL",
        env = "LIGHT_NODE_L1",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = value::endpoint
    )]
    pub(crate) endpoints: Vec<Endpoint>,

    /// How often the L1 tags `safe` and `finalized` are asked for, from 100ms to 1h.
    #[arg(
        long = "l1.epoch-poll-interval",
        value_name = "DURATION",
        env = "LIGHT_NODE_L1_EPOCH_POLL_INTERVAL",
        default_value = "384s",
        value_parser = value::within(value::L1_LABELS)
    )]
    pub(crate) epoch_poll_interval: Duration,

    /// Time between two L1 blocks, from 100ms to 10m: the head is asked for when the next one is due.
    #[arg(
        long = "l1.slot-duration",
        value_name = "DURATION",
        env = "LIGHT_NODE_L1_SLOT_DURATION",
        default_value = "12s",
        value_parser = value::within(value::L1_BLOCK)
    )]
    pub(crate) slot_duration: Duration,

    /// Deadline of one request to L1, from 10ms to 5m.
    #[arg(
        long = "l1.request-timeout",
        value_name = "DURATION",
        env = "LIGHT_NODE_L1_REQUEST_TIMEOUT",
        default_value = "10s",
        value_parser = value::within(value::REQUEST)
    )]
    pub(crate) request_timeout: Duration,

    /// How often it is read from L1 who signs unsafe blocks, from 1s to 1day. It is read, too, whenever L1 or gossip says that it may
    /// have changed.
    #[arg(
        long = "l1.runtime-config-reload-interval",
        value_name = "DURATION",
        env = "LIGHT_NODE_L1_RUNTIME_CONFIG_RELOAD_INTERVAL",
        default_value = "5m",
        value_parser = value::within(value::L1_RELOAD)
    )]
    pub(crate) signer_interval: Duration,

    /// Believe the block hashes that the endpoint announces instead of recomputing them from the headers, and ask for the
    /// rollup's logs instead of all receipts: for an L1 node of your own, and for an L1 whose headers have fields that this version
    /// does not know.
    #[arg(long = "l1.trust-rpc", env = "LIGHT_NODE_L1_TRUST_RPC", value_parser = BoolishValueParser::new())]
    pub(crate) trust_rpc: bool,
}
