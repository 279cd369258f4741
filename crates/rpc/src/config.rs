//! Settings of the servers, and the limits under which they serve anybody who reaches their ports.

use crate::log_level::SetLogLevel;
use std::{net::SocketAddr, time::Duration};

/// Settings of the RPC server.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve the `admin` namespace, and of `opp2p` what changes something.
    pub enable_admin: bool,
    /// What `admin_setLogLevel` does; without it the method refuses.
    pub set_log_level: Option<SetLogLevel>,
    /// What `optimism_version` and `/healthz` answer.
    pub version: String,
}

/// Largest request body without admin, in bytes. No read method has more than a few numbers as parameters.
pub(crate) const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Largest request body with admin, in bytes: a gossip message may hold 10 MiB, which JSON writes as hex digits.
pub(crate) const ADMIN_REQUEST_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Largest WebSocket message with admin, in bytes. Each connection may hold one half-read message, so it stays far below the body
/// of an HTTP request, of which only [`LARGE_BODIES_MAX`] are read at a time.
pub(crate) const ADMIN_MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bodies above [`REQUEST_BYTES_MAX`] that are read at the same time.
pub(crate) const LARGE_BODIES_MAX: usize = 2;

/// Largest answer in bytes. The longest one, `opp2p_peers` of all peers that are known, has up to 1 KiB for each.
pub(crate) const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest head of an HTTP request, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Header fields of an HTTP request.
pub(crate) const HEADERS_MAX: usize = 64;

/// Requests in one batch.
pub(crate) const BATCH_MAX: usize = 32;

/// Subscriptions of one WebSocket connection.
pub(crate) const SUBSCRIPTIONS_MAX: u32 = 16;

/// Pushes, and answers, that wait for a WebSocket client that does not read. Then nothing more is read from it.
pub(crate) const MESSAGES_BUFFERED_MAX: usize = 64;

/// Calls of one WebSocket connection that are worked on at the same time; then nothing more is read from it.
pub(crate) const CALLS_MAX: usize = 16;

/// Bytes of such calls.
pub(crate) const CALL_BYTES_MAX: usize = 256 * 1024;

/// Bytes of answers that wait for a WebSocket client; a longer one waits until nothing else does. Then nothing more is read.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Calls of all clients that ask another actor or the execution layer at the same time. So few that a flood of them is a small
/// part of what the execution layer does.
pub(crate) const ASKING_CALLS_MAX: usize = 4;

/// How long such a call waits for its turn.
pub(crate) const TURN_PATIENCE: Duration = Duration::from_secs(2);

/// How long it may then take: a payload may be tried for ten seconds.
pub(crate) const ASKING_PATIENCE: Duration = Duration::from_secs(12);

/// Commands of admins that are worked on at the same time. They have turns of their own, so that questions do not hold them up.
pub(crate) const COMMANDS_MAX: usize = 4;

/// Peers that are being connected to by command at the same time.
pub(crate) const CONNECTS_MAX: usize = 4;

/// How long such a call may take: the network gives up by itself after 30 s, and says why.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_secs(32);

/// How long one request may take to be answered, a batch included: the longest call, after it has waited for its turn.
pub(crate) const ANSWER_PATIENCE: Duration = Duration::from_secs(35);

/// How long a client may take for the head of its request over a connection in the reserve.
pub(crate) const PAGE_HEAD_PATIENCE: Duration = Duration::from_secs(1);

/// Pings in a row after which a WebSocket client that sends nothing, not even the answer to a ping, is dropped.
pub(crate) const PINGS_UNANSWERED_MAX: u32 = 3;

/// How long connections may take to end when the server stops.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_millis(300);

/// How many connections a server takes, and how long it bears with each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once, HTTP and WebSocket together.
    pub(crate) connections: usize,
    /// Connections beyond these that may ask for a page and nothing else: health probes get through a crowd.
    pub(crate) page_connections: usize,
    /// For the head of a request, from its first byte or, for the first one, from the connection.
    pub(crate) head: Duration,
    /// For the body of a request.
    pub(crate) body: Duration,
    /// For a client that does not read what we write.
    pub(crate) write: Duration,
    /// For an HTTP connection without a request. Longer than the poll interval of all known clients.
    pub(crate) idle: Duration,
    /// Between two pings to a WebSocket client.
    pub(crate) ping_interval: Duration,
}

impl Limits {
    /// Of the RPC server.
    pub(crate) const RPC: Self = Self {
        connections: 512,
        page_connections: 32,
        head: Duration::from_secs(10),
        body: Duration::from_secs(20),
        write: Duration::from_secs(10),
        idle: Duration::from_secs(120),
        ping_interval: Duration::from_secs(20),
    };

    /// Of the metrics server. One Prometheus holds one connection.
    pub(crate) const METRICS: Self = Self {
        connections: 32,
        page_connections: 8,
        ..Self::RPC
    };
}
