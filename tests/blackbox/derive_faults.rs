//! L1 and its beacons fail, lie or reorganise while the node derives: it says what is wrong, derives nothing but what L1 says, asks
//! calmly, and goes on by itself when the fault is over.

use crate::helpers::{
    chain::{Chain, Settings},
    derived::{Calm, Derived},
};
use light_node_actor::CancellationToken;
use light_node_devnet::Deposit;
use light_node_devnet_l1::{EmbeddedL1, Fault, FaultKind};
use std::{net::Ipv4Addr, time::Duration};
use tokio::{runtime::Handle, task::block_in_place, time::Instant};

/// What a node's memory may grow by while it waits.
const GROWTH_MAX_BYTES: u64 = 64 << 20;

/// The deadline of a request where an endpoint hangs, by this flag.
const DEADLINE: (&str, &str) = ("--l1.request-timeout", "500ms");

const fn lasting(kind: FaultKind) -> Fault {
    Fault::until_cleared(kind)
}

const fn settings() -> Settings {
    Settings {
        finalized_lag: 6,
        ..Settings::on_command()
    }
}

/// The same L1 at another port, whose faults are its own.
fn another_endpoint(chain: &Chain) -> EmbeddedL1 {
    let any_port = (Ipv4Addr::LOCALHOST, 0).into();
    let serving = chain.l1().serve_also(any_port, CancellationToken::new());
    block_in_place(|| Handle::current().block_on(serving)).unwrap()
}

/// A node whose beacons are endpoints of their own, so that faults can be set on them alone.
async fn with_beacons(count: usize) -> (Derived, Vec<EmbeddedL1>) {
    let mut beacons = Vec::new();
    let it = Derived::start(settings(), |chain, flags| {
        beacons.extend((0..count).map(|_| another_endpoint(chain)));
        let urls: Vec<_> = beacons.iter().map(EmbeddedL1::beacon_url).collect();
        flags.with("--l1.beacon", urls.join(","))
    })
    .await;
    (it, beacons)
}

