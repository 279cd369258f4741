//! Where op-reth and op-geth differ, over the wire and without it: each is imitated to the letter.

use crate::chain::{Chain, fixture, http_door};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use alloy_rpc_types_engine::{ForkchoiceState, JwtSecret, PayloadStatusEnum};
use light_node_devnet_el::{
    ElBehaviour, ElServer, ElServerConfig, ElServerHandle, ElSync, EmbeddedEl, InProcessEngine,
    SyncConfig, SyncProgress,
};
use light_node_engine_api::{
    ElError, EngineApi,
    conformance::{Built, Fixture},
};
use light_node_protocol::Hardfork;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Far more than a sync takes.
const LIMIT: Duration = Duration::from_secs(60);

/// An execution layer of one behaviour behind one door, and the chain it is to follow.
struct Subject {
    behaviour: ElBehaviour,
    el: Arc<EmbeddedEl>,
    /// Where it is served, unless it is called without a wire.
    server: Option<ElServerHandle>,
    fixture: Fixture,
    /// The fixture's builder, which the subject syncs from.
    peer: ElServerHandle,
    token: CancellationToken,
    _stop: DropGuard,
}

fn serve(el: Arc<EmbeddedEl>, jwt: JwtSecret, token: &CancellationToken) -> ElServerHandle {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = ElServerConfig {
        authrpc: any,
        http: any,
        jwt,
    };
    ElServer::start(el, config, token.clone()).unwrap()
}

impl Subject {
    fn new(behaviour: ElBehaviour, over_http: bool) -> Self {
        let chain = Chain::new(Hardfork::Isthmus);
        let (jwt, token) = (JwtSecret::random(), CancellationToken::new());
        let el = chain.embedded_as(behaviour);
        let server = over_http.then(|| serve(el.clone(), jwt, &token));
        let door: Arc<dyn EngineApi> = if let Some(server) = &server {
            let url = format!("http://{}", server.authrpc_addr()).parse().unwrap();
            http_door(&chain, &url, &jwt)
        } else {
            Arc::new(InProcessEngine::new(el.clone(), chain.config.clone()))
        };
        let builder = chain.embedded();
        let peer = serve(builder.clone(), jwt, &token);
        let builder = InProcessEngine::new(builder, chain.config.clone());
        Self {
            behaviour,
            el,
            server,
            fixture: Fixture::new(door, Arc::new(builder), chain.config.clone()),
            peer,
            _stop: token.clone().drop_guard(),
            token,
        }
    }

    /// Lets the subject sync from the builder.
    fn sync(&self) {
        let peer = format!("http://{}", self.peer.http_addr()).parse().unwrap();
        self.sync_by(SyncConfig::new(peer));
    }

    /// The same in many steps.
    fn sync_slowly(&self) {
        let peer = format!("http://{}", self.peer.http_addr()).parse().unwrap();
        self.sync_by(SyncConfig {
            delay: Duration::from_millis(20),
            batch: 4,
            ..SyncConfig::new(peer)
        });
    }

    fn sync_by(&self, config: SyncConfig) {
        let sync = ElSync::new(self.el.clone(), config).unwrap();
        tokio::spawn(sync.run(self.token.clone()));
    }

    /// Waits until it answers after a start: without a wire it does so at once.
    async fn wait_until_back(&self) {
        if let Some(server) = &self.server {
            let (mut served, life) = (server.watch_authrpc(), self.el.life());
            let is_back = served.wait_for(|served| *served == Some(life));
            let is_back = tokio::time::timeout(LIMIT, is_back).await;
            assert!(is_back.is_ok(), "{}", self.behaviour);
        }
        self.fixture.subject.chain_id().await.unwrap();
    }

    /// Waits until the sync has chosen its way to the block of this number.
    async fn wait_for_choice(&self, highest: u64) {
        let mut progress = self.el.subscribe_sync_progress();
        let is_chosen = |progress: &Option<SyncProgress>| {
            progress.is_some_and(|progress| progress.highest == highest)
        };
        let chosen = tokio::time::timeout(LIMIT, progress.wait_for(is_chosen)).await;
        assert!(chosen.is_ok(), "{}", self.behaviour);
    }

    async fn forkchoice(&self, head: &Built, safe: B256, finalized: B256) -> Result<bool, ElError> {
        let state = ForkchoiceState {
            head_block_hash: head.block_ref.hash,
            safe_block_hash: safe,
            finalized_block_hash: finalized,
        };
        let updated = self
            .fixture
            .subject
            .fork_choice_updated(state, None)
            .await?;
        Ok(updated.is_valid())
    }

    async fn label(&self, label: BlockNumberOrTag) -> Option<u64> {
        let block = self.fixture.subject.block(BlockId::Number(label)).await;
        block.unwrap().map(|block| block.block_ref.number)
    }

