//! Effects of the flags by which peers are judged, on one that gossips what is no block.

use super::peers::{L2_CHAIN_ID, commanded};
use crate::helpers::{
    flags::Flags,
    listener::Listener,
    peers::{LIMIT, peers},
    process::NodeProcess,
    scrape::metric,
    wait::until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A node, and a peer of it that has gossiped one thing too short for a block: that costs ten points, of which a hundred and more
/// ban by default.
struct Judged {
    node: NodeProcess,
    peer: Listener,
    _dir: TempDir,
}

impl Judged {
    async fn start(change: impl FnOnce(Flags) -> Flags) -> Self {
        let (dir, flags) = commanded();
        let node = NodeProcess::start(&change(flags.with("--p2p.ban.threshold", -5)));
        let peer = Listener::start(L2_CHAIN_ID).await;
        let it = Self {
            node,
            peer,
            _dir: dir,
        };
        it.connect().await.unwrap();
        it.peer.say(&[1; 10]);
        it
    }

    async fn connect(&self) -> Result<Value, Value> {
        let address = json!([self.peer.address()]);
        self.node.rpc().call("opp2p_connectPeer", address).await
    }

    /// Waits until the node has heard all that the peer has said so far.
    async fn is_heard(&self) {
        // Long enough to be looked at; without L1 nobody knows whose it should be.
        self.peer.say(&[2; 100]);
        let verdict =
            r#"light_node_network_verdicts_total{verdict="ignore",reason="signer_not_read"}"#;
        until("the verdict", LIMIT, || async {
            match metric(&self.node, verdict).await {
                1.0 => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }

    /// The peer's score, if it is there.
    async fn score(&self) -> Option<f64> {
        let all = peers(&self.node).await;
        let peer = all.as_object().unwrap().values().next()?;
        peer["scores"]["gossip"]["total"].as_f64()
    }

    async fn bans(&self) -> f64 {
        metric(&self.node, "light_node_network_bans_total").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_banned_below_the_score_said_and_for_the_time_said() {
    let it = Judged::start(|flags| flags.with("--p2p.ban.duration", "3s")).await;
    until("a ban", LIMIT, || async {
        match (it.bans().await, it.score().await) {
            (1.0, None) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    // It is an hour by default.
    until("the end of the ban", LIMIT, || it.connect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_scored_or_not_banned_stays() {
    let it = Judged::start(|flags| flags.with("--p2p.ban.peers", "false")).await;
    let first = until("a score", LIMIT, || async {
        let score = it.score().await;
        score.filter(|score| *score < -5.0).ok_or(score)
    })
    .await;
    // Scores are looked at more often than they change.
    until("another score", LIMIT, || async {
        let score = it.score().await;
        score.filter(|score| *score > first).ok_or(score)
    })
    .await;
    assert_eq!(it.bans().await, 0.0);

    let it = Judged::start(|flags| flags.with("--p2p.scoring", "none")).await;
    it.is_heard().await;
    assert_eq!(it.score().await, Some(0.0));
    assert_eq!(it.bans().await, 0.0);
}
