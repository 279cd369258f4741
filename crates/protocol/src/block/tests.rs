//! Block references out of headers and first transactions, and their JSON.

#![allow(clippy::unwrap_used)]

use super::*;
use alloy_primitives::{Bytes, b256, hex};
use serde_json::{Value, json};

/// A real L1-info deposit: block 608420 of the Jovian alpha devnet.
fn deposit() -> Bytes {
    let vectors: Value = serde_json::from_str(include_str!("../../testdata/l1-info.json")).unwrap();
    let vector = vectors["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vector| vector["name"] == "jovian-alpha-devnet-608420")
        .unwrap();
    vector["depositTx"].as_str().unwrap().parse().unwrap()
}

fn config() -> RollupConfig {
    let mut config = RollupConfig::default();
    config.genesis.l1 = BlockNumHash::new(70, B256::repeat_byte(7));
    config.genesis.l2 = BlockNumHash::new(10, B256::repeat_byte(1));
    config
}

fn block_ref(number: u64, hash: B256, first: Option<&[u8]>) -> Result<L2BlockRef, L2BlockRefError> {
    L2BlockRef::from_parts(
        &config(),
        hash,
        number,
        B256::repeat_byte(2),
        1_762_555_826,
        first,
    )
}

#[test]
fn genesis_stands_on_the_l1_genesis_of_the_config() {
    let genesis = block_ref(10, B256::repeat_byte(1), None).unwrap();
    assert_eq!(
        genesis.l1_origin,
        BlockNumHash::new(70, B256::repeat_byte(7))
    );
    assert_eq!(genesis.sequence_number, 0);
    assert_eq!(genesis.id(), BlockNumHash::new(10, B256::repeat_byte(1)));
}

#[test]
fn another_block_at_the_height_of_genesis_is_refused() {
    let error = block_ref(10, B256::repeat_byte(9), Some(&deposit())).unwrap_err();
    assert!(
        matches!(error, L2BlockRefError::WrongGenesis { number: 10, .. }),
        "{error}"
    );
}

#[test]
fn block_older_than_the_rollup_is_refused() {
    let error = block_ref(9, B256::repeat_byte(1), Some(&deposit())).unwrap_err();
    assert!(
        matches!(
            error,
            L2BlockRefError::BeforeGenesis {
                number: 9,
                genesis: 10
            }
        ),
        "{error}"
    );
}

#[test]
fn block_stands_on_the_l1_origin_of_its_first_deposit() {
    let block = block_ref(608_420, B256::repeat_byte(3), Some(&deposit())).unwrap();
    let origin = b256!("0x18d0bf5ef2941afc565c5c8c1dcaf4f3c3dfd3bcbb30e4ed7763bd0c6b21055e");
    assert_eq!(block.l1_origin, BlockNumHash::new(9_582_358, origin));
    assert_eq!(block.sequence_number, 1);
    assert_eq!(block.parent_hash, B256::repeat_byte(2));
}

#[test]
fn block_without_l1_info_deposit_is_refused() {
    let error = block_ref(11, B256::repeat_byte(3), None).unwrap_err();
    assert!(
        matches!(error, L2BlockRefError::NoTransactions { number: 11 }),
        "{error}"
    );
    for transaction in [
        &hex!("02f86c")[..],
        &[],
        &[0x7e],
        &[0x7e, 0xc0],
        &deposit()[..200],
    ] {
        let error = block_ref(11, B256::repeat_byte(3), Some(transaction)).unwrap_err();
        assert!(
            matches!(error, L2BlockRefError::NotADeposit { number: 11, .. }),
            "{error}"
        );
    }
    let mut transaction = deposit().to_vec();
    transaction.push(0);
    let error = block_ref(11, B256::repeat_byte(3), Some(&transaction)).unwrap_err();
    assert!(
        matches!(error, L2BlockRefError::NotADeposit { .. }),
        "{error}"
    );
}

#[test]
fn first_deposit_with_other_calldata_is_refused() {
    use alloy_eips::eip2718::Encodable2718;
    let transaction = TxDeposit {
        input: hex!("deadbeef").into(),
        ..TxDeposit::default()
    }
    .encoded_2718();
    let error = block_ref(11, B256::repeat_byte(3), Some(&transaction)).unwrap_err();
    assert!(
        matches!(error, L2BlockRefError::NotL1Info { number: 11, .. }),
        "{error}"
    );
}

#[test]
fn payload_and_its_parts_give_the_same_reference() {
    let payload = OpExecutionPayload::V1(alloy_rpc_types_engine::ExecutionPayloadV1 {
        parent_hash: B256::repeat_byte(2),
        fee_recipient: Default::default(),
        state_root: B256::ZERO,
        receipts_root: B256::ZERO,
        logs_bloom: Default::default(),
        prev_randao: B256::ZERO,
        block_number: 608_420,
        gas_limit: 0,
        gas_used: 0,
        timestamp: 1_762_555_826,
        extra_data: Bytes::new(),
        base_fee_per_gas: Default::default(),
        block_hash: B256::repeat_byte(3),
        transactions: vec![deposit()],
    });
    let expected = block_ref(608_420, B256::repeat_byte(3), Some(&deposit())).unwrap();
    assert_eq!(
        L2BlockRef::from_payload(&config(), &payload).unwrap(),
        expected
    );
}

#[test]
fn block_id_has_a_plain_number_in_both_directions() {
    let id = json!({"hash": B256::repeat_byte(5), "number": u64::MAX});
    let parsed: BlockNumHash = serde_json::from_value(id.clone()).unwrap();
    assert_eq!(parsed, BlockNumHash::new(u64::MAX, B256::repeat_byte(5)));
    assert_eq!(serde_json::to_value(parsed).unwrap(), id);
}

#[test]
fn l2_block_ref_has_the_field_names_of_op_node() {
    let block = block_ref(608_420, B256::repeat_byte(3), Some(&deposit())).unwrap();
    let expected = json!({
        "hash": B256::repeat_byte(3),
        "number": 608_420,
        "parentHash": B256::repeat_byte(2),
        "timestamp": 1_762_555_826,
        "l1origin": {
            "hash": "0x18d0bf5ef2941afc565c5c8c1dcaf4f3c3dfd3bcbb30e4ed7763bd0c6b21055e",
            "number": 9_582_358,
        },
        "sequenceNumber": 1,
    });
    assert_eq!(serde_json::to_value(block).unwrap(), expected);
    assert_eq!(
        serde_json::from_value::<L2BlockRef>(expected).unwrap(),
        block
    );
}
