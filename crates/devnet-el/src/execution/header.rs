//! The header of a block from the outcome of its execution: the one place that knows which fork adds which field.

use super::{ExecutedBlock, MESSAGE_PASSER, run::Outcome};
use crate::{spec::ElSpec, state::StateSnapshot};
use alloy_consensus::{Block, BlockBody, EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, Header, proofs};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B256, Bloom, logs_bloom};

/// `withdrawalsRoot`: from Isthmus on the storage root of the message passer (`specs/protocol/isthmus/exec-engine.md#l2tol1messagepasser-storage-root-in-header`),
/// from Canyon on the root of no withdrawals.
pub(crate) fn withdrawals_root(
    spec: &ElSpec,
    timestamp: u64,
    state: &StateSnapshot,
) -> Option<B256> {
    if spec.is_isthmus(timestamp) {
        return Some(state.storage_root(&MESSAGE_PASSER));
    }
    spec.is_canyon(timestamp).then_some(EMPTY_ROOT_HASH)
}

/// `requestsHash`: from Isthmus on the hash of no requests.
pub(crate) fn requests_hash(spec: &ElSpec, timestamp: u64) -> Option<B256> {
    spec.is_isthmus(timestamp).then_some(EMPTY_REQUESTS_HASH)
}

/// Completes `template` (everything that was known before execution) with what execution made of it.
pub(super) fn seal(
    spec: &ElSpec,
    template: Header,
    outcome: Outcome,
) -> (ExecutedBlock, StateSnapshot) {
    let timestamp = template.timestamp;
    let mut state = outcome.state;
    let is_ecotone = spec.is_ecotone(timestamp);
    let da_footprint = if spec.is_jovian(timestamp) {
        outcome.da_footprint
    } else {
        0
    };
    let header = Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        state_root: state.root(),
        transactions_root: proofs::calculate_transaction_root(&outcome.transactions),
        receipts_root: proofs::calculate_receipt_root(&outcome.receipts),
        logs_bloom: outcome.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| {
            bloom | logs_bloom(receipt.logs().iter())
        }),
        gas_used: outcome.gas_used,
        withdrawals_root: withdrawals_root(spec, timestamp, &state),
        requests_hash: requests_hash(spec, timestamp),
        blob_gas_used: is_ecotone.then_some(da_footprint),
        excess_blob_gas: is_ecotone.then_some(0),
        ..template
    };
    let hash = header.hash_slow();
    state.remember_block_hash(header.number, hash);
    let body = BlockBody {
        transactions: outcome.transactions,
        ommers: Vec::new(),
        withdrawals: spec.is_canyon(timestamp).then(Default::default),
    };
    let block = ExecutedBlock {
        hash,
        block: Block::new(header, body),
        senders: outcome.senders,
        receipts: outcome.receipts,
    };
    (block, state)
}

/// The first field in which a claimed header differs from the computed one, with both values.
pub(super) fn first_difference(
    claimed: &Header,
    computed: &Header,
) -> Option<(&'static str, String, String)> {
    macro_rules! compare {
        ($($name:literal => $field:ident),+ $(,)?) => {
            $(if claimed.$field != computed.$field {
                return Some(($name, format!("{:?}", claimed.$field), format!("{:?}", computed.$field)));
            })+
        };
    }
    compare! {
        "number" => number,
        "gasUsed" => gas_used,
        "receiptsRoot" => receipts_root,
        "logsBloom" => logs_bloom,
        "stateRoot" => state_root,
        "transactionsRoot" => transactions_root,
        "withdrawalsRoot" => withdrawals_root,
        "blobGasUsed" => blob_gas_used,
        "excessBlobGas" => excess_blob_gas,
        "parentBeaconBlockRoot" => parent_beacon_block_root,
        "requestsHash" => requests_hash,
    }
    (claimed != computed).then(|| {
        let other = "not told apart".to_owned();
        ("header", other.clone(), other)
    })
}
