//! Starting the parts, each after those that it needs.

mod nodes;

use super::{
    Devnet, DevnetError, ElEndpoints, Endpoints, Follower, FollowerEndpoints, MAX_FOLLOWERS,
    ports::{ElPorts, Ports},
    supervise,
};
use crate::{
    batcher::{Batcher, Ledger},
    clock::WallClock,
    config::{Blocks, DevnetConfig},
    deploy::{DeployedFiles, Deployment, write_json},
    l1_commands::L1Commands,
    l2_chain::L2Chain,
    sequencer::{Sequencer, SequencerHandle},
    source::{Commands, Source, SourceHandle, SourceRpc},
    traffic::Traffic,
};
use alloy_rpc_types_engine::JwtSecret;
use light_node_actor::{CancellationToken, Supervisor};
use light_node_devnet_el::{
    ElConfig, ElServer, ElServerConfig, ElSync, EmbeddedEl, InProcessEngine, SyncConfig,
};
use light_node_devnet_l1::EmbeddedL1;
use std::{convert::Infallible, sync::Arc};
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
    /// The record of the first node of the network, by which the others find everybody.
    bootnode: Option<String>,
    /// Ends what has been started if the rest does not start.
    on_error: DropGuard,
}

/// An execution layer with its ports.
#[derive(Clone)]
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
    /// Describes the chain and writes the files. Genesis is one block time ago, so that the first block is due at once, and older by
    /// [`DevnetConfig::age`].
    pub(super) fn new(config: DevnetConfig, token: CancellationToken) -> Result<Self, DevnetError> {
        if config.followers > MAX_FOLLOWERS {
            let given = config.followers;
            return Err(DevnetError::TooManyFollowers { given });
        }
        if config.blocks == Blocks::ByLightSequencer && !config.deriver {
            return Err(DevnetError::NobodyDerives);
        }
        let now = WallClock::new().now();
        let genesis_time = now.saturating_sub((config.block_time + config.age).as_secs());
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
            bootnode: None,
        })
    }

    pub(super) async fn start(mut self) -> Result<Devnet, DevnetError> {
        let l1 = self.start_l1().await?;
        let sequencer_el = self.start_el(self.ports.sequencer().el, None)?;
        let chain = self.start_chain(&l1, &sequencer_el).await?;
        let deriver = self.start_deriver(&l1)?;
        let deriver_endpoints = deriver.as_ref().map(|node| node.endpoints.clone());
        let followed = deriver_endpoints
            .as_ref()
            .map_or_else(|| chain.source.url(), |node| node.rpc.clone());
        let sequencer_node = self.start_sequencer_node(&l1, &followed, &sequencer_el)?;
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
            sequencer_node: sequencer_node.as_ref().map(|node| node.endpoints.clone()),
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
            sequencer_node: sequencer_node.map(|node| node.handle),
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

    /// The script that sequences if no light-node does, batcher, source and traffic.
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
        let by_clock = self.config.blocks == Blocks::ByScript;
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
        if self.config.blocks.are_scripted() {
            self.chain.spawn("sequencer", sequencer.run(token.clone()));
        }
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
}
