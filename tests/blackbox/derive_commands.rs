//! How people cut and command what a node derives: frames over transactions, blobs and L1 blocks, deposits, changes of the system
//! config, and another key for the batcher.

use crate::helpers::{
    chain::{Chain, Settings},
    deriving::{self, derives_up_to},
    posting::{frames_of, mined, one_block_ahead, post, safe_is},
    process::NodeProcess,
    rpc::Rpc,
};
use alloy_primitives::B256;
use light_node_devnet::{DEV_ACCOUNTS, DataAvailability};
use light_node_protocol::Hardfork;
use serde_json::{Value, json};

/// L1 blocks by which the last frame of a channel may be later than the first (`specs/protocol/granite/derivation.md`).
const CHANNEL_TIMEOUT: u64 = 50;

/// Every change that the SystemConfig contract knows, as the devnet's command says it.
fn changes() -> [Value; 8] {
    [
        json!({ "gasLimit": 40_000_000 }),
        json!({ "feeScalars": { "baseFee": 11, "blobBaseFee": 12 } }),
        json!({ "eip1559": { "denominator": 50, "elasticity": 3 } }),
        json!({ "operatorFee": { "scalar": 7, "constant": 8 } }),
        json!({ "minBaseFee": 9_000 }),
        json!({ "daFootprintGasScalar": 500 }),
        json!({ "unsafeBlockSigner": DEV_ACCOUNTS[1].address }),
        json!({ "batcher": DEV_ACCOUNTS[0].address }),
    ]
}

/// Gives a command to the devnet, and waits until its transaction has succeeded on L1.
async fn command(chain: &Chain, method: &str, parameter: &Value) {
    let devnet = Rpc::url(&chain.endpoints().source);
    let answer = devnet.call(method, json!([parameter])).await;
    let hash: B256 = serde_json::from_value(answer.unwrap()).unwrap();
    mined(chain, &[hash]).await;
    let succeeded = chain.l1().with_chain(|l1| {
        let (block, index) = l1.transaction(&hash).unwrap();
        block.receipts()[index].status()
    });
    assert!(succeeded, "{method} {parameter}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deposits_and_every_change_of_the_system_config_are_derived() {
    let chain = Chain::start(Settings {
        l1_block_seconds: 1,
        ..Settings::by_clock(Hardfork::Jovian)
    })
    .await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    derives_up_to(&chain, &node, 1, 0).await;
    for change in changes() {
        command(&chain, "dev_setSystemConfig", &change).await;
        let deposit = json!({ "to": DEV_ACCOUNTS[2].address, "value": "0x5" });
        command(&chain, "dev_deposit", &deposit).await;
        let next = chain.source().status().unsafe_l2.number + 2;
        derives_up_to(&chain, &node, next, 0).await;
    }
    let derived = node.rpc().sync_status().await.unwrap().safe_l2.number;
    let view = chain.spare_el().view();
    let header = view.block_by_number(derived).unwrap().header();
    assert_eq!(header.gas_limit, 40_000_000);
    // Version, denominator, elasticity, minimal base fee.
    let extra = [&[1, 0, 0, 0, 50, 0, 0, 0, 3][..], &9_000_u64.to_be_bytes()].concat();
    assert_eq!(header.extra_data[..], extra);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_block_of_a_new_batcher_key_on_the_old_one_is_not_heard() {
    let chain = Chain::start(Settings::on_command()).await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    let (safe, block) = one_block_ahead(&chain).await;
    // Both stand in one L1 block, the old key's batch first.
    post(&chain, &frames_of(&block, 1), DataAvailability::Calldata).await;
    let devnet = Rpc::url(&chain.endpoints().source);
    let change = json!([{ "batcher": DEV_ACCOUNTS[0].address }]);
    devnet.call("dev_setSystemConfig", change).await.unwrap();
    chain.l1().mine(1).unwrap();
    safe_is(&chain, &node, &safe).await;
    // The new one is.
    post(&chain, &frames_of(&block, 1), DataAvailability::Calldata).await;
    chain.l1().mine(1).unwrap();
    safe_is(&chain, &node, &block).await;
    chain.batcher().resume();
    let settled = chain.settle().await.safe_l2;
    safe_is(&chain, &node, &settled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_may_lie_in_many_transactions_blobs_and_l1_blocks() {
    let chain = Chain::start(Settings::on_command()).await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    let (safe, block) = one_block_ahead(&chain).await;
    let frames = frames_of(&block, 6);
    let posts = [
        (&frames[..1], DataAvailability::Calldata, 1),
        // Three blobs of one transaction.
        (&frames[1..4], DataAvailability::Blobs, 1),
        (&frames[4..], DataAvailability::Calldata, 2),
    ];
    for (frames, da, transactions) in posts {
        safe_is(&chain, &node, &safe).await;
        assert_eq!(post(&chain, frames, da).await.len(), transactions);
        chain.l1().mine(1).unwrap();
    }
    safe_is(&chain, &node, &block).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_counts_until_its_timeout_and_not_later() {
    for (apart, counts) in [(CHANNEL_TIMEOUT, true), (CHANNEL_TIMEOUT + 1, false)] {
        let chain = Chain::start(Settings::on_command()).await;
        let node = NodeProcess::start(&deriving::flags(&chain));
        let (safe, block) = one_block_ahead(&chain).await;
        let frames = frames_of(&block, 2);
        post(&chain, &frames[..1], DataAvailability::Calldata).await;
        chain.l1().mine(apart).unwrap();
        safe_is(&chain, &node, &safe).await;
        post(&chain, &frames[1..], DataAvailability::Calldata).await;
        chain.l1().mine(1).unwrap();
        safe_is(&chain, &node, if counts { &block } else { &safe }).await;
    }
}
