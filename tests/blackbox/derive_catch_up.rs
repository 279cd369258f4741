//! What it costs to derive: requests to L1 for each L1 block, to an L1 that is trusted and to one that is not, and after a restart.

use crate::helpers::{
    chain::{Chain, Settings},
    derived::Derived,
    recorder::Recorder,
};
use light_node_devnet::Deposit;
use serde_json::Value;

/// L1 blocks that are there before the node starts.
const L1_BLOCKS: u64 = 120;

/// A tenth of them has a deposit, so that their receipts are needed.
const DEPOSIT_EACH: u64 = 10;

/// L1 and L2 go on by so many L1 blocks, and all of L2 is safe.
async fn goes_on(chain: &Chain, l1_blocks: u64) {
    let last = chain.l1().heads().latest.number + l1_blocks;
    while chain.l1().heads().latest.number < last {
        chain.l1_commands().deposit(Deposit::default()).unwrap();
        let next = chain.l1().heads().latest.number + DEPOSIT_EACH;
        chain
            .step_until(|status| status.head_l1.number >= next)
            .await;
    }
    chain.settle().await;
}

/// A chain with some history.
async fn with_history() -> Chain {
    let chain = Chain::start(Settings {
        finalized_lag: 6,
        ..Settings::on_command()
    })
    .await;
    goes_on(&chain, L1_BLOCKS).await;
    chain
}

/// Whether a request is one of derivation. What is asked about the heads costs by the second and not by the block.
fn asks_for_data(request: &Value) -> bool {
    let is_data = |one: &Value| match one["method"].as_str() {
        // Whole transactions, and not a label's header.
        Some("eth_getBlockByNumber" | "eth_getBlockByHash") => one["params"][1] == true,
        Some("eth_chainId") | None => false,
        Some(_) => true,
    };
    match request {
        Value::Array(batch) => batch.iter().any(is_data),
        request => is_data(request),
    }
}

/// How often each method was asked for, each request of a batch by itself.
fn methods(recorder: &Recorder) -> String {
    let count = |method: &str| {
        recorder.count(|request| match request {
            Value::Array(batch) => batch.iter().any(|one| one["method"] == method),
            request => request["method"] == method,
        })
    };
    [
        "eth_getBlockByNumber",
        "eth_getBlockByHash",
        "eth_getBlockReceipts",
        "eth_getLogs",
        "eth_getRawTransactionByHash",
        "eth_chainId",
    ]
    .map(|method| format!("{method}: {}", count(method)))
    .join(", ")
}

/// Derives the history and, after a pause in which as much came, the rest.
async fn derives_and_catches_up(trust_rpc: bool, requests_per_block_max: f64) {
    let mut chain = with_history().await;
    for _ in 0..2 {
        let recorder = Recorder::new(&chain.l1().url(), |_, answer| answer).await;
        let it = Derived::begin(chain, |_, flags| {
            let flags = flags.with("--l1", recorder.url());
            if trust_rpc {
                flags.with_switch("--l1.trustrpc")
            } else {
                flags
            }
        });
        it.in_step().await;
        let (data, all) = (recorder.count(asks_for_data), recorder.count(|_| true));
        // A restart reads some blocks again, in which a channel may have begun.
        let blocks = it.page().await["l1_blocks"].as_u64().unwrap();
        let each =
            f64::from(u32::try_from(data).unwrap()) / f64::from(u32::try_from(blocks).unwrap());
        let methods = methods(&recorder);
        println!(
            "{blocks} L1 blocks, {data} requests for their data, {each:.2} for each, {all} for all: {methods}"
        );
        assert!(each <= requests_per_block_max, "{each}");
        it.goes_on().await;
        chain = it.stop().await;
        goes_on(&chain, L1_BLOCKS).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_block_of_an_l1_that_is_verified_costs_three_requests_at_the_most() {
    derives_and_catches_up(false, 3.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_block_of_an_l1_that_is_trusted_costs_one_request() {
    derives_and_catches_up(true, 1.1).await;
}
