//! The sequencer: it goes on where it was after any end, on one chain, whatever fails around it, and does what an admin says.

use crate::helpers::{
    chain::Chain,
    flags::Flags,
    listener::Listener,
    peers::{
        LIMIT, Safe, address, assert_one_chain, chain, l2_chain_id, networked, sequencer,
        sequencing, unsafe_number, until_peers, until_safe, until_status, verifier,
    },
    process::NodeProcess,
    wait::until,
};
use light_node_devnet_l1::{Fault, FaultKind};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// A chain, flags of its sequencer, and somebody who hears what it gossips.
async fn heard() -> (Chain, Flags, Listener) {
    let chain = chain().await;
    let listener = Listener::start(l2_chain_id(&chain)).await;
    let flags = sequencer(&chain, "sequencer").with("--p2p.static", listener.address());
    (chain, flags, listener)
}

async fn goes_on_after(signal: Signal) {
    let (chain, flags, listener) = heard().await;
    for _ in 0..3 {
        let next = listener.highest() + 2;
        let node = NodeProcess::start(&flags);
        listener.until_block(next, LIMIT).await;
        node.stop(signal);
        // A block that was gossiped was its head before.
        for block in listener.heard() {
            assert_eq!(chain.hash_on_sequencer_el(block.number), Some(block.hash));
        }
    }
    let node = NodeProcess::start(&flags);
    let next = listener.highest() + 2;
    listener.until_block(next, LIMIT).await;
    let status = until_safe(&node, next).await;
    assert_eq!(
        chain.hash_on_sequencer_el(status.safe_l2.number),
        Some(status.safe_l2.hash)
    );
    listener.assert_one_block_a_height();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_that_is_killed_goes_on_on_its_head() {
    goes_on_after(Signal::SIGKILL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_that_is_stopped_goes_on_on_its_head() {
    goes_on_after(Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_made_while_l1_is_down_and_their_origins_catch_up_after_it() {
    let (chain, flags, listener) = heard().await;
    let node = NodeProcess::start(&flags);
    listener.until_block(2, LIMIT).await;
    chain
        .l1()
        .set_fault(Fault::until_cleared(FaultKind::Refuse));
    let before = unsafe_number(&node).await;
    listener.until_block(before + 5, LIMIT).await;
    chain.l1().clear_fault();
    let head = chain.l1().heads().latest.number;
    let status = until_status("younger origins", &node, |status| {
        status.unsafe_l2.l1_origin.number >= head
    })
    .await;
    until_safe(&node, status.unsafe_l2.number).await;
    listener.assert_one_block_a_height();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_goes_on_after_its_execution_layer_was_away() {
    let (chain, flags, listener) = heard().await;
    let node = NodeProcess::start(&flags);
    for lost in [None, Some(0)] {
        let next = listener.highest() + 2;
        listener.until_block(next, LIMIT).await;
        chain.sequencer_el().kill();
        node.rpc().until_unready("el_unreachable", LIMIT).await;
        chain.sequencer_el().restart(lost);
    }
    let next = listener.highest() + 3;
    listener.until_block(next, LIMIT).await;
    until_safe(&node, next).await;
    node.rpc().until_ready(LIMIT).await;
    listener.assert_one_block_a_height();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_light_sequencer_is_led_back_by_a_reorg_of_l1_and_goes_on() {
    let chain = chain().await;
    // Who derives hears the sequencer, which follows it.
    let (deriver, el) = verifier(&chain, "deriver", Safe::Derived);
    let deriver = NodeProcess::start(&deriver);
    let light = sequencing(&chain, networked(&chain, chain.flags(), "light"))
        .with("--l2", &chain.endpoints().sequencer.authrpc)
        .with("--l2.follow.source", format!("http://{}", deriver.addr()))
        .with("--p2p.static", address(&deriver).await);
    let light = NodeProcess::start(&light);
    until_peers(&deriver, 1).await;
    // Deep enough for the reorg, with safe blocks in what goes.
    let depth = 4;
    let status = until_status("safe blocks on some of l1", &light, |status| {
        status.safe_l2.number >= 3 && status.head_l1.number >= 2 * depth
    })
    .await;
    assert!(
        status.unsafe_l2.number > status.safe_l2.number,
        "{status:?}"
    );

    chain.l1().reorg(depth, Some(depth + 1), false).unwrap();
    let fork = chain.l1().heads().latest.number - depth;
    let is_on_new_l1 = |number: u64, hash| {
        let block = chain.l1().block_by_number(number);
        block.is_some_and(|block| block.reference().hash == hash)
    };
    for node in [&light, &deriver] {
        let status = until_status("safe blocks on the new l1", node, |status| {
            let safe = status.safe_l2;
            let origin = status.unsafe_l2.l1_origin;
            safe.l1_origin.number > fork
                && is_on_new_l1(safe.l1_origin.number, safe.l1_origin.hash)
                && is_on_new_l1(origin.number, origin.hash)
        })
        .await;
        assert!(status.unsafe_l2.number >= status.safe_l2.number);
    }
    let next = unsafe_number(&light).await + 2;
    let status = until_safe(&light, next).await;
    until_safe(&deriver, next).await;
    assert_one_chain(&el, chain.sequencer_el(), status.safe_l2.number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_light_sequencer_that_is_behind_at_the_start_builds_on_the_unsafe_head_of_its_source() {
    let (chain, flags, listener) = heard().await;
    // Somebody has made blocks, not all of which are on L1, and stops.
    let former = NodeProcess::start(&flags);
    until_safe(&former, 2).await;
    chain.batcher().pause();
    // What the batcher had sent already is safe by then.
    let read = chain.l1().heads().latest.number + 3;
    let status = until_status("many unsafe blocks", &former, |status| {
        status.current_l1.number >= read && status.unsafe_l2.number >= status.safe_l2.number + 8
    })
    .await;
    let rpc = former.rpc();
    let head = rpc.call("admin_stopSequencer", json!([])).await.unwrap();
    let last = rpc.sync_status().await.unwrap().unsafe_l2;
    assert_eq!(json!(last.hash), head);
    assert!(last.number >= status.unsafe_l2.number);

    // Another one takes over, on an execution layer that has nothing yet.
    let (light, el) = verifier(&chain, "light", Safe::Followed);
    let peers = format!("{},{}", address(&former).await, listener.address());
    let light = sequencing(&chain, light)
        .with("--l2.follow.source", format!("http://{}", former.addr()))
        .with("--p2p.static", peers);
    let light = NodeProcess::start(&light);
    listener.until_block(last.number + 3, LIMIT).await;
    let printed = light.printed();
    let is_fetched = |line: &String| line.contains("they are fetched before any is built");
    assert!(printed.iter().any(is_fetched), "{printed:#?}");
    // Nothing of what the former one made was replaced, and nothing of this one's is led back.
    chain.batcher().resume();
    let status = until_safe(&light, last.number + 2).await;
    until_safe(&former, last.number + 2).await;
    assert_one_chain(&el, chain.sequencer_el(), status.safe_l2.number);
    assert_eq!(chain.hash_on_sequencer_el(last.number), Some(last.hash));
    listener.assert_one_block_a_height();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sequencers_by_mistake_come_to_one_chain_once_one_is_stopped() {
    let chain = chain().await;
    let one = NodeProcess::start(&sequencer(&chain, "one"));
    let (two, el) = verifier(&chain, "two", Safe::Derived);
    let two = sequencing(&chain, two).with("--p2p.static", address(&one).await);
    let two = NodeProcess::start(&two);
    until_peers(&one, 1).await;
    // Both are at work. Whose blocks L1 has is settled: the batcher reads the first one's.
    for node in [&one, &two] {
        until_safe(node, 5).await;
    }
    let rpc = two.rpc();
    let head = rpc.call("admin_stopSequencer", json!([])).await.unwrap();
    assert!(head.is_string(), "{head}");
    let next = unsafe_number(&one).await + 3;
    let status = until_safe(&two, next).await;
    assert_one_chain(&el, chain.sequencer_el(), status.safe_l2.number);
    until_status("the other's blocks by gossip", &two, |status| {
        status.unsafe_l2.number > status.safe_l2.number
    })
    .await;
    for node in [one, two] {
        let printed = node.printed();
        let panicked = printed.iter().find(|line| line.contains("panicked"));
        assert_eq!(panicked, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_stops_starts_and_slows_a_sequencer_and_it_remembers() {
    let (chain, flags, listener) = heard().await;
    let state = chain.dir().join("admin.json");
    let flags = flags.with("--rpc.admin-state", state.display());
    let node = NodeProcess::start(&flags);
    let rpc = node.rpc();
    let call = async |method: &str, params: Value| rpc.call(method, params).await;
    listener.until_block(2, LIMIT).await;
    assert_eq!(
        call("admin_sequencerActive", json!([])).await,
        Ok(json!(true))
    );
    assert_eq!(
        call("admin_conductorEnabled", json!([])).await,
        Ok(json!(false))
    );
    let refused = call("admin_startSequencer", json!([])).await.unwrap_err();
    assert!(
        refused["message"].to_string().contains("already"),
        "{refused}"
    );
    let refused = call("admin_overrideLeader", json!([])).await;
    assert!(refused.is_err(), "{refused:?}");

    let head = call("admin_stopSequencer", json!([])).await.unwrap();
    assert_eq!(
        call("admin_sequencerActive", json!([])).await,
        Ok(json!(false))
    );
    let status = rpc.sync_status().await.unwrap();
    assert_eq!(json!(status.unsafe_l2.hash), head);
    let stopped = status.unsafe_l2.number;
    assert!(call("admin_stopSequencer", json!([])).await.is_err());
    // It stays stopped over a restart, whatever the flags say.
    drop(node);
    let node = NodeProcess::start(&flags);
    let rpc = node.rpc();
    let call = async |method: &str, params: Value| rpc.call(method, params).await;
    assert_eq!(
        call("admin_sequencerActive", json!([])).await,
        Ok(json!(false))
    );
    until_safe(&node, stopped).await;
    assert_eq!(unsafe_number(&node).await, stopped);

    let wrong = json!([format!("0x{}", "11".repeat(32))]);
    let refused = call("admin_startSequencer", wrong).await.unwrap_err();
    assert!(
        refused["message"]
            .to_string()
            .contains("block hash does not match"),
        "{refused}"
    );
    call("admin_startSequencer", json!([head])).await.unwrap();
    listener.until_block(stopped + 2, LIMIT).await;

    call("admin_setRecoverMode", json!([true])).await.unwrap();
    assert_eq!(
        call("admin_adminRecoverMode", json!([])).await,
        Ok(json!(true))
    );
    listener.until_block(listener.highest() + 2, LIMIT).await;
    call("admin_setRecoverMode", json!([false])).await.unwrap();
    call("admin_resetDerivationPipeline", json!([]))
        .await
        .unwrap();
    let next = listener.highest() + 2;
    listener.until_block(next, LIMIT).await;
    until_safe(&node, next).await;
    listener.assert_one_block_a_height();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_is_no_sequencer_and_its_log_is_as_loud_as_an_admin_says() {
    let chain = chain().await;
    let (flags, _el) = verifier(&chain, "verifier", Safe::Followed);
    let node = NodeProcess::start(&flags);
    let rpc = node.rpc();
    let call = async |method: &str, params: Value| rpc.call(method, params).await;
    assert_eq!(
        call("admin_sequencerActive", json!([])).await,
        Ok(json!(false))
    );
    for method in ["admin_startSequencer", "admin_stopSequencer"] {
        let refused = call(method, json!([])).await.unwrap_err();
        assert_eq!(refused["message"], "sequencer is not enabled", "{method}");
    }
    let is_debug = |line: &String| line.contains("\"level\":\"DEBUG\"");
    assert!(!node.printed().iter().any(is_debug));
    call("admin_setLogLevel", json!(["debug"])).await.unwrap();
    until("lines of debugging", LIMIT, || async {
        let printed = node.printed();
        if printed.iter().any(is_debug) {
            Ok(())
        } else {
            Err(printed.len())
        }
    })
    .await;
    let refused = call("admin_setLogLevel", json!(["loud"])).await;
    assert!(refused.is_err(), "{refused:?}");
}
