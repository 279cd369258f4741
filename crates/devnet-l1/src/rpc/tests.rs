#![allow(clippy::unwrap_used)]

mod beacon;
mod protocol;

use super::*;
use crate::{
    L1SimConfig,
    chain::L1Transaction,
    contracts::{UNSAFE_BLOCK_SIGNER_SLOT, abi::ISystemConfig, deposit_calldata},
    testing::{self, call, ether, key},
};
use alloy_consensus::{ReceiptEnvelope, proofs};
use alloy_primitives::{Address, B256, Log, U256, keccak256};
use alloy_rpc_types_eth as types;
use alloy_sol_types::SolCall;
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde::de::DeserializeOwned;

const TO: Address = Address::repeat_byte(9);

/// An L1 that mines on command only, and a client of it.
struct Rig {
    l1: EmbeddedL1,
    client: reqwest::Client,
    _stop: tokio_util::sync::DropGuard,
}

impl Rig {
    async fn start() -> Self {
        let token = CancellationToken::new();
        let config = L1SimConfig {
            mining: false,
            ..testing::config()
        };
        let l1 = EmbeddedL1::start(config, token.clone()).await.unwrap();
        Self {
            l1,
            client: reqwest::Client::new(),
            _stop: token.drop_guard(),
        }
    }

    /// With one deposit, one batch and one failed deposit in block 1, and empty blocks after it.
    async fn with_blocks(count: u64) -> Self {
        let rig = Self::start().await;
        let contracts = rig.l1.with_chain(|chain| chain.config().contracts);
        let deposit = deposit_calldata(TO, ether(1), 100_000, Default::default());
        let starved = deposit_calldata(TO, ether(1), 1, Default::default());
        let (portal, inbox) = (contracts.portal, contracts.batch_inbox);
        rig.l1
            .submit(&call(1, 0, portal, ether(1), deposit.clone()))
            .unwrap();
        rig.l1
            .submit(&call(1, 1, inbox, U256::ZERO, [1, 2, 3].into()))
            .unwrap();
        rig.l1
            .submit(&call(1, 2, portal, ether(1), starved))
            .unwrap();
        rig.l1
            .submit(&call(1, 3, portal, ether(1), deposit))
            .unwrap();
        rig.l1.mine(count).unwrap();
        rig
    }

    async fn post(&self, body: String) -> reqwest::Result<reqwest::Response> {
        let request = self
            .client
            .post(self.l1.url())
            .header("content-type", "application/json");
        request.body(body).send().await
    }

