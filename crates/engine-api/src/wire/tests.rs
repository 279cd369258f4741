#![allow(clippy::unwrap_used)]

use super::*;
use crate::memory::ChainBuilder;
use alloy_consensus::Header;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_rpc_types_engine::{PayloadStatus, PayloadStatusEnum};
use alloy_trie::{HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer};
use light_node_protocol::RollupConfig;
use serde_json::{Value, json};

const METHOD: &str = "eth_getBlockByNumber";

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn failure(code: i64, message: &str, data: Value) -> RpcFailure {
    serde_json::from_value(json!({ "code": code, "message": message, "data": data })).unwrap()
}

fn cause(error: ElError) -> String {
    match error {
        ElError::Malformed { cause, .. } => cause,
        other => panic!("expected a malformed answer, got {other:?}"),
    }
}

/// The first child of genesis as an EL answers it: two more transactions follow the deposit.
fn child_json(deposit_extra: Value) -> (ChainBuilder, Value, B256) {
    let chain = ChainBuilder::new();
    let block = chain.extend(&chain.genesis(), 1, 0).remove(0);
    let payload = &block.envelope.execution_payload;
    let header = crate::payload::payload_header(&block.envelope).unwrap();
    let input = deposit_input(&payload.transactions()[0]);
    let mut deposit = json!({ "type": "0x7e", "hash": B256::ZERO, "input": input });
    deposit
        .as_object_mut()
        .unwrap()
        .extend(deposit_extra.as_object().unwrap().clone());
    let transactions = json!([deposit, { "type": "0x2", "unknown": [1] }, "not even an object"]);
    let json = block_json(&header, block.hash(), transactions);
    (chain, json, block.hash())
}

fn deposit_input(transaction: &Bytes) -> Bytes {
    use alloy_eips::eip2718::Decodable2718;
    op_alloy_consensus::TxDeposit::decode_2718_exact(transaction)
        .unwrap()
        .input
}

fn block_json(header: &Header, hash: B256, transactions: Value) -> Value {
    let mut json = serde_json::to_value(header).unwrap();
    let fields = json.as_object_mut().unwrap();
    fields.insert("hash".into(), json!(hash));
    fields.insert("transactions".into(), transactions);
    fields.insert("size".into(), json!("0x400"));
    fields.insert("totalDifficulty".into(), json!("0x0"));
    fields.insert("uncles".into(), json!([]));
    fields.insert("withdrawals".into(), json!([]));
    json
}

#[test]
fn deposits_of_geth_and_of_reth_decode_to_the_same_origin() {
    let geth = json!({ "sourceHash": B256::ZERO, "from": Address::ZERO, "nonce": "0x1", "gas": "0xf4240",
        "depositReceiptVersion": "0x1", "v": "0x0", "r": "0x0", "s": "0x0" });
    let reth = json!({ "sourceHash": B256::ZERO, "mint": null, "isSystemTx": false, "from": Address::ZERO });
    let bare = json!({ "mint": "0x0" });
    for extra in [geth, reth, bare] {
        let (chain, json, hash) = child_json(extra);
        let expected = chain.extend(&chain.genesis(), 1, 0).remove(0).el;
        let found = decode_block(&chain.config(), METHOD, hash.into(), &raw(&json)).unwrap();
        assert_eq!(found, Some(expected));
    }
}

#[test]
fn a_block_that_is_not_what_was_asked_for_or_does_not_hash_is_malformed() {
    let (chain, json, hash) = child_json(json!({}));
    let config = chain.config();
    let decode = |id: BlockId, json: &Value| decode_block(&config, METHOD, id, &raw(json));

    let other = decode(B256::repeat_byte(1).into(), &json).unwrap_err();
    assert!(cause(other).starts_with("asked for"));
    assert!(cause(decode(BlockId::number(2), &json).unwrap_err()).starts_with("asked for"));
    assert!(decode(BlockId::number(1), &json).unwrap().is_some());
    assert!(
        decode(BlockId::Number(BlockNumberOrTag::Latest), &json)
            .unwrap()
            .is_some()
    );

    let mut altered = json.clone();
    altered["stateRoot"] = json!(B256::repeat_byte(2));
    assert!(cause(decode(hash.into(), &altered).unwrap_err()).contains("hashes to"));
    let mut hashes_only = json;
    hashes_only["transactions"] = json!([B256::ZERO]);
    assert!(decode(hash.into(), &hashes_only).is_err());
    assert_eq!(decode(hash.into(), &Value::Null).unwrap(), None);
}

