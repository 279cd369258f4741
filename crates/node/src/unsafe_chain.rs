//! The actors of the unsafe chain, wired: who reads the signer from L1, the network, and on a sequencer who makes blocks. They
//! exist only in a whole node: they have ports and keys.

use crate::{CoreHandle, NodeConfig, NodeError};
use alloy_primitives::Address;
use light_node_actor::Supervisor;
use light_node_engine_api::ElReader;
use light_node_l1::{BeaconClient, L1Feed, L1FeedConfig, SignerConfig, SignerWatcher};
use light_node_metrics::{Catalogue, RequestMetrics};
use light_node_network::{
    DiscoveryError, NetworkActor, NetworkConfig, NetworkConfigError, NetworkHandle,
};
use light_node_sequencer::{SequencerActor, SequencerConfig, SequencerHandle, SequencerPeers};
use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

/// What is to be of it.
#[derive(Debug)]
pub(crate) struct UnsafeChainConfig {
    pub(crate) system_config: Address,
    pub(crate) network: Option<NetworkConfig>,
    pub(crate) signer_interval: Duration,
    pub(crate) signer_confirmations: u64,
    pub(crate) sequencer: Option<SequencerConfig>,
}

impl UnsafeChainConfig {
    /// The part of `config` that is of the unsafe chain, taken out.
    pub(crate) fn of(config: &mut NodeConfig) -> Self {
        Self {
            system_config: config.rollup_config.l1_system_config_address,
            network: config.network.take(),
            signer_interval: config.signer_interval,
            signer_confirmations: config.safe_source.l1_confirmations(),
            sequencer: config.sequencer.take(),
        }
    }
}

/// The actors that there are.
#[derive(Default)]
pub(crate) struct UnsafeChain {
    network: Option<(SignerWatcher, Box<NetworkActor>, NetworkHandle)>,
    sequencer: Option<Sequencer>,
}

struct Sequencer {
    actor: SequencerActor,
    handle: SequencerHandle,
    peers: SequencerPeers,
    feed: L1Feed,
}

/// The swarm has no words for itself.
impl fmt::Debug for UnsafeChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsafeChain")
            .field("has_network", &self.network.is_some())
            .field("has_sequencer", &self.sequencer.is_some())
            .finish()
    }
}

impl UnsafeChain {
    /// Binds the ports for peers. Nothing is sent yet.
    pub(crate) fn new(
        config: UnsafeChainConfig,
        core: &CoreHandle,
        reader: Arc<dyn ElReader>,
    ) -> Result<Self, NodeError> {
        let mut chain = Self::default();
        if let Some(network) = config.network {
            let signer = SignerConfig {
                confirmations: config.signer_confirmations,
                reload_interval: config.signer_interval,
                ..SignerConfig::new(config.system_config)
            };
            let (watcher, signer) = SignerWatcher::new(signer, &core.l1);
            let engine = core.engine.clone();
            let (actor, handle) = NetworkActor::new(network, engine, signer, core.l1.watch())?;
            chain.network = Some((watcher, Box::new(actor), handle));
        }
        if let Some(sequencer) = config.sequencer {
            chain.sequencer = Some(Sequencer::new(sequencer, core, reader, chain.network())?);
        }
        Ok(chain)
    }

    pub(crate) fn network(&self) -> Option<NetworkHandle> {
        self.network.as_ref().map(|(.., handle)| handle.clone())
    }

    pub(crate) fn sequencer(&self) -> Option<SequencerHandle> {
        self.sequencer.as_ref().map(|it| it.handle.clone())
    }

    /// Durations of the requests that they send to others than L1.
    pub(crate) fn requests(&self) -> Option<RequestMetrics> {
        self.sequencer.as_ref()?.actor.conductor_requests()
    }

    pub(crate) fn register(&self, catalogue: &mut Catalogue) {
        if let Some((_, network, _)) = &self.network {
            network.metrics().register(catalogue);
        }
        if let Some(sequencer) = &self.sequencer {
            sequencer.actor.metrics().register(catalogue);
        }
    }

    pub(crate) fn spawn(self, actors: &mut Supervisor) {
        let token = actors.token();
        if let Some((watcher, network, _)) = self.network {
            let watch = watcher.run(token.clone());
            actors.spawn("l1 signer", async move {
                watch.await;
                Ok::<_, Infallible>(())
            });
            actors.spawn("network", network.run(token.clone()));
        }
        if let Some(Sequencer {
            actor, peers, feed, ..
        }) = self.sequencer
        {
            actors.spawn("l1 feed of the sequencer", feed.run(token.clone()));
            actors.spawn("sequencer", actor.run(peers, token));
        }
    }
}

impl Sequencer {
    fn new(
        config: SequencerConfig,
        core: &CoreHandle,
        reader: Arc<dyn ElReader>,
        network: Option<NetworkHandle>,
    ) -> Result<Self, NodeError> {
        // Origins have no blobs, so no beacon is asked.
        let beacons = BeaconClient::new(&[], None)?;
        let feed_config = L1FeedConfig::new(&config.rollup_config);
        let (feed, l1) = L1Feed::new(feed_config, &core.l1, beacons);
        let peers = SequencerPeers {
            engine: core.engine.clone(),
            el: reader,
            l1: Arc::new(l1),
            l1_heads: core.l1.watch(),
            network,
        };
        let (actor, handle) = SequencerActor::new(config)?;
        Ok(Self {
            actor,
            handle,
            peers,
            feed: feed.unmeasured(),
        })
    }
}

impl From<NetworkConfigError> for NodeError {
    fn from(error: NetworkConfigError) -> Self {
        match error {
            NetworkConfigError::Bind { .. } | NetworkConfigError::Listen { .. } => {
                Self::PeerPort(error)
            }
            NetworkConfigError::Discovery(DiscoveryError::Bind { .. }) => {
                Self::DiscoveryPort(error)
            }
            other => Self::Network(other),
        }
    }
}
