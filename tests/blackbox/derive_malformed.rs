//! Everything malformed that a batcher can put on L1, in front of a node that derives: it goes on to the sequencer's chain, which
//! it would leave if it took any of it for good, and it neither panics nor grows.

use crate::helpers::{
    chain::{Chain, Settings},
    deriving::{self, derives_up_to},
    posting::{mined, one_block_ahead, safe_is},
    process::NodeProcess,
};
use alloy_primitives::B256;
use light_node_devnet::{DataAvailability, Malformed};
use light_node_protocol::Hardfork;
use serde_json::Value;
use std::iter::once;

/// What the process may have taken of memory at its highest, in KiB: twice the longest channel and what the node takes itself, and
/// less than a crowd whose every member is remembered.
const MEMORY_MAX_KIB: u64 = 256 << 10;

/// Small things, each wrong in its own way, none of which makes a block.
fn small_kinds() -> impl Iterator<Item = Malformed> {
    let kinds = Malformed::ALL.iter().copied();
    kinds.filter(|kind| !kind.is_bomb() && !kind.replaces_block())
}

/// A chain of one-second blocks on both layers, with transactions in every block.
async fn busy_chain() -> Chain {
    Chain::start(Settings {
        l1_block_seconds: 1,
        ..Settings::by_clock(Hardfork::Jovian)
    })
    .await
}

/// Posts all of these, and waits until the node has derived what the honest batcher wrote behind them.
async fn derives_behind(
    chain: &Chain,
    node: &NodeProcess,
    kinds: impl Iterator<Item = Malformed>,
    da: DataAvailability,
) {
    derives_up_to(chain, node, 1, 0).await;
    let mut posted: Vec<B256> = Vec::new();
    for kind in kinds {
        let hashes = chain.batcher().post_malformed(kind, da).await;
        posted.extend(hashes.unwrap_or_else(|error| panic!("{kind:?}: {error}")));
    }
    mined(chain, &posted).await;
    let behind = chain.source().status().unsafe_l2.number + 2;
    derives_up_to(chain, node, behind, 0).await;
    is_calm(node);
}

/// Asserts that nothing in the log is a panic or an error.
fn is_calm(node: &NodeProcess) {
    for line in node.printed() {
        let record: Value = serde_json::from_str(&line).unwrap_or_default();
        let is_alarm = record["level"] == "ERROR" || line.contains("panicked");
        assert!(!is_alarm, "{line}");
    }
}

/// The most memory that the process ever had, in KiB.
fn memory_peak_kib(node: &NodeProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let size = line.and_then(|line| line.trim().strip_suffix(" kB"));
    size.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_malformed_in_calldata_is_passed_over() {
    let chain = busy_chain().await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    derives_behind(&chain, &node, small_kinds(), DataAvailability::Calldata).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_malformed_in_blobs_is_passed_over() {
    let chain = busy_chain().await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    derives_behind(&chain, &node, small_kinds(), DataAvailability::Blobs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_do_not_take_the_memory() {
    let chain = busy_chain().await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    let bombs = Malformed::ALL.iter().filter(|kind| kind.is_bomb());
    let ways = [DataAvailability::Calldata, DataAvailability::Blobs];
    // One by one: each takes seconds of a busy machine without optimisation.
    for (bomb, da) in bombs.zip(ways.iter().cycle()) {
        derives_behind(&chain, &node, once(*bomb), *da).await;
    }
    let peak = memory_peak_kib(&node);
    println!("memory at its highest: {peak} KiB");
    assert!(peak <= MEMORY_MAX_KIB, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_the_execution_layer_refuses_comes_out_without_its_transactions() {
    for kind in [Malformed::ForeignChainId, Malformed::NoiseTransaction] {
        // Two L2 blocks on each L1 block: the second has the origin that the malformed batch has.
        let chain = Chain::start(Settings {
            l1_block_seconds: 2,
            ..Settings::on_command()
        })
        .await;
        let node = NodeProcess::start(&deriving::flags(&chain));
        let (safe, block) = one_block_ahead(&chain).await;
        safe_is(&chain, &node, &safe).await;
        let da = DataAvailability::Calldata;
        chain.batcher().post_malformed(kind, da).await.unwrap();
        chain.l1().mine(1).unwrap();
        // Without transactions it is the sequencer's own block.
        safe_is(&chain, &node, &block).await;
        chain.batcher().resume();
        let safe = chain.settle().await.safe_l2;
        safe_is(&chain, &node, &safe).await;
        is_calm(&node);
    }
}
