//! Builds the L1-info deposit of an L2 block, as a sequencer and derivation must, bit for bit.

use super::{EcotoneFees, L1BlockInfo, L1FeeParams, L1InfoFormat};
use crate::{Hardfork, RollupConfig, ScalarError, SystemConfig};
use alloy_consensus::Header;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B256, TxKind, U256, address};
use op_alloy_consensus::{L1InfoDepositSource, TxDeposit};

/// The sender of every L1-info deposit (`specs/protocol/deposits.md#l1-attributes-depositor-account`).
pub const L1_INFO_DEPOSITOR: Address = address!("0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001");

/// The `L1Block` predeploy, the recipient of every L1-info deposit.
pub const L1_BLOCK_ADDRESS: Address = address!("0x4200000000000000000000000000000000000015");

/// Gas limit of the deposit before Regolith, when it was a system transaction outside the block's gas.
const BEDROCK_GAS_LIMIT: u64 = 150_000_000;

/// Gas limit of the deposit from Regolith on (`specs/protocol/deposits.md#l1-attributes-deposited-transaction`).
const REGOLITH_GAS_LIMIT: u64 = 1_000_000;

/// What the deposit tells about the L1 origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1BlockFacts {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// Unix time of the block in seconds.
    pub timestamp: u64,
    /// Base fee in wei.
    pub base_fee: u64,
    /// Blob base fee in wei, 1 before blobs exist on the L1.
    pub blob_base_fee: u128,
}

impl L1BlockFacts {
    /// The facts of `header`, whose hash is `hash`, under the blob parameters of the L1 at the header's time.
    ///
    /// Without blob fields in the header the blob base fee is 1, the minimum of EIP-4844
    /// (`specs/protocol/ecotone/l1-attributes.md`).
    pub fn from_header(header: &Header, hash: B256, blob_params: BlobParams) -> Self {
        Self {
            number: header.number,
            hash,
            timestamp: header.timestamp,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            blob_base_fee: header.blob_fee(blob_params).unwrap_or(1),
        }
    }
}

/// The first transaction of the L2 block at `l2_timestamp` (seconds): block `sequence_number` of the epoch of `l1`, under the
/// system config in force at that epoch. Rules: `specs/protocol/deposits.md#l1-attributes-deposited-transaction`.
///
/// # Errors
/// A fee scalar that no known version can encode, from Ecotone on.
pub fn l1_info_deposit(
    config: &RollupConfig,
    system_config: &SystemConfig,
    sequence_number: u64,
    l1: &L1BlockFacts,
    l2_timestamp: u64,
) -> Result<TxDeposit, ScalarError> {
    let info = L1BlockInfo {
        number: l1.number,
        timestamp: l1.timestamp,
        base_fee: U256::from(l1.base_fee),
        hash: l1.hash,
        sequence_number,
        batcher_address: system_config.batcher_address,
        fees: fee_params(L1InfoFormat::at(config, l2_timestamp), system_config, l1)?,
    };
    // Regolith ended system transactions: the deposit counts towards the block's gas like any other.
    let regolith = config.is_active(Hardfork::Regolith, l2_timestamp);
    Ok(TxDeposit {
        source_hash: L1InfoDepositSource::new(l1.hash, sequence_number).source_hash(),
        from: L1_INFO_DEPOSITOR,
        to: TxKind::Call(L1_BLOCK_ADDRESS),
        mint: 0,
        value: U256::ZERO,
        gas_limit: if regolith {
            REGOLITH_GAS_LIMIT
        } else {
            BEDROCK_GAS_LIMIT
        },
        is_system_transaction: !regolith,
        input: info.encode(),
    })
}

fn fee_params(
    format: L1InfoFormat,
    system_config: &SystemConfig,
    l1: &L1BlockFacts,
) -> Result<L1FeeParams, ScalarError> {
    if format == L1InfoFormat::Bedrock {
        return Ok(L1FeeParams::Bedrock {
            overhead: system_config.overhead,
            scalar: system_config.scalar,
        });
    }
    let ecotone = EcotoneFees {
        scalars: system_config.ecotone_scalars()?,
        blob_base_fee: U256::from(l1.blob_base_fee),
    };
    let operator_fee = system_config.operator_fee();
    Ok(match format {
        L1InfoFormat::Bedrock | L1InfoFormat::Ecotone => L1FeeParams::Ecotone(ecotone),
        L1InfoFormat::Isthmus => L1FeeParams::Isthmus(ecotone, operator_fee),
        L1InfoFormat::Jovian => L1FeeParams::Jovian(
            ecotone,
            operator_fee,
            system_config.effective_da_footprint_gas_scalar(),
        ),
    })
}
