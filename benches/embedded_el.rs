//! How fast the embedded execution layer takes blocks in: a chain of blocks with one transfer each is built once, then imported into
//! fresh execution layers by newPayload and forkchoiceUpdated, in process. Prints blocks per second beside the limit; the exit code
//! says whether it holds.

#![allow(clippy::unwrap_used)] // a benchmark that cannot run ends here

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, TxKind, U256};
use alloy_rpc_types_engine::ForkchoiceState;
use light_node_actor::CancellationToken;
use light_node_devnet::{Blocks, DEVNET_L2_CHAIN_ID, Devnet, DevnetConfig, TRAFFIC};
use light_node_devnet_el::{ElConfig, EmbeddedEl};
use op_alloy_rpc_types_engine::OpExecutionData;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

/// Blocks of the chain.
const BLOCKS: u64 = 1000;

/// An L1 block for that many L2 blocks keeps the chain within the sequencer drift.
const BLOCKS_PER_L1_BLOCK: u64 = 6;

/// Imports; the median counts.
const RUNS: usize = 5;

/// What must be reached.
const BLOCKS_PER_SECOND_MIN: f64 = 500.0;

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let datadir = tempfile::tempdir().unwrap();
    let config = DevnetConfig {
        deriver: false,
        followers: 0,
        blocks: Blocks::OnCommand,
        traffic: false,
        block_time: Duration::from_secs(2),
        l1_block_time: Duration::from_secs(12),
        ..DevnetConfig::new(datadir.path().to_owned())
    };
    let devnet = Devnet::start(config, CancellationToken::new())
        .await
        .unwrap();
    let chain = build(&devnet).await;
    let genesis = devnet.deployment().l2_genesis.clone();
    devnet.stop().await.unwrap();

    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let el = EmbeddedEl::new(ElConfig::new(genesis.clone())).unwrap();
            let began = Instant::now();
            import(&el, &chain);
            BLOCKS as f64 / began.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let median = rates[RUNS / 2];
    println!(
        "import of blocks with one transfer: {median:.0} blocks/s (from {:.0} to {:.0}), limit {BLOCKS_PER_SECOND_MIN}",
        rates[0],
        rates[RUNS - 1]
    );
    if median < BLOCKS_PER_SECOND_MIN {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn build(devnet: &Devnet) -> Vec<OpExecutionData> {
    for number in 0..BLOCKS {
        if number % BLOCKS_PER_L1_BLOCK == 0 {
            devnet.l1().mine(1).unwrap();
        }
        let transfer = TRAFFIC.sign(TxEip1559 {
            chain_id: DEVNET_L2_CHAIN_ID,
            nonce: number,
            gas_limit: 21_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(Address::repeat_byte(0xaa)),
            value: U256::ONE,
            ..TxEip1559::default()
        });
        devnet.sequencer_el().submit_transaction(&transfer).unwrap();
        devnet.sequencer().build().await.unwrap();
    }
    let view = devnet.sequencer_el().view();
    let chain = (1..=BLOCKS).map(|number| {
        let block = view.block_by_number(number).unwrap();
        assert_eq!(block.block.body.transactions.len(), 2);
        OpExecutionData::from_block_unchecked(block.hash, &block.block)
    });
    chain.collect()
}

fn import(el: &EmbeddedEl, chain: &[OpExecutionData]) {
    for data in chain {
        let head = data.block_hash();
        let status = el.new_payload(data.clone());
        assert!(status.is_valid(), "{status:?}");
        let forkchoice = ForkchoiceState {
            head_block_hash: head,
            ..ForkchoiceState::default()
        };
        let updated = el.fork_choice_updated(forkchoice, None).unwrap();
        assert!(updated.is_valid(), "{updated:?}");
    }
}
