use super::*;
use crate::testing::{
    GENESIS_TIME, RECIPIENT, forkchoice, transfer, user_deposit, wallet, withdrawal,
};
use crate::{MESSAGE_PASSER, testing::data};
use alloy_consensus::Header;
use op_alloy_rpc_types::OpTransactionReceipt;

#[tokio::test]
async fn a_block_in_json_hashes_to_its_hash_in_every_fork() {
    for fork in [
        Hardfork::Ecotone,
        Hardfork::Holocene,
        Hardfork::Isthmus,
        Hardfork::Jovian,
    ] {
        let served = Served::new(fork);
        served.chain.submit(&transfer(0, 0));
        let block = served.chain.extend();
        let answer = served
            .call("eth_getBlockByNumber", json!(["latest", true]))
            .await;
        let header: Header = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(header.hash_slow(), block.hash);
        assert_eq!(answer["hash"], json!(block.hash));
        assert_eq!(answer["transactions"].as_array().unwrap().len(), 2);
        assert_eq!(answer["withdrawals"], json!([]));
        assert_eq!(answer["uncles"], json!([]));
    }
}

#[tokio::test]
async fn deposits_have_the_fields_that_op_node_reads() {
    let served = Served::new(Hardfork::Jovian);
    let head = served.chain.head();
    let mut attributes = served.chain.attributes_on(&head);
    attributes
        .transactions
        .as_mut()
        .unwrap()
        .push(user_deposit(RECIPIENT));
    let block = served.chain.build(head.hash, attributes).block().clone();
    served.chain.insert(&block);
    let answer = served
        .call("eth_getBlockByHash", json!([block.hash, true]))
        .await;
    let deposits = answer["transactions"].as_array().unwrap();
    for (index, deposit) in deposits.iter().enumerate() {
        assert_eq!(deposit["type"], json!("0x7e"));
        assert_eq!(deposit["blockHash"], json!(block.hash));
        assert_eq!(deposit["transactionIndex"], hex(index as u64));
        for field in [
            "hash",
            "sourceHash",
            "from",
            "to",
            "value",
            "gas",
            "input",
            "nonce",
        ] {
            assert!(deposit[field].is_string(), "{field} of {deposit}");
        }
    }
    assert_eq!(deposits[1]["mint"], json!("0xde0b6b3a7640000"));
    assert_eq!(deposits[1]["depositReceiptVersion"], json!("0x1"));
}

#[tokio::test]
async fn blocks_are_found_by_every_tag_and_hashes_are_the_default() {
    let served = Served::new(Hardfork::Jovian);
    assert_eq!(
        served
            .call("eth_getBlockByNumber", json!(["safe", false]))
            .await,
        Value::Null
    );
    let blocks: Vec<_> = (0..4).map(|_| served.chain.extend()).collect();
    let mut state = forkchoice(blocks[3].hash);
    state.safe_block_hash = blocks[2].hash;
    state.finalized_block_hash = blocks[1].hash;
    served.chain.el.fork_choice_updated(state, None).unwrap();
    let rows = [
        (json!("earliest"), 0),
        (json!("finalized"), 2),
        (json!("safe"), 3),
        (json!("latest"), 4),
        (json!("pending"), 4),
        (json!("0x1"), 1),
    ];
    for (tag, number) in rows {
        let answer = served.call("eth_getBlockByNumber", json!([tag])).await;
        assert_eq!(answer["number"], hex(number), "{tag}");
    }
    let answer = served.call("eth_getBlockByNumber", json!(["0x2"])).await;
    assert!(answer["transactions"][0].is_string());
    assert_eq!(
        served
            .call("eth_getBlockByNumber", json!(["0x9", true]))
            .await,
        Value::Null
    );
    assert_eq!(served.call("eth_blockNumber", json!([])).await, hex(4));
    let count = served
        .call("eth_getBlockTransactionCountByNumber", json!(["0x2"]))
        .await;
    assert_eq!(count, hex(1));
}

