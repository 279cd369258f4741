#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::real_data;
use alloy_primitives::address;
use std::io::Read;

const NOBODY: Addresses = Addresses {
    inbox: Address::ZERO,
    portal: Address::ZERO,
    system_config: Address::ZERO,
};

/// A block or receipts of mainnet; `None`, said so, where there is no real data.
fn real(name: &str) -> Option<Vec<u8>> {
    real_data(&format!("execution/l1/{name}"))
}

/// The block of a file, which may say more about it.
fn block(file: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(file).unwrap();
    json.get("block").unwrap_or(&json).to_string()
}

#[test]
fn a_real_block_is_accepted_and_its_forgeries_are_refused() {
    for (name, is_true) in [
        ("post-shanghai-success.json", true),
        ("post-shanghai-bad-transactions.json", false),
        ("post-shanghai-bad-transactions-hash.json", false),
        ("post-shanghai-bad-withdrawals-hash.json", false),
    ] {
        let Some(file) = real(name) else { return };
        let outcome = body(&block(&file), &NOBODY, false);
        assert_eq!(outcome.is_ok(), is_true, "{name}: {outcome:?}");
    }
}

#[test]
fn an_inbox_transaction_of_a_real_block_is_found_with_its_sender() {
    let Some(file) = real("post-shanghai-success.json") else {
        return;
    };
    let json = block(&file);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    for transaction in value["transactions"].as_array().unwrap() {
        let Some(to) = transaction["to"].as_str() else {
            continue;
        };
        let inbox = to.parse().unwrap();
        let addresses = Addresses { inbox, ..NOBODY };
        for trusted in [false, true] {
            let found = body(&json, &addresses, trusted).unwrap().inbox;
            let from: Address = transaction["from"].as_str().unwrap().parse().unwrap();
            assert!(found.iter().any(|one| one.sender == from), "{to}");
        }
    }
}

#[test]
fn real_receipts_give_the_portal_s_deposit_and_a_forged_one_is_refused() {
    let (Some(file), Some(packed)) = (
        real("mainnet-21925176.block.json"),
        real("mainnet-21925176.receipts.json.gz"),
    ) else {
        return;
    };
    let header: Header = parse(&block(&file)).unwrap();
    let mut json = String::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_string(&mut json)
        .unwrap();
    let addresses = Addresses {
        // Of the chain whose deposit is in the block.
        portal: address!("384e3ae4d5efc9471201039b555eae496b2a7240"),
        ..NOBODY
    };
    assert!(addresses.may_log(&header));
    let logs = receipts(&json, &header, &addresses).unwrap();
    assert_eq!(logs[0].0, 0x1a3);
    let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let all: Vec<_> = value
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|receipt| receipt["logs"].as_array().unwrap().clone())
        .collect();
    for (index, log) in &logs {
        let found = &all[usize::try_from(*index).unwrap()];
        assert_eq!(found["logIndex"], format!("{index:#x}"));
        assert_eq!(found["data"], log.data.data.to_string());
    }
    value[3]["cumulativeGasUsed"] = "0x1".into();
    assert!(receipts(&value.to_string(), &header, &addresses).is_err());
}

#[test]
fn logs_of_others_removed_ones_and_disorder_are_refused() {
    let log = |index: &str, address: u8, removed: bool| {
        format!(
            r#"{{"address":"{}","topics":[],"data":"0x","blockHash":"{}","logIndex":"{index}","removed":{removed}}}"#,
            Address::repeat_byte(address),
            B256::repeat_byte(1)
        )
    };
    let addresses = Addresses {
        portal: Address::repeat_byte(5),
        ..NOBODY
    };
    let list = |one: String, other: String| format!("[{one},{other}]");
    let good = list(log("0x1", 5, false), log("0x3", 5, false));
    let found = logs(&good, &addresses).unwrap();
    let indices: Vec<u64> = found[&B256::repeat_byte(1)]
        .iter()
        .map(|one| one.0)
        .collect();
    assert_eq!(indices, [1, 3]);
    for bad in [
        list(log("0x1", 5, false), log("0x1", 5, false)),
        list(log("0x1", 5, false), log("0x2", 6, false)),
        list(log("0x1", 5, false), log("0x2", 5, true)),
        "[{}]".to_owned(),
        "{}".to_owned(),
    ] {
        assert!(logs(&bad, &addresses).is_err(), "{bad}");
    }
}

#[test]
fn bodies_that_are_no_blocks_are_errors_and_never_panics() {
    for json in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"hash":"0x00","transactions":[]}"#,
    ] {
        for trusted in [false, true] {
            assert!(body(json, &NOBODY, trusted).is_err(), "{json}");
        }
        assert!(receipts(json, &Header::default(), &NOBODY).is_err() || json == "[]");
    }
}
