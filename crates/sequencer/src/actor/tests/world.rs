//! The world around the sequencer in a test.

use super::*;
use tokio::task::JoinHandle;

/// What stands between the engine and the execution layer.
pub(super) type Wrap = Box<dyn FnOnce(Arc<MemoryEl>) -> Arc<dyn EngineApi>>;

/// What differs between tests.
pub(super) struct Settings {
    pub(super) config: SequencerConfig,
    pub(super) conductor: Option<ScriptedConductor>,
    /// Unix time at which the sequencer starts.
    pub(super) now: Duration,
    /// L1 blocks that are there at the start.
    pub(super) l1_blocks: usize,
    /// L2 blocks that are there at the start.
    pub(super) l2_blocks: usize,
    /// The safe source has said that genesis is safe.
    pub(super) has_source: bool,
    /// What the follow source says of its unsafe head.
    pub(super) source_head: Option<SourceHead>,
    pub(super) wrap: Wrap,
}

impl Settings {
    pub(super) fn new() -> Self {
        let (builder, _) = chains();
        let l1_chain = L1ChainConfig::new(Vec::new());
        let config = SequencerConfig::new(builder.config(), l1_chain, Default::default());
        Self {
            config: SequencerConfig {
                l1_confirmations: 0,
                ..config
            },
            conductor: None,
            now: Duration::from_secs(GENESIS_TIME),
            l1_blocks: 0,
            l2_blocks: 0,
            has_source: true,
            source_head: None,
            wrap: Box::new(|el| el),
        }
    }

    pub(super) fn with(edit: impl FnOnce(&mut Self)) -> Self {
        let mut settings = Self::new();
        edit(&mut settings);
        settings
    }

    /// With a conductor, which leads.
    pub(super) fn conducted() -> (Self, ScriptedConductor) {
        let conductor = ScriptedConductor::default();
        let own = conductor.clone();
        let settings = Self::with(|settings| settings.conductor = Some(own));
        (settings, conductor)
    }
}

/// The L2 chain and the L1 on which it starts.
fn chains() -> (ChainBuilder, MemoryL1Source) {
    let l1 = MemoryL1Source::new(100, GENESIS_TIME);
    (ChainBuilder::on_l1(l1.head().id()), l1)
}

pub(super) struct World {
    pub(super) builder: ChainBuilder,
    pub(super) el: Arc<MemoryEl>,
    pub(super) l1: MemoryL1Source,
    pub(super) heads: watch::Sender<L1Heads>,
    pub(super) engine: EngineHandle,
    pub(super) sequencer: SequencerHandle,
    /// The blocks that were there at the start.
    pub(super) chain: Vec<MemoryBlock>,
    /// All that went out, and when.
    published: watch::Receiver<Vec<Published>>,
    token: CancellationToken,
    runs: Vec<JoinHandle<()>>,
}

/// A block that went out.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) block: L2BlockRef,
    pub(super) envelope: OpExecutionPayloadEnvelope,
    /// Time since the start.
    pub(super) after: Duration,
}

impl World {
    pub(super) async fn start(settings: Settings) -> Self {
        let (builder, l1) = chains();
        l1.push_empty(settings.l1_blocks);
        let el = MemoryEl::new(&builder);
        let chain = blocks_on(&builder, settings.l2_blocks);
        el.add_canonical(&chain);
        let engine_config = EngineConfig::new(builder.config(), SafeSourceKind::Follow);
        let (engine_actor, engine) = EngineActor::new(engine_config, (settings.wrap)(el.clone()));
        let (heads, l1_heads) = watch::channel(L1Heads {
            head: l1.head(),
            ..L1Heads::default()
        });
        let conductor = settings.conductor.map(ScriptedConductor::client);
        let (mut actor, sequencer) =
            SequencerActor::with_conductor(settings.config, conductor).unwrap();
        let (network, scripted) = NetworkHandle::scripted();
        let peers = SequencerPeers {
            engine: engine.clone(),
            el: Arc::clone(&el) as Arc<dyn ElReader>,
            l1: Arc::new(l1.clone()),
            l1_heads,
            network: Some(network),
            source_head: settings.source_head,
        };
        let token = CancellationToken::new();
        let of_engine = token.clone();
        let run_engine = tokio::spawn(async move { engine_actor.run(of_engine).await.unwrap() });
        let mut states = engine.watch();
        let is_up = |state: &EngineState| !state.unsafe_head.is_zero();
        within(states.wait_for(is_up)).await.unwrap();
        let (sender, published) = watch::channel(Vec::new());
        let mut world = Self {
            builder,
            el,
            l1,
            heads,
            engine,
            sequencer,
            chain,
            published,
            token: token.clone(),
            runs: vec![run_engine],
        };
        if settings.has_source {
            world.safe(&world.builder.genesis()).await;
        }
        actor.clock = Clock::starting_at(settings.now);
        let collect = collect(world.builder.clone(), scripted, sender);
        world.runs.push(tokio::spawn(collect));
        world.runs.push(tokio::spawn(async move {
            let Ok(()) = actor.run(peers, token).await;
        }));
        world
    }

