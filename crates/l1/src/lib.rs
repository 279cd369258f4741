//! Our own view of L1: a client over several endpoints with failover, a window of canonical blocks, and the watcher actor
//! that keeps both fresh. Everyone else reads [`L1Heads`] or asks [`L1Handle::check`].
//!
//! [`L1Watcher`] and every caller of [`L1Handle::check`] share one fetcher behind an async mutex, so at most one request is
//! in flight and what one learns serves all. The watcher awaits nobody but the L1 endpoints.

mod config;
mod endpoints;
mod error;
mod fetcher;
mod handle;
mod health;
mod metrics;
mod probe;
mod rpc;
mod schedule;
mod status;
#[cfg(any(test, feature = "test-utils"))]
pub mod test_utils;
#[cfg(test)]
mod testing;
mod transport;
mod watcher;
mod window;

pub use config::L1Config;
pub use error::{L1ConfigError, L1Error, L1Fatal};
pub use handle::{Canonicality, L1Handle, L1Heads};
pub use metrics::L1Metrics;
pub use probe::{L1Probe, probe};
pub use status::{EndpointStatus, EndpointVerdict, L1Status, L1Trouble};
pub use transport::{BoxTransport, HttpError, HttpTransport, Transport};
pub use watcher::L1Watcher;
