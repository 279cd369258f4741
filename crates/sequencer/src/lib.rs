//! The sequencer: makes the next unsafe block when it is due. It chooses the L1 origin, has the engine build, seal and commit
//! the block, and gives it to the network. With a conductor, nothing is committed or gossiped that the conductor has not taken.
//!
//! It awaits the engine, L1, the execution layer (reading) and the conductor; the network takes its blocks without being awaited.

mod actor;
mod admin_state;
mod clock;
mod conductor;
mod config;
mod ground;
mod handle;
mod metrics;
mod origin;
mod origins;
mod request;
mod schedule;
mod sealed;
mod shelf;
mod slot;
mod source_head;
#[cfg(any(test, feature = "test-utils"))]
pub mod test_utils;
mod waiting;
mod work;

pub use actor::{SequencerActor, SequencerConfigError, SequencerPeers};
pub use admin_state::AdminStateError;
pub use config::{ConductorConfig, SequencerConfig};
pub use handle::{SequencerCommandError, SequencerHandle, SequencerStatus};
pub use metrics::{ConductorMetrics, SequencerMetrics};
pub use source_head::{SourceHead, SourceWord};
