//! `endpoints.json`: where everything listens, for scripts and tests.

use crate::deploy::DeployedFiles;
use serde::{Deserialize, Serialize};

impl Endpoints {
    /// The rollup node that followers follow.
    pub fn followed(&self) -> &str {
        let deriver = self.deriver.as_ref();
        deriver.map_or(&self.source, |deriver| &deriver.rpc)
    }

    /// The node by which others find the network, if there is one.
    pub(crate) fn bootnode(&self) -> Option<&P2pEndpoints> {
        let mut nodes = self.deriver.iter().chain(&self.sequencer_node);
        nodes.find_map(|node| node.p2p.as_ref())
    }
}

/// URLs and files of a running devnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// Chain id of the L1.
    pub l1_chain_id: u64,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// JSON-RPC of the L1, with the `dev_*` methods that command it.
    pub l1: String,
    /// Beacon API of the L1, for the blobs of its transactions.
    pub beacon: String,
    /// JSON-RPC of the reference source, for `--l2.follow.source`.
    pub source: String,
    /// The light-node that derives, if there is one; another one can follow it.
    pub deriver: Option<FollowerEndpoints>,
    /// The sequencer's execution layer: transactions go here.
    pub sequencer: ElEndpoints,
    /// The light-node that sequences, if one does.
    pub sequencer_node: Option<FollowerEndpoints>,
    /// The light-nodes of this process that follow.
    pub followers: Vec<FollowerEndpoints>,
    /// An execution layer that nobody drives, for a node started by hand.
    pub spare: ElEndpoints,
    /// The files written.
    pub files: DeployedFiles,
}

/// The ports of an execution layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElEndpoints {
    /// JSON-RPC for wallets.
    pub http: String,
    /// The authenticated Engine API.
    pub authrpc: String,
}

/// The ports of a light-node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowerEndpoints {
    /// JSON-RPC of the node.
    pub rpc: String,
    /// Metrics of the node, for Prometheus.
    pub metrics: String,
    /// Its execution layer.
    pub el: ElEndpoints,
    /// Where peers find it, if the devnet has a network.
    pub p2p: Option<P2pEndpoints>,
}

/// The door of a light-node to the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct P2pEndpoints {
    /// Its node record, for `--p2p.bootnodes`.
    pub enr: String,
    /// Its address, for `--p2p.static`.
    pub address: String,
}
