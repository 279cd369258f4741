//! What a follower does whatever it is wired to: it takes safe, finalized and the L1 cursor over from its source, recovers from
//! an L1 reorg, and has unsafe at local safe until payloads come.

use super::{
    chain::{Chain, Settings},
    followed::followed,
    invariants::unsafe_is_local_safe,
    network::{Network, Topology},
    rpc::Rpc,
    wait::until,
};
use light_node_protocol::SyncStatus;
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough for a busy machine; all that is waited for takes a few seconds.
const LIMIT: Duration = Duration::from_secs(40);

/// Both move: the source by the clock, the nodes after it. At some read they are equal.
pub(crate) async fn follows_the_source(topology: Topology, settings: Settings) {
    let network = Network::start(topology, settings).await;
    let is_moving = |status: &SyncStatus| status.safe_l2.number > 0;
    let first = network.until_all("the first heads", is_moving).await;
    network.middle_begins();
    network.middle_ends().await;
    let first = first.last().unwrap();
    network
        .until_all("heads as the source's", |ours| {
            let has_moved = ours.unsafe_l2.number > first.unsafe_l2.number
                && ours.safe_l2.number > first.safe_l2.number
                && ours.finalized_l2.number > 0;
            has_moved && followed(ours) == followed(&network.chain.source().status())
        })
        .await;
    network.laggard_is_heard().await;
    network.finish().await;
}

/// Waits until each node has what the source says.
async fn in_step(network: &Network, theirs: &SyncStatus) -> Vec<SyncStatus> {
    network
        .until_all("the source's heads", |ours| {
            followed(ours) == followed(theirs)
        })
        .await
}

/// Nobody brings unsafe blocks: unsafe is local safe, and goes with the source.
pub(crate) async fn unsafe_is_safe_without_payloads(topology: Topology, settings: Settings) {
    let network = match topology {
        // The better backend's block may be fetched by when the other one is asked, whose safe head it then has for a poll.
        Topology::Balanced => Network::start(topology, settings).await,
        _ => Network::start_with(topology, settings, unsafe_is_local_safe).await,
    };
    let safe_is = |number| move |status: &SyncStatus| status.safe_l2.number >= number;
    let theirs = network.chain.step_until(safe_is(3)).await;
    unsafe_is_safe(&network, &theirs).await;
    network.middle_begins();
    let theirs = network.chain.step_until(safe_is(6)).await;
    network.middle_ends().await;
    unsafe_is_safe(&network, &theirs).await;
    network.laggard_is_heard().await;
    network.finish().await;
}

/// Waits until each node has what the source says, and asserts that this is all that it has.
async fn unsafe_is_safe(network: &Network, theirs: &SyncStatus) {
    for ours in in_step(network, theirs).await {
        assert_eq!(ours.unsafe_l2, theirs.local_safe_l2);
    }
}

/// Posts the block `number` of the sequencer, and returns the verdict.
pub(crate) async fn post(node: &Rpc, chain: &Chain, number: u64) -> Value {
    node.call("admin_postUnsafePayload", json!([chain.envelope(number)]))
        .await
        .unwrap()
}

