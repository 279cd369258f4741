//! Following: safe, finalized and the L1 cursor come from the source, unsafe blocks from wherever they come.

use crate::helpers::{
    behaviours::{self, post, unsafe_head_is},
    chain::{Chain, Settings},
    door::Door,
    flags::DEAD,
    followed::in_step,
    invariants::{Invariants, unsafe_is_local_safe},
    network::Topology,
    process::NodeProcess,
    rpc::Rpc,
    wait::until,
};
use light_node_protocol::Hardfork;
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::Duration;

/// Long enough for a busy machine; all that is waited for takes a few seconds.
const LIMIT: Duration = Duration::from_secs(40);

/// One node with the usual flags, on a chain by the clock.
async fn follows_the_source(fork: Hardfork) {
    behaviours::follows_the_source(Topology::Plain, Settings::by_clock(fork)).await;
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
    behaviours::unsafe_is_safe_without_payloads(Topology::Plain, Settings::on_command()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsafe_payloads_that_return_lead_above_safe_in_any_order() {
    behaviours::payloads_lead_above_safe(Topology::Plain, Settings::on_command()).await;
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
