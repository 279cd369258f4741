//! Effects of the flags of the sequencer that no behaviour's own test shows.

use crate::helpers::{
    flags::Flags,
    listener::Listener,
    peers::{LIMIT, chain, l2_chain_id, sequencer, until_safe, until_status},
    process::NodeProcess,
    wait::until,
};
use alloy_primitives::hex;
use light_node_devnet::UNSAFE_BLOCK_SIGNER;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_starts_as_its_flags_say() {
    let (_dir, flags) = Flags::lonely();
    let flags = flags
        .with_switch("--sequencer.enabled")
        .with_switch("--p2p.disable")
        .with_switch("--rpc.enable-admin");
    let changed = flags
        .clone()
        .with_switch("--sequencer.stopped")
        .with_switch("--sequencer.recover");
    for (flags, is_changed) in [(flags, false), (changed, true)] {
        let node = NodeProcess::start(&flags);
        let rpc = node.rpc();
        let active = rpc.call("admin_sequencerActive", json!([])).await;
        assert_eq!(active, Ok(json!(!is_changed)));
        let recovers = rpc.call("admin_adminRecoverMode", json!([])).await;
        assert_eq!(recovers, Ok(json!(is_changed)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_stays_as_near_to_the_safe_head_and_as_far_from_l1_as_said() {
    const LAG: u64 = 5;
    const CONFIRMATIONS: u64 = 8;
    let chain = chain().await;
    chain.batcher().pause();
    let listener = Listener::start(l2_chain_id(&chain)).await;
    let key = hex::encode(UNSAFE_BLOCK_SIGNER.private_key);
    let flags = sequencer(&chain, "sequencer")
        .without("--p2p.sequencer.key-file")
        .with("--p2p.sequencer.key", key)
        .with("--p2p.static", listener.address())
        .with("--sequencer.max-safe-lag", LAG)
        .with("--sequencer.l1-confs", CONFIRMATIONS);
    let node = NodeProcess::start(&flags);
    listener.until_block(LAG, LIMIT).await;
    until("a sequencer that waits", LIMIT, || async {
        let (_, page) = node.rpc().page("/status").await;
        if page["sequencer"]["waiting_for"].is_string() {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
    assert_eq!(listener.highest(), LAG);
    chain.batcher().resume();
    until_safe(&node, LAG + 1).await;
    until_status("a younger origin", &node, |status| {
        let (origin, head) = (status.unsafe_l2.l1_origin.number, status.head_l1.number);
        assert!(
            origin == 0 || origin + CONFIRMATIONS <= head,
            "{origin} of {head}"
        );
        assert!(status.unsafe_l2.number <= status.safe_l2.number + LAG);
        origin >= 2
    })
    .await;
}
