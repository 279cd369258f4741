//! Starting the light-nodes of a devnet: who derives, who sequences, who follows, and the network between them.

use super::{RunningEl, RunningNode, Starting};
use crate::{
    UNSAFE_BLOCK_SIGNER,
    config::{Blocks, EngineKind},
    topology::{DevnetError, Follower, FollowerEndpoints, P2pEndpoints, ports::NodePorts},
};
use alloy_eips::eip7840::BlobParams;
use light_node_actor::random_id;
use light_node_devnet_el::InProcessEngine;
use light_node_devnet_l1::EmbeddedL1;
use light_node_engine_api::{ElDeadlines, HttpEngineConfig, JwtSource};
use light_node_l1::{L1Config, L1FeedConfig};
use light_node_network::{BlockSigner, DiscoveryConfig, Listen, node_key_from_hex};
use light_node_node::{
    DeriveSettings, EngineDoor, FollowSettings, MetricsCompat, MetricsConfig, NetworkConfig, Node,
    NodeConfig, NodeError, SIGNER_INTERVAL, SafeDbConfig, SafeSource, SequencerConfig, SyncMode,
    UpgradeBundles,
};
use light_node_protocol::L1ChainConfig;
use light_node_rpc::{MetricsHandle, RpcConfig};
use std::{convert::Infallible, sync::Arc, time::Duration};
use url::Url;

/// An L1 block that is so far below the head is seldom reorged away under the sequencer.
const SEQUENCER_L1_CONFIRMATIONS: u64 = 2;

/// Everybody is there after a few seconds.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(1);

impl Starting {
    /// Its execution layer has no peer: every block that it has came from L1.
    pub(super) fn start_deriver(
        &mut self,
        l1: &EmbeddedL1,
    ) -> Result<Option<RunningNode>, DevnetError> {
        if !self.config.deriver {
            return Ok(None);
        }
        let ports = self.ports.deriver();
        let el = self.start_el(ports.el, None)?;
        let config = self.node_config(&ports, l1, self.derive(l1)?, &el)?;
        let node = self.start_node("deriver", config, el);
        node.map(Some).map_err(DevnetError::Deriver)
    }

    /// The light-node that sequences, on the execution layer that has the chain.
    pub(super) fn start_sequencer_node(
        &mut self,
        l1: &EmbeddedL1,
        followed: &str,
        el: &RunningEl,
    ) -> Result<Option<RunningNode>, DevnetError> {
        let safe_source = match self.config.blocks {
            Blocks::BySequencer => self.derive(l1)?,
            Blocks::ByLightSequencer => follow(followed)?,
            Blocks::ByHand | Blocks::ByScript | Blocks::OnCommand => return Ok(None),
        };
        let ports = self.ports.sequencer();
        let mut config = self.node_config(&ports, l1, safe_source, el)?;
        config.sequencer = Some(SequencerConfig {
            l1_confirmations: SEQUENCER_L1_CONFIRMATIONS,
            ..SequencerConfig::new(
                config.rollup_config.clone(),
                l1_chain(),
                UpgradeBundles::default(),
            )
        });
        if let Some(network) = &mut config.network {
            network.signer = Some(BlockSigner::Local(UNSAFE_BLOCK_SIGNER.signer()));
        }
        let node = self.start_node("sequencer", config, el.clone());
        node.map(Some).map_err(DevnetError::Sequencer)
    }

    fn derive(&self, l1: &EmbeddedL1) -> Result<SafeSource, DevnetError> {
        Ok(SafeSource::Derive(DeriveSettings {
            beacons: vec![Url::parse(&l1.beacon_url())?],
            slot_duration: None,
            feed: L1FeedConfig::new(&self.deployment.rollup_config),
            l1_chain: l1_chain(),
            upgrades: UpgradeBundles::default(),
            l1_confirmations: 0,
            sync_mode: SyncMode::ConsensusLayer,
            el_safe_offset: Duration::ZERO,
        }))
    }

    pub(super) fn start_followers(
        &mut self,
        l1: &EmbeddedL1,
        followed: &str,
        sequencer_el: &RunningEl,
    ) -> Result<(Vec<Follower>, Vec<FollowerEndpoints>), DevnetError> {
        let (mut followers, mut endpoints) = (Vec::new(), Vec::new());
        for (index, number) in (0..).zip(1..=self.config.followers) {
            let ports = self.ports.follower(index);
            let el = self.start_el(ports.el, Some(sequencer_el))?;
            let config = self.node_config(&ports, l1, follow(followed)?, &el)?;
            let node = self
                .start_node("follower", config, el)
                .map_err(|source| DevnetError::Follower { number, source })?;
            endpoints.push(node.endpoints);
            followers.push(node.handle);
        }
        // Without it a devnet without followers would end at once.
        let token = self.nodes.token();
        self.nodes.spawn("followers", async move {
            token.cancelled().await;
            Ok::<_, Infallible>(())
        });
        Ok((followers, endpoints))
    }

