//! The actors of the unsafe chain, wired: who reads the signer from L1, the network, and on a sequencer who makes blocks. They
//! exist only in a whole node: they have ports and keys.

use crate::{CoreHandle, NodeConfig, NodeError, SafeSource};
use alloy_primitives::Address;
use light_node_actor::Supervisor;
use light_node_engine_api::ElReader;
use light_node_l1::{BeaconClient, L1Feed, L1FeedConfig, SignerConfig, SignerWatcher};
use light_node_metrics::{Catalogue, RequestMetrics};
use light_node_network::{
    DiscoveryError, NetworkActor, NetworkConfig, NetworkConfigError, NetworkHandle,
};
use light_node_protocol::RollupConfig;
use light_node_rpc::SafeSourceHandle;
use light_node_sequencer::{
    SequencerActor, SequencerConfig, SequencerHandle, SequencerPeers, SourceHead, SourceWord,
};
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
        let sequencer = config.sequencer.take();
        Self {
            system_config: config.rollup_config.l1_system_config_address,
            network: config.network.take(),
            signer_interval: config.signer_interval,
            signer_confirmations: config.safe_source.l1_confirmations(),
            sequencer: sequencer.map(|sequencer| beside(&config.safe_source, sequencer)),
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
        let feed_config = origins_feed(&config.rollup_config);
        let (feed, l1) = L1Feed::new(feed_config, &core.l1, beacons);
        let peers = SequencerPeers {
            engine: core.engine.clone(),
            el: reader,
            l1: Arc::new(l1),
            l1_heads: core.l1.watch(),
            network,
            source_head: source_head(&core.safe_source),
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

/// The sequencer beside a safe source: one that is silent for longer than it may be old is not waited for.
fn beside(safe_source: &SafeSource, sequencer: SequencerConfig) -> SequencerConfig {
    match safe_source {
        SafeSource::Follow(follow) => SequencerConfig {
            source_patience: follow.max_age,
            ..sequencer
        },
        SafeSource::Derive(_) => sequencer,
    }
}

/// How L1 is read for origins: the sequencer holds eight of them, and takes one each L1 block.
fn origins_feed(rollup: &RollupConfig) -> L1FeedConfig {
    let mut feed = L1FeedConfig::new(rollup);
    feed.window_blocks = 16;
    feed.window_bytes = 32 << 20;
    feed.max_concurrency = 4;
    feed
}

/// What the follow source calls its unsafe head, if one is followed.
fn source_head(safe_source: &SafeSourceHandle) -> Option<SourceHead> {
    let SafeSourceHandle::Follow(follow) = safe_source else {
        return None;
    };
    let follow = follow.clone();
    Some(SourceHead::new(move || {
        let status = follow.status();
        Some(SourceWord {
            unsafe_head: status.reported?.unsafe_l2,
            age: status.answer_age?,
        })
    }))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::FollowSettings;
    use light_node_protocol::L1ChainConfig;

    #[test]
    fn a_light_sequencer_waits_for_its_source_as_long_as_that_may_be_old() {
        let rollup = Arc::new(RollupConfig::default());
        let sequencer =
            SequencerConfig::new(rollup, L1ChainConfig::new(Vec::new()), Default::default());
        let max_age = Duration::from_secs(7);
        let follow = SafeSource::Follow(FollowSettings {
            source: "http://127.0.0.1:1".parse().unwrap(),
            poll_interval: Duration::from_secs(1),
            max_age,
            request_deadline: Duration::from_secs(5),
        });
        assert_eq!(beside(&follow, sequencer).source_patience, max_age);
    }

    #[test]
    fn the_sequencer_reads_no_more_of_l1_than_it_holds_twice_over() {
        let feed = origins_feed(&RollupConfig::default());
        assert_eq!((feed.window_blocks, feed.max_concurrency), (16, 4));
        assert_eq!(feed.window_bytes, 32 << 20);
    }
}
