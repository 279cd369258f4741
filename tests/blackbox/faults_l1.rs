//! L1 reorganises, and its endpoints fail, lie, lag or go over to another chain while the node follows: heads hold as long as
//! nobody can vouch for new ones, another endpoint stands in where there is one, and the node recovers without help.

use crate::helpers::{
    beside_both,
    chain::{Chain, Settings},
    followed::{Followed, LIMIT, followed},
    wait::until,
};
use light_node_actor::CancellationToken;
use light_node_devnet::{ElBehaviour, SourceFault, SourceFaultKind};
use light_node_devnet_l1::{EmbeddedL1, Fault, FaultKind};
use light_node_protocol::SyncStatus;
use std::net::Ipv4Addr;
use tokio::{runtime::Handle, task::block_in_place};

beside_both!(
    reorgs_of_1_3_and_10_blocks_below_the_safe_origin_are_survived,
    a_reorg_while_nobody_answers_is_found_afterwards,
    one_that_does_not_answer_is_waited_for,
    one_that_is_slow_is_followed,
    one_that_stands_still_holds_the_heads,
    one_of_two_that_fails_is_left_for_the_other,
    one_of_two_that_stands_still_is_left_for_the_other,
    one_of_two_whose_head_goes_down_is_left_for_the_other,
    a_spare_on_the_branch_that_was_left_is_not_believed,
    another_chain_at_the_same_urls_is_named_and_ends_nothing,
    all_that_are_down_are_waited_for,
);

/// An endpoint hangs for longer than a request may take, by this flag.
const DEADLINE: (&str, &str) = ("--l1.request-timeout", "500ms");

/// Twice what the node reads of the longest answer. Bytes that nobody reads cost the devnet, which shares this process.
const HUGE_BYTES: u64 = 16 << 20;

/// Most of what a careless provider does.
fn failures() -> [Fault; 11] {
    [
        lasting(FaultKind::Refuse),
        lasting(FaultKind::Reset),
        lasting(FaultKind::Hang),
        lasting(FaultKind::Http429),
        lasting(FaultKind::Http500),
        lasting(FaultKind::Http503),
        lasting(FaultKind::Html),
        lasting(FaultKind::Truncated),
        lasting(FaultKind::Huge).by(HUGE_BYTES),
        lasting(FaultKind::RpcError),
        lasting(FaultKind::WrongHash),
    ]
}

const fn lasting(kind: FaultKind) -> Fault {
    Fault::until_cleared(kind)
}

/// A chain whose L1 may go back by ten blocks below the safe origin.
const fn with_deep_reorgs(el_behaviour: ElBehaviour) -> Settings {
    Settings {
        el_behaviour,
        finalized_lag: 30,
        ..Settings::on_command()
    }
}

/// A node with two endpoints of the same L1. Faults set on one are not met at the other.
struct WithTwo {
    it: Followed,
    endpoints: [EmbeddedL1; 2],
}

impl WithTwo {
    async fn start(el_behaviour: ElBehaviour) -> Self {
        Self::start_on(Settings {
            el_behaviour,
            finalized_lag: 6,
            ..Settings::on_command()
        })
        .await
    }

    async fn start_on(settings: Settings) -> Self {
        let mut endpoints = None;
        let it = Followed::start_on(settings, |chain, flags| {
            let both = [chain.l1().clone(), second_endpoint(chain)];
            let urls = both.each_ref().map(EmbeddedL1::url).join(",");
            endpoints = Some(both);
            flags.with("--l1", urls).with(DEADLINE.0, DEADLINE.1)
        })
        .await;
        let endpoints = endpoints.unwrap();
        Self { it, endpoints }
    }

    /// The endpoint in use, and the other one.
    async fn in_use(&self) -> [&EmbeddedL1; 2] {
        let active = active(&self.it).await;
        let [first, second] = &self.endpoints;
        if active == first.url() {
            [first, second]
        } else {
            assert_eq!(active, second.url());
            [second, first]
        }
    }

    async fn until_in_use(&self, endpoint: &EmbeddedL1) {
        until("the endpoint in use", LIMIT, || async {
            let (_, page) = self.it.rpc().page("/status").await;
            if page["l1"]["active"] == endpoint.url() {
                Ok(())
            } else {
                Err(page["l1"].clone())
            }
        })
        .await;
    }

    async fn heals(self) {
        for endpoint in &self.endpoints {
            endpoint.clear_fault();
        }
        self.it.follows_again().await;
        self.it.finish().await;
    }
}

fn second_endpoint(chain: &Chain) -> EmbeddedL1 {
    let any_port = (Ipv4Addr::LOCALHOST, 0).into();
    let serving = chain.l1().serve_also(any_port, CancellationToken::new());
    block_in_place(|| Handle::current().block_on(serving)).unwrap()
}

