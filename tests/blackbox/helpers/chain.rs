//! A chain for one test: the devnet in this process without followers, and the flags by which the binary joins it on the
//! execution layer that nobody drives.

use super::{flags::Flags, rpc::Rpc};
use alloy_genesis::Genesis;
use alloy_primitives::B256;
use alloy_rpc_types_engine::JwtSecret;
use light_node_actor::CancellationToken;
use light_node_devnet::{
    BatcherHandle, Blocks, Devnet, DevnetConfig, ElBehaviour, Endpoints, L1Commands,
    SequencerHandle, SourceHandle,
};
use light_node_devnet_el::{ElConfig, ElServer, ElServerConfig, ElSync, EmbeddedEl, SyncConfig};
use light_node_devnet_l1::EmbeddedL1;
use light_node_protocol::{Hardfork, SyncStatus};
use op_alloy_rpc_types_engine::{OpExecutionPayload, OpExecutionPayloadEnvelope};
use serde_json::Value;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use url::Url;

/// Steps after which a state that was to come will not come: safe follows unsafe within two, finalized within its lag.
const STEPS_MAX: usize = 200;

/// How long the parts of the devnet may take to see a block; they share this process.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// How long the batcher gets to send before the next L1 block. Lost where it has nothing to send, and a step more is taken
/// where it was too slow.
const SEND_LIMIT: Duration = Duration::from_millis(200);

/// What a test may choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) fork: Hardfork,
    pub(crate) blocks: Blocks,
    pub(crate) l1_block_seconds: u64,
    /// Blocks by which the finalized label of L1 stays behind; no reorg is deeper.
    pub(crate) finalized_lag: u64,
    /// Wait of the spare execution layer before each request of its sync.
    pub(crate) el_sync_delay: Duration,
    /// Whose ways the execution layers have.
    pub(crate) el_behaviour: ElBehaviour,
}

impl Settings {
    /// Nothing happens by itself: a step mines one L1 block and builds one L2 block on it.
    pub(crate) const fn on_command() -> Self {
        Self {
            fork: Hardfork::Jovian,
            blocks: Blocks::OnCommand,
            l1_block_seconds: 1,
            finalized_lag: 4,
            el_sync_delay: Duration::ZERO,
            el_behaviour: ElBehaviour::OpReth,
        }
    }

    /// An L2 block every second, an L1 block every two, with transactions in both.
    pub(crate) const fn by_clock(fork: Hardfork) -> Self {
        Self {
            fork,
            blocks: Blocks::ByScript,
            l1_block_seconds: 2,
            finalized_lag: 2,
            ..Self::on_command()
        }
    }
}

/// A running chain. It ends with the test.
#[derive(Debug)]
pub(crate) struct Chain {
    devnet: Box<Devnet>,
    dir: TempDir,
}

impl Chain {
    pub(crate) async fn start(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = DevnetConfig {
            fork: settings.fork,
            block_time: Duration::from_secs(1),
            l1_block_time: Duration::from_secs(settings.l1_block_seconds),
            l1_safe_lag: 1,
            l1_finalized_lag: settings.finalized_lag,
            deriver: false,
            followers: 0,
            el_sync_delay: settings.el_sync_delay,
            el_behaviour: settings.el_behaviour,
            blocks: settings.blocks,
            traffic: settings.blocks == Blocks::ByScript,
            ..DevnetConfig::new(dir.path().to_owned())
        };
        let devnet = Box::pin(Devnet::start(config, CancellationToken::new()))
            .await
            .unwrap();
        let devnet = Box::new(devnet);
        Self { devnet, dir }
    }

    /// Flags with which the binary follows this chain's source on the spare execution layer.
    pub(crate) fn flags(&self) -> Flags {
        let endpoints = self.devnet.endpoints();
        let l1_block_time = self.devnet.config().l1_block_time.as_secs();
        Flags::default()
            .with("--l2.follow.source", &endpoints.source)
            .with("--l2.follow.poll-interval", "100ms")
            .with("--l2", &endpoints.spare.authrpc)
            .with("--l2.jwt-secret", endpoints.files.jwt.display())
            .with("--l1", &endpoints.l1)
            .with("--l1.slot-duration", format!("{l1_block_time}s"))
            .with("--l1.epoch-poll-interval", format!("{l1_block_time}s"))
            .with("--rollup.config", endpoints.files.rollup.display())
            .with("--rpc.port", 0)
            .with("--metrics.port", 0)
    }