    async fn raw(&self, body: Value) -> Value {
        self.post(body.to_string())
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn answer(&self, method: &str, params: Value) -> Value {
        self.raw(json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
            .await
    }

    async fn result<T: DeserializeOwned>(&self, method: &str, params: Value) -> T {
        let mut answer = self.answer(method, params).await;
        assert_eq!(answer["id"], 7, "{answer}");
        serde_json::from_value(answer["result"].take()).unwrap_or_else(|e| panic!("{e}: {answer}"))
    }

    async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.answer(method, params).await;
        let error = &answer["error"];
        let code = error["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("no error: {answer}"));
        (code, error["message"].as_str().unwrap().to_owned())
    }
}

type RpcBlock = types::Block<types::Transaction<L1Transaction>>;

#[tokio::test]
async fn blocks_transactions_and_receipts_recompute_to_the_same_hashes() {
    let rig = Rig::with_blocks(1).await;
    let block: RpcBlock = rig
        .result("eth_getBlockByNumber", json!(["0x1", true]))
        .await;
    let header = block.header.inner.clone();
    assert_eq!(header.hash_slow(), block.header.hash);
    assert_eq!(block.header.hash, rig.l1.heads().latest.hash);
    assert!(header.requests_hash.is_some() && header.parent_beacon_block_root.is_some());
    assert_eq!(
        block
            .withdrawals
            .as_ref()
            .map(|withdrawals| withdrawals.len()),
        Some(0)
    );

    let transactions = block
        .transactions
        .clone()
        .into_transactions()
        .collect::<Vec<_>>();
    assert_eq!(transactions.len(), 4);
    let bodies = transactions
        .iter()
        .map(|tx| tx.inner.inner().clone())
        .collect::<Vec<_>>();
    assert_eq!(
        proofs::calculate_transaction_root(&bodies),
        header.transactions_root
    );
    assert!(
        transactions
            .iter()
            .all(|tx| tx.inner.signer() == key(1).address())
    );

    let hash = block.header.hash;
    let receipts: Vec<types::TransactionReceipt> =
        rig.result("eth_getBlockReceipts", json!([hash])).await;
    let plain: Vec<ReceiptEnvelope<Log>> = receipts
        .iter()
        .map(|receipt| receipt.inner.clone().into_primitives_receipt())
        .collect();
    assert_eq!(proofs::calculate_receipt_root(&plain), header.receipts_root);
    let status = receipts
        .iter()
        .map(types::TransactionReceipt::status)
        .collect::<Vec<_>>();
    assert_eq!(status, [true, true, false, true]);
    let mut gas = 0;
    for (index, receipt) in receipts.iter().enumerate() {
        gas += receipt.gas_used;
        assert_eq!(receipt.inner.cumulative_gas_used(), gas);
        assert_eq!(receipt.transaction_index, Some(index as u64));
        assert_eq!(receipt.block_hash, Some(hash));
        let alone: types::TransactionReceipt = rig
            .result(
                "eth_getTransactionReceipt",
                json!([receipt.transaction_hash]),
            )
            .await;
        assert_eq!(&alone, receipt);
    }
    // Log indexes run over the whole block.
    let logs = receipts.iter().flat_map(|receipt| receipt.inner.logs());
    assert!(logs.map(|log| log.log_index).eq([Some(0), Some(1)]));
}

#[tokio::test]
async fn receipts_are_found_by_bare_hash_number_tag_and_object() {
    let rig = Rig::with_blocks(1).await;
    let hash = rig.l1.heads().latest.hash;
    let by_hash: Value = rig.result("eth_getBlockReceipts", json!([hash])).await;
    assert_eq!(by_hash.as_array().unwrap().len(), 4);
    for id in [json!("0x1"), json!("latest"), json!({ "blockHash": hash })] {
        let receipts: Value = rig.result("eth_getBlockReceipts", json!([id])).await;
        assert_eq!(receipts, by_hash);
    }
    let unknown: Value = rig
        .result("eth_getBlockReceipts", json!([B256::repeat_byte(1)]))
        .await;
    assert_eq!(unknown, Value::Null);
    let raw: Vec<alloy_primitives::Bytes> = rig.result("debug_getRawReceipts", json!([hash])).await;
    assert_eq!(raw.len(), 4);
    let raw: alloy_primitives::Bytes = rig.result("debug_getRawHeader", json!([hash])).await;
    assert_eq!(keccak256(raw), hash);
}

#[tokio::test]
async fn unknown_blocks_are_null_and_missing_labels_are_errors_until_the_lag_is_reached() {
    let rig = Rig::with_blocks(3).await;
    let unknown: Value = rig
        .result("eth_getBlockByNumber", json!(["0x4", false]))
        .await;
    assert_eq!(unknown, Value::Null);
    let missing = rig
        .error("eth_getBlockByNumber", json!(["safe", false]))
        .await;
    assert_eq!(missing, (-32000, "safe block not found".to_owned()));
    let missing = rig
        .error("eth_getBlockByNumber", json!(["finalized", false]))
        .await;
    assert_eq!(missing, (-32000, "finalized block not found".to_owned()));

    rig.l1.mine(6).unwrap();
    for (tag, number) in [
        ("earliest", 0),
        ("finalized", 1),
        ("safe", 5),
        ("latest", 9),
        ("pending", 9),
    ] {
        let block: RpcBlock = rig
            .result("eth_getBlockByNumber", json!([tag, false]))
            .await;
        assert_eq!(block.header.number, number, "{tag}");
    }
    let status: Value = rig.result("dev_setLag", json!([0, "0x1"])).await;
    assert_eq!(status["safe"]["number"], 9);
    assert_eq!(status["finalized"]["number"], 8);
    let status: Value = rig.result("dev_setFinalized", json!([3])).await;
    assert_eq!(status["finalized"]["number"], 3);
}

#[tokio::test]
async fn the_proof_of_the_signer_verifies_against_the_header() {
    let rig = Rig::with_blocks(2).await;
    let contracts = rig.l1.with_chain(|chain| chain.config().contracts);
    let head = rig.l1.heads().latest.hash;
    let params = json!([contracts.system_config, [UNSAFE_BLOCK_SIGNER_SLOT], head]);
    let answer: Value = rig.result("eth_getProof", params.clone()).await;
    let echoed = json!(UNSAFE_BLOCK_SIGNER_SLOT);
    assert_eq!(answer["storageProof"][0]["key"], echoed);

    let proof: types::EIP1186AccountProofResponse = rig.result("eth_getProof", params).await;
    let block: RpcBlock = rig.result("eth_getBlockByHash", json!([head, false])).await;
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let path = Nibbles::unpack(keccak256(contracts.system_config));
    let account = Some(alloy_rlp::encode(account));
    verify_proof(block.header.state_root, path, account, &proof.account_proof).unwrap();
    let word = &proof.storage_proof[0];
    let path = Nibbles::unpack(keccak256(UNSAFE_BLOCK_SIGNER_SLOT));
    let value = Some(alloy_rlp::encode(word.value));
    verify_proof(proof.storage_hash, path, value, &word.proof).unwrap();
    assert_eq!(
        Address::from_word(word.value.into()),
        contracts.unsafe_block_signer
    );

    let params = json!([contracts.system_config, UNSAFE_BLOCK_SIGNER_SLOT, head]);
    let word: B256 = rig.result("eth_getStorageAt", params).await;
    assert_eq!(Address::from_word(word), contracts.unsafe_block_signer);
    let unknown = json!([contracts.system_config, [], B256::repeat_byte(1)]);
    assert_eq!(
        rig.error("eth_getProof", unknown).await.1,
        "header not found"
    );
}

#[tokio::test]
async fn dropped_blocks_are_served_by_hash_and_not_by_number() {
    let rig = Rig::with_blocks(4).await;
    let old: RpcBlock = rig
        .result("eth_getBlockByNumber", json!(["0x3", true]))
        .await;
    let reorg: Value = rig.result("dev_reorg", json!([3, 1])).await;
    assert_eq!(reorg["commonAncestor"]["number"], 1);
    assert_eq!(reorg["newHead"]["number"], 2);
    assert_eq!(
        rig.result::<String>("eth_blockNumber", json!([])).await,
        "0x2"
    );
    let by_hash: RpcBlock = rig
        .result("eth_getBlockByHash", json!([old.header.hash, true]))
        .await;
    assert_eq!(by_hash, old);
    let by_number: Value = rig
        .result("eth_getBlockByNumber", json!(["0x3", false]))
        .await;
    assert_eq!(by_number, Value::Null);
    let too_deep = rig.error("dev_reorg", json!([3])).await;
    assert_eq!(too_deep.0, -32000);
}

#[tokio::test]
async fn logs_are_filtered_by_address_topic_hash_and_range() {
    let rig = Rig::with_blocks(3).await;
    let portal = rig.l1.with_chain(|chain| chain.config().contracts.portal);
    let hash = rig.l1.block_by_number(1).unwrap().hash();
    let count = async |filter: Value| {
        rig.result::<Vec<types::Log>>("eth_getLogs", json!([filter]))
            .await
            .len()
    };
    assert_eq!(
        count(json!({ "address": portal, "blockHash": hash })).await,
        2
    );
    assert_eq!(
        count(json!({ "address": [TO], "blockHash": hash })).await,
        0
    );
    assert_eq!(
        count(json!({ "fromBlock": "earliest", "toBlock": "latest" })).await,
        2
    );
    assert_eq!(
        count(json!({ "fromBlock": "0x2", "toBlock": "0x3" })).await,
        0
    );
    let from = key(1).address().into_word();
    let topics = json!([null, from]);
    assert_eq!(
        count(json!({ "blockHash": hash, "topics": topics })).await,
        2
    );
    let topics = json!([null, B256::repeat_byte(3)]);
    assert_eq!(
        count(json!({ "blockHash": hash, "topics": topics })).await,
        0
    );

    let unknown = json!([{ "blockHash": B256::repeat_byte(1) }]);
    assert_eq!(rig.error("eth_getLogs", unknown).await.1, "unknown block");
    let wide = json!([{ "fromBlock": "0x0", "toBlock": "0x2710" }]);
    assert_eq!(rig.error("eth_getLogs", wide).await.0, -32005);
}

#[tokio::test]
async fn a_wallet_can_ask_send_and_see_its_transaction() {
    let rig = Rig::with_blocks(1).await;
    let contracts = rig.l1.with_chain(|chain| chain.config().contracts);
    let sender = key(2).address();
    assert_eq!(
        rig.result::<String>("eth_chainId", json!([])).await,
        "0x384"
    );
    assert_eq!(
        rig.result::<String>("net_version", Value::Null).await,
        "900"
    );
    assert!(!rig.result::<bool>("eth_syncing", json!([])).await);
    let price: U256 = rig.result("eth_gasPrice", json!([])).await;
    assert!(
        price
            > rig
                .result::<U256>("eth_maxPriorityFeePerGas", json!([]))
                .await
    );
    assert_eq!(
        rig.result::<U256>("eth_blobBaseFee", json!([])).await,
        U256::ONE
    );
    let history: types::FeeHistory = rig
        .result("eth_feeHistory", json!(["0x5", "latest", [10.0, 90.0]]))
        .await;
    assert_eq!(
        (history.oldest_block, history.base_fee_per_gas.len()),
        (0, 3)
    );
    assert_eq!(
        history.reward.unwrap(),
        [[0, 0], [1_000_000_000, 1_000_000_000]]
    );

    let gas: U256 = rig
        .result("eth_estimateGas", json!([{ "from": sender, "to": TO }]))
        .await;
    assert_eq!(gas, U256::from(21_000));
    let raw = call(2, 0, TO, ether(1), Default::default());
    let hash: B256 = rig.result("eth_sendRawTransaction", json!([raw])).await;
    let waiting: Value = rig.result("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(waiting["blockHash"], Value::Null);
    let nonce = async |tag: &str| -> U256 {
        rig.result("eth_getTransactionCount", json!([sender, tag]))
            .await
    };
    assert_eq!(
        (nonce("latest").await, nonce("pending").await),
        (U256::ZERO, U256::ONE)
    );
    let twice = rig.error("eth_sendRawTransaction", json!([raw])).await;
    assert_eq!(twice, (-32000, "already known".to_owned()));

    rig.result::<Value>("dev_mine", json!([])).await;
    assert_eq!(nonce("latest").await, U256::ONE);
    assert_eq!(
        rig.result::<U256>("eth_getBalance", json!([TO, "latest"]))
            .await,
        ether(1)
    );
    let receipt: types::TransactionReceipt =
        rig.result("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt.block_number, Some(2));
    let code: String = rig
        .result("eth_getCode", json!([contracts.portal, "latest"]))
        .await;
    assert_eq!(code, "0xfe");
}

#[tokio::test]
async fn calls_are_answered_by_getters_and_revert_where_a_transaction_would() {
    let rig = Rig::start().await;
    let contracts = rig.l1.with_chain(|chain| chain.config().contracts);
    let to_config = |input: Vec<u8>| {
        let input = alloy_primitives::Bytes::from(input);
        json!([{ "to": contracts.system_config, "data": input }, "latest"])
    };
    let gas_limit = ISystemConfig::gasLimitCall {}.abi_encode();
    let answer: B256 = rig.result("eth_call", to_config(gas_limit)).await;
    assert_eq!(
        U256::from_be_bytes(answer.0),
        U256::from(contracts.initial.gas_limit)
    );
    let setter = ISystemConfig::setMinBaseFeeCall { minBaseFee: 1 }.abi_encode();
    let (code, message) = rig.error("eth_call", to_config(setter)).await;
    assert_eq!(code, 3);
    assert_eq!(
        message,
        "execution reverted: Ownable: caller is not the owner"
    );
    let empty: String = rig
        .result("eth_call", json!([{ "to": TO, "data": "0x1234" }]))
        .await;
    assert_eq!(empty, "0x");
}
