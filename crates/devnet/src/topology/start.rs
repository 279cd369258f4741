//! Starting the parts, each after those that it needs.

use super::{
    Devnet, DevnetError, ElEndpoints, Endpoints, Follower, FollowerEndpoints, MAX_FOLLOWERS,
    ports::{ElPorts, NodePorts, Ports},
    supervise,
};
use crate::{
    batcher::{Batcher, Ledger},
    clock::WallClock,
    config::{Blocks, DevnetConfig, EngineKind},
    deploy::{DeployedFiles, Deployment, write_json},
    l1_commands::L1Commands,
    l2_chain::L2Chain,
    sequencer::{Sequencer, SequencerHandle},
    source::{Commands, Source, SourceHandle, SourceRpc},
    traffic::Traffic,
};
use alloy_eips::eip7840::BlobParams;
use alloy_rpc_types_engine::JwtSecret;
use light_node_actor::{CancellationToken, Supervisor};
use light_node_devnet_el::{
    ElConfig, ElServer, ElServerConfig, ElSync, EmbeddedEl, InProcessEngine, SyncConfig,
};
use light_node_devnet_l1::EmbeddedL1;
use light_node_engine_api::{ElDeadlines, HttpEngineConfig, JwtSource};
use light_node_l1::{L1Config, L1FeedConfig};
use light_node_node::{
    DeriveSettings, EngineDoor, FollowSettings, MetricsCompat, MetricsConfig, Node, NodeConfig,
    NodeError, SIGNER_INTERVAL, SafeDbConfig, SafeSource, SyncMode, UpgradeBundles,
};
use light_node_protocol::L1ChainConfig;
use light_node_rpc::{MetricsHandle, RpcConfig};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio_util::sync::DropGuard;
use url::Url;

/// A devnet that is being started.
pub(super) struct Starting {
    config: DevnetConfig,
    deployment: Deployment,
    files: DeployedFiles,
    jwt: JwtSecret,
    ports: Ports,
    /// Everything but the followers.
    chain: Supervisor,
    nodes: Supervisor,
    /// Ends what has been started if the rest does not start.
    on_error: DropGuard,
}

/// An execution layer with its ports.
struct RunningEl {
    el: Arc<EmbeddedEl>,
    endpoints: ElEndpoints,
}

/// A light-node with its ports.
struct RunningNode {
    handle: Follower,
    endpoints: FollowerEndpoints,
}

/// What commands the parts that make the chain.
struct RunningChain {
    sequencer: SequencerHandle,
    source: SourceHandle,
    commands: Commands,
}

impl Starting {
    /// Describes the chain and writes the files. Genesis is one block time ago, so that the first block is due at once.
    pub(super) fn new(config: DevnetConfig, token: CancellationToken) -> Result<Self, DevnetError> {
        if config.followers > MAX_FOLLOWERS {
            let given = config.followers;
            return Err(DevnetError::TooManyFollowers { given });
        }
        let now = WallClock::new().now();
        let genesis_time = now.saturating_sub(config.block_time.as_secs());
        let deployment = Deployment::new(&config, genesis_time)?;
        let files = DeployedFiles::in_directory(&config.datadir);
        let jwt = files.write(&deployment)?;
        let chain = Supervisor::new(CancellationToken::new());
        Ok(Self {
            jwt,
            ports: Ports {
                stable: config.stable_ports,
            },
            config,
            deployment,
            files,
            on_error: chain.token().drop_guard(),
            chain,
            nodes: Supervisor::new(token.child_token()),
        })
    }

    pub(super) async fn start(mut self) -> Result<Devnet, DevnetError> {
        let l1 = self.start_l1().await?;
        let sequencer_el = self.start_el(self.ports.sequencer_el(), None)?;
        let chain = self.start_chain(&l1, &sequencer_el).await?;
        let deriver = self.start_deriver(&l1)?;
        let deriver_endpoints = deriver.as_ref().map(|node| node.endpoints.clone());
        let followed = deriver_endpoints
            .as_ref()
            .map_or_else(|| chain.source.url(), |node| node.rpc.clone());
        let (followers, follower_endpoints) =
            self.start_followers(&l1, &followed, &sequencer_el)?;
        let spare_el = self.start_el(self.ports.spare_el(), Some(&sequencer_el))?;

        let endpoints = Endpoints {
            l1_chain_id: self.deployment.rollup_config.l1_chain_id,
            l2_chain_id: self.deployment.rollup_config.l2_chain_id,
            l1: l1.url(),
            beacon: l1.beacon_url(),
            source: chain.source.url(),
            deriver: deriver_endpoints,
            sequencer: sequencer_el.endpoints,
            followers: follower_endpoints,
            spare: spare_el.endpoints,
            files: self.files,
        };
        write_json(&endpoints.files.endpoints, &endpoints)?;
        self.on_error.disarm();
        Ok(Devnet {
            config: self.config,
            deployment: self.deployment,
            endpoints,
            l1,
            sequencer: chain.sequencer,
            sequencer_el: sequencer_el.el,
            batcher: chain.commands.batcher,
            l1_commands: chain.commands.l1,
            source: chain.source,
            deriver: deriver.map(|node| node.handle),
            followers,
            spare_el: spare_el.el,
            token: self.nodes.token(),
            running: Some(tokio::spawn(supervise(self.nodes, self.chain))),
        })
    }