/// The fault is set on `endpoint`, and the chain goes on; the node names it by `reason` and `words`, and derives on when it is over.
async fn is_named(it: &Derived, endpoint: &EmbeddedL1, fault: Fault, reason: &str, words: &str) {
    let before = it.in_step().await;
    let mut calm = Calm::watch(endpoint.faults_met());
    endpoint.set_fault(fault);
    it.chain_goes_far().await;
    let detail = it.until_unready(reason).await;
    assert!(detail.contains(words), "{fault:?}: {detail}");
    it.heads_hold(&before).await;
    // It goes on asking, and not in a loop.
    let met = calm.count();
    calm.until_met(met + 2).await;
    calm.assert_calm();
    it.heads_hold(&before).await;
    endpoint.clear_fault();
    it.in_step().await;
    it.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_that_a_beacon_lacks_or_changes_are_named_and_waited_for() {
    let (it, beacons) = with_beacons(1).await;
    for (fault, reason, words) in [
        (
            lasting(FaultKind::WithheldBlobs),
            "blobs_missing",
            "but not its blobs",
        ),
        (lasting(FaultKind::WrongBlobs), "beacon_unreachable", "blob"),
        (lasting(FaultKind::MissedSlot), "blobs_missing", "slot"),
    ] {
        is_named(&it, &beacons[0], fault, reason, words).await;
    }
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beacon_that_does_not_answer_is_named_and_waited_for() {
    let (it, beacons) = with_beacons(1).await;
    for (kind, words) in [
        (FaultKind::Refuse, ""),
        (FaultKind::Http500, "500"),
        (FaultKind::Http429, "429"),
        (FaultKind::Html, ""),
        (FaultKind::Truncated, ""),
    ] {
        is_named(&it, &beacons[0], lasting(kind), "beacon_unreachable", words).await;
    }
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beacon_that_fails_is_left_for_another_one() {
    let (it, beacons) = with_beacons(2).await;
    for kind in [
        FaultKind::WithheldBlobs,
        FaultKind::MissedSlot,
        FaultKind::WrongBlobs,
        FaultKind::Refuse,
        FaultKind::Http503,
    ] {
        for failing in &beacons {
            let calm = Calm::watch(failing.faults_met());
            failing.set_fault(lasting(kind));
            it.goes_on().await;
            calm.assert_calm();
            failing.clear_fault();
        }
    }
    it.finish().await;
}

/// What an L1 says that cannot be true; the node needs the receipts of the next block, which has a deposit.
async fn lies(it: &Derived) -> [(Fault, &'static str, &'static str); 4] {
    it.in_step().await;
    let next = it.chain.l1().heads().latest.number + 1;
    it.chain.l1_commands().deposit(Deposit::default()).unwrap();
    [
        (lasting(FaultKind::WrongReceipts), "l1_invalid", "receipts"),
        (lasting(FaultKind::MissingBlock).by(next), "l1_invalid", ""),
        (lasting(FaultKind::WrongHash).by(next), "l1_invalid", "hash"),
        (lasting(FaultKind::RpcError), "l1_unreachable", "32005"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_that_lies_of_a_block_is_named_and_nothing_is_derived_from_it() {
    let it = Derived::start(settings(), |_, flags| flags).await;
    for lie in 0..4 {
        let before = it.in_step().await;
        let (fault, reason, words) = lies(&it).await[lie];
        let mut calm = Calm::watch(it.chain.l1().faults_met());
        it.chain.l1().set_fault(fault);
        it.chain_goes_far().await;
        let detail = it.until_unready(reason).await;
        assert!(detail.contains(words), "{fault:?}: {detail}");
        it.heads_hold(&before).await;
        calm.until_met(1).await;
        calm.assert_calm();
        it.chain.l1().clear_fault();
        it.in_step().await;
        it.goes_on().await;
    }
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_endpoint_that_lies_of_a_block_is_left_for_another_one() {
    let mut second = None;
    let it = Derived::start(settings(), |chain, flags| {
        let other = another_endpoint(chain);
        let urls = [chain.l1().url(), other.url()].join(",");
        second = Some(other);
        flags.with("--l1", urls).with(DEADLINE.0, DEADLINE.1)
    })
    .await;
    let endpoints = [it.chain.l1().clone(), second.unwrap()];
    for lie in 0..4 {
        for failing in &endpoints {
            let (fault, ..) = lies(&it).await[lie];
            let calm = Calm::watch(failing.faults_met());
            failing.set_fault(fault);
            it.goes_on().await;
            calm.assert_calm();
            failing.clear_fault();
        }
    }
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_that_is_down_is_named_and_waited_for() {
    let it = Derived::start(settings(), |_, flags| flags.with(DEADLINE.0, DEADLINE.1)).await;
    for kind in [FaultKind::Refuse, FaultKind::Hang] {
        let before = it.in_step().await;
        let calm = Calm::watch(it.chain.l1().faults_met());
        // JSON-RPC and the beacon have one port here.
        it.chain.l1().set_fault(lasting(kind));
        it.chain_goes_far().await;
        it.until_unready("l1_unreachable").await;
        it.heads_hold(&before).await;
        calm.assert_calm();
        it.chain.l1().clear_fault();
        it.in_step().await;
        it.goes_on().await;
    }
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_that_asks_for_patience_gets_it() {
    const SECONDS: u64 = 4;
    let it = Derived::start(settings(), |_, flags| flags).await;
    let mut calm = Calm::watch(it.chain.l1().faults_met());
    let fault = lasting(FaultKind::Http429).by(SECONDS);
    it.chain.l1().set_fault(fault);
    calm.until_met(1).await;
    let asked = Instant::now();
    it.chain_goes_far().await;
    // What was under way when the first answer came, and the beacon, which is another service.
    let under_way = calm.count();
    println!("{under_way} under way");
    calm.until_met(under_way + 1).await;
    let pause = asked.elapsed();
    println!("asked again after {pause:?}");
    assert!(under_way <= 4, "{under_way} requests");
    assert!(pause >= Duration::from_secs(SECONDS - 1), "{pause:?}");
    it.chain.l1().clear_fault();
    it.in_step().await;
    it.goes_on().await;
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_that_reorganises_while_it_is_read_is_derived_anew() {
    let it = Derived::start(settings(), |_, flags| flags).await;
    it.expect_reorg();
    for depth in 1..=3 {
        let calm = Calm::watch(it.chain.l1().faults_met());
        let mut slow = Calm::watch(it.chain.l1().faults_met());
        it.chain.l1().set_fault(lasting(FaultKind::Slow).by(400));
        it.chain.l1().mine(3).unwrap();
        // The node has asked and has no answer yet.
        slow.until_met(2).await;
        it.chain.l1().reorg(depth, Some(depth + 1), false).unwrap();
        it.chain.source_at_l1_head().await;
        it.in_step().await;
        it.chain.l1().clear_fault();
        calm.assert_calm();
        it.goes_on().await;
    }
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reorgs_below_safe_and_down_to_finalized_are_derived_anew() {
    let far_finality = Settings {
        finalized_lag: 20,
        ..settings()
    };
    let it = Derived::start(far_finality, |_, flags| flags).await;
    it.expect_reorg();
    for drop_batches in [false, true] {
        // After a reorg L2 is so far behind L1, and a step takes both on.
        let theirs = it.chain.source().status();
        let behind = theirs.head_l1.number - theirs.unsafe_l2.l1_origin.number;
        let near = theirs.unsafe_l2.number + behind;
        it.chain.build_up_to(near).await;
        it.chain
            .step_until(|status| status.safe_l2.l1_origin.number > status.finalized_l1.number + 1)
            .await;
        let before = it.in_step().await;
        let heads = it.chain.l1().heads();
        let finalized = heads.finalized.unwrap();
        let depth = heads.latest.number - finalized.number;
        assert!(before.safe_l2.l1_origin.number > finalized.number);
        let length = Some(depth + 1);
        it.chain.l1().reorg(depth, length, drop_batches).unwrap();
        it.chain.source_at_l1_head().await;
        let after = it.in_step().await;
        assert!(after.finalized_l2.number >= before.finalized_l2.number);
        it.goes_on().await;
        let resets = it.page().await["resets"].as_u64().unwrap();
        assert!(resets > 0);
    }
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_wait_for_blobs_costs_neither_memory_nor_requests() {
    /// Many windows of what is fetched ahead.
    const L1_BLOCKS: u64 = 400;
    let (it, beacons) = with_beacons(1).await;
    let before = it.in_step().await;
    let resident = it.resident_bytes();
    let mut calm = Calm::watch(beacons[0].faults_met());
    beacons[0].set_fault(lasting(FaultKind::WithheldBlobs));
    it.chain_goes_far().await;
    it.chain.l1().mine(L1_BLOCKS).unwrap();
    it.chain.source_at_l1_head().await;
    it.until_unready("blobs_missing").await;
    let met = calm.count();
    calm.until_met(met + 4).await;
    calm.assert_calm();
    it.heads_hold(&before).await;
    if let (Some(before), Some(after)) = (resident, it.resident_bytes()) {
        println!("{before} bytes resident, then {after}");
        assert!(after <= before + GROWTH_MAX_BYTES, "{before}, {after}");
    }
    beacons[0].clear_fault();
    it.in_step().await;
    it.goes_on().await;
    it.finish().await;
}
