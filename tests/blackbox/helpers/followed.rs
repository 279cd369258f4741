//! A node that follows while one of those around it fails: what it says meanwhile, that its heads hold, and that it follows
//! again without help.

use super::{
    chain::{Chain, Settings},
    flags::Flags,
    invariants::Invariants,
    process::NodeProcess,
    rpc::Rpc,
    wait::until,
};
use light_node_devnet::ElBehaviour;
use light_node_protocol::{L1BlockRef, L2BlockRef, SyncStatus};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Long enough for a busy machine; the slowest pause of the node that a fault may have caused is 30 s.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What the node takes over from its source.
pub(crate) fn followed(status: &SyncStatus) -> (L2BlockRef, L2BlockRef, L2BlockRef, L1BlockRef) {
    (
        status.safe_l2,
        status.local_safe_l2,
        status.finalized_l2,
        status.current_l1,
    )
}

/// A chain and the node that follows it, every read of which is held to the rules.
pub(crate) struct Followed {
    pub(crate) chain: Chain,
    pub(crate) node: NodeProcess,
    invariants: Invariants,
}

impl Followed {
    /// A node with the usual flags, in step with its source.
    pub(crate) async fn start(el_behaviour: ElBehaviour) -> Self {
        Self::start_with(el_behaviour, |_, flags| flags).await
    }

    /// The same with other flags. Trouble that may pass by itself makes the node unready after 3 s.
    pub(crate) async fn start_with(
        el_behaviour: ElBehaviour,
        change: impl FnOnce(&Chain, Flags) -> Flags,
    ) -> Self {
        let settings = Settings {
            el_behaviour,
            finalized_lag: 6,
            ..Settings::on_command()
        };
        Self::start_on(settings, change).await
    }

    /// The same on a chain of the caller's choice.
    pub(crate) async fn start_on(
        settings: Settings,
        change: impl FnOnce(&Chain, Flags) -> Flags,
    ) -> Self {
        let chain = Chain::start(settings).await;
        let theirs = chain
            .step_until(|status| status.finalized_l2.number >= 2 && status.safe_l2.number >= 6)
            .await;
        let flags = chain.flags().with("--l2.follow.max-age", "3s");
        let node = NodeProcess::start(&change(&chain, flags));
        let invariants = Invariants::watch(node.rpc());
        in_step(&node.rpc(), &theirs).await;
        let it = Self {
            chain,
            node,
            invariants,
        };
        it.until_quiet().await;
        it
    }

    /// Waits until the follow actor, too, knows that the heads are the source's: what it says of the sync that led there
    /// would else be taken for the word on a fault that comes next.
    async fn until_quiet(&self) {
        let rpc = self.rpc();
        until("a poll without trouble", LIMIT, || async {
            let (_, page) = rpc.page("/status").await;
            let source = &page["source"];
            if source["trouble"].is_null() && !source["last_poll"].is_null() {
                Ok(())
            } else {
                Err(source.clone())
            }
        })
        .await;
    }

    pub(crate) fn rpc(&self) -> Rpc {
        self.node.rpc()
    }

    /// L1 reorganises in this test: from now on safe may go back.
    pub(crate) fn expect_reorg(&self) {
        self.invariants.expect_reorg();
    }

    pub(crate) async fn status(&self) -> SyncStatus {
        self.rpc().sync_status().await.unwrap()
    }

    /// The source goes on by some blocks, and says what it says then.
    pub(crate) async fn source_goes_on(&self) -> SyncStatus {
        let safe = self.chain.source().status().safe_l2.number;
        self.chain
            .step_until(|status| status.safe_l2.number >= safe + 2)
            .await
    }

    /// Waits until `/readyz` is 503 with this reason among others, and returns its detail.
    pub(crate) async fn until_unready(&self, reason: &str) -> String {
        self.rpc().until_unready(reason, LIMIT).await
    }

    /// How many polls have had this outcome.
    pub(crate) async fn polls(&self, outcome: &str) -> u64 {
        let (_, page) = self.rpc().page("/status").await;
        let polls = &page["source"]["polls"];
        polls[outcome].as_u64().expect("an outcome that is counted")
    }

    /// Waits until one more poll has had this outcome than `before`.
    pub(crate) async fn until_polls_above(&self, outcome: &str, before: u64) {
        let rpc = self.rpc();
        until(outcome, LIMIT, || async {
            let (_, page) = rpc.page("/status").await;
            let source = &page["source"];
            if source["polls"][outcome].as_u64() > Some(before) {
                Ok(())
            } else {
                Err(source.clone())
            }
        })
        .await;
    }

    /// Waits until the node has what the source says.
    pub(crate) async fn in_step(&self) -> SyncStatus {
        let theirs = self.chain.source().status();
        in_step(&self.rpc(), &theirs).await
    }

    /// What is wrong is over: the source goes on, the node follows it, says that it is ready, and its execution layer has the
    /// sequencer's blocks.
    pub(crate) async fn follows_again(&self) {
        let safe = self.chain.source().status().safe_l2.number;
        // A chain on command falls behind the clock, and the node calls an L1 whose head is old stale, as it should.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.chain
            .step_until(|status| {
                status.safe_l2.number > safe && status.head_l1.timestamp >= now.as_secs()
            })
            .await;
        let theirs = self.chain.settle().await;
        in_step(&self.rpc(), &theirs).await;
        self.rpc().until_ready(LIMIT).await;
        let el = self.chain.spare_el();
        self.chain
            .has_the_sequencers_blocks(el, theirs.safe_l2.number);
    }

    /// Asserts that every read so far has kept the rules, that nothing panicked, and that the node ends as it should.
    pub(crate) async fn finish(self) {
        self.invariants.finish().await;
        let printed = self.node.printed();
        let panicked = printed.iter().find(|line| line.contains("panicked"));
        assert_eq!(panicked, None);
    }
}

/// Waits until the node has what the source said.
pub(crate) async fn in_step(node: &Rpc, theirs: &SyncStatus) -> SyncStatus {
    until("the source's heads", LIMIT, || async {
        let ours = node.sync_status().await?;
        if followed(&ours) == followed(theirs) {
            Ok(ours)
        } else {
            let (_, page) = node.page("/status").await;
            Err(json!({ "theirs": theirs, "status": page }))
        }
    })
    .await
}