    /// Sequencer, batcher, source and traffic.
    async fn start_chain(
        &mut self,
        l1: &EmbeddedL1,
        sequencer_el: &RunningEl,
    ) -> Result<RunningChain, DevnetError> {
        let rollup = self.deployment.rollup_config.clone();
        let engine = Arc::new(InProcessEngine::new(
            sequencer_el.el.clone(),
            rollup.clone(),
        ));
        let l2 = L2Chain::new(sequencer_el.el.clone(), rollup.clone());
        let ledger = Ledger::default();
        let source = Source::new(l1.clone(), l2.clone(), ledger.clone());
        let status = source.subscribe();
        let by_clock = self.config.blocks == Blocks::ByClock;
        let (sequencer, sequencer_handle) = Sequencer::new(
            rollup.clone(),
            engine.clone(),
            l1.clone(),
            status.clone(),
            by_clock,
        );
        let (batcher, batcher_handle) = Batcher::new(
            l1.clone(),
            l2.clone(),
            ledger,
            status.clone(),
            self.config.batcher,
        );
        let commands = Commands {
            batcher: batcher_handle,
            l1: L1Commands::new(l1.clone()),
        };
        let rpc = SourceRpc {
            config: rollup,
            status,
            reader: engine,
            history: source.history(),
            commands: commands.clone(),
        };
        let source_handle = self.serve_source(rpc).await?;

        let token = self.chain.token();
        self.chain.spawn("sequencer", sequencer.run(token.clone()));
        self.chain.spawn("source", source.run(token.clone()));
        self.chain.spawn("batcher", batcher.run(token.clone()));
        if self.config.traffic {
            let traffic = Traffic::new(l1.clone(), l2);
            self.chain.spawn("traffic", traffic.run(token));
        }
        Ok(RunningChain {
            sequencer: sequencer_handle,
            source: source_handle,
            commands,
        })
    }

    async fn start_l1(&mut self) -> Result<EmbeddedL1, DevnetError> {
        self.deployment.l1.listen = self.ports.l1();
        let l1 = EmbeddedL1::start(self.deployment.l1.clone(), self.chain.token()).await?;
        let running = l1.clone();
        self.chain.spawn("l1", async move {
            running.stopped().await;
            Ok::<_, Infallible>(())
        });
        Ok(l1)
    }

    /// Starts an execution layer; with a `peer` it syncs from there.
    fn start_el(
        &mut self,
        ports: ElPorts,
        peer: Option<&RunningEl>,
    ) -> Result<RunningEl, DevnetError> {
        let el = EmbeddedEl::new(ElConfig {
            behaviour: self.config.el_behaviour,
            // All others sync from the one without a peer.
            is_only_copy: peer.is_none(),
            ..ElConfig::new(self.deployment.l2_genesis.clone())
        })?;
        let config = ElServerConfig {
            authrpc: ports.authrpc,
            http: ports.http,
            jwt: self.jwt,
        };
        let token = self.chain.token();
        let server = ElServer::start(el.clone(), config, token.clone())?;
        let endpoints = ElEndpoints {
            http: format!("http://{}", server.http_addr()),
            authrpc: format!("http://{}", server.authrpc_addr()),
        };
        self.chain.spawn("execution layer", async move {
            server.stopped().await;
            Ok::<_, Infallible>(())
        });
        if let Some(peer) = peer {
            let mut config = SyncConfig::new(Url::parse(&peer.endpoints.http)?);
            config.delay = self.config.el_sync_delay;
            config.batch = self.config.el_sync_batch;
            let sync = ElSync::new(el.clone(), config)?;
            self.chain.spawn("execution layer sync", async move {
                sync.run(token).await;
                Ok::<_, Infallible>(())
            });
        }
        Ok(RunningEl { el, endpoints })
    }

    async fn serve_source(&mut self, rpc: SourceRpc) -> Result<SourceHandle, DevnetError> {
        let source = SourceHandle::serve(rpc, self.ports.source()).await?;
        let (serving, token) = (source.clone(), self.chain.token());
        self.chain.spawn("source rpc", async move {
            token.cancelled().await;
            serving.stop_serving().await;
            Ok::<_, Infallible>(())
        });
        Ok(source)
    }

    /// Its execution layer has no peer: every block that it has came from L1.
    fn start_deriver(&mut self, l1: &EmbeddedL1) -> Result<Option<RunningNode>, DevnetError> {
        if !self.config.deriver {
            return Ok(None);
        }
        let ports = self.ports.deriver();
        let el = self.start_el(ports.el, None)?;
        let safe_source = SafeSource::Derive(DeriveSettings {
            beacons: vec![Url::parse(&l1.beacon_url())?],
            slot_duration: None,
            feed: L1FeedConfig::new(&self.deployment.rollup_config),
            l1_chain: L1ChainConfig::new(vec![(0, BlobParams::prague())]),
            upgrades: UpgradeBundles::default(),
            l1_confirmations: 0,
            sync_mode: SyncMode::ConsensusLayer,
            el_safe_offset: Duration::ZERO,
        });
        let config = self.node_config(&ports, l1, safe_source, &el)?;
        let node = self.start_node("deriver", config, el);
        node.map(Some).map_err(DevnetError::Deriver)
    }

    fn start_followers(
        &mut self,
        l1: &EmbeddedL1,
        followed: &str,
        sequencer_el: &RunningEl,
    ) -> Result<(Vec<Follower>, Vec<FollowerEndpoints>), DevnetError> {
        let (mut followers, mut endpoints) = (Vec::new(), Vec::new());
        for (index, number) in (0..).zip(1..=self.config.followers) {
            let ports = self.ports.follower(index);
            let el = self.start_el(ports.el, Some(sequencer_el))?;
            let safe_source = SafeSource::Follow(FollowSettings {
                source: Url::parse(followed)?,
                poll_interval: Duration::from_secs(1),
                max_age: Duration::from_secs(120),
                request_deadline: Duration::from_secs(5),
            });
            let config = self.node_config(&ports, l1, safe_source, &el)?;
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
        Ok(RunningNode {
            endpoints: FollowerEndpoints {
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
            network: None,
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
}
