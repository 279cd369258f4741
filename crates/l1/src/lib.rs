//! Our own view of L1: a client over several endpoints with failover, a window of canonical blocks, and the watcher actor
//! that keeps both fresh. Everyone else reads [`L1Heads`] or asks [`L1Handle::check`]. Derivation reads L1 through
//! [`L1Source`]: behind it [`L1Feed`] fetches blocks over the same endpoints, and blobs from beacons, ahead of the cursor.
//!
//! [`L1Watcher`] and every caller of [`L1Handle::check`] share one fetcher behind an async mutex, so at most one request is
//! in flight and what one learns serves all. The watcher awaits nobody but the L1 endpoints.

mod beacon;
mod config;
mod data;
mod endpoints;
mod error;
mod feed;
mod fetcher;
mod handle;
mod health;
#[cfg(any(test, feature = "test-utils"))]
mod memory_source;
mod metrics;
mod probe;
mod rpc;
mod schedule;
mod signer;
mod status;
#[cfg(any(test, feature = "test-utils"))]
pub mod test_utils;
#[cfg(test)]
mod testing;
mod transport;
mod watcher;
mod window;

pub use beacon::BeaconClient;
pub use config::L1Config;
pub use data::{Blob, BlobError, InboxData, InboxTransaction, L1Data, L1DataError, L1Source};
pub use error::{L1ConfigError, L1Error, L1Fatal};
pub use feed::{L1Feed, L1FeedConfig, L1FeedHandle};
pub use handle::{Canonicality, L1Handle, L1Heads};
#[cfg(any(test, feature = "test-utils"))]
pub use memory_source::MemoryL1Source;
pub use metrics::L1Metrics;
pub use probe::{L1Probe, probe};
pub use signer::{
    SignerConfig, SignerHandle, SignerState, SignerWatcher, UNSAFE_BLOCK_SIGNER_SLOT,
};
pub use status::{EndpointStatus, EndpointVerdict, L1Status, L1Trouble};
pub use transport::{BeaconTransport, BoxTransport, HttpError, HttpTransport, Transport};
pub use watcher::L1Watcher;
