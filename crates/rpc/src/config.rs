//! Settings of the RPC server, and the limits under which it serves anybody who reaches the port.

use std::net::SocketAddr;

/// Settings of the RPC server.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve the `admin` namespace.
    pub enable_admin: bool,
    /// What `optimism_version` and `/healthz` answer.
    pub version: String,
}

/// Largest request body without admin, in bytes. No read method has more than a few numbers as parameters.
pub(crate) const REQUEST_BYTES_MAX: u32 = 64 * 1024;

/// Largest request body with admin, in bytes: a gossip message may hold 10 MiB, which JSON writes as hex digits.
pub(crate) const ADMIN_REQUEST_BYTES_MAX: u32 = 24 * 1024 * 1024;

/// Largest answer in bytes. The longest one, `optimism_outputAtBlock`, stays below 8 KiB.
pub(crate) const RESPONSE_BYTES_MAX: u32 = 1024 * 1024;

/// Connections at once, HTTP and WebSocket together.
pub(crate) const CONNECTIONS_MAX: u32 = 512;

/// Requests in one batch.
pub(crate) const BATCH_MAX: u32 = 32;

/// Subscriptions of one WebSocket connection.
pub(crate) const SUBSCRIPTIONS_MAX: u32 = 16;

/// Messages that wait for a WebSocket client that does not read. Then its subscriptions wait, and read the newest head next.
pub(crate) const MESSAGES_BUFFERED_MAX: u32 = 64;