    fn start_node(
        &mut self,
        name: &'static str,
        config: NodeConfig,
        el: RunningEl,
    ) -> Result<RunningNode, NodeError> {
        let (node, handle) = Node::new(config)?;
        // A node's future is large.
        self.nodes
            .spawn(name, Box::pin(node.run(self.nodes.token())));
        let metrics = handle.metrics().map(MetricsHandle::local_addr);
        let p2p = handle.network.as_ref().map(|network| {
            let local = network.local_node();
            let address = local.addresses.first();
            P2pEndpoints {
                enr: local.enr,
                address: address.map_or_else(String::new, ToString::to_string),
            }
        });
        if let (None, Some(p2p)) = (&self.bootnode, &p2p) {
            self.bootnode = Some(p2p.enr.clone());
        }
        Ok(RunningNode {
            endpoints: FollowerEndpoints {
                p2p,
                rpc: format!("http://{}", handle.rpc_addr()),
                metrics: metrics.map_or_else(String::new, |addr| format!("http://{addr}/metrics")),
                el: el.endpoints,
            },
            handle: Follower {
                node: handle,
                el: el.el,
            },
        })
    }

    fn node_config(
        &self,
        ports: &NodePorts,
        l1: &EmbeddedL1,
        safe_source: SafeSource,
        el: &RunningEl,
    ) -> Result<NodeConfig, DevnetError> {
        let rollup_config = self.deployment.rollup_config.clone();
        let engine = match self.config.engine {
            EngineKind::Http => EngineDoor::Http(HttpEngineConfig {
                url: Url::parse(&el.endpoints.authrpc)?,
                jwt: JwtSource::File(self.files.jwt.clone()),
                rollup_config: rollup_config.clone(),
                deadlines: ElDeadlines::default(),
            }),
            EngineKind::InProcess => EngineDoor::InProcess(Arc::new(InProcessEngine::new(
                el.el.clone(),
                rollup_config.clone(),
            ))),
        };
        let l1_url = Url::parse(&l1.url())?;
        Ok(NodeConfig {
            engine,
            l1: L1Config::new(
                vec![l1_url],
                rollup_config.l1_chain_id,
                rollup_config.genesis.l1,
            )
            .with_block_time(self.config.l1_block_time)
            .with_epoch_poll_interval(self.config.l1_block_time),
            safe_source,
            network: self.network(ports),
            signer_interval: SIGNER_INTERVAL,
            sequencer: None,
            // Its files are those of the chain; what a node remembers goes with the process.
            safe_db: Some(SafeDbConfig::new(None)),
            rpc: RpcConfig {
                listen: ports.rpc,
                enable_admin: true,
                set_log_level: None,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            metrics: Some(MetricsConfig {
                listen: ports.metrics,
                compat: MetricsCompat::default(),
            }),
            // The devnet says itself where all its parts are.
            status_interval: None,
            rollup_config,
        })
    }

    /// Discovery on the loopback interface: all know the first node, and find the others through it.
    fn network(&self, ports: &NodePorts) -> Option<NetworkConfig> {
        if !self.config.blocks.are_gossiped() {
            return None;
        }
        let rollup_config = self.deployment.rollup_config.clone();
        // The keys of a devnet go with the process.
        let key = format!("{:032x}{:032x}", random_id(), random_id());
        let key = node_key_from_hex(&key).expect("hardly any 32 bytes are no key");
        let mut network = NetworkConfig::new(rollup_config, key);
        network.listen = Listen {
            ip: ports.p2p.ip(),
            tcp_port: ports.p2p.port(),
            udp_port: 0,
        };
        network.advertise.ip = Some(ports.p2p.ip());
        network.discovery = Some(DiscoveryConfig {
            bootnodes: self.bootnode.iter().cloned().collect(),
            store_path: None,
            interval: DISCOVERY_INTERVAL,
        });
        Some(network)
    }
}

fn follow(source: &str) -> Result<SafeSource, url::ParseError> {
    Ok(SafeSource::Follow(FollowSettings {
        source: Url::parse(source)?,
        poll_interval: Duration::from_secs(1),
        max_age: Duration::from_secs(120),
        request_deadline: Duration::from_secs(5),
    }))
}

/// The embedded L1 has the blob parameters of Prague from its genesis on.
fn l1_chain() -> L1ChainConfig {
    L1ChainConfig::new(vec![(0, BlobParams::prague())])
}