#[tokio::test]
async fn a_transaction_is_pending_until_it_is_mined() {
    let served = Served::new(Hardfork::Jovian);
    let from = wallet(0).address();
    let hash = served
        .call("eth_sendRawTransaction", json!([transfer(0, 0)]))
        .await;
    let pending = served.call("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(pending["blockHash"], Value::Null);
    assert_eq!(pending["from"], json!(from));
    assert_eq!(
        served
            .call("eth_getTransactionReceipt", json!([hash]))
            .await,
        Value::Null
    );
    let count = |tag: &str| json!([from, tag]);
    assert_eq!(
        served
            .call("eth_getTransactionCount", count("latest"))
            .await,
        hex(0)
    );
    assert_eq!(
        served
            .call("eth_getTransactionCount", count("pending"))
            .await,
        hex(1)
    );

    let block = served.chain.extend();
    let mined = served.call("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(mined["blockHash"], json!(block.hash));
    let by_index = served
        .call(
            "eth_getTransactionByBlockHashAndIndex",
            json!([block.hash, "0x1"]),
        )
        .await;
    assert_eq!(by_index, mined);
    let receipt = served
        .call("eth_getTransactionReceipt", json!([hash]))
        .await;
    assert_eq!(receipt["status"], json!("0x1"));
    assert_eq!(receipt["gasUsed"], hex(21_000));
    assert_eq!(receipt["to"], json!(RECIPIENT));
    assert_eq!(
        served
            .call("eth_getTransactionCount", count("latest"))
            .await,
        hex(1)
    );

    let (code, message) = served
        .failure("eth_sendRawTransaction", json!([transfer(0, 0)]))
        .await;
    assert_eq!(code, -32000);
    assert!(message.contains("nonce too low"), "{message}");
}

#[tokio::test]
async fn receipts_tell_gas_logs_and_the_l1_fee() {
    let served = Served::new(Hardfork::Jovian);
    served.chain.submit(&withdrawal(0, 0));
    served.chain.submit(&withdrawal(1, 0));
    let block = served.chain.extend();
    // A bare hash, as op-node sends it, and an object, as kona does.
    let answer = served
        .call("eth_getBlockReceipts", json!([block.hash]))
        .await;
    let object = json!([{ "blockHash": block.hash }]);
    assert_eq!(served.call("eth_getBlockReceipts", object).await, answer);
    let receipts: Vec<OpTransactionReceipt> = serde_json::from_value(answer.clone()).unwrap();
    let gas: u64 = receipts.iter().map(|receipt| receipt.inner.gas_used).sum();
    assert_eq!(gas, block.header().gas_used);
    for (index, log_index) in [(1, 0), (2, 1)] {
        assert_eq!(answer[index]["logs"][0]["logIndex"], hex(log_index));
        assert_eq!(answer[index]["logs"][0]["address"], json!(MESSAGE_PASSER));
        // The minimum of 100 bytes, at 1368 * 16 gwei and 810949 wei, in millionths.
        assert_eq!(receipts[index].l1_block_info.l1_fee, Some(2_188_800_081));
        assert_eq!(
            receipts[index].l1_block_info.l1_gas_price,
            Some(1_000_000_000)
        );
    }
    let footprint: u64 = receipts
        .iter()
        .filter_map(|receipt| receipt.inner.blob_gas_used)
        .sum();
    assert_eq!(Some(footprint), block.header().blob_gas_used);
    assert_eq!(answer[0]["l1Fee"], Value::Null);
    assert_eq!(answer[0]["depositNonce"], hex(0));
    let unknown = json!(["0x7777777777777777777777777777777777777777777777777777777777777777"]);
    assert_eq!(
        served.call("eth_getBlockReceipts", unknown).await,
        Value::Null
    );
}

#[tokio::test]
async fn logs_are_filtered_by_address_topic_and_range() {
    let served = Served::new(Hardfork::Jovian);
    served.chain.submit(&withdrawal(0, 0));
    let first = served.chain.extend();
    served.chain.extend();
    served.chain.submit(&withdrawal(0, 1));
    served.chain.submit(&withdrawal(1, 0));
    served.chain.extend();
    let count = async |filter: Value| {
        served
            .call("eth_getLogs", json!([filter]))
            .await
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        count(json!({ "fromBlock": "0x0", "toBlock": "latest" })).await,
        3
    );
    assert_eq!(count(json!({ "fromBlock": "0x2" })).await, 2);
    assert_eq!(
        count(json!({ "fromBlock": "0x0", "toBlock": "0x2" })).await,
        1
    );
    assert_eq!(
        count(json!({ "fromBlock": "0x0", "toBlock": "0xffff" })).await,
        3
    );
    assert_eq!(count(json!({ "blockHash": first.hash })).await, 1);
    assert_eq!(
        count(json!({ "fromBlock": "0x0", "address": MESSAGE_PASSER })).await,
        3
    );
    assert_eq!(
        count(json!({ "fromBlock": "0x0", "address": [RECIPIENT] })).await,
        0
    );
    let sender = wallet(1).address().into_word();
    let topics = json!({ "fromBlock": "0x0", "topics": [null, null, [sender]] });
    assert_eq!(count(topics).await, 1);
    let answer = served
        .call("eth_getLogs", json!([{ "fromBlock": "0x3" }]))
        .await;
    assert_eq!(answer[1]["logIndex"], hex(1));
    assert_eq!(answer[1]["transactionIndex"], hex(2));
    let backwards = json!([{ "fromBlock": "0x3", "toBlock": "0x1" }]);
    assert_eq!(served.failure("eth_getLogs", backwards).await.0, -32602);
    let unknown = json!([{ "blockHash": alloy_primitives::B256::ZERO }]);
    assert_eq!(served.failure("eth_getLogs", unknown).await.0, -39001);
}

#[tokio::test]
async fn fee_history_reaches_back_and_one_block_ahead() {
    let served = Served::new(Hardfork::Jovian);
    for nonce in 0..3 {
        served.chain.submit(&transfer(0, nonce));
        served.chain.extend();
    }
    let answer = served
        .call(
            "eth_feeHistory",
            json!(["0x2", "latest", [0.0, 50.0, 100.0]]),
        )
        .await;
    assert_eq!(answer["oldestBlock"], hex(2));
    assert_eq!(answer["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(answer["gasUsedRatio"].as_array().unwrap().len(), 2);
    assert_eq!(
        answer["reward"][0],
        json!(["0xf4240", "0xf4240", "0xf4240"])
    );
    // A number, and more blocks than there are.
    let answer = served
        .call("eth_feeHistory", json!([1000, "latest", []]))
        .await;
    assert_eq!(answer["oldestBlock"], hex(0));
    let falling = json!(["0x1", "latest", [50.0, 10.0]]);
    assert_eq!(served.failure("eth_feeHistory", falling).await.0, -32602);
    let price = served.call("eth_gasPrice", json!([])).await;
    let next = served
        .call("eth_feeHistory", json!(["0x1", "latest"]))
        .await["baseFeePerGas"][1]
        .clone();
    let parse = |it: &Value| u64::from_str_radix(&it.as_str().unwrap()[2..], 16).unwrap();
    assert_eq!(parse(&price), parse(&next) + 1_000_000);
}

#[tokio::test]
async fn a_node_tells_about_itself() {
    let served = Served::new(Hardfork::Jovian);
    assert_eq!(served.call("eth_chainId", json!([])).await, json!("0x385"));
    assert_eq!(served.call("net_version", json!([])).await, json!("901"));
    assert_eq!(served.call("eth_accounts", json!([])).await, json!([]));
    assert_eq!(served.call("eth_syncing", json!([])).await, json!(false));
    let version = served.call("web3_clientVersion", json!([])).await;
    assert!(
        version
            .as_str()
            .unwrap()
            .starts_with("light-node-devnet-el/v")
    );
    let genesis = served
        .call("eth_getBlockByNumber", json!(["0x0", true]))
        .await;
    assert_eq!(genesis["timestamp"], hex(GENESIS_TIME));
    let raw = served.call("debug_getRawHeader", json!(["0x0"])).await;
    let raw: alloy_primitives::Bytes = serde_json::from_value(raw).unwrap();
    assert_eq!(json!(alloy_primitives::keccak256(raw)), genesis["hash"]);
}

#[tokio::test]
async fn syncing_tells_how_far_the_target_is() {
    let served = Served::new(Hardfork::Jovian);
    let blocks = crate::testing::foreign_blocks(Hardfork::Jovian, 3);
    served.chain.el.new_payload(data(&blocks[2]));
    served.chain.choose(blocks[2].hash);
    let expected = json!({ "startingBlock": "0x0", "currentBlock": "0x0", "highestBlock": "0x3" });
    assert_eq!(served.call("eth_syncing", json!([])).await, expected);
}
