//! The node's own JSON-RPC server.

use clap::{Args, builder::BoolishValueParser};
use std::net::{IpAddr, SocketAddr};

/// Flags of the RPC server.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "RPC")]
pub(crate) struct RpcArgs {
    /// Address on which HTTP and WebSocket are served.
    #[arg(
        long = "rpc.addr",
        value_name = "IP",
        env = "LIGHT_NODE_RPC_ADDR",
        default_value = "127.0.0.1"
    )]
    pub(crate) addr: IpAddr,

    /// Port of the RPC server; 0 takes a free one, which the log names.
    #[arg(
        long = "rpc.port",
        value_name = "PORT",
        env = "LIGHT_NODE_RPC_PORT",
        default_value_t = 9545
    )]
    pub(crate) port: u16,

    /// Serve the admin namespace and the commands of opp2p. Whoever reaches the port can then post unsafe blocks, reset derivation,
    /// start and stop the sequencer, choose and block peers, and silence the log.
    #[arg(long = "rpc.enable-admin", env = "LIGHT_NODE_RPC_ENABLE_ADMIN", value_parser = BoolishValueParser::new())]
    pub(crate) enable_admin: bool,
}

impl RpcArgs {
    /// The address to listen on.
    pub(crate) const fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.addr, self.port)
    }
}