#[test]
fn another_genesis_and_a_block_without_deposit_are_told_apart() {
    let chain = ChainBuilder::new();
    let genesis = chain.genesis();
    let header = crate::payload::payload_header(&genesis.envelope).unwrap();
    let json = block_json(&header, genesis.hash(), json!([]));
    let decode =
        |config: &RollupConfig, json| decode_block(config, METHOD, BlockId::latest(), &raw(json));
    assert_eq!(decode(&chain.config(), &json).unwrap(), Some(genesis.el));

    let mut foreign = (*chain.config()).clone();
    foreign.genesis.l2.hash = B256::ZERO;
    assert!(matches!(
        decode(&foreign, &json).unwrap_err(),
        ElError::WrongGenesis { .. }
    ));

    let header = Header {
        number: 1,
        ..header
    };
    let json = block_json(&header, header.hash_slow(), json!([]));
    assert!(cause(decode(&chain.config(), &json).unwrap_err()).contains("no transactions"));
    let json = block_json(
        &header,
        header.hash_slow(),
        json!([{ "type": "0x2", "input": "0x" }]),
    );
    assert!(cause(decode(&chain.config(), &json).unwrap_err()).contains("no deposit"));
}

#[test]
fn engine_errors_have_their_own_variants_and_keep_the_detail_of_geth() {
    let into = |code| failure(code, "words", json!({ "err": "detail" })).into_error(METHOD);
    let message = || "words: detail".to_owned();
    assert_eq!(into(-38001), ElError::UnknownPayload);
    assert_eq!(
        into(-38002),
        ElError::InvalidForkchoiceState { message: message() }
    );
    assert_eq!(
        into(-38003),
        ElError::InvalidPayloadAttributes { message: message() }
    );
    assert_eq!(
        into(-38004),
        ElError::TooLargeRequest { message: message() }
    );
    assert_eq!(
        into(-38005),
        ElError::UnsupportedFork { message: message() }
    );
    for code in [ElError::METHOD_NOT_FOUND, ElError::INVALID_PARAMS, -32000] {
        assert_eq!(
            into(code),
            ElError::Rpc {
                method: METHOD,
                code,
                message: message()
            }
        );
    }
    let long = failure(-32000, &"x".repeat(10_000), Value::Null).into_error(METHOD);
    assert!(long.to_string().len() < 400);
    let forged = failure(-32000, "no\n WARN", Value::Null).into_error(METHOD);
    assert!(forged.to_string().ends_with(r"no\n WARN"), "{forged}");
}

#[test]
fn real_clients_ways_to_say_no_such_block_are_known() {
    for (code, message) in [
        (-32000, "safe block not found"),
        (-32000, "finalized block not found"),
        (-32000, "Unknown block"),
        (-39001, "whatever"),
    ] {
        assert!(
            failure(code, message, Value::Null).is_unknown_block(),
            "{message}"
        );
    }
    assert!(!failure(-32000, "missing trie node", Value::Null).is_unknown_block());
}

