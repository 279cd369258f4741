//! The light CL: instead of deriving safe and finalized blocks from L1, the node follows another node's
//! `optimism_syncStatus`. [`FollowActor`] polls a [`FollowSource`], puts each answer through five checks, and sends one
//! update to the engine. It awaits the source, L1 and the engine; nobody awaits it.
//!
//! The checks, in order: shape, identity, L1 canonicality, freshness, regression. The pure ones are in [`checks`] and
//! [`regression`].

mod actor;
pub mod checks;
mod config;
mod delegation;
mod fatal;
mod handle;
mod http;
mod metrics;
mod news;
mod outage;
mod outcome;
mod poll;
mod recorder;
pub mod regression;
mod source;
mod state;
mod status;

pub use actor::FollowActor;
pub use config::FollowConfig;
pub use fatal::FollowFatal;
pub use handle::FollowHandle;
pub use http::{HttpSource, HttpSourceError};
pub use metrics::FollowMetrics;
pub use outcome::{FollowCounters, PollOutcome};
pub use source::{ChainIdentity, FollowSource, SourceError};
pub use status::{FollowStatus, IdentityVerdict, NotReady};
