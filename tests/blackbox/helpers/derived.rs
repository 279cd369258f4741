//! A node that derives a chain on command while something around it fails: what it says meanwhile, that its heads hold, how calmly
//! it asks, and that it goes on by itself.

use super::{
    chain::{Chain, Settings},
    deriving::{self, LIMIT},
    flags::Flags,
    invariants::Invariants,
    process::NodeProcess,
    rpc::Rpc,
    wait::until,
};
use light_node_protocol::{L2BlockRef, SyncStatus};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::{fs, time::Duration};
use tokio::{sync::watch, time::Instant};

/// How long a node may take to what L1 has. Most of it is the first blob of a process: in a build without optimisation it takes
/// seconds, and many times that where every core has ten other things to do.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(180);

/// More L1 blocks than a node that is ready may lie behind.
const TOO_FAR_BLOCKS: u64 = 12;

/// Requests that a fault may cost at once: what was under way, and one for each thing that is fetched ahead.
const REQUESTS_AT_ONCE: f64 = 40.0;

/// Requests a second that a lasting fault may cost. A loop without pauses makes thousands.
const REQUESTS_PER_SECOND: f64 = 10.0;

/// A chain and the node that derives it on the spare execution layer, every read of which is held to the rules.
pub(crate) struct Derived {
    pub(crate) chain: Chain,
    pub(crate) node: NodeProcess,
    invariants: Invariants,
}

impl Derived {
    /// A node with other flags than [`deriving::flags`], in step with L1.
    pub(crate) async fn start(
        settings: Settings,
        change: impl FnOnce(&Chain, Flags) -> Flags,
    ) -> Self {
        let chain = Chain::start(settings).await;
        chain
            .step_until(|status| status.finalized_l2.number >= 2 && status.safe_l2.number >= 4)
            .await;
        let it = Self::begin(chain, change);
        it.in_step().await;
        it
    }

    /// The same on a chain that is there already, and nothing is awaited.
    pub(crate) fn begin(chain: Chain, change: impl FnOnce(&Chain, Flags) -> Flags) -> Self {
        let flags = change(&chain, deriving::flags(&chain));
        let node = NodeProcess::start(&flags);
        let invariants = Invariants::watch(node.rpc());
        Self {
            chain,
            node,
            invariants,
        }
    }

    pub(crate) fn rpc(&self) -> Rpc {
        self.node.rpc()
    }

    pub(crate) async fn status(&self) -> SyncStatus {
        self.rpc().sync_status().await.unwrap()
    }

    /// The part of the status page on derivation.
    pub(crate) async fn page(&self) -> Value {
        let (_, mut page) = self.rpc().page("/status").await;
        page["derivation"].take()
    }

    /// L1 reorganises in this test, or the execution layer loses blocks: from now on safe may go back.
    pub(crate) fn expect_reorg(&self) {
        self.invariants.expect_reorg();
    }

    /// L1 and L2 go on, and from the first batch that comes by so much that a node that cannot derive it is not ready.
    pub(crate) async fn chain_goes_far(&self) -> SyncStatus {
        let safe = self.chain.source().status().safe_l2.number;
        let moved = self
            .chain
            .step_until(|status| status.safe_l2.number > safe)
            .await;
        let far = moved.head_l1.number + TOO_FAR_BLOCKS;
        self.chain
            .step_until(|status| status.head_l1.number >= far)
            .await
    }

    /// Waits until the node is unready for this reason, and returns what it says of it.
    pub(crate) async fn until_unready(&self, reason: &str) -> String {
        self.rpc().until_unready(reason, LIMIT).await
    }

    /// Waits until all that L1 has is derived and the execution layer has the sequencer's blocks.
    pub(crate) async fn in_step(&self) -> SyncStatus {
        let theirs = self.chain.source().status();
        let ours = until("all that L1 has", CATCH_UP_LIMIT, || async {
            let ours = self.rpc().sync_status().await?;
            if ours.safe_l2 == theirs.safe_l2 && ours.current_l1 == theirs.current_l1 {
                Ok(ours)
            } else {
                let (_, page) = self.rpc().page("/status").await;
                Err(json!({ "theirs": theirs, "ours": ours, "status": page }))
            }
        })
        .await;
        let el = self.chain.spare_el();
        self.chain
            .has_the_sequencers_blocks(el, ours.safe_l2.number);
        ours
    }

    /// What is wrong is over: L2 goes on, and the node derives it, names no trouble, and finalizes what the sequencer built.
    pub(crate) async fn goes_on(&self) {
        let safe = self.chain.source().status().safe_l2.number;
        self.chain
            .step_until(|status| status.safe_l2.number > safe)
            .await;
        let ours = self.in_step().await;
        until("an end of the trouble", LIMIT, || async {
            let page = self.page().await;
            if page["trouble"].is_null() {
                Ok(())
            } else {
                Err(page)
            }
        })
        .await;
        let expected = self.chain.hash_on_sequencer_el(ours.finalized_l2.number);
        assert_eq!(Some(ours.finalized_l2.hash), expected);
    }

    /// Nothing that is not final has moved; what was safe may have become final.
    pub(crate) async fn heads_hold(&self, before: &SyncStatus) {
        let heads = |status: &SyncStatus| -> [L2BlockRef; 3] {
            [status.unsafe_l2, status.local_safe_l2, status.safe_l2]
        };
        assert_eq!(heads(&self.status().await), heads(before));
    }

    /// Asserts that every read so far has kept the rules, that nothing panicked, and that the node ends as it should.
    pub(crate) async fn finish(self) {
        self.invariants.finish().await;
        let printed = self.node.printed();
        let panicked = printed.iter().find(|line| line.contains("panicked"));
        assert_eq!(panicked, None);
    }

    /// The same, and gives the chain back.
    pub(crate) async fn stop(self) -> Chain {
        let Self {
            chain,
            node,
            invariants,
        } = self;
        invariants.finish().await;
        let (status, _) = node.stop(Signal::SIGTERM);
        assert!(status.success(), "{status}");
        chain
    }

    /// Bytes that the process has in memory; none where the system does not tell.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.node.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes * 1024)
    }
}

/// Counts the requests that meet a fault.
pub(crate) struct Calm {
    met: watch::Receiver<u64>,
    before: u64,
    since: Instant,
}

impl Calm {
    /// Counts from now on.
    pub(crate) fn watch(mut met: watch::Receiver<u64>) -> Self {
        let before = *met.borrow_and_update();
        Self {
            met,
            before,
            since: Instant::now(),
        }
    }

    /// Waits until the fault was met so often.
    pub(crate) async fn until_met(&mut self, times: u64) {
        let least = self.before + times;
        let is_met = self.met.wait_for(|met| *met >= least);
        let is_met = tokio::time::timeout(LIMIT, is_met).await;
        assert!(is_met.is_ok(), "not asked {times} times within {LIMIT:?}");
    }

    /// How many requests met it.
    pub(crate) fn count(&self) -> u64 {
        *self.met.borrow() - self.before
    }

    /// Asserts that nobody asked again and again without a pause.
    pub(crate) fn assert_calm(&self) {
        let seconds = self.since.elapsed().as_secs_f64();
        let most = REQUESTS_AT_ONCE + REQUESTS_PER_SECOND * seconds;
        let count = u32::try_from(self.count()).unwrap();
        println!("{count} requests met the fault in {seconds:.1} s");
        assert!(f64::from(count) <= most, "{count} requests in {seconds} s");
    }
}
