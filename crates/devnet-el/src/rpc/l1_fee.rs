//! What a transaction paid for its bytes on L1, as its receipt tells. The prices are those of the block's own L1-info
//! deposit, which are in force for all that follows it in the block.

use crate::{execution::ExecutedBlock, spec::ElSpec};
use alloy_consensus::Transaction;
use alloy_eips::Encodable2718;
use alloy_op_evm::env::spec_by_timestamp_after_bedrock;
use alloy_primitives::U256;
use light_node_protocol::{
    EcotoneScalars, L1BlockInfo, OperatorFee,
    l1_info::{EcotoneFees, L1FeeParams},
};
use op_alloy_consensus::OpTxEnvelope;
use op_alloy_rpc_types::L1BlockInfo as ReceiptFields;
use op_revm::{OpSpecId, estimate_tx_compressed_size};

/// The L1 prices of a block.
#[derive(Debug)]
pub(super) struct L1Prices {
    spec: OpSpecId,
    base_fee: U256,
    blob_base_fee: U256,
    scalars: EcotoneScalars,
    operator_fee: Option<OperatorFee>,
    da_footprint_gas_scalar: Option<u16>,
}

impl L1Prices {
    /// Reads the block's first deposit; `None` if there is none with prices in the form of Ecotone or later.
    pub(super) fn of(spec: &ElSpec, block: &ExecutedBlock) -> Option<Self> {
        let deposit = block.block.body.transactions.first()?;
        let info = L1BlockInfo::decode(deposit.input()).ok()?;
        let (
            EcotoneFees {
                scalars,
                blob_base_fee,
            },
            operator_fee,
            da_footprint_gas_scalar,
        ) = match info.fees {
            L1FeeParams::Bedrock { .. } => return None,
            L1FeeParams::Ecotone(fees) => (fees, None, None),
            L1FeeParams::Isthmus(fees, operator) => (fees, Some(operator), None),
            L1FeeParams::Jovian(fees, operator, scalar) => (fees, Some(operator), Some(scalar)),
        };
        Some(Self {
            spec: spec_by_timestamp_after_bedrock(spec.forks(), block.header().timestamp),
            base_fee: info.base_fee,
            blob_base_fee,
            scalars,
            // As in op-geth: an operator fee of nothing is not told.
            operator_fee: operator_fee.filter(|fee| *fee != OperatorFee::default()),
            da_footprint_gas_scalar,
        })
    }

    /// The fields of a transaction's receipt. A deposit pays nothing and has none.
    pub(super) fn receipt_fields(&self, transaction: &OpTxEnvelope) -> ReceiptFields {
        if transaction.is_deposit() {
            return ReceiptFields::default();
        }
        let encoded = transaction.encoded_2718();
        let mut calculator = op_revm::L1BlockInfo {
            l1_base_fee: self.base_fee,
            l1_base_fee_scalar: U256::from(self.scalars.base_fee_scalar),
            l1_blob_base_fee: Some(self.blob_base_fee),
            l1_blob_base_fee_scalar: Some(U256::from(self.scalars.blob_base_fee_scalar)),
            ..op_revm::L1BlockInfo::default()
        };
        ReceiptFields {
            l1_gas_price: Some(self.base_fee.saturating_to()),
            l1_gas_used: Some(calculator.data_gas(&encoded, self.spec).saturating_to()),
            l1_fee: Some(
                calculator
                    .calculate_tx_l1_cost(&encoded, self.spec)
                    .saturating_to(),
            ),
            l1_fee_scalar: None,
            l1_base_fee_scalar: Some(self.scalars.base_fee_scalar.into()),
            l1_blob_base_fee: Some(self.blob_base_fee.saturating_to()),
            l1_blob_base_fee_scalar: Some(self.scalars.blob_base_fee_scalar.into()),
            operator_fee_scalar: self.operator_fee.map(|fee| fee.scalar.into()),
            operator_fee_constant: self.operator_fee.map(|fee| fee.constant.into()),
            da_footprint_gas_scalar: self.da_footprint_gas_scalar,
        }
    }

    /// The share of a transaction in the block's DA footprint, which receipts call blob gas (Jovian).
    pub(super) fn da_footprint(&self, transaction: &OpTxEnvelope) -> Option<u64> {
        let scalar = self.da_footprint_gas_scalar?;
        if transaction.is_deposit() {
            return None;
        }
        let bytes = estimate_tx_compressed_size(&transaction.encoded_2718()) / 1_000_000;
        Some(bytes.saturating_mul(scalar.into()))
    }
}
