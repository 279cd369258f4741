#![allow(clippy::unwrap_used)]

use super::*;
use light_node_engine_api::memory::{CallKind, ChainBuilder, MemoryBlock, MemoryEl};
use light_node_l1::MemoryL1Source;
use std::sync::Arc;

/// L2 blocks on each L1 block.
const EPOCH: u64 = 6;
/// L1 blocks below the highest origin.
const L1_LENGTH: u64 = 400;

/// An L2 chain on an L1 in memory, six blocks an epoch, and the execution layer that has it.
struct World {
    l1: MemoryL1Source,
    el: Arc<MemoryEl>,
    builder: ChainBuilder,
    config: RollupConfig,
    blocks: Vec<MemoryBlock>,
}

impl World {
    fn new() -> Self {
        let l1 = MemoryL1Source::new(1000, 1_700_000_000);
        let builder = ChainBuilder::on_l1(l1.head().id());
        l1.push_empty(L1_LENGTH as usize);
        let el = MemoryEl::new(&builder);
        let mut world = Self {
            config: (*builder.config()).clone(),
            blocks: vec![builder.genesis()],
            l1,
            el,
            builder,
        };
        world.extend((L1_LENGTH * EPOCH) as usize, 0);
        world.label(2_000, 1_800);
        world
    }

    /// Adds blocks on top, with the origins that L1 has now.
    fn extend(&mut self, count: usize, salt: u64) {
        let first = self.blocks.len();
        for _ in 0..count {
            let parent = self.blocks.last().unwrap();
            let origin = 1000 + (parent.number() + 1) / EPOCH;
            let origin = self.l1.data(origin).map_or_else(
                || BlockNumHash::new(origin, alloy_primitives::B256::repeat_byte(9)),
                |block| block.id(),
            );
            self.blocks.push(self.builder.child(parent, origin, salt));
        }
        self.el.add_canonical(&self.blocks[first..]);
    }

    fn block(&self, number: u64) -> L2BlockRef {
        self.blocks[number as usize].block_ref()
    }

    fn label(&self, safe: u64, finalized: u64) {
        let hash = |number| self.block(number).hash;
        self.el.set_labels(hash(safe), hash(finalized));
    }

    async fn find(&self) -> Result<Start, StartError> {
        self.find_with(&[]).await
    }

    async fn find_with(
        &self,
        history: &[(BlockNumHash, BlockNumHash)],
    ) -> Result<Start, StartError> {
        let search = SyncStart::new(&self.config, &*self.el, &self.l1);
        search.find(history).await
    }

    /// The L1 block at `number`, and the L2 block that was the safe head when all of it was used up.
    fn pair(&self, l1: u64, l2: u64) -> (BlockNumHash, BlockNumHash) {
        (self.l1.data(l1).unwrap().id(), self.block(l2).id())
    }
}

#[tokio::test]
async fn safe_starts_at_finalized_and_the_pipeline_a_channel_timeout_before_it() {
    let world = World::new();
    let start = world.find().await.unwrap();
    let heads = start.forkchoice;
    assert_eq!(heads.unsafe_head, world.block(2_400));
    assert_eq!(heads.safe, world.block(1_800));
    assert_eq!(heads.finalized, world.block(1_800));
    // Origin of 1800 is 1300, the timeout 50 since Granite: the last block on 1250.
    assert_eq!(start.point.safe_head, world.block(1_800));
    assert_eq!(start.point.origin.number, 1250);
    assert_eq!(heads.current_l1, start.point.origin);
    assert_eq!(start.point.used_up, None);
    assert!(world.el.count(CallKind::Blocks) <= 20);
}

#[tokio::test]
async fn a_chain_younger_than_a_channel_timeout_is_derived_from_genesis() {
    let world = World::new();
    world.label(100, 60);
    let start = world.find().await.unwrap();
    assert_eq!(start.point.safe_head, world.block(60));
    assert_eq!(start.point.origin.id(), world.config.genesis.l1);
    assert_eq!(
        start.point.origin_config,
        world.config.genesis.system_config
    );
}

#[tokio::test]
async fn an_execution_layer_at_genesis_starts_there() {
    let mut world = World::new();
    world.el = MemoryEl::new(&world.builder);
    let start = world.find().await.unwrap();
    assert_eq!(start.forkchoice.unsafe_head, world.block(0));
    assert_eq!(start.forkchoice.safe, world.block(0));
    assert_eq!(start.forkchoice.finalized, world.block(0));
    assert_eq!(start.point.origin.id(), world.config.genesis.l1);
}

#[tokio::test]
async fn the_timeout_of_before_granite_reaches_further_back() {
    let mut world = World::new();
    for (granite, origin) in [(290, 1000), (240, 1250)] {
        let since = Some(1_700_000_000 + 12 * granite);
        world.config.granite_time = since;
        world.config.holocene_time = since;
        world.config.isthmus_time = since;
        world.config.jovian_time = since;
        let mut search = SyncStart::new(&world.config, &*world.el, &world.l1);
        let found = search.pipeline_origin(&world.block(1_800)).await.unwrap();
        assert_eq!(found.l1_origin.number, origin);
    }
}

