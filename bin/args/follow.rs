//! Follow mode: safe and finalized come from another rollup node.

use crate::args::value::{self, Endpoint};
use clap::Args;
use std::time::Duration;

/// Flags of follow mode.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Follow mode")]
pub(crate) struct FollowArgs {
    /// RPC of the rollup node whose safe and finalized heads are followed. A path (`/<chain id>`) is kept.
    #[arg(
        long = "l2.follow.source",
        value_name = "URL",
        env = "LIGHT_NODE_L2_FOLLOW_SOURCE",
        hide_env_values = true,
        value_parser = value::endpoint
    )]
    pub(crate) source: Option<Endpoint>,

    /// How often the source is asked, from 10ms to 1m; jittered, and slower while it fails.
    #[arg(
        long = "l2.follow.poll-interval",
        value_name = "DURATION",
        env = "LIGHT_NODE_L2_FOLLOW_POLL_INTERVAL",
        default_value = "1s",
        value_parser = value::within(value::POLL)
    )]
    pub(crate) poll_interval: Duration,

    /// A source whose L1 head is this far behind ours is stale: its heads are not applied. From 1s to 1day.
    #[arg(
        long = "l2.follow.max-age",
        value_name = "DURATION",
        env = "LIGHT_NODE_L2_FOLLOW_MAX_AGE",
        default_value = "2m",
        value_parser = value::within(value::AGE)
    )]
    pub(crate) max_age: Duration,

    /// Deadline of one request to the source, from 10ms to 5m.
    #[arg(
        // The field's name is also that of an L1 flag, and ids must differ.
        id = "l2.follow.request-timeout",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_L2_FOLLOW_REQUEST_TIMEOUT",
        default_value = "5s",
        value_parser = value::within(value::REQUEST)
    )]
    pub(crate) request_timeout: Duration,
}