    /// The safe source says that this block is safe.
    pub(super) async fn safe(&self, block: &MemoryBlock) {
        self.safe_ref(block.block_ref()).await;
    }

    pub(super) async fn safe_ref(&self, safe: L2BlockRef) {
        let state = DerivationState {
            safe,
            local_safe: safe,
            finalized: L2BlockRef::default(),
            current_l1: L1BlockRef {
                hash: safe.l1_origin.hash,
                number: safe.l1_origin.number,
                ..L1BlockRef::default()
            },
        };
        let update = FollowUpdate {
            state,
            safe_may_move: true,
        };
        let outcome = within(self.engine.follow(update)).await.unwrap();
        assert_eq!(outcome, FollowOutcome::Applied);
    }

    /// The watcher has seen L1's head.
    pub(super) fn see_l1(&self) {
        let head = self.l1.head();
        self.heads.send_modify(|heads| heads.head = head);
    }

    /// Waits until so many blocks went out, and returns them.
    pub(super) async fn published(&self, count: usize) -> Vec<Published> {
        let mut published = self.published.clone();
        let enough = published.wait_for(|published| published.len() >= count);
        within(enough).await.unwrap().clone()
    }

    /// What went out so far.
    pub(super) fn so_far(&self) -> Vec<Published> {
        self.published.borrow().clone()
    }

    /// Waits until the sequencer says so of itself.
    pub(super) async fn status(&self, is_so: impl Fn(&SequencerStatus) -> bool) -> SequencerStatus {
        let mut status = self.sequencer.watch();
        *within(status.wait_for(|status| is_so(status)))
            .await
            .unwrap()
    }

    /// Waits until it waits for this.
    pub(super) async fn waits_for(&self, wait: Wait) {
        self.status(|status| status.waiting_for == wait.words())
            .await;
    }

    /// Lets time pass in which something is not to happen.
    pub(super) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Whoever made it: it comes by gossip.
    pub(super) async fn gossip(&self, block: &MemoryBlock) {
        let inserted = self.engine.insert_unsafe(block.envelope.clone());
        within(inserted).await.unwrap();
    }

    /// A block that went out, to be built on by others.
    pub(super) fn as_parent(&self, published: &Published) -> MemoryBlock {
        MemoryBlock {
            el: self.el.known(published.block.hash).unwrap(),
            envelope: published.envelope.clone(),
        }
    }

    /// Ends all; everything must end well.
    pub(super) async fn stop(self) {
        self.token.cancel();
        for run in self.runs {
            within(run).await.unwrap();
        }
    }
}

async fn collect(
    builder: ChainBuilder,
    mut network: light_node_network::testing::ScriptedNetwork,
    published: watch::Sender<Vec<Published>>,
) {
    let started_at = Instant::now();
    while let Some(envelope) = network.published().await {
        let payload = &envelope.execution_payload;
        let block = L2BlockRef::from_payload(&builder.config(), payload).unwrap();
        let one = Published {
            block,
            envelope,
            after: started_at.elapsed(),
        };
        published.send_modify(|published| published.push(one));
    }
}

/// So many blocks after genesis, on the L1 block of genesis.
fn blocks_on(builder: &ChainBuilder, count: usize) -> Vec<MemoryBlock> {
    let genesis = builder.genesis();
    let mut blocks: Vec<MemoryBlock> = Vec::new();
    for _ in 0..count {
        let parent = blocks.last().unwrap_or(&genesis);
        let origin = parent.block_ref().l1_origin;
        let block = builder.child(parent, origin, 0);
        blocks.push(block);
    }
    blocks
}
