//! Whether a sealed block is the one that was asked for. The execution layer is trusted to execute, and yet nothing goes to the
//! conductor or to peers that derivation would not make of its batch: a block without its deposits, on another parent, or with
//! transactions of users where none may be. Pure.

use light_node_protocol::L2BlockRef;
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};

/// The first byte of a deposit (`specs/protocol/deposits.md#the-deposited-transaction-type`).
const DEPOSIT: u8 = 0x7e;

/// The first field in which a sealed block is not the child of `parent` that `attributes` ask for.
pub(crate) fn difference(
    parent: &L2BlockRef,
    attributes: &OpPayloadAttributes,
    envelope: &OpExecutionPayloadEnvelope,
) -> Option<&'static str> {
    let payload = envelope.execution_payload.as_v1();
    let asked = &attributes.payload_attributes;
    let forced = attributes.transactions.as_deref().unwrap_or_default();
    let has_forced = payload.transactions.starts_with(forced);
    let of_pool = payload.transactions.get(forced.len()..).unwrap_or_default();
    let takes_pool = !attributes.no_tx_pool.unwrap_or_default();
    let is_deposit = |transaction: &[u8]| transaction.first() == Some(&DEPOSIT);
    let gas_limit = attributes.gas_limit.unwrap_or(payload.gas_limit);
    let differs = [
        (payload.parent_hash != parent.hash, "parent_hash"),
        (payload.block_number != parent.number + 1, "number"),
        (payload.timestamp != asked.timestamp, "timestamp"),
        (payload.prev_randao != asked.prev_randao, "prev_randao"),
        (
            payload.fee_recipient != asked.suggested_fee_recipient,
            "fee_recipient",
        ),
        (payload.gas_limit != gas_limit, "gas_limit"),
        (
            envelope.parent_beacon_block_root != asked.parent_beacon_block_root,
            "parent_beacon_block_root",
        ),
        (!has_forced, "transactions asked for"),
        (!takes_pool && !of_pool.is_empty(), "transactions of users"),
        (of_pool.iter().any(|it| is_deposit(it)), "deposits"),
    ];
    differs
        .into_iter()
        .find_map(|(differs, field)| differs.then_some(field))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256, Bytes};
    use light_node_engine_api::memory::ChainBuilder;
    use op_alloy_rpc_types_engine::OpExecutionPayload;

    fn asked() -> (L2BlockRef, OpPayloadAttributes, OpExecutionPayloadEnvelope) {
        let builder = ChainBuilder::new();
        let parent = builder.genesis();
        let origin = parent.block_ref().l1_origin;
        let block = builder.child(&parent, origin, 3);
        let payload = block.envelope.execution_payload.as_v1();
        let mut attributes = OpPayloadAttributes {
            transactions: Some(payload.transactions.clone()),
            no_tx_pool: Some(true),
            gas_limit: Some(payload.gas_limit),
            ..OpPayloadAttributes::default()
        };
        let common = &mut attributes.payload_attributes;
        common.timestamp = payload.timestamp;
        common.prev_randao = payload.prev_randao;
        common.suggested_fee_recipient = payload.fee_recipient;
        common.parent_beacon_block_root = block.envelope.parent_beacon_block_root;
        (parent.block_ref(), attributes, block.envelope)
    }

    fn edited(edit: impl FnOnce(&mut alloy_rpc_types_engine::ExecutionPayloadV1)) -> String {
        let (parent, attributes, mut envelope) = asked();
        match &mut envelope.execution_payload {
            OpExecutionPayload::V1(payload) => edit(payload),
            OpExecutionPayload::V2(payload) => edit(&mut payload.payload_inner),
            OpExecutionPayload::V3(payload) => edit(&mut payload.payload_inner.payload_inner),
            OpExecutionPayload::V4(payload) => {
                edit(&mut payload.payload_inner.payload_inner.payload_inner);
            }
        }
        let difference = difference(&parent, &attributes, &envelope);
        difference.unwrap_or_default().to_owned()
    }

    #[test]
    fn a_block_that_is_not_the_one_asked_for_is_known_by_what_differs() {
        assert_eq!(edited(|_| {}), "");
        let one = B256::repeat_byte(1);
        assert_eq!(edited(|it| it.parent_hash = one), "parent_hash");
        assert_eq!(edited(|it| it.block_number += 1), "number");
        assert_eq!(edited(|it| it.timestamp += 1), "timestamp");
        assert_eq!(edited(|it| it.prev_randao = one), "prev_randao");
        let somebody = Address::repeat_byte(1);
        assert_eq!(edited(|it| it.fee_recipient = somebody), "fee_recipient");
        assert_eq!(edited(|it| it.gas_limit += 1), "gas_limit");
        let missing = edited(|it| it.transactions.clear());
        assert_eq!(missing, "transactions asked for");
        let users = edited(|it| it.transactions.push(Bytes::from_static(&[2, 1])));
        assert_eq!(users, "transactions of users");
    }

    #[test]
    fn the_pool_adds_transactions_where_it_may_and_no_deposits() {
        let (parent, mut attributes, mut envelope) = asked();
        attributes.no_tx_pool = None;
        if let OpExecutionPayload::V4(payload) = &mut envelope.execution_payload {
            let payload = &mut payload.payload_inner.payload_inner.payload_inner;
            payload.transactions.push(Bytes::from_static(&[2, 1]));
        }
        assert_eq!(difference(&parent, &attributes, &envelope), None);
        assert_eq!(
            envelope.execution_payload.as_v1().transactions.len(),
            attributes.transactions.as_ref().unwrap().len() + 1
        );
        // Not the L1 info either.
        attributes.transactions = None;
        let deposits = difference(&parent, &attributes, &envelope);
        assert_eq!(deposits, Some("deposits"));
        attributes.payload_attributes.parent_beacon_block_root = Some(B256::repeat_byte(9));
        let root = difference(&parent, &attributes, &envelope);
        assert_eq!(root, Some("parent_beacon_block_root"));
    }
}
