#![allow(clippy::unwrap_used)]

use super::*;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

const GENESIS_TIME: u64 = 1_000;
const CHAIN_ID: u64 = 901;

fn sign<T: SignableTransaction<alloy_primitives::Signature>>(tx: T) -> Bytes
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    let signature = key.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature))
        .encoded_2718()
        .into()
}

fn block(epoch: u64, timestamp: u64, transactions: Vec<Bytes>) -> SpanBlock {
    SpanBlock {
        epoch: BlockNumHash::new(epoch, B256::repeat_byte(epoch as u8)),
        timestamp,
        transactions,
    }
}

fn span(blocks: Vec<SpanBlock>) -> SpanBatch {
    SpanBatch {
        parent_hash: B256::repeat_byte(0xaa),
        parent_epoch_number: 5,
        blocks,
    }
}

#[test]
fn an_empty_span_is_no_batch() {
    let refusal = span(Vec::new())
        .encoded(GENESIS_TIME, CHAIN_ID)
        .unwrap_err();
    assert!(matches!(refusal, SpanError::Empty));
}

#[test]
fn empty_blocks_are_prefix_origin_bits_and_zero_counts() {
    // Nine blocks, of which the third and the ninth start an epoch.
    let epochs = [5, 5, 6, 6, 6, 6, 6, 6, 7];
    let blocks = (0..)
        .zip(epochs)
        .map(|(index, epoch)| block(epoch, 1_300 + 2 * index, Vec::new()));
    let encoded = span(blocks.collect())
        .encoded(GENESIS_TIME, CHAIN_ID)
        .unwrap();
    let mut expected = vec![SPAN_BATCH_TYPE, 0xac, 0x02, 7];
    expected.extend([0xaa; 20]);
    expected.extend([7; 20]);
    expected.push(9);
    expected.extend([0b1, 0b0000_0100]);
    expected.extend([0; 9]);
    assert_eq!(encoded, expected);
}

#[test]
fn the_first_block_of_an_epoch_says_so_also_at_the_start_of_the_span() {
    let bits = |epoch| span(vec![block(epoch, 1_300, Vec::new())]).origin_bits();
    assert_eq!(bits(5), [false]);
    assert_eq!(bits(6), [true]);
}

#[test]
fn columns_stand_in_the_order_of_the_specification() {
    let call = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce: 300,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0x11)),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let create = TxLegacy {
        chain_id: None,
        nonce: 1,
        gas_limit: 100,
        input: vec![0xfe].into(),
        ..TxLegacy::default()
    };
    let batch = span(vec![block(5, 1_300, vec![sign(create), sign(call)])]);
    let encoded = batch.encoded(GENESIS_TIME, CHAIN_ID).unwrap();
    let columns = &encoded[1 + 2 + 1 + 20 + 20 + 1 + 1 + 1..];
    assert_eq!(columns[0], 0b01, "the first one creates a contract");
    let rest = &columns[2 + 2 * 64..];
    let mut expected = vec![0x11; 20];
    // value 0, gas price 0, data fe
    expected.extend([0xc4, 0x80, 0x80, 0x81, 0xfe]);
    // type 2, value 1, no fees, no data, no access list
    expected.extend([0x02, 0xc5, 0x01, 0x80, 0x80, 0x80, 0xc0]);
    // nonces 1 and 300, gas limits 100 and 21000
    expected.extend([1, 0xac, 0x02, 100, 0x88, 0xa4, 0x01]);
    // the legacy transaction is not bound to the chain
    expected.push(0);
    assert_eq!(rest, expected);
}

#[test]
fn what_a_span_cannot_carry_is_refused() {
    let refusal = |transaction: Bytes| {
        span(vec![block(5, 1_300, vec![transaction])])
            .encoded(GENESIS_TIME, CHAIN_ID)
            .unwrap_err()
    };
    let blob = TxEip4844 {
        chain_id: CHAIN_ID,
        ..TxEip4844::default()
    };
    assert!(matches!(
        refusal(sign(blob)),
        SpanError::Type { tx_type: 3, .. }
    ));
    let foreign = TxEip1559 {
        chain_id: 1,
        ..TxEip1559::default()
    };
    assert!(matches!(
        refusal(sign(foreign)),
        SpanError::ChainId { chain_id: 1, .. }
    ));
    assert!(matches!(
        refusal(vec![0x7e, 0xc0].into()),
        SpanError::Transaction { .. }
    ));
}
