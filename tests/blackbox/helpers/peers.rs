//! Nodes of one network around one chain, which one of them makes: the flags with which they sequence or verify on the loopback
//! interface, and what is waited for in them.

use super::{
    chain::{Chain, Settings},
    deriving,
    flags::Flags,
    process::NodeProcess,
    wait::until,
};
use alloy_primitives::hex;
use light_node_devnet::{Blocks, UNSAFE_BLOCK_SIGNER};
use light_node_devnet_el::EmbeddedEl;
use light_node_protocol::{RollupConfig, SyncStatus};
use serde_json::{Value, json};
use std::{fs, sync::Arc, time::Duration};

/// Long enough for a busy machine; what is waited for takes some seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Who tells a verifier what is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safe {
    /// L1.
    Derived,
    /// The devnet's source.
    Followed,
}

/// A chain that waits for somebody to make its L2 blocks, one a second, and its L1 goes by the clock at the same pace.
pub(crate) async fn chain() -> Chain {
    Chain::start(Settings {
        blocks: Blocks::ByHand,
        finalized_lag: 20,
        ..Settings::on_command()
    })
    .await
}

/// The id of the chain.
pub(crate) fn l2_chain_id(chain: &Chain) -> u64 {
    let rollup = fs::read(chain.rollup_config()).unwrap();
    let rollup: RollupConfig = serde_json::from_slice(&rollup).unwrap();
    rollup.l2_chain_id
}

/// Flags of a node that others reach on the loopback interface, and that finds nobody by itself. By `name` it is the same peer
/// after each start.
pub(crate) fn networked(chain: &Chain, flags: Flags, name: &str) -> Flags {
    flags
        .with("--p2p.listen.ip", "127.0.0.1")
        .with("--p2p.advertise.ip", "127.0.0.1")
        .with("--p2p.listen.tcp", 0)
        .with("--p2p.dir", chain.dir().join(name).display())
        .with_switch("--p2p.no-discovery")
        .with_switch("--rpc.enable-admin")
}

/// Flags of a sequencer that derives, on the execution layer that the batcher reads.
pub(crate) fn sequencer(chain: &Chain, name: &str) -> Flags {
    let authrpc = &chain.endpoints().sequencer.authrpc;
    sequencing(chain, networked(chain, derived(chain, name), name)).with("--l2", authrpc)
}

/// The same node as one that sequences, with the key that L1 names.
pub(crate) fn sequencing(chain: &Chain, flags: Flags) -> Flags {
    let key = chain.dir().join("sequencer.key");
    fs::write(&key, hex::encode(UNSAFE_BLOCK_SIGNER.private_key)).unwrap();
    let endpoints = chain.endpoints();
    flags
        .with_switch("--sequencer.enabled")
        .with("--sequencer.l1-confs", 1)
        .with("--p2p.sequencer.key-file", key.display())
        .with("--l1.chain-config", endpoints.files.l1_genesis.display())
}

/// Flags of a verifier on an execution layer of its own, whose only peer is the sequencer's.
pub(crate) fn verifier(chain: &Chain, name: &str, safe: Safe) -> (Flags, Arc<EmbeddedEl>) {
    let (el, authrpc) = chain.another_el();
    let flags = match safe {
        Safe::Derived => derived(chain, name),
        Safe::Followed => chain.flags(),
    };
    let flags = networked(chain, flags, name).with("--l2", format!("http://{authrpc}"));
    (flags, el)
}

fn derived(chain: &Chain, name: &str) -> Flags {
    let safedb = chain.dir().join(format!("{name}-safedb"));
    deriving::flags(chain).with("--safedb.path", safedb.display())
}

/// Where peers find a node.
pub(crate) async fn address(node: &NodeProcess) -> String {
    let this = node.rpc().call("opp2p_self", json!([])).await.unwrap();
    this["addresses"][0].as_str().unwrap().to_owned()
}

/// Who a node is to its peers.
pub(crate) async fn peer_id(node: &NodeProcess) -> String {
    let this = node.rpc().call("opp2p_self", json!([])).await.unwrap();
    this["peerID"].as_str().unwrap().to_owned()
}

/// The peers to which a node is connected, by their ids.
pub(crate) async fn peers(node: &NodeProcess) -> Value {
    let dump = node.rpc().call("opp2p_peers", json!([true])).await.unwrap();
    dump["peers"].clone()
}

/// Waits until a node is connected to exactly so many peers, and all of them gossip.
pub(crate) async fn until_peers(node: &NodeProcess, count: usize) {
    until("peers", LIMIT, || async {
        let peers = peers(node).await;
        let gossiping = peers.as_object().unwrap().values();
        let gossiping = gossiping.filter(|peer| peer["gossipBlocks"] == json!(true));
        if gossiping.count() == count && peers.as_object().unwrap().len() == count {
            Ok(())
        } else {
            Err(peers)
        }
    })
    .await;
}

/// Waits until a node says so of its heads.
pub(crate) async fn until_status(
    what: &str,
    node: &NodeProcess,
    is_so: impl Fn(&SyncStatus) -> bool,
) -> SyncStatus {
    let rpc = node.rpc();
    until(what, LIMIT, || async {
        let status = rpc.sync_status().await?;
        if is_so(&status) {
            return Ok(status);
        }
        let (_, page) = rpc.page("/status").await;
        Err(json!({ "heads": status, "status": page }))
    })
    .await
}

/// Waits until a node's unsafe head has this number or a higher one.
pub(crate) async fn until_unsafe(node: &NodeProcess, number: u64) -> SyncStatus {
    until_status("an unsafe block", node, |status| {
        status.unsafe_l2.number >= number
    })
    .await
}

/// Waits until a node's safe head has this number or a higher one.
pub(crate) async fn until_safe(node: &NodeProcess, number: u64) -> SyncStatus {
    until_status("a safe block", node, |status| {
        status.safe_l2.number >= number
    })
    .await
}

/// Waits until a verifier has what the sequencer has, and takes its execution layer the peer away: what it gets from now on
/// comes by gossip or from L1.
pub(crate) async fn until_by_gossip_alone(
    verifier: &NodeProcess,
    el: &EmbeddedEl,
    sequencer: &NodeProcess,
) {
    let next = unsafe_number(sequencer).await + 1;
    until_unsafe(verifier, next).await;
    el.set_peer_connected(false);
}

/// The number of a node's unsafe head.
pub(crate) async fn unsafe_number(node: &NodeProcess) -> u64 {
    let status = node.rpc().sync_status().await.unwrap();
    status.unsafe_l2.number
}

/// Asserts that two execution layers have the same blocks up to `number`.
pub(crate) fn assert_one_chain(one: &EmbeddedEl, other: &EmbeddedEl, number: u64) {
    for number in 0..=number {
        let hash = |el: &EmbeddedEl| el.view().block_by_number(number).map(|block| block.hash);
        assert!(hash(one).is_some(), "there is no block {number}");
        assert_eq!(hash(one), hash(other), "block {number}");
    }
}