async fn active(it: &Followed) -> String {
    let (_, page) = it.rpc().page("/status").await;
    page["l1"]["active"].as_str().unwrap().to_owned()
}

/// The source's safe head gets an L1 origin that `l1` has not shown us and does not show us now. The node sees no safe head
/// in between, for one whose origin is known may be followed without an answer of L1.
async fn goes_past_known_l1(it: &Followed) -> SyncStatus {
    let known = it.status().await.head_l1.number;
    it.chain
        .source()
        .set_fault(SourceFault::until_cleared(SourceFaultKind::Frozen));
    let status = it
        .chain
        .step_until(|status| status.safe_l2.l1_origin.number > known)
        .await;
    it.chain.source().clear_fault();
    status
}

/// Waits until polls have ended with an origin for which L1 did not vouch, one way or the other.
async fn until_not_vouched_for(it: &Followed, before: u64) {
    until("a head without an origin", LIMIT, || async {
        let polls = not_vouched_for(it).await;
        if polls > before { Ok(()) } else { Err(polls) }
    })
    .await;
}

async fn not_vouched_for(it: &Followed) -> u64 {
    it.polls("l1_behind").await + it.polls("l1_error").await
}

/// Nothing that L2 says has moved.
async fn heads_hold(it: &Followed, before: &SyncStatus) {
    let now = it.status().await;
    assert_eq!(followed(&now), followed(before));
    assert_eq!(now.unsafe_l2, before.unsafe_l2);
}

/// Takes the origin of the source's safe head off L1, and `depth - 1` blocks below it.
fn reorg_below_safe(it: &Followed, depth: u64) {
    let origin = it.chain.source().status().safe_l2.l1_origin;
    let above_origin = it.chain.l1().heads().latest.number - origin.number;
    it.chain
        .l1()
        .reorg(above_origin + depth, None, false)
        .unwrap();
}

async fn reorgs_of_1_3_and_10_blocks_below_the_safe_origin_are_survived(behaviour: ElBehaviour) {
    let it = Followed::start_on(with_deep_reorgs(behaviour), |_, flags| flags).await;
    it.expect_reorg();
    for depth in [1, 3, 10] {
        let old = it
            .chain
            .step_until(|status| status.safe_l2.number > status.finalized_l2.number + depth + 1)
            .await;
        it.in_step().await;
        reorg_below_safe(&it, depth);
        let back = it.chain.source_at_l1_head().await;
        assert!(
            back.safe_l2.number <= old.safe_l2.number - depth,
            "{back:#?}"
        );
        it.in_step().await;
        let new = it
            .chain
            .step_until(|status| status.safe_l2.number > old.safe_l2.number)
            .await;
        assert_ne!(new.safe_l2.hash, old.safe_l2.hash);
        it.in_step().await;
    }
    it.follows_again().await;
    it.finish().await;
}

async fn a_reorg_while_nobody_answers_is_found_afterwards(behaviour: ElBehaviour) {
    let it = Followed::start_on(with_deep_reorgs(behaviour), |_, flags| flags).await;
    it.expect_reorg();
    let before = it.status().await;
    let polls = not_vouched_for(&it).await;
    it.chain.l1().set_fault(lasting(FaultKind::Refuse));
    it.chain
        .source()
        .set_fault(SourceFault::until_cleared(SourceFaultKind::Frozen));
    reorg_below_safe(&it, 3);
    it.chain.source_at_l1_head().await;
    goes_past_known_l1(&it).await;
    until_not_vouched_for(&it, polls).await;
    heads_hold(&it, &before).await;
    it.chain.l1().clear_fault();
    it.follows_again().await;
    it.finish().await;
}

async fn one_that_does_not_answer_is_waited_for(behaviour: ElBehaviour) {
    let it = Followed::start_with(behaviour, |_, flags| flags.with(DEADLINE.0, DEADLINE.1)).await;
    for fault in failures() {
        let before = it.status().await;
        let polls = not_vouched_for(&it).await;
        let mut met = it.chain.l1().faults_met();
        let met_before = *met.borrow_and_update();
        it.chain.l1().set_fault(fault);
        goes_past_known_l1(&it).await;
        until_not_vouched_for(&it, polls).await;
        heads_hold(&it, &before).await;
        let is_met = met.wait_for(|met| *met > met_before);
        let is_met = tokio::time::timeout(LIMIT, is_met).await;
        is_met.expect("L1 is asked").unwrap();
        heads_hold(&it, &before).await;
        it.chain.l1().clear_fault();
        it.in_step().await;
    }
    it.follows_again().await;
    it.finish().await;
}

/// With the usual deadlines: a check may take several requests, and a busy machine time.
async fn one_that_is_slow_is_followed(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let errors = it.polls("l1_error").await;
    it.chain.l1().set_fault(lasting(FaultKind::Slow).by(100));
    goes_past_known_l1(&it).await;
    it.in_step().await;
    assert_eq!(it.polls("l1_error").await, errors);
    it.chain.l1().clear_fault();
    it.follows_again().await;
    it.finish().await;
}

