//! The metrics server.

use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};
use light_node_node::{MetricsCompat, MetricsConfig};
use std::net::{IpAddr, SocketAddr};

/// Flags of the metrics server.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct MetricsArgs {
    /// Serve metrics for Prometheus at /metrics.
    #[arg(
        id = "metrics_enabled",
        long = "metrics.enabled",
        value_name = "BOOL",
        env = "LIGHT_NODE_METRICS_ENABLED",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        value_parser = BoolishValueParser::new(),
        hide_possible_values = true,
        default_value = "true",
        default_missing_value = "true"
    )]
    pub(crate) enabled: bool,

    /// Address on which metrics are served.
    #[arg(
        id = "metrics_addr",
        long = "metrics.addr",
        value_name = "IP",
        env = "LIGHT_NODE_METRICS_ADDR",
        default_value = "127.0.0.1"
    )]
    pub(crate) addr: IpAddr,

    /// Port of the metrics server; 0 takes a free one, which the log names.
    #[arg(
        id = "metrics_port",
        long = "metrics.port",
        value_name = "PORT",
        env = "LIGHT_NODE_METRICS_PORT",
        default_value_t = 7300
    )]
    pub(crate) port: u16,

    /// Whose names metrics have beside our own: op-node's, for its dashboards and alerts, or nobody's.
    #[arg(
        id = "metrics_compat",
        long = "metrics.compat",
        value_name = "NAMES",
        env = "LIGHT_NODE_METRICS_COMPAT",
        value_enum,
        default_value_t = Compat::OpNode
    )]
    pub(crate) compat: Compat,
}

/// Names beside our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compat {
    OpNode,
    None,
}

impl MetricsArgs {
    /// What the node serves, if anything.
    pub(crate) fn config(&self) -> Option<MetricsConfig> {
        self.enabled.then(|| MetricsConfig {
            listen: SocketAddr::new(self.addr, self.port),
            compat: match self.compat {
                Compat::OpNode => MetricsCompat::OpNode,
                Compat::None => MetricsCompat::None,
            },
        })
    }
}
