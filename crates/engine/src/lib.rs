//! The engine: the only writer of the execution layer. Safe sources, the network, the sequencer and admin send requests
//! through [`EngineHandle`]; the actor awaits nobody but the EL. Heads that it publishes are what the EL confirmed.
//!
//! A request waits in its lane of the queue, is carried out by one task (a free function over the EL and the engine's
//! memory), and its effect is published as one value. What the EL accepts without applying becomes the *target*, which the
//! actor asks for again by itself; nothing waits for gossip, and no progress depends on the next poll.

mod actor;
mod changes;
mod config;
mod content;
mod context;
mod derived;
mod door;
mod follow_case;
mod forkchoice;
mod handle;
mod memory;
mod metrics;
mod outage;
mod payload;
mod payload_buffer;
mod queue;
mod reads;
mod request;
mod state;
mod status;
mod sync_watch;
mod target;
mod tasks;
#[cfg(feature = "test-utils")]
pub mod test_utils;

pub use actor::EngineActor;
pub use config::{BufferLimits, EngineConfig, SafeSourceKind, SyncMode};
pub use follow_case::FollowCase;
pub use handle::{EngineGone, EngineHandle, PayloadDropped};
pub use metrics::EngineMetrics;
pub use queue::Lane;
pub use request::{
    BuildOutcome, CommitOutcome, ConsolidateOutcome, DerivedAttributes, FollowOutcome,
    FollowRefusal, FollowUpdate, ForkchoiceStart, InsertOutcome, ResetError, ResetReason,
    SealOutcome,
};
pub use state::{DerivationState, ElSyncState, EngineState};
pub use status::{EngineError, EngineStatus};
pub use sync_watch::SyncReport;