pub(crate) async fn unsafe_head_is(node: &Rpc, number: u64) {
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

/// Unsafe blocks come again, in order, with a gap, and highest first: unsafe leads, and safe comes after.
pub(crate) async fn payloads_lead_above_safe(topology: Topology, settings: Settings) {
    let network = Network::start(topology, settings).await;
    let chain = &network.chain;
    chain.step_until(|status| status.safe_l2.number >= 2).await;
    chain.settle().await;
    // Of what follows, this block becomes safe in the middle, and no other: its batch is sent when the batcher pauses.
    let theirs = chain.build_and_send().await;
    chain.batcher().pause();
    unsafe_is_safe(&network, &theirs).await;
    let safe = theirs.safe_l2.number;
    chain.build_up_to(safe + 8).await;
    for rpc in network.rpcs() {
        for number in safe + 1..=safe + 2 {
            assert_eq!(post(&rpc, chain, number).await, "inserted");
            assert_eq!(rpc.sync_status().await.unwrap().unsafe_l2.number, number);
        }
        assert_eq!(post(&rpc, chain, safe + 2).await, "already known");
    }

    network.middle_begins();
    chain.l1().mine(1).unwrap();
    let theirs = chain.source_at_l1_head().await;
    network.middle_ends().await;
    in_step(&network, &theirs).await;

    for rpc in network.rpcs() {
        // What an execution layer lost in the middle is nobody's any more, and comes again, too.
        let ours = rpc.sync_status().await.unwrap().unsafe_l2.number;
        for number in ours + 1..=safe + 2 {
            assert_eq!(post(&rpc, chain, number).await, "inserted");
        }

        // A gap of one block: what lies behind it waits, and follows at once when the gap is filled.
        assert_eq!(post(&rpc, chain, safe + 4).await, "buffered");
        assert_eq!(post(&rpc, chain, safe + 3).await, "inserted");
        unsafe_head_is(&rpc, safe + 4).await;

        // Highest first.
        for number in [safe + 8, safe + 7, safe + 6] {
            assert_eq!(post(&rpc, chain, number).await, "buffered");
        }
        assert_eq!(post(&rpc, chain, safe + 5).await, "inserted");
        unsafe_head_is(&rpc, safe + 8).await;
    }

    // And safe comes after: the same blocks, nothing is built anew.
    chain.batcher().resume();
    let theirs = chain
        .step_until(|status| status.safe_l2.number >= safe + 8)
        .await;
    in_step(&network, &theirs).await;
    network.els_have(safe + 8).await;
    network.finish().await;
}

/// What happens to L1, and how slowly.
#[derive(Clone, Copy)]
pub(crate) struct Course {
    /// This many L1 blocks up to the origin of safe leave the chain, and all above it.
    pub(crate) depth: u64,
    /// The chain waits until the nodes have gone back, too. Otherwise they find the new branch already there.
    pub(crate) is_seen_going_back: bool,
    /// The new branch is one block shorter, and without what the batcher had sent.
    pub(crate) is_shorter: bool,
}

impl Course {
    pub(crate) const fn of_depth(depth: u64) -> Self {
        Self {
            depth,
            is_seen_going_back: true,
            is_shorter: false,
        }
    }
}

/// L1 reorganises below the origin of safe: the source goes back, the nodes go with it, and all stand on the new branch in the
/// end.
pub(crate) async fn recovers(topology: Topology, course: Course, settings: Settings) {
    let depth = course.depth;
    let settings = Settings {
        finalized_lag: depth + 6,
        ..settings
    };
    let network = Network::start(topology, settings).await;
    let old = before_the_reorg(&network, depth).await;

    network.expect_reorg();
    network.middle_begins();
    let chain = &network.chain;
    let above_origin = chain.l1().heads().latest.number - old.safe_l2.l1_origin.number;
    let dropped = above_origin + depth;
    let added = dropped - u64::from(course.is_shorter);
    chain
        .l1()
        .reorg(dropped, Some(added), course.is_shorter)
        .unwrap();
    let back = chain.source_at_l1_head().await;
    assert!(
        back.safe_l2.number <= old.safe_l2.number - depth,
        "{back:#?}"
    );
    network.middle_ends().await;
    if course.is_seen_going_back {
        network
            .until_all("the way back", |ours| {
                ours.safe_l2 == back.safe_l2 && ours.current_l1 == back.current_l1
            })
            .await;
    }

    let new = chain
        .step_until(|status| status.safe_l2.number > old.unsafe_l2.number)
        .await;
    assert_ne!(new.safe_l2.hash, old.safe_l2.hash);
    let theirs = chain.settle().await;
    assert_eq!(theirs.safe_l2, theirs.unsafe_l2);
    network
        .until_all("the heads of the new branch", |ours| {
            ours.unsafe_l2 == theirs.unsafe_l2 && followed(ours) == followed(&theirs)
        })
        .await;
    network.els_have(theirs.unsafe_l2.number).await;
    network.finish().await;
}

/// The nodes have the safe head that will go, and unsafe blocks on origins that will go, too. Returns the source's status.
async fn before_the_reorg(network: &Network, depth: u64) -> SyncStatus {
    let chain = &network.chain;
    let old = chain
        .step_until(|status| status.finalized_l2.number >= 2 && status.safe_l2.number > depth + 4)
        .await;
    network
        .until_all("the safe head that will go", |ours| {
            ours.safe_l2 == old.safe_l2 && ours.finalized_l2 == old.finalized_l2
        })
        .await;
    for rpc in network.rpcs() {
        for number in old.safe_l2.number + 1..=old.unsafe_l2.number {
            post(&rpc, chain, number).await;
        }
        assert_eq!(rpc.sync_status().await.unwrap().unsafe_l2, old.unsafe_l2);
    }
    old
}
