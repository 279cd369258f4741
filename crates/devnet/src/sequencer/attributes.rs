//! Payload attributes of the next L2 block, as derivation will make them from the same L1 blocks
//! (`specs/protocol/derivation.md#deriving-payload-attributes`).

use alloy_eips::{Encodable2718, eip7840::BlobParams};
use alloy_primitives::Bytes;
use alloy_rpc_types_engine::PayloadAttributes;
use light_node_devnet_el::SEQUENCER_FEE_VAULT;
use light_node_devnet_l1::L1Block;
use light_node_protocol::{
    DepositError, Hardfork, RollupConfig, ScalarError, SystemConfig, l1_info::L1BlockFacts,
    l1_info_deposit, user_deposits,
};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use std::sync::Arc;
use thiserror::Error;

/// Why an L1 block can be no origin. The embedded L1 makes no such block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AttributesError {
    /// The system config's fee scalar has no meaning.
    #[error("the fee scalar of the system config cannot be told to L2")]
    Scalar(#[from] ScalarError),
    /// The portal left a malformed deposit.
    #[error("malformed deposit")]
    Deposit(#[from] DepositError),
}

/// The L1 origin of an L2 block and the system config in force in its epoch.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    pub(crate) block: Arc<L1Block>,
    pub(crate) system_config: SystemConfig,
}

/// The attributes of block `sequence_number` of `epoch` at `timestamp` (seconds).
pub(crate) fn attributes(
    config: &RollupConfig,
    epoch: &Epoch,
    sequence_number: u64,
    timestamp: u64,
    no_tx_pool: bool,
) -> Result<OpPayloadAttributes, AttributesError> {
    let system_config = &epoch.system_config;
    let header = epoch.block.header();
    let is_active = |fork| config.is_active(fork, timestamp);
    Ok(OpPayloadAttributes {
        payload_attributes: PayloadAttributes {
            timestamp,
            prev_randao: header.mix_hash,
            suggested_fee_recipient: SEQUENCER_FEE_VAULT,
            withdrawals: is_active(Hardfork::Canyon).then(Vec::new),
            parent_beacon_block_root: is_active(Hardfork::Ecotone)
                .then(|| header.parent_beacon_block_root.unwrap_or_default()),
            ..PayloadAttributes::default()
        },
        transactions: Some(deposits(config, epoch, sequence_number, timestamp)?),
        no_tx_pool: Some(no_tx_pool),
        gas_limit: Some(system_config.gas_limit),
        eip_1559_params: is_active(Hardfork::Holocene).then_some(system_config.eip1559_params),
        min_base_fee: is_active(Hardfork::Jovian).then_some(system_config.min_base_fee),
    })
}

/// The L1-info deposit, and in the first block of an epoch those of users.
fn deposits(
    config: &RollupConfig,
    epoch: &Epoch,
    sequence_number: u64,
    timestamp: u64,
) -> Result<Vec<Bytes>, AttributesError> {
    let (block, hash) = (&epoch.block, epoch.block.hash());
    // The embedded L1 has Prague from its genesis on, and nothing later.
    let facts = L1BlockFacts::from_header(block.header(), hash, BlobParams::prague());
    let info = l1_info_deposit(
        config,
        &epoch.system_config,
        sequence_number,
        &facts,
        timestamp,
    )?;
    let mut deposits = vec![info];
    if sequence_number == 0 {
        let portal = config.deposit_contract_address;
        deposits.extend(user_deposits(block.receipts(), portal, hash)?);
    }
    let encoded = deposits.iter().map(|deposit| deposit.encoded_2718().into());
    Ok(encoded.collect())
}
