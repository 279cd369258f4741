#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{allocations::peak_of, world};
use alloy_rlp::Encodable;
use proptest::prelude::*;

fn batch(transactions: Vec<Bytes>) -> SingleBatch {
    SingleBatch {
        parent_hash: B256::repeat_byte(1),
        epoch_num: 77,
        epoch_hash: B256::repeat_byte(2),
        timestamp: 1_900_000_000,
        transactions,
    }
}

fn encoded(batch: &SingleBatch) -> Vec<u8> {
    let mut out = Vec::new();
    batch.encode(&mut out);
    out
}

#[test]
fn a_batch_comes_back_as_it_was_made() {
    for transactions in [Vec::new(), world::transactions(1, 9)] {
        let batch = batch(transactions);
        assert_eq!(decode_single(&encoded(&batch)).unwrap(), batch);
        let trailing = [encoded(&batch), vec![1]].concat();
        assert_eq!(decode_single(&trailing).unwrap(), batch);
    }
}

#[test]
fn a_field_too_many_or_too_few_is_malformed() {
    let whole = encoded(&batch(Vec::new()));
    let with_fields = |fields: &[u8]| {
        let mut out = Vec::new();
        let payload_length = fields.len();
        let list = true;
        Header {
            list,
            payload_length,
        }
        .encode(&mut out);
        [&out, fields].concat()
    };
    let fields = &whole[whole.len() - Header::decode(&mut &whole[..]).unwrap().payload_length..];
    assert!(decode_single(&with_fields(fields)).is_ok());
    assert!(decode_single(&with_fields(&[fields, &[0x80]].concat())).is_err());
    assert!(decode_single(&with_fields(&fields[..fields.len() - 1])).is_err());
}

#[test]
fn of_transactions_that_are_none_only_their_beginnings_are_kept() {
    let good = world::transactions(1, 3);
    let short = |byte: u8| Bytes::copy_from_slice(&[byte, 1]);
    let mut transactions = vec![Bytes::new(); 100_000];
    transactions.extend(good.iter().cloned());
    transactions.extend([good[2].clone(), short(0x7e), short(0x7e), short(0x02)]);
    let encoded = encoded(&batch(transactions));
    let (decoded, peak) = peak_of(|| decode_single(&encoded).unwrap());
    assert!(peak < 10_000, "{peak}");
    let begins = |byte: Option<u8>| {
        let transactions = decoded.transactions.iter();
        let alike = transactions.filter(|it| it.first().copied() == byte);
        alike.map(|it| it.len()).collect::<Vec<_>>()
    };
    assert!(decoded.transactions.len() < 10);
    assert_eq!(begins(None), [0]);
    assert_eq!(begins(Some(0x7e)), [2]);
    assert_eq!(
        begins(Some(0x02)),
        [good[2].len(), 2],
        "both a whole one and one that is none"
    );
}

proptest! {
    #[test]
    fn damage_is_seen_where_the_stock_decoder_sees_it(at: usize, value: u8, count in 0_usize..9) {
        let mut encoded = encoded(&batch(world::transactions(3, count)));
        let at = at % encoded.len();
        encoded[at] = value;
        let ours = decode_single(&encoded);
        let stock = SingleBatch::decode(&mut &encoded[..]);
        prop_assert_eq!(ours.is_ok(), stock.is_ok());
        let are_whole = |it: &SingleBatch| it.transactions.iter().all(|it| it.len() >= SHORTEST);
        if stock.as_ref().is_ok_and(are_whole) {
            prop_assert_eq!(ours.unwrap(), stock.unwrap());
        }
    }
}