    /// Where everything is served.
    pub(crate) const fn endpoints(&self) -> &Endpoints {
        self.devnet.endpoints()
    }

    /// A directory for files of the test.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn rollup_config(&self) -> &PathBuf {
        &self.devnet.endpoints().files.rollup
    }

    pub(crate) const fn l1(&self) -> &EmbeddedL1 {
        self.devnet.l1()
    }

    pub(crate) const fn batcher(&self) -> &BatcherHandle {
        self.devnet.batcher()
    }

    pub(crate) const fn l1_commands(&self) -> &L1Commands {
        self.devnet.l1_commands()
    }

    pub(crate) const fn source(&self) -> &SourceHandle {
        self.devnet.source()
    }

    const fn sequencer(&self) -> &SequencerHandle {
        self.devnet.sequencer()
    }

    /// The execution layer that has the chain.
    pub(crate) const fn sequencer_el(&self) -> &Arc<EmbeddedEl> {
        self.devnet.sequencer_el()
    }

    /// The execution layer that [`Self::flags`] name.
    pub(crate) const fn spare_el(&self) -> &Arc<EmbeddedEl> {
        self.devnet.spare_el()
    }

    /// Where the spare execution layer serves the Engine API.
    pub(crate) fn spare_el_authrpc(&self) -> SocketAddr {
        let url = &self.devnet.endpoints().spare.authrpc;
        url.trim_start_matches("http://").parse().unwrap()
    }

    /// URL of the spare execution layer's port for wallets.
    pub(crate) fn spare_el_http(&self) -> &str {
        &self.devnet.endpoints().spare.http
    }

    /// The spare execution layer's port for wallets.
    pub(crate) fn spare_el_rpc(&self) -> Rpc {
        Rpc::url(self.spare_el_http())
    }

    /// Asserts that `el` has the sequencer's blocks up to `last`.
    pub(crate) fn has_the_sequencers_blocks(&self, el: &EmbeddedEl, last: u64) {
        for number in 0..=last {
            let expected = self.hash_on_sequencer_el(number);
            assert_eq!(hash_at(el, number), expected, "block {number}");
        }
    }

    /// Hash of the spare execution layer's canonical block.
    pub(crate) fn hash_on_spare_el(&self, number: u64) -> Option<B256> {
        hash_at(self.devnet.spare_el(), number)
    }

    /// Hash of the sequencer's canonical block.
    pub(crate) fn hash_on_sequencer_el(&self, number: u64) -> Option<B256> {
        hash_at(self.devnet.sequencer_el(), number)
    }

    /// The sequencer's block, as it would come by gossip.
    pub(crate) fn envelope(&self, number: u64) -> Value {
        let view = self.devnet.sequencer_el().view();
        let block = view.block_by_number(number).unwrap();
        let (execution_payload, _) =
            OpExecutionPayload::from_block_unchecked(block.hash, &block.block);
        let envelope = OpExecutionPayloadEnvelope {
            parent_beacon_block_root: block.header().parent_beacon_block_root,
            execution_payload,
        };
        serde_json::to_value(envelope).unwrap()
    }

    /// One more execution layer with the spare one's ways, which fetches from the sequencer's, too, and where it serves the Engine
    /// API. It runs until the test's runtime ends.
    pub(crate) fn another_el(&self) -> (Arc<EmbeddedEl>, SocketAddr) {
        self.another_el_with(|_| {})
    }

    /// The same on a genesis file that `change` has changed.
    pub(crate) fn another_el_with(
        &self,
        change: impl FnOnce(&mut Genesis),
    ) -> (Arc<EmbeddedEl>, SocketAddr) {
        let endpoints = self.endpoints();
        let mut genesis = self.devnet.deployment().l2_genesis.clone();
        change(&mut genesis);
        let el = EmbeddedEl::new(ElConfig {
            behaviour: self.devnet.config().el_behaviour,
            ..ElConfig::new(genesis)
        })
        .unwrap();
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let config = ElServerConfig {
            authrpc: any_port,
            http: any_port,
            jwt: JwtSecret::from_file(&endpoints.files.jwt).unwrap(),
        };
        let token = CancellationToken::new();
        let server = ElServer::start(el.clone(), config, token.clone()).unwrap();
        let peer = Url::parse(&endpoints.sequencer.http).unwrap();
        let sync = ElSync::new(el.clone(), SyncConfig::new(peer)).unwrap();
        tokio::spawn(sync.run(token));
        (el, server.authrpc_addr())
    }

    /// Builds L2 blocks up to `number` on the L1 blocks that there are.
    pub(crate) async fn build_up_to(&self, number: u64) {
        while self.source().status().unsafe_l2.number < number {
            let block = self.sequencer().build().await.unwrap();
            self.source_until("the built block", |status| status.unsafe_l2 == block)
                .await;
        }
    }

    /// One L1 block and one L2 block, which takes it as origin.
    async fn step(&self) -> SyncStatus {
        self.l1().mine(1).unwrap();
        let block = self.sequencer().build().await.unwrap();
        self.source_until("the built block", |status| status.unsafe_l2 == block)
            .await;
        self.source_at_l1_head().await
    }

    /// Steps until the source says so.
    pub(crate) async fn step_until(&self, is_there: impl Fn(&SyncStatus) -> bool) -> SyncStatus {
        for _ in 0..STEPS_MAX {
            self.batches_are_sent().await;
            let status = self.step().await;
            if is_there(&status) {
                return status;
            }
        }
        panic!(
            "not within {STEPS_MAX} steps: {:#?}",
            self.source().status()
        );
    }

    /// Mines until all of L2 is safe. Nothing moves afterwards.
    pub(crate) async fn settle(&self) -> SyncStatus {
        for _ in 0..STEPS_MAX {
            self.batches_are_sent().await;
            self.l1().mine(1).unwrap();
            let status = self.source_at_l1_head().await;
            if status.safe_l2 == status.unsafe_l2 {
                return status;
            }
        }
        panic!(
            "not within {STEPS_MAX} L1 blocks: {:#?}",
            self.source().status()
        );
    }

    /// On a chain on which all is safe: builds a block and waits until its batch is sent, and no other, so that the next L1 block
    /// makes it safe.
    pub(crate) async fn build_and_send(&self) -> SyncStatus {
        for _ in 0..STEPS_MAX {
            let next = self.source().status().unsafe_l2.number + 1;
            self.build_up_to(next).await;
            self.l1().mine(1).unwrap();
            let status = self.source_at_l1_head().await;
            // Mined already if the batcher had looked at the block before it.
            if status.safe_l2.number < next {
                let sent = tokio::time::timeout(STEP_LIMIT, self.until_batch_is_sent()).await;
                sent.expect("the batcher sends");
                return status;
            }
        }
        panic!("no batch waits within {STEPS_MAX} L1 blocks");
    }

    /// One behind a nonce that a reorg took away is not counted: it stays in the pool, and no block takes it.
    async fn until_batch_is_sent(&self) {
        let mut ready = self.l1().ready_transactions();
        let sent = ready.wait_for(|count| *count > 0).await;
        sent.expect("the L1 is the chain's own");
    }

    /// Waits until the source has looked at the head of L1.
    pub(crate) async fn source_at_l1_head(&self) -> SyncStatus {
        let head = self.l1().heads().latest;
        self.source_until("the L1 head", |status| {
            status.current_l1 == head && status.head_l1 == head
        })
        .await
    }

    /// Sending is asynchronous to mining: what is unsafe waits in the pool after a moment.
    async fn batches_are_sent(&self) {
        let status = self.source().status();
        if status.safe_l2 == status.unsafe_l2 || self.batcher().is_paused() {
            return;
        }
        // After a reorg the batcher may wait for more L1 blocks before it sends again.
        let _ = tokio::time::timeout(SEND_LIMIT, self.until_batch_is_sent()).await;
    }

    async fn source_until(
        &self,
        what: &str,
        is_there: impl FnMut(&SyncStatus) -> bool,
    ) -> SyncStatus {
        let mut statuses = self.source().subscribe();
        let there = tokio::time::timeout(STEP_LIMIT, statuses.wait_for(is_there)).await;
        let Ok(status) = there else {
            panic!(
                "the source did not see {what}: {:#?}",
                self.source().status()
            );
        };
        *status.unwrap()
    }
}

fn hash_at(el: &EmbeddedEl, number: u64) -> Option<B256> {
    el.view().block_by_number(number).map(|block| block.hash)
}