    async fn labels(&self) -> [Option<u64>; 2] {
        let safe = self.label(BlockNumberOrTag::Safe).await;
        [safe, self.label(BlockNumberOrTag::Finalized).await]
    }

    async fn wait_for_head(&self, block: &Built) {
        let mut views = self.el.subscribe();
        let is_there = views.wait_for(|view| view.head().hash == block.block_ref.hash);
        let is_there = tokio::time::timeout(LIMIT, is_there).await;
        assert!(is_there.is_ok(), "{}", self.behaviour);
        drop(is_there);
        assert_eq!(self.fixture.latest().await, block.block_ref);
    }

    const fn is_reth(&self) -> bool {
        self.behaviour.is_reth()
    }
}

/// Runs a check under each behaviour, over the wire and without it.
async fn under_each(check: impl AsyncFn(&Subject)) {
    for behaviour in ElBehaviour::ALL {
        for over_http in [false, true] {
            check(&Subject::new(behaviour, over_http)).await;
        }
    }
}

#[tokio::test]
async fn every_behaviour_conforms() {
    for behaviour in ElBehaviour::ALL {
        let chain = Chain::new(Hardfork::Jovian);
        let door = InProcessEngine::new(chain.embedded_as(behaviour), chain.config.clone());
        fixture(&chain, Arc::new(door)).check_all().await;
    }
}

#[tokio::test]
async fn an_ancestor_as_head_moves_labels_on_op_geth_alone_and_the_head_nowhere() {
    under_each(async |subject| {
        let blocks = subject
            .fixture
            .extend_subject(subject.fixture.genesis(), 3)
            .await;
        let first = blocks[0].block_ref.hash;
        assert_eq!(subject.forkchoice(&blocks[0], first, first).await, Ok(true));
        assert_eq!(subject.fixture.latest().await, blocks[2].block_ref);
        let expected = if subject.is_reth() { None } else { Some(1) };
        assert_eq!(subject.labels().await, [expected; 2]);
    })
    .await;
}

#[tokio::test]
async fn a_known_sibling_becomes_head_with_the_second_call_on_op_reth_and_with_the_first_elsewhere()
{
    under_each(async |subject| {
        let fixture = &subject.fixture;
        let ours = fixture.extend_subject(fixture.genesis(), 2).await;
        let theirs = fixture.build(fixture.genesis(), 1).await;
        fixture.insert(&theirs[0]).await;
        let zero = B256::ZERO;
        for (from, to) in [(&ours[1], &theirs[0]), (&theirs[0], &ours[1])] {
            assert_eq!(subject.forkchoice(to, zero, zero).await, Ok(true));
            let expected = if subject.is_reth() { from } else { to };
            assert_eq!(fixture.latest().await, expected.block_ref);
            assert_eq!(subject.forkchoice(to, zero, zero).await, Ok(true));
            assert_eq!(fixture.latest().await, to.block_ref);
        }
    })
    .await;
}

#[tokio::test]
async fn the_head_moves_before_a_bad_label_is_refused() {
    under_each(async |subject| {
        let fixture = &subject.fixture;
        let blocks = fixture.build(fixture.genesis(), 3).await;
        let elsewhere = fixture.build(fixture.genesis(), 1).await;
        for block in blocks.iter().chain(&elsewhere) {
            fixture.insert(block).await;
        }
        let (unknown, side) = (B256::repeat_byte(0xee), elsewhere[0].block_ref.hash);
        let zero = B256::ZERO;
        let refused = subject.forkchoice(&blocks[0], unknown, zero).await;
        assert!(matches!(
            refused,
            Err(ElError::InvalidForkchoiceState { .. })
        ));
        assert_eq!(fixture.latest().await, blocks[0].block_ref);
        let refused = subject.forkchoice(&blocks[1], zero, unknown).await;
        assert!(matches!(
            refused,
            Err(ElError::InvalidForkchoiceState { .. })
        ));
        assert_eq!(fixture.latest().await, blocks[1].block_ref);
        let branch = subject.forkchoice(&blocks[2], side, zero).await;
        if subject.is_reth() {
            assert_eq!(branch, Ok(true));
        } else {
            assert!(matches!(
                branch,
                Err(ElError::InvalidForkchoiceState { .. })
            ));
        }
        assert_eq!(fixture.latest().await, blocks[2].block_ref);
    })
    .await;
}

#[tokio::test]
async fn a_sync_target_is_forgotten_at_any_valid_on_op_reth_and_kept_elsewhere() {
    under_each(async |subject| {
        let fixture = &subject.fixture;
        let own = fixture.extend_subject(fixture.genesis(), 1).await;
        let far = fixture.build(own[0].block_ref, 3).await;
        fixture.subject.new_payload(&far[2].envelope).await.unwrap();
        assert_eq!(fixture.choose(&far[2]).await, PayloadStatusEnum::Syncing);
        assert_eq!(fixture.choose(&own[0]).await, PayloadStatusEnum::Valid);
        for block in &far[..2] {
            fixture.insert(block).await;
        }
        let expected = if subject.is_reth() { &own[0] } else { &far[2] };
        assert_eq!(fixture.latest().await, expected.block_ref);
    })
    .await;
}

