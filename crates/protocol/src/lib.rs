//! Words and rules of the OP Stack domain: block references, `SyncStatus`, the chain configuration and its hardforks, the
//! L1-info deposit, output roots. Everything here is pure: no tokio, no I/O. All other crates stand on this one.

mod block;
mod rollup_config;
mod severity;
mod sync_status;

pub use alloy_eips::BlockNumHash;
pub use block::{L1BlockRef, L2BlockRef};
pub use rollup_config::{ChainGenesis, ChainOpConfig, Hardfork, RollupConfig, SystemConfig};
pub use severity::Severity;
pub use sync_status::SyncStatus;
