//! The devnet as one thing: starts the parts in the order in which they need each other, hands out what commands them, and
//! stops them in the opposite order.

mod endpoints;
mod error;
mod ports;
mod start;

pub use endpoints::{ElEndpoints, Endpoints, FollowerEndpoints, P2pEndpoints};
pub use error::DevnetError;
pub use ports::MAX_FOLLOWERS;

use crate::{
    accounts::{DEV_ACCOUNTS, DevAccount},
    batcher::BatcherHandle,
    config::DevnetConfig,
    deploy::Deployment,
    l1_commands::L1Commands,
    sequencer::SequencerHandle,
    source::SourceHandle,
};
use light_node_actor::{CancellationToken, Supervisor};
use light_node_devnet_el::EmbeddedEl;
use light_node_devnet_l1::EmbeddedL1;
use light_node_node::NodeHandle;
use light_node_protocol::RollupConfig;
use start::Starting;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tracing::info;

/// How long the followers may take to end; a node needs at most 1.5 s.
const NODES_GRACE: Duration = Duration::from_millis(1_600);

/// How long the chain may take afterwards. Together they stay under two seconds.
const CHAIN_GRACE: Duration = Duration::from_millis(300);

/// A light-node in this process, with its execution layer.
#[derive(Clone, Debug)]
pub struct Follower {
    /// The node.
    pub node: NodeHandle,
    /// What it drives.
    pub el: Arc<EmbeddedEl>,
}

/// A running devnet. Dropping it lets it stop by itself; [`Self::stop`] waits for that.
#[derive(Debug)]
pub struct Devnet {
    config: DevnetConfig,
    deployment: Deployment,
    endpoints: Endpoints,
    l1: EmbeddedL1,
    sequencer: SequencerHandle,
    sequencer_el: Arc<EmbeddedEl>,
    sequencer_node: Option<Follower>,
    batcher: BatcherHandle,
    l1_commands: L1Commands,
    source: SourceHandle,
    deriver: Option<Follower>,
    followers: Vec<Follower>,
    spare_el: Arc<EmbeddedEl>,
    token: CancellationToken,
    running: Option<JoinHandle<Result<(), DevnetError>>>,
}

impl Devnet {
    /// Starts everything and writes the files. All ports are open when it returns. It runs until `token` is cancelled.
    ///
    /// # Errors
    /// The first part that does not start; nothing is left running then.
    pub async fn start(
        config: DevnetConfig,
        token: CancellationToken,
    ) -> Result<Self, DevnetError> {
        let devnet = Starting::new(config, token)?.start().await?;
        info!(datadir = %devnet.config.datadir.display(), "devnet started");
        Ok(devnet)
    }

    /// What it was made of.
    pub const fn config(&self) -> &DevnetConfig {
        &self.config
    }

    /// What ties L1 and L2 together.
    pub const fn rollup_config(&self) -> &Arc<RollupConfig> {
        &self.deployment.rollup_config
    }

    /// Genesis of both layers.
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Where everything listens.
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Accounts with money on both layers.
    pub const fn accounts(&self) -> &'static [DevAccount] {
        &DEV_ACCOUNTS
    }

    /// The L1: mine, reorg, fail.
    pub const fn l1(&self) -> &EmbeddedL1 {
        &self.l1
    }

    /// The script that makes blocks: build one. Where a light-node sequences, it has ended.
    pub const fn sequencer(&self) -> &SequencerHandle {
        &self.sequencer
    }

    /// The execution layer of the sequencer.
    pub const fn sequencer_el(&self) -> &Arc<EmbeddedEl> {
        &self.sequencer_el
    }

    /// The light-node that sequences, if one does.
    pub const fn sequencer_node(&self) -> Option<&Follower> {
        self.sequencer_node.as_ref()
    }

    /// The batcher: pause, resume, write otherwise, send what is malformed.
    pub const fn batcher(&self) -> &BatcherHandle {
        &self.batcher
    }

    /// The rollup's contracts on L1: deposits, changes of the system config.
    pub const fn l1_commands(&self) -> &L1Commands {
        &self.l1_commands
    }

    /// The reference source: its status, and its server.
    pub const fn source(&self) -> &SourceHandle {
        &self.source
    }

    /// The light-node that derives, if there is one.
    pub const fn deriver(&self) -> Option<&Follower> {
        self.deriver.as_ref()
    }

    /// The light-nodes of this process that follow.
    pub fn followers(&self) -> &[Follower] {
        &self.followers
    }

    /// The execution layer that nobody drives.
    pub const fn spare_el(&self) -> &Arc<EmbeddedEl> {
        &self.spare_el
    }

    /// Waits for the end: the token was cancelled, or a part failed.
    ///
    /// # Errors
    /// The part that failed, or that did not stop in time.
    ///
    /// # Cancel safety
    /// Safe: the devnet goes on.
    pub async fn wait(&mut self) -> Result<(), DevnetError> {
        let Some(running) = self.running.as_mut() else {
            return Ok(());
        };
        let outcome = running.await;
        self.running = None;
        outcome?
    }

    /// Stops everything and waits for it, less than two seconds.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub async fn stop(mut self) -> Result<(), DevnetError> {
        self.token.cancel();
        self.wait().await
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        self.token.cancel();
    }
}

/// Runs the followers until they are asked to stop, then ends the chain under them. If the chain fails, the followers stop.
async fn supervise(nodes: Supervisor, chain: Supervisor) -> Result<(), DevnetError> {
    let (nodes_token, chain_token) = (nodes.token(), chain.token());
    let nodes = async {
        let ended = nodes.run(NODES_GRACE).await;
        chain_token.cancel();
        ended
    };
    let chain = async {
        let ended = chain.run(CHAIN_GRACE).await;
        nodes_token.cancel();
        ended
    };
    let (nodes, chain) = tokio::join!(nodes, chain);
    // Where the chain failed first, the followers have only stopped.
    chain?;
    Ok(nodes?)
}

#[cfg(test)]
mod tests;
