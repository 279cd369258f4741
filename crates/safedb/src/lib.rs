//! The history of safe heads: which L2 block was safe once all of L1 up to a block had been derived. A library over one
//! small file, no actor: the safe source (follow or derivation) writes, RPC reads. All calls block for a disk's time.
//!
//! What a safe source sees are samples: "the cursor stands on L1 block C, the safe head is S". [`rules`] turns them into
//! statements that cannot be wrong, and [`SafeDb`] keeps these. What is not proven is not answered.

mod codec;
mod error;
mod metrics;
pub mod rules;
mod store;

pub use error::{OpenError, StoreError};
pub use metrics::SafeDbMetrics;
pub use rules::{Contradiction, Observation, Span};
pub use store::{FILE_NAME, Observed, SafeDb, SafeDbConfig, SafeHeadAtL1};
