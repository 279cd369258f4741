//! Words and rules of the OP Stack domain: block references, `SyncStatus`, the chain configuration and its hardforks, the
//! L1-info deposit, user deposits and config updates from L1 logs, output roots. Everything here is pure: no tokio, no I/O.
//! All other crates stand on this one.

mod block;
mod config_update;
mod deposit;
mod hardfork;
mod l1_chain;
pub mod l1_info;
mod log_data;
mod output_root;
mod redact;
mod registry;
mod rollup_config;
mod severity;
mod sync_status;
mod system_config;

pub use alloy_eips::BlockNumHash;
pub use block::{L1BlockRef, L2BlockRef, L2BlockRefError};
pub use config_update::{CONFIG_UPDATE_TOPIC, ConfigUpdate, ConfigUpdateError};
pub use deposit::{DepositError, TRANSACTION_DEPOSITED_TOPIC, user_deposit, user_deposits};
pub use hardfork::Hardfork;
pub use l1_chain::{L1ChainConfig, L1ChainJsonError};
pub use l1_info::{L1BlockInfo, l1_info_deposit};
pub use log_data::LogDataError;
pub use output_root::{
    MissingWithdrawalsRoot, OUTPUT_VERSION_V0, OutputResponse, WithdrawalsRoot, output_root,
};
pub use redact::{foreign_text, redact_url};
pub use registry::{UnknownNetwork, network_name, network_names};
pub use rollup_config::{ChainGenesis, ChainOpConfig, ConfigError, RollupConfig, RollupJsonError};
pub use severity::Severity;
pub use sync_status::SyncStatus;
pub use system_config::{
    BlockConfigError, EcotoneScalars, ExtraDataError, KARST_UPGRADE_GAS, OperatorFee, ScalarError,
    SystemConfig,
};
