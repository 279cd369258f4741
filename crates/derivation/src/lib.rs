//! Derivation: the safe chain from L1, and its finality. The only crate that stands on kona-derive, and with it on alloy 1.x; both
//! stay behind its module `kona`.
//!
//! [`Deriver`] is the pure part: L1 data in, attributes of L2 blocks out. The actor around it waits for L1 heads, gives the
//! attributes to the engine, and tells the deriver what became of them. It awaits the engine, L1 and the execution layer.

mod actor;
mod attributes;
mod blob;
mod cause;
mod channel;
mod config;
mod confirmations;
mod deriver;
mod drought;
mod epochs;
mod finality;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
#[allow(clippy::missing_panics_doc)]
pub mod fuzzing;
mod handle;
mod history;
mod in_flight;
mod inflate;
mod kona;
mod metrics;
mod refusals;
mod report;
mod safe_block;
mod search;
mod sequenced;
mod single;
mod span;
mod stages;
mod status;
mod sync_start;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
mod trouble;
mod upgrades;

pub use actor::DerivationActor;
pub use attributes::system_config_of;
pub use cause::{ResetCause, RetryCause};
pub use config::DerivationConfig;
pub use deriver::{Deriver, DeriverConfig, Parent, ResetPoint, Step};
pub use handle::DerivationHandle;
#[cfg(feature = "test-utils")]
pub use kona::online::{StockL2, StockWire, decompress, decompress_stock, derive_stock};
pub use metrics::DerivationMetrics;
pub use refusals::RefusedCounts;
pub use sequenced::{SequencedAttributes, SequencedAttributesError};
pub use status::{DerivationCounters, DerivationPhase, DerivationStatus};
pub use trouble::DerivationTrouble;
pub use upgrades::{UpgradeBundleError, UpgradeBundles};