#[tokio::test]
async fn an_unsafe_head_whose_origin_left_l1_goes_back_to_the_last_block_that_stands() {
    let world = World::new();
    world.l1.reorg(30);
    world.l1.push_empty(40);
    let start = world.find().await.unwrap();
    // 1370 is the last L1 block that stayed; its last L2 block is 370 * 6 + 5.
    assert_eq!(start.forkchoice.unsafe_head, world.block(2_225));
    assert_eq!(start.forkchoice.safe, world.block(1_800));
}

#[tokio::test]
async fn an_unsafe_head_on_an_origin_that_l1_has_not_reached_stays() {
    let mut world = World::new();
    world.extend(30, 0);
    let start = world.find().await.unwrap();
    assert_eq!(start.forkchoice.unsafe_head, world.block(2_430));
    // Unless something below it is wrong.
    world.l1.reorg(20);
    world.l1.push_empty(20);
    let start = world.find().await.unwrap();
    assert_eq!(start.forkchoice.unsafe_head, world.block(2_285));
}

#[tokio::test]
async fn safe_goes_back_with_l1_but_never_below_finalized() {
    let world = World::new();
    world.l1.reorg(99);
    world.l1.push_empty(120);
    let start = world.find().await.unwrap();
    assert_eq!(start.forkchoice.unsafe_head, world.block(1_811));
    assert_eq!(start.forkchoice.safe, world.block(1_800));
    world.l1.reorg(300);
    world.l1.push_empty(300);
    let error = world.find().await.unwrap_err();
    assert!(
        matches!(error, StartError::FinalizedNotOnL1 { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_l1_that_lags_behind_finalized_is_waited_for() {
    let world = World::new();
    world.l1.reorg(150);
    let error = world.find().await.unwrap_err();
    assert!(matches!(error, StartError::L1Behind { .. }), "{error}");
}

#[tokio::test]
async fn without_finality_what_is_older_than_the_sequencing_window_is_certain() {
    let mut world = World::new();
    world.config.seq_window_size = 100;
    world.label(2_100, 60);
    let start = world.find().await.unwrap();
    // The unsafe head's origin is 1400: certain is what stands below 1299.
    assert_eq!(start.forkchoice.safe, world.block(298 * 6 + 5));
    assert_eq!(start.forkchoice.finalized, world.block(60));
    world.label(1_000, 60);
    let start = world.find().await.unwrap();
    assert_eq!(
        start.forkchoice.safe,
        world.block(1_000),
        "never above the label"
    );
}

#[tokio::test]
async fn the_history_says_which_safe_head_l1_still_bears_out() {
    let world = World::new();
    let history = [world.pair(1380, 1_990), world.pair(1360, 1_950)];
    let start = world.find_with(&history).await.unwrap();
    assert_eq!(start.forkchoice.safe, world.block(1_990));
    assert_eq!(start.point.used_up, Some(history[0].0));
    // Where the newest left L1 an older one counts.
    world.l1.reorg(30);
    world.l1.push_empty(40);
    let start = world.find_with(&history).await.unwrap();
    assert_eq!(start.forkchoice.safe, world.block(1_950));
    assert_eq!(start.point.used_up, Some(history[1].0));
}

#[tokio::test]
async fn the_history_knows_what_an_execution_layer_without_labels_has_forgotten() {
    let world = World::new();
    world.label(0, 0);
    let history = [world.pair(1380, 1_990), world.pair(1360, 1_950)];
    let start = world.find_with(&history).await.unwrap();
    assert_eq!(start.forkchoice.safe, world.block(1_990));
    assert_eq!(start.forkchoice.finalized, world.block(0));
    // It says nothing of blocks that the execution layer does not have, or that stand on no L1 block.
    let lost = BlockNumHash::new(2_401, alloy_primitives::B256::repeat_byte(7));
    let history = [
        (world.l1.data(1399).unwrap().id(), lost),
        world.pair(1360, 1_950),
    ];
    let start = world.find_with(&history).await.unwrap();
    assert_eq!(start.forkchoice.safe, world.block(1_950));
}

#[tokio::test]
async fn a_history_of_another_l2_chain_says_nothing() {
    let world = World::new();
    let (l1, _) = world.pair(1380, 1_990);
    let foreign = BlockNumHash::new(1_990, alloy_primitives::B256::repeat_byte(7));
    let start = world.find_with(&[(l1, foreign)]).await.unwrap();
    assert_eq!(start.forkchoice.safe, world.block(1_800));
}

#[tokio::test]
async fn trouble_with_l1_is_no_start() {
    let world = World::new();
    world.l1.fail_next(1);
    let error = world.find().await.unwrap_err();
    assert!(matches!(error, StartError::L1(_)), "{error}");
    assert!(world.find().await.is_ok());
}