async fn one_that_stands_still_holds_the_heads(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    it.chain.l1().set_fault(lasting(FaultKind::Stale));
    goes_past_known_l1(&it).await;
    it.until_unready("l1_behind").await;
    assert_eq!(it.status().await.head_l1, before.head_l1);
    heads_hold(&it, &before).await;
    it.chain.l1().clear_fault();
    it.follows_again().await;
    it.finish().await;
}

async fn one_of_two_that_fails_is_left_for_the_other(behaviour: ElBehaviour) {
    let both = WithTwo::start(behaviour).await;
    for fault in failures() {
        let [failing, other] = both.in_use().await;
        failing.set_fault(fault);
        goes_past_known_l1(&both.it).await;
        both.it.in_step().await;
        both.until_in_use(other).await;
        failing.clear_fault();
    }
    both.heals().await;
}

async fn one_of_two_that_stands_still_is_left_for_the_other(behaviour: ElBehaviour) {
    let both = WithTwo::start(behaviour).await;
    let [stale, other] = both.in_use().await;
    let before = both.it.status().await;
    stale.set_fault(lasting(FaultKind::Stale));
    goes_past_known_l1(&both.it).await;
    both.it.until_unready("l1_behind").await;
    heads_hold(&both.it, &before).await;
    // A head is old when its successor is overdue by 12 s.
    both.it.in_step().await;
    both.until_in_use(other).await;
    both.it.source_goes_on().await;
    both.it.in_step().await;
    both.heals().await;
}

async fn one_of_two_whose_head_goes_down_is_left_for_the_other(behaviour: ElBehaviour) {
    let both = WithTwo::start(behaviour).await;
    let [lower, other] = both.in_use().await;
    let head = both.it.chain.l1().heads().latest;
    assert_eq!(both.it.status().await.head_l1, head);
    lower.set_fault(lasting(FaultKind::LowerHead).by(2));
    both.until_in_use(other).await;
    assert_eq!(both.it.status().await.head_l1, head);
    both.it.source_goes_on().await;
    both.it.in_step().await;
    both.heals().await;
}

async fn a_spare_on_the_branch_that_was_left_is_not_believed(behaviour: ElBehaviour) {
    let both = WithTwo::start_on(with_deep_reorgs(behaviour)).await;
    both.it.expect_reorg();
    let before = both.it.status().await;
    let mismatches = both.it.polls("l1_mismatch").await;
    let [failing, spare] = both.in_use().await;
    failing.set_fault(lasting(FaultKind::Refuse));
    spare.set_fault(lasting(FaultKind::Stale));
    reorg_below_safe(&both.it, 3);
    both.it.chain.source_at_l1_head().await;
    both.it.source_goes_on().await;
    both.it.until_polls_above("l1_mismatch", mismatches).await;
    both.until_in_use(spare).await;
    heads_hold(&both.it, &before).await;
    spare.clear_fault();
    both.it.in_step().await;
    both.heals().await;
}

/// An endpoint shows its chain again after each failure.
async fn another_chain_at_the_same_urls_is_named_and_ends_nothing(behaviour: ElBehaviour) {
    let both = WithTwo::start(behaviour).await;
    let [foreign, other] = both.in_use().await;
    foreign.set_fault(lasting(FaultKind::Refuse));
    both.until_in_use(other).await;
    foreign.set_fault(lasting(FaultKind::OtherChain));
    goes_past_known_l1(&both.it).await;
    both.it.in_step().await;

    let before = both.it.status().await;
    let polls = not_vouched_for(&both.it).await;
    other.set_fault(lasting(FaultKind::Refuse));
    goes_past_known_l1(&both.it).await;
    until_not_vouched_for(&both.it, polls).await;
    other.set_fault(lasting(FaultKind::OtherChain));
    let detail = both.it.until_unready("l1_wrong_chain").await;
    assert!(detail.contains("901") && detail.contains("900"), "{detail}");
    heads_hold(&both.it, &before).await;
    both.heals().await;
}

async fn all_that_are_down_are_waited_for(behaviour: ElBehaviour) {
    let both = WithTwo::start(behaviour).await;
    let before = both.it.status().await;
    let [first, second] = &both.endpoints;
    first.set_fault(lasting(FaultKind::Refuse));
    second.set_fault(lasting(FaultKind::Hang));
    let detail = both.it.until_unready("l1_unreachable").await;
    for endpoint in &both.endpoints {
        assert!(detail.contains(&endpoint.url()), "{detail}");
    }
    let polls = not_vouched_for(&both.it).await;
    goes_past_known_l1(&both.it).await;
    until_not_vouched_for(&both.it, polls).await;
    heads_hold(&both.it, &before).await;
    both.heals().await;
}