#[test]
fn single_answers_must_have_the_id_of_the_request_and_a_result() {
    fn ask(body: &str) -> Result<Result<&str, RpcFailure>, ElError> {
        single(METHOD, 7, body.as_bytes()).map(|answer| answer.map(RawValue::get))
    }
    assert_eq!(
        ask(r#"{"jsonrpc":"2.0","id":7,"result":null}"#)
            .unwrap()
            .unwrap(),
        "null"
    );
    assert_eq!(
        ask(r#"{"id":7,"result":1,"error":null}"#).unwrap().unwrap(),
        "1"
    );
    assert!(ask(r#"{"id":8,"result":1}"#).is_err());
    assert!(ask(r#"{"result":1}"#).is_err());
    assert!(ask(r#"{"id":7}"#).is_err());
    assert!(
        ask(r#"{"id":null,"error":{"code":-32700,"message":"parse error"}}"#)
            .unwrap()
            .is_err()
    );
    assert!(cause(ask("<html><body>502").unwrap_err()).contains("<html>"));
    assert!(cause(ask("").unwrap_err()).contains("no JSON"));
    assert!(cause(ask(r#"{"id":7,"result":{"a":"#).unwrap_err()).contains("EOF"));
}

#[test]
fn batches_are_matched_by_id_in_any_order() {
    let ask = |body: Value| {
        let body = body.to_string();
        batch(METHOD, 5, 3, body.as_bytes()).map(|all| {
            all.into_iter()
                .map(|one| one.map(|it| it.get().to_owned()).ok())
                .collect()
        })
    };
    let found: Vec<Option<String>> = ask(json!([
        { "id": 7, "result": "c" },
        { "id": 5, "result": null },
        { "id": 6, "error": { "code": 1, "message": "" } },
    ]))
    .unwrap();
    assert_eq!(
        found,
        [Some("null".to_owned()), None, Some("\"c\"".to_owned())]
    );

    let (a, b) = (
        json!({ "id": 5, "result": 1 }),
        json!({ "id": 6, "result": 1 }),
    );
    assert!(cause(ask(json!([a, b])).unwrap_err()).contains("2 answers to a batch of 3"));
    assert!(cause(ask(json!([a, b, a])).unwrap_err()).contains("twice"));
    assert!(cause(ask(json!([a, b, { "id": 8, "result": 1 }])).unwrap_err()).contains("none of"));
    assert!(cause(ask(json!([a, b, { "id": 4, "result": 1 }])).unwrap_err()).contains("none of"));
    let refused = json!({ "id": null, "error": { "code": -32600, "message": "batch too large" } });
    assert!(matches!(
        ask(refused).unwrap_err(),
        ElError::Rpc { code: -32600, .. }
    ));
}

#[test]
fn payload_status_tolerates_null_and_absent_reasons() {
    let status = |json: Value| -> PayloadStatus {
        serde_json::from_value::<WirePayloadStatus>(json)
            .unwrap()
            .into()
    };
    let none =
        status(json!({ "status": "INVALID", "latestValidHash": null, "validationError": null }));
    assert!(none.status.is_invalid());
    let syncing = status(json!({ "status": "SYNCING" }));
    assert_eq!(
        syncing,
        PayloadStatus::from_status(PayloadStatusEnum::Syncing)
    );
    let hash = status(json!({ "status": "INVALID_BLOCK_HASH" }));
    assert!(
        hash.status
            .validation_error()
            .unwrap()
            .contains("hash mismatch")
    );
    assert!(serde_json::from_value::<WirePayloadStatus>(json!({ "status": "MAYBE" })).is_err());
}

/// A state of two accounts, with the proof of `address` in it.
fn proof_of(address: Address, account: TrieAccount) -> (B256, Value) {
    let neighbour = (keccak256(Address::repeat_byte(9)), TrieAccount::default());
    let mut leaves = vec![(keccak256(address), account), neighbour];
    if account == TrieAccount::default() {
        leaves.remove(0);
    }
    leaves.sort_by_key(|leaf| leaf.0);
    let retainer = ProofRetainer::new(vec![Nibbles::unpack(keccak256(address))]);
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), &alloy_rlp::encode(value));
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    let nodes: Vec<String> = nodes
        .iter()
        .map(|(_, node)| hex::encode_prefixed(node))
        .collect();
    let json = json!({
        "address": address, "balance": account.balance, "nonce": format!("{:#x}", account.nonce),
        "codeHash": account.code_hash, "storageHash": account.storage_root,
        "accountProof": nodes, "storageProof": [],
    });
    (root, json)
}

fn verify(json: &Value, address: Address, state_root: B256) -> Result<B256, ElError> {
    let proof: AccountProof = serde_json::from_value(json.clone()).unwrap();
    proof.storage_root("eth_getProof", address, state_root)
}

#[test]
fn storage_roots_are_believed_only_with_a_proof() {
    let address = Address::repeat_byte(0x16);
    let storage_root = B256::repeat_byte(3);
    let account = TrieAccount {
        balance: U256::from(5),
        storage_root,
        ..Default::default()
    };
    let (root, json) = proof_of(address, account);
    assert_eq!(verify(&json, address, root).unwrap(), storage_root);

    let mut altered = json.clone();
    altered["storageHash"] = json!(B256::repeat_byte(4));
    assert!(cause(verify(&altered, address, root).unwrap_err()).contains("proof does not hold"));
    assert!(verify(&json, address, B256::repeat_byte(1)).is_err());
    let mut altered = json;
    altered["accountProof"] = json!([]);
    assert!(verify(&altered, address, root).is_err());
}

#[test]
fn an_account_that_provably_does_not_exist_has_the_empty_root() {
    let address = Address::repeat_byte(0x16);
    let (root, mut json) = proof_of(address, TrieAccount::default());
    let empty = alloy_consensus::constants::EMPTY_ROOT_HASH;
    assert_eq!(verify(&json, address, root).unwrap(), empty);
    json["storageHash"] = json!(B256::ZERO);
    json["codeHash"] = json!(B256::ZERO);
    assert_eq!(verify(&json, address, root).unwrap(), empty);

    // The same claim about an account that exists does not hold.
    let account = TrieAccount {
        balance: U256::from(5),
        ..Default::default()
    };
    let (root, mut json) = proof_of(address, account);
    json["balance"] = json!("0x0");
    assert!(verify(&json, address, root).is_err());
}