#[tokio::test]
async fn old_op_geth_syncs_to_no_head_whose_payload_it_has_not_seen() {
    under_each(async |subject| {
        let fixture = &subject.fixture;
        let blocks = fixture.build(fixture.genesis(), 4).await;
        subject.sync();
        assert_eq!(fixture.choose(&blocks[3]).await, PayloadStatusEnum::Syncing);
        if subject.behaviour == ElBehaviour::OpGethOld {
            assert_eq!(subject.el.sync_target(), None);
            fixture
                .subject
                .new_payload(&blocks[3].envelope)
                .await
                .unwrap();
            assert_eq!(fixture.choose(&blocks[3]).await, PayloadStatusEnum::Syncing);
        }
        subject.wait_for_head(&blocks[3]).await;
    })
    .await;
}

#[tokio::test]
async fn during_a_backfill_op_reth_says_syncing_to_everything_and_op_geth_to_new_payloads() {
    under_each(async |subject| {
        let fixture = &subject.fixture;
        let blocks = fixture.build(fixture.genesis(), 40).await;
        let last = &blocks[39];
        subject.sync_slowly();
        fixture.subject.new_payload(&last.envelope).await.unwrap();
        assert_eq!(fixture.choose(last).await, PayloadStatusEnum::Syncing);
        subject.wait_for_choice(last.block_ref.number).await;
        assert!(subject.el.is_backfilling());
        // Without its peer it cannot end.
        subject.el.set_peer_connected(false);
        let first = fixture.subject.new_payload(&blocks[0].envelope).await;
        assert_eq!(first.unwrap().status, PayloadStatusEnum::Syncing);
        let genesis = ForkchoiceState {
            head_block_hash: fixture.genesis().hash,
            ..ForkchoiceState::default()
        };
        let updated = fixture.subject.fork_choice_updated(genesis, None).await;
        let updated = updated.unwrap();
        assert_eq!(updated.is_syncing(), subject.is_reth(), "{updated:?}");
        assert_eq!(fixture.choose(last).await, PayloadStatusEnum::Syncing);
        subject.el.set_peer_connected(true);
        subject.wait_for_head(last).await;

        subject.el.wipe().unwrap();
        subject.wait_until_back().await;
        assert_eq!(fixture.latest().await, fixture.genesis());
        fixture.subject.new_payload(&last.envelope).await.unwrap();
        assert_eq!(fixture.choose(last).await, PayloadStatusEnum::Syncing);
        subject.wait_for_head(last).await;
    })
    .await;
}

#[tokio::test]
async fn a_known_finalized_block_keeps_op_reth_from_a_far_target() {
    under_each(async |subject| {
        let fixture = &subject.fixture;
        let near = fixture.extend_subject(fixture.genesis(), 1).await;
        let far = fixture.build(near[0].block_ref, 70).await;
        let finalized = near[0].block_ref.hash;
        subject.sync();
        let zero = B256::ZERO;
        let last = &far[69];
        fixture.subject.new_payload(&last.envelope).await.unwrap();
        assert_eq!(subject.forkchoice(last, zero, finalized).await, Ok(false));
        if subject.is_reth() {
            // It reports that it knows how far it is, and goes no further.
            let target = subject.el.sync_target().unwrap();
            assert!(target.is_finalized_known);
            subject.wait_for_choice(last.block_ref.number).await;
            assert!(!subject.el.is_backfilling());
            assert_eq!(fixture.latest().await, near[0].block_ref);
            assert_eq!(subject.forkchoice(last, zero, zero).await, Ok(false));
        }
        subject.wait_for_head(last).await;
    })
    .await;
}

#[tokio::test]
async fn a_killed_execution_layer_comes_back_at_its_ports_as_its_kind_does() {
    under_each(async |subject| {
        let fixture = &subject.fixture;
        let blocks = fixture.extend_subject(fixture.genesis(), 5).await;
        let (safe, finalized) = (blocks[2].block_ref.hash, blocks[0].block_ref.hash);
        assert_eq!(
            subject.forkchoice(&blocks[4], safe, finalized).await,
            Ok(true)
        );
        subject.el.kill();
        let dead = fixture.subject.chain_id().await;
        assert!(matches!(dead, Err(ElError::Transport { .. })), "{dead:?}");
        subject.el.restart(None);
        subject.wait_until_back().await;
        let (head, labels) = if subject.is_reth() {
            (&blocks[2], [Some(3), Some(1)])
        } else {
            (&blocks[4], [Some(1), Some(1)])
        };
        assert_eq!(fixture.latest().await, head.block_ref);
        assert_eq!(subject.labels().await, labels);
    })
    .await;
}
