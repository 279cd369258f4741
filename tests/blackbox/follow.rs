//! Following: safe, finalized and the L1 cursor come from the source, unsafe blocks from wherever they come.

use crate::helpers::{
    chain::{Chain, Settings},
    door::Door,
    flags::DEAD,
    invariants::{Invariants, unsafe_is_local_safe},
    process::NodeProcess,
    rpc::Rpc,
    wait::until,
};
use light_node_protocol::{Hardfork, L1BlockRef, L2BlockRef, SyncStatus};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough for a busy machine; all that is waited for takes a few seconds.
const LIMIT: Duration = Duration::from_secs(40);

/// What a follower takes over from its source, as whole structs.
fn followed(status: &SyncStatus) -> (L2BlockRef, L2BlockRef, L2BlockRef, L1BlockRef) {
    let SyncStatus {
        safe_l2,
        local_safe_l2,
        finalized_l2,
        current_l1,
        ..
    } = *status;
    (safe_l2, local_safe_l2, finalized_l2, current_l1)
}

/// Both move: the source by the clock, the node after it. At some read they are equal.
async fn follows_the_source(fork: Hardfork) {
    let chain = Chain::start(Settings::by_clock(fork)).await;
    let node = NodeProcess::start(&chain.flags());
    let invariants = Invariants::watch(node.rpc());
    let first = until("the first heads", LIMIT, || async {
        let status = node.rpc().sync_status().await?;
        if status.safe_l2.number > 0 {
            Ok(status)
        } else {
            Err(json!(status))
        }
    })
    .await;
    until("heads as the source's", LIMIT, || async {
        let (ours, theirs) = (node.rpc().sync_status().await?, chain.source().status());
        let has_moved = ours.unsafe_l2.number > first.unsafe_l2.number
            && ours.safe_l2.number > first.safe_l2.number
            && ours.finalized_l2.number > 0;
        let is_equal = followed(&ours) == followed(&theirs);
        if has_moved && is_equal {
            Ok(())
        } else {
            Err(json!({ "ours": ours, "theirs": theirs }))
        }
    })
    .await;
    invariants.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isthmus_chain_is_followed() {
    follows_the_source(Hardfork::Isthmus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jovian_chain_is_followed() {
    follows_the_source(Hardfork::Jovian).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_karst_chain_is_followed() {
    follows_the_source(Hardfork::Karst).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_unsafe_payloads_unsafe_and_safe_advance_as_one() {
    let chain = Chain::start(Settings::on_command()).await;
    let node = NodeProcess::start(&chain.flags());
    let invariants = Invariants::watch_with(node.rpc(), unsafe_is_local_safe);
    for safe in [3, 6] {
        let theirs = chain
            .step_until(|status| status.safe_l2.number >= safe)
            .await;
        in_step(&node.rpc(), &theirs).await;
    }
    invariants.finish().await;
}

/// Waits until the node has what the source says.
async fn in_step(node: &Rpc, theirs: &SyncStatus) -> SyncStatus {
    until("the source's heads", LIMIT, || async {
        let ours = node.sync_status().await?;
        if followed(&ours) == followed(theirs) {
            Ok(ours)
        } else {
            Err(json!(ours))
        }
    })
    .await
}

/// Posts the block `number` of the sequencer, and returns the verdict.
async fn post(node: &Rpc, chain: &Chain, number: u64) -> Value {
    node.call("admin_postUnsafePayload", json!([chain.envelope(number)]))
        .await
        .unwrap()
}

async fn unsafe_head_is(node: &Rpc, number: u64) {
    until("the unsafe head", LIMIT, || async {
        let status = node.sync_status().await?;
        if status.unsafe_l2.number == number {
            Ok(())
        } else {
            Err(json!(status))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsafe_payloads_that_return_lead_above_safe_in_any_order() {
    let chain = Chain::start(Settings::on_command()).await;
    let node = NodeProcess::start(&chain.flags().with_switch("--rpc.enable-admin"));
    let rpc = node.rpc();
    let theirs = chain.step_until(|status| status.safe_l2.number >= 2).await;
    let ours = in_step(&rpc, &theirs).await;
    assert_eq!(ours.unsafe_l2, theirs.safe_l2);

    chain.batcher().pause();
    let invariants = Invariants::watch(node.rpc());
    let safe = theirs.safe_l2.number;
    chain.build_up_to(safe + 8).await;
    for number in safe + 1..=safe + 2 {
        assert_eq!(post(&rpc, &chain, number).await, "inserted");
        assert_eq!(rpc.sync_status().await.unwrap().unsafe_l2.number, number);
    }
    assert_eq!(post(&rpc, &chain, safe + 2).await, "already known");

    // A gap of one block: what lies behind it waits, and follows at once when the gap is filled.
    assert_eq!(post(&rpc, &chain, safe + 4).await, "buffered");
    assert_eq!(post(&rpc, &chain, safe + 3).await, "inserted");
    unsafe_head_is(&rpc, safe + 4).await;

    // Highest first.
    for number in [safe + 8, safe + 7, safe + 6] {
        assert_eq!(post(&rpc, &chain, number).await, "buffered");
    }
    assert_eq!(post(&rpc, &chain, safe + 5).await, "inserted");
    unsafe_head_is(&rpc, safe + 8).await;

    // And safe comes after: the same blocks, nothing is built anew.
    chain.batcher().resume();
    let theirs = chain
        .step_until(|status| status.safe_l2.number >= safe + 8)
        .await;
    in_step(&rpc, &theirs).await;
    invariants.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_that_nobody_fills_is_fetched_by_the_execution_layer() {
    let chain = Chain::start(Settings::on_command()).await;
    let node = NodeProcess::start(&chain.flags().with_switch("--rpc.enable-admin"));
    let theirs = chain.step_until(|status| status.safe_l2.number >= 2).await;
    in_step(&node.rpc(), &theirs).await;
    let invariants = Invariants::watch(node.rpc());
    chain.batcher().pause();
    let highest = theirs.safe_l2.number + 20;
    chain.build_up_to(highest).await;
    assert_eq!(post(&node.rpc(), &chain, highest).await, "buffered");
    unsafe_head_is(&node.rpc(), highest).await;
    invariants.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_execution_layer_gets_the_whole_chain_from_its_peer() {
    let chain = Chain::start(Settings::on_command()).await;
    // Several requests of its sync, which takes 64 blocks at once.
    chain.build_up_to(150).await;
    let theirs = chain
        .step_until(|status| status.safe_l2.number >= 150)
        .await;
    let node = NodeProcess::start(&chain.flags());
    let invariants = Invariants::watch_with(node.rpc(), unsafe_is_local_safe);
    let ours = in_step(&node.rpc(), &theirs).await;
    assert_eq!(ours.unsafe_l2, theirs.safe_l2);
    assert_eq!(chain.hash_on_spare_el(100), chain.hash_on_sequencer_el(100));
    invariants.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_goes_on_from_what_its_execution_layer_has() {
    let chain = Chain::start(Settings::on_command()).await;
    let theirs = chain
        .step_until(|status| status.finalized_l2.number >= 1)
        .await;
    let node = NodeProcess::start(&chain.flags());
    let before = in_step(&node.rpc(), &theirs).await;
    let (status, _) = node.stop(Signal::SIGKILL);
    assert!(!status.success());

    let theirs = chain
        .step_until(|status| status.safe_l2.number >= before.safe_l2.number + 3)
        .await;
    let node = NodeProcess::start(&chain.flags());
    let invariants = Invariants::watch(node.rpc());
    let after = in_step(&node.rpc(), &theirs).await;
    assert!(after.finalized_l2.number >= before.finalized_l2.number);
    invariants.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_up_yet_is_waited_for_and_named() {
    let chain = Chain::start(Settings::on_command()).await;
    let theirs = chain.step_until(|status| status.safe_l2.number >= 2).await;
    let (mut l1, mut el, mut source) = (Door::new(), Door::new(), Door::new());
    let flags = chain
        .flags()
        .with("--l1", l1.url())
        .with("--l2", el.url())
        .with("--l2.follow.source", source.url());
    let node = NodeProcess::start(&flags);
    let rpc = node.rpc();
    until_reasons_are(
        &rpc,
        &["el_unreachable", "l1_unreachable", "source_unreachable"],
    )
    .await;
    l1.lead_to(chain.l1().address());
    until_reasons_are(&rpc, &["el_unreachable", "source_unreachable"]).await;
    el.lead_to(chain.spare_el_authrpc());
    until_reasons_are(&rpc, &["source_unreachable"]).await;
    source.lead_to(chain.source().address());
    until_reasons_are(&rpc, &[]).await;
    in_step(&rpc, &theirs).await;
}

/// Waits until `/readyz` names just these reasons.
async fn until_reasons_are(node: &Rpc, expected: &[&str]) {
    until("the reasons", LIMIT, || async {
        let (status, page) = node.page("/readyz").await;
        let reasons = page["reasons"].as_array().unwrap();
        let names: Vec<_> = reasons
            .iter()
            .filter_map(|reason| reason["reason"].as_str())
            .collect();
        assert_eq!(status, if names.is_empty() { 200 } else { 503 });
        if names == expected { Ok(()) } else { Err(page) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_first_l1_is_failed_over_and_the_rpc_address_is_the_one_asked_for() {
    let chain = Chain::start(Settings::on_command()).await;
    let flags = chain
        .flags()
        .with("--l1", format!("{DEAD},{}", chain.l1().url()))
        .with("--rpc.addr", "127.0.0.2")
        .with("--log.level", "warn,light_node_rpc=info");
    let node = NodeProcess::start(&flags);
    assert_eq!(node.addr().ip().to_string(), "127.0.0.2");
    let theirs = chain.step_until(|status| status.safe_l2.number > 2).await;
    until("the safe head over the second L1", LIMIT, || async {
        let ours = node.rpc().sync_status().await?;
        let is_there = ours.safe_l2.number >= theirs.safe_l2.number;
        if is_there { Ok(()) } else { Err(json!(ours)) }
    })
    .await;
    let printed = node.printed().join("\n");
    assert!(
        !printed.contains("new safe head"),
        "the level was ignored: {printed}"
    );
}
