//! Starting the parts, each after those that it needs.

use super::{
    Devnet, DevnetError, ElEndpoints, Endpoints, Follower, FollowerEndpoints, MAX_FOLLOWERS,
    ports::{ElPorts, Ports},
    supervise,
};
use crate::{
    batcher::{Batcher, Ledger},
    clock::WallClock,
    config::{Blocks, DevnetConfig, EngineKind},
    deploy::{DeployedFiles, Deployment, write_json},
    l2_chain::L2Chain,
    sequencer::Sequencer,
    source::{Source, SourceHandle, SourceRpc},
    traffic::Traffic,
};
use alloy_rpc_types_engine::JwtSecret;
use light_node_actor::{CancellationToken, Supervisor};
use light_node_devnet_el::{
    ElConfig, ElServer, ElServerConfig, ElSync, EmbeddedEl, InProcessEngine, SyncConfig,
};
use light_node_devnet_l1::EmbeddedL1;
use light_node_engine_api::{ElDeadlines, HttpEngineConfig, JwtSource};
use light_node_l1::L1Config;
use light_node_node::{
    EngineDoor, FollowSettings, MetricsCompat, MetricsConfig, Node, NodeConfig, SafeSource,
};
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
        let rollup = self.deployment.rollup_config.clone();
        let sequencer_el = self.start_el(self.ports.sequencer_el(), None)?;
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
        let (batcher, batcher_handle) =
            Batcher::new(l1.clone(), l2.clone(), ledger, status.clone());
        let rpc = SourceRpc {
            config: rollup,
            status,
            reader: engine,
            history: source.history(),
        };
        let source_handle = self.serve_source(rpc).await?;

        let token = self.chain.token();
        self.chain.spawn("sequencer", sequencer.run(token.clone()));
        self.chain.spawn("source", source.run(token.clone()));
        self.chain.spawn("batcher", batcher.run(token.clone()));
        if self.config.traffic {
            self.chain
                .spawn("traffic", Traffic::new(l1.clone(), l2).run(token));
        }
        let (followers, follower_endpoints) =
            self.start_followers(&l1, &source_handle, &sequencer_el)?;
        let spare_el = self.start_el(self.ports.spare_el(), Some(&sequencer_el))?;

        let endpoints = Endpoints {
            l1_chain_id: self.deployment.rollup_config.l1_chain_id,
            l2_chain_id: self.deployment.rollup_config.l2_chain_id,
            l1: l1.url(),
            beacon: l1.beacon_url(),
            source: source_handle.url(),
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
            sequencer: sequencer_handle,
            sequencer_el: sequencer_el.el,
            batcher: batcher_handle,
            source: source_handle,
            followers,
            spare_el: spare_el.el,
            token: self.nodes.token(),
            running: Some(tokio::spawn(supervise(self.nodes, self.chain))),
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

    fn start_followers(
        &mut self,
        l1: &EmbeddedL1,
        source: &SourceHandle,
        sequencer_el: &RunningEl,
    ) -> Result<(Vec<Follower>, Vec<FollowerEndpoints>), DevnetError> {
        let (mut followers, mut endpoints) = (Vec::new(), Vec::new());
        for (index, number) in (0..).zip(1..=self.config.followers) {
            let el = self.start_el(self.ports.follower_el(index), Some(sequencer_el))?;
            let config = self.node_config(index, l1, source, &el)?;
            let (node, handle) =
                Node::new(config).map_err(|source| DevnetError::Follower { number, source })?;
            // A node's future is large.
            self.nodes
                .spawn("follower", Box::pin(node.run(self.nodes.token())));
            let metrics = handle.metrics().map(MetricsHandle::local_addr);
            endpoints.push(FollowerEndpoints {
                rpc: format!("http://{}", handle.rpc_addr()),
                metrics: metrics.map_or_else(String::new, |addr| format!("http://{addr}/metrics")),
                el: el.endpoints,
            });
            followers.push(Follower {
                node: handle,
                el: el.el,
            });
        }
        // Without it a devnet without followers would end at once.
        let token = self.nodes.token();
        self.nodes.spawn("followers", async move {
            token.cancelled().await;
            Ok::<_, Infallible>(())
        });
        Ok((followers, endpoints))
    }

    fn node_config(
        &self,
        index: u16,
        l1: &EmbeddedL1,
        source: &SourceHandle,
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
            safe_source: SafeSource::Follow(FollowSettings {
                source: Url::parse(&source.url())?,
                poll_interval: Duration::from_secs(1),
                max_age: Duration::from_secs(120),
                request_deadline: Duration::from_secs(5),
            }),
            rpc: RpcConfig {
                listen: self.ports.follower(index),
                enable_admin: true,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            metrics: Some(MetricsConfig {
                listen: self.ports.follower_metrics(index),
                compat: MetricsCompat::default(),
            }),
            // The devnet says itself where all its parts are.
            status_interval: None,
            rollup_config,
        })
    }
}
