//! Published deposits of real chains and of other implementations' tests, and every way to get one wrong.

#![allow(clippy::unwrap_used)]

use super::*;
use alloy_consensus::{Receipt, ReceiptEnvelope, TxType};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::Bytes;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Valid {
    name: String,
    log: VectorLog,
    l1_block_hash: B256,
    log_index: u64,
    deposit_tx: Bytes,
    tx_hash: B256,
}

#[derive(Clone, Deserialize)]
struct VectorLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    topics: Vec<B256>,
    data: Bytes,
    error: String,
}

impl VectorLog {
    fn log(&self) -> Log {
        Log {
            address: self.address,
            data: LogData::new_unchecked(self.topics.clone(), self.data.clone()),
        }
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../testdata/deposit-logs.json")).unwrap()
}

fn receipt(succeeded: bool, logs: Vec<Log>) -> ReceiptEnvelope {
    let receipt = Receipt {
        status: succeeded.into(),
        cumulative_gas_used: 0,
        logs,
    };
    ReceiptEnvelope::from_typed(TxType::Eip1559, receipt)
}

#[test]
fn every_published_log_becomes_its_transaction() {
    for vector in vectors().valid {
        let name = &vector.name;
        let log = vector.log.log();
        let deposit = user_deposit(&log, vector.l1_block_hash, vector.log_index).unwrap();
        assert_eq!(
            Bytes::from(deposit.encoded_2718()),
            vector.deposit_tx,
            "{name}"
        );
        assert_eq!(deposit.tx_hash(), vector.tx_hash, "{name}");
    }
}

/// What other implementations refuse and the reference node takes. The portal makes none of it, but two nodes agree only if
/// they read it the same way.
fn is_taken(vector: &Invalid) -> bool {
    matches!(
        vector.error.as_str(),
        "from" | "to" | "padding" | "creation flag"
    )
}

#[test]
fn what_the_portal_never_writes_is_read_as_the_reference_node_reads_it() {
    let vectors = vectors();
    let taken: Vec<&Invalid> = vectors.invalid.iter().filter(|one| is_taken(one)).collect();
    assert_eq!(taken.len(), 4);
    for vector in taken {
        let data = match vector.error.as_str() {
            // Their data is empty.
            "from" | "to" => vectors.valid[0].log.data.clone(),
            _ => vector.data.clone(),
        };
        let log = LogData::new_unchecked(vector.topics.clone(), data.clone());
        let deposit = user_deposit(&log, B256::ZERO, 0).unwrap();
        assert_eq!(deposit.from, Address::from_word(vector.topics[1]));
        let to = match data[64 + 72] {
            0 => TxKind::Call(Address::from_word(vector.topics[2])),
            _ => TxKind::Create,
        };
        assert_eq!(deposit.to, to, "{}", vector.name);
        let length = usize::from(u16::from_be_bytes([data[62], data[63]]));
        assert_eq!(deposit.input, data[64 + 73..64 + length]);
    }
}

#[test]
fn every_malformed_log_is_refused_for_its_reason() {
    for vector in vectors().invalid {
        if is_taken(&vector) {
            continue;
        }
        let log = LogData::new_unchecked(vector.topics, vector.data);
        let error = user_deposit(&log, B256::ZERO, 0).unwrap_err();
        let fits = match vector.error.as_str() {
            "event" => matches!(error, DepositError::Event { .. }),
            "version" => matches!(error, DepositError::Version { .. }),
            "alignment" => matches!(error, DepositError::Data(LogDataError::Alignment { .. })),
            "offset" => matches!(error, DepositError::Data(LogDataError::Offset)),
            "length" | "length overflow" => matches!(
                error,
                DepositError::TooShort { .. }
                    | DepositError::Data(
                        LogDataError::TooShort { .. } | LogDataError::Length { .. }
                    )
            ),
            "mint" => matches!(error, DepositError::Mint),
            other => panic!("unknown reason {other}"),
        };
        assert!(fits, "{}: {error} is not {}", vector.name, vector.error);
    }
}

#[test]
fn a_log_with_fewer_topics_is_refused() {
    let log = LogData::new_unchecked(vec![TRANSACTION_DEPOSITED_TOPIC], Bytes::new());
    let error = user_deposit(&log, B256::ZERO, 0).unwrap_err();
    assert_eq!(error, DepositError::Topics { actual: 1 });
}

#[test]
fn opaque_data_without_its_whole_fixed_part_is_refused() {
    let mut log = vectors().valid[0].log.log();
    let mut data = vec![0; 160];
    (data[31], data[63]) = (32, 72);
    log.data.data = data.into();
    let error = user_deposit(&log, B256::ZERO, 0).unwrap_err();
    assert_eq!(error, DepositError::TooShort { actual: 72 });
}

#[test]
fn only_the_portal_and_only_successful_transactions_deposit_but_all_logs_count() {
    let vector = &vectors().valid[2];
    let log = vector.log.log();
    let foreign = Log {
        address: Address::repeat_byte(9),
        ..log.clone()
    };
    let receipts = [
        receipt(false, vec![log.clone()]),
        receipt(true, vec![foreign, log.clone()]),
    ];
    let hash = vector.l1_block_hash;
    let deposits = user_deposits(&receipts, vector.log.address, hash).unwrap();
    assert_eq!(deposits, [user_deposit(&log, hash, 2).unwrap()]);
}

#[test]
fn a_malformed_deposit_stops_the_whole_block() {
    let mut vector = vectors().valid[2].log.clone();
    vector.topics[3] = B256::with_last_byte(1);
    let receipts = [receipt(true, vec![vector.log()])];
    let error = user_deposits(&receipts, vector.address, B256::ZERO).unwrap_err();
    assert!(matches!(error, DepositError::Version { .. }));
}
