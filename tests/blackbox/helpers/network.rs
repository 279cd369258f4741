//! Nodes around one chain, wired in one of the ways in which operators wire them, and every read of each is held to the rules.

use super::{
    chain::{Chain, Settings},
    flags::Flags,
    followed::LIMIT,
    invariants::{Invariants, Rule},
    process::NodeProcess,
    recorder::Recorder,
    rpc::Rpc,
    wait::until,
};
use light_node_devnet::{SourceFault, SourceFaultKind, SourceHandle};
use light_node_devnet_el::EmbeddedEl;
use light_node_protocol::SyncStatus;
use serde_json::json;
use std::sync::Arc;

/// L1 blocks by which the worse of two backends lags: by fewer its heads are often those of the other one.
const LAG: u64 = 2;

/// Who follows whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// A node follows the source.
    Plain,
    /// A second node, with an execution layer of its own, follows the first.
    Chained,
    /// Between the node and its source is a load balancer, and the second of its backends lags.
    Balanced,
    /// A node follows the source, and its execution layer is killed and started again in the middle.
    ElRestarts,
}

/// A node and what it drives.
struct Member {
    node: NodeProcess,
    el: Arc<EmbeddedEl>,
    invariants: Invariants,
}

/// A chain, and the nodes on it.
pub(crate) struct Network {
    pub(crate) chain: Chain,
    topology: Topology,
    members: Vec<Member>,
    /// The backend that lags; it serves for as long as this is held.
    _laggard: Option<SourceHandle>,
}

impl Network {
    /// Starts the chain, then the nodes, of which nothing is awaited.
    pub(crate) async fn start(topology: Topology, settings: Settings) -> Self {
        Self::start_with(topology, settings, |_| Ok(())).await
    }

    /// The same, with a rule that holds in this test.
    pub(crate) async fn start_with(topology: Topology, settings: Settings, rule: Rule) -> Self {
        let chain = Chain::start(settings).await;
        let mut flags = chain.flags().with_switch("--rpc.enable-admin");
        let mut laggard = None;
        if topology == Topology::Balanced {
            let lags = SourceFault::until_cleared(SourceFaultKind::Behind).by(LAG);
            let second = chain.source().serve_again().await.unwrap();
            second.set_fault(lags);
            let balancer = Recorder::balancer(vec![chain.source().url(), second.url()]).await;
            flags = flags.with("--l2.follow.source", balancer.url());
            laggard = Some(second);
        }
        let mut members = vec![Member::start(&flags, chain.spare_el().clone(), rule)];
        if topology == Topology::Chained {
            let (el, authrpc) = chain.another_el();
            let flags = flags
                .with(
                    "--l2.follow.source",
                    format!("http://{}", members[0].node.addr()),
                )
                .with("--l2", format!("http://{authrpc}"));
            members.push(Member::start(&flags, el, rule));
        }
        Self {
            chain,
            topology,
            members,
            _laggard: laggard,
        }
    }

    /// The RPC of each node, in the order of following.
    pub(crate) fn rpcs(&self) -> impl Iterator<Item = Rpc> {
        self.members.iter().map(Member::rpc)
    }

    /// Waits until each node says so, and returns what they said.
    pub(crate) async fn until_all(
        &self,
        what: &str,
        is_there: impl Fn(&SyncStatus) -> bool,
    ) -> Vec<SyncStatus> {
        let mut seen = Vec::new();
        for member in &self.members {
            let status = until(what, LIMIT, || async {
                let ours = member.rpc().sync_status().await?;
                if is_there(&ours) {
                    Ok(ours)
                } else {
                    let theirs = self.chain.source().status();
                    Err(json!({ "ours": ours, "theirs": theirs }))
                }
            });
            seen.push(status.await);
        }
        seen
    }

    /// The execution layer is killed, where this belongs to the topology. The source has to bring news before
    /// [`Self::middle_ends`].
    pub(crate) fn middle_begins(&self) {
        if self.topology == Topology::ElRestarts {
            self.members[0].el.kill();
        }
    }

    /// It starts again once the node knows that it is away.
    pub(crate) async fn middle_ends(&self) {
        if self.topology != Topology::ElRestarts {
            return;
        }
        let rpc = self.members[0].rpc();
        until("an execution layer that is away", LIMIT, || async {
            let (_, page) = rpc.page("/status").await;
            if page["execution_layer"]["answering"] == json!(false) {
                Ok(())
            } else {
                Err(page)
            }
        })
        .await;
        self.members[0].el.restart(None);
    }

    /// Waits until the execution layer of each node stands at the block `number` of the sequencer, and has all blocks below it.
    pub(crate) async fn els_have(&self, number: u64) {
        let expected = self.chain.hash_on_sequencer_el(number);
        for member in &self.members {
            until("the execution layer's head", LIMIT, || async {
                let head = member.el.view().head().hash;
                if Some(head) == expected {
                    Ok(())
                } else {
                    Err(head)
                }
            })
            .await;
            self.chain.has_the_sequencers_blocks(&member.el, number);
        }
    }

    /// L1 reorganises: from now on safe may go back.
    pub(crate) fn expect_reorg(&self) {
        for member in &self.members {
            member.invariants.expect_reorg();
        }
    }

    /// Waits until the backend that lags, where there is one, has named a safe head below the node's. It was held, or the reads
    /// would have broken a rule.
    pub(crate) async fn laggard_is_heard(&self) {
        if self.topology != Topology::Balanced {
            return;
        }
        let rpc = self.members[0].rpc();
        until("an answer that lags", LIMIT, || async {
            let (_, page) = rpc.page("/status").await;
            let polls = &page["source"]["polls"];
            let held = ["replaying", "regressed"].map(|outcome| polls[outcome].as_u64());
            if held.iter().any(|count| *count > Some(0)) {
                Ok(())
            } else {
                Err(page)
            }
        })
        .await;
    }

    /// Asserts that every read of every node has kept the rules, and that nothing panicked.
    pub(crate) async fn finish(self) {
        for member in self.members {
            member.invariants.finish().await;
            let printed = member.node.printed();
            let panicked = printed.iter().find(|line| line.contains("panicked"));
            assert_eq!(panicked, None);
        }
    }
}

impl Member {
    fn start(flags: &Flags, el: Arc<EmbeddedEl>, rule: Rule) -> Self {
        let node = NodeProcess::start(flags);
        let invariants = Invariants::watch_with(node.rpc(), rule);
        Self {
            node,
            el,
            invariants,
        }
    }

    fn rpc(&self) -> Rpc {
        self.node.rpc()
    }
}
