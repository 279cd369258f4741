//! What really happens: one L1 that grows and is reorganised, the L2 chain that stands on it, and how far an honest node
//! has derived it. Peers answer from here, or from an older view of it.

use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use light_node_engine_api::memory::{ChainBuilder, MemoryBlock};
use light_node_protocol::{L1BlockRef, L2BlockRef, RollupConfig, SyncStatus};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

/// Chain ids of [`ChainBuilder`].
pub const L1_CHAIN_ID: u64 = 900;

const L1_GENESIS_TIME: u64 = 1_700_000_000;
const L2_BLOCKS_PER_L1_BLOCK: u64 = 3;
const FIRST_L1_HEAD: u64 = 40;
/// The batcher posts a block's data this many L1 blocks after the block's origin, at least.
const DERIVATION_DELAY: u64 = 1;
/// An epoch, shortened: finalized L1 blocks lie this far behind the head.
pub const L1_FINALITY: u64 = 16;

/// One L1 block with its header.
#[derive(Clone, Debug)]
pub struct L1Block {
    pub header: Header,
    pub hash: B256,
}

impl L1Block {
    pub const fn block_ref(&self) -> L1BlockRef {
        L1BlockRef {
            hash: self.hash,
            number: self.header.number,
            parent_hash: self.header.parent_hash,
            timestamp: self.header.timestamp,
        }
    }
}

/// The world as an honest node sees it at one moment. Cheap to keep: a backend that lags answers from an old one.
#[derive(Clone, Debug)]
pub struct View {
    pub l1: Arc<Vec<L1Block>>,
    pub l1_finalized: u64,
    pub l2: Arc<Vec<L2BlockRef>>,
    pub safe: u64,
    pub finalized: u64,
    pub cursor: u64,
}

impl View {
    pub fn l1_head(&self) -> u64 {
        self.l1.len() as u64 - 1
    }

    pub fn l1_at(&self, number: u64) -> L1BlockRef {
        self.l1[usize::try_from(number).unwrap()].block_ref()
    }

    pub fn l2_at(&self, number: u64) -> L2BlockRef {
        self.l2[usize::try_from(number).unwrap()]
    }

    pub fn l2_head(&self) -> u64 {
        self.l2.len() as u64 - 1
    }

    /// What an honest node says.
    pub fn status(&self) -> SyncStatus {
        let (safe, head) = (self.l2_at(self.safe), self.l2_at(self.l2_head()));
        SyncStatus {
            current_l1: self.l1_at(self.cursor),
            current_l1_finalized: self.l1_at(self.l1_finalized),
            head_l1: self.l1_at(self.l1_head()),
            safe_l1: self.l1_at(self.l1_finalized + L1_FINALITY / 2),
            finalized_l1: self.l1_at(self.l1_finalized),
            unsafe_l2: head,
            safe_l2: safe,
            finalized_l2: self.l2_at(self.finalized),
            pending_safe_l2: safe,
            cross_unsafe_l2: head,
            local_safe_l2: safe,
        }
    }

    /// The highest block that was derived when `cursor` is the last L1 block that was read.
    fn derived_at(&self, cursor: u64) -> u64 {
        let origin = cursor.saturating_sub(DERIVATION_DELAY);
        self.highest_with_origin(origin)
    }

    fn highest_with_origin(&self, origin: u64) -> u64 {
        self.l2
            .partition_point(|block| block.l1_origin.number <= origin) as u64
            - 1
    }
}

/// The truth, and every block that there ever was.
#[derive(Clone, Debug)]
pub struct Model {
    builder: ChainBuilder,
    view: View,
    blocks: HashMap<B256, MemoryBlock>,
    l1_branch: u64,
    salt: u64,
}

impl Model {
    /// The same world each time: built once in a process.
    pub fn new() -> Self {
        static FIRST: OnceLock<Model> = OnceLock::new();
        FIRST.get_or_init(Self::build).clone()
    }

    fn build() -> Self {
        let mut l1 = Vec::new();
        for _ in 0..=FIRST_L1_HEAD {
            l1.push(l1_block(l1.last(), 0));
        }
        let builder = ChainBuilder::on_l1(l1[0].block_ref().id());
        let genesis = builder.genesis();
        let view = View {
            l1: Arc::new(l1),
            l1_finalized: FIRST_L1_HEAD - L1_FINALITY,
            l2: Arc::new(vec![genesis.block_ref()]),
            safe: 0,
            finalized: 0,
            cursor: 0,
        };
        let mut model = Self {
            builder,
            view,
            blocks: HashMap::from([(genesis.hash(), genesis)]),
            l1_branch: 0,
            salt: 0,
        };
        model.sequence();
        model.derive(FIRST_L1_HEAD);
        model
    }

    pub fn builder(&self) -> &ChainBuilder {
        &self.builder
    }

    pub fn config(&self) -> Arc<RollupConfig> {
        self.builder.config()
    }

    pub const fn view(&self) -> &View {
        &self.view
    }

    pub fn block(&self, hash: B256) -> Option<&MemoryBlock> {
        self.blocks.get(&hash)
    }

    /// The blocks from the child of the first one that `is_known` up to `hash`, oldest first; all of it if there is none.
    pub fn way_to(&self, hash: B256, is_known: impl Fn(B256) -> bool) -> Vec<MemoryBlock> {
        let mut way = Vec::new();
        let mut at = hash;
        while !is_known(at)
            && let Some(block) = self.blocks.get(&at)
        {
            way.push(block.clone());
            at = block.block_ref().parent_hash;
        }
        way.reverse();
        way
    }

    /// True if `ancestor` is `of` or an ancestor of it, by hash.
    pub fn is_ancestor(&self, ancestor: B256, of: B256) -> bool {
        let Some(lowest) = self.blocks.get(&ancestor).map(MemoryBlock::number) else {
            return false;
        };
        let mut at = of;
        while let Some(block) = self.blocks.get(&at)
            && block.number() >= lowest
        {
            if at == ancestor {
                return true;
            }
            at = block.block_ref().parent_hash;
        }
        false
    }

    /// L1 grows by `count` blocks, L2 follows, the batcher posts, honest nodes derive all of it.
    pub fn advance(&mut self, count: u64) {
        self.grow_l1(count);
        self.sequence();
        self.derive(self.view.l1_head());
    }

    /// L1 and L2 grow, but honest nodes derive nothing: the batcher pauses.
    pub fn advance_unsafe(&mut self, count: u64) {
        self.grow_l1(count);
        self.sequence();
    }

    /// The `depth` highest L1 blocks are replaced by as many others and `grown` more. L2 blocks whose origins are gone are
    /// gone too, the sequencer builds others, and honest nodes are back where the branches part.
    pub fn reorg_l1(&mut self, depth: u64, grown: u64) {
        let head = self.view.l1_head();
        let fork = head.saturating_sub(depth).max(self.view.l1_finalized);
        self.l1_branch += 1;
        Arc::make_mut(&mut self.view.l1).truncate(usize::try_from(fork).unwrap() + 1);
        self.grow_l1(head - fork + grown);
        let kept = self.view.highest_with_origin(fork);
        self.truncate_l2(kept);
        self.view.cursor = self.view.cursor.min(fork);
        self.view.safe = self.view.safe.min(self.view.derived_at(self.view.cursor));
        self.sequence();
    }

    /// The sequencer replaces its `depth` highest blocks, unsafe ones only.
    pub fn reorg_unsafe(&mut self, depth: u64) {
        let kept = (self.view.l2_head() - depth.min(self.view.l2_head())).max(self.view.safe);
        self.truncate_l2(kept);
        self.sequence();
    }

    /// Honest nodes derive up to the L1 block `cursor`, and finalize what L1 has finalized.
    pub fn derive(&mut self, cursor: u64) {
        let view = &mut self.view;
        view.cursor = cursor.clamp(view.cursor, view.l1_head());
        view.safe = view.safe.max(view.derived_at(view.cursor));
        let final_cursor = view.l1_finalized.min(view.cursor);
        view.finalized = view.finalized.max(view.derived_at(final_cursor));
    }

    /// A chain of somebody else's: another branch over the same L1 blocks from `depth` blocks below safe, but above finalized.
    pub fn foreign_view(&mut self, depth: u64) -> View {
        let truth = self.view.clone();
        let kept = self
            .view
            .safe
            .saturating_sub(depth)
            .max(self.view.finalized);
        self.truncate_l2(kept);
        self.sequence();
        std::mem::replace(&mut self.view, truth)
    }

    fn grow_l1(&mut self, count: u64) {
        let l1 = Arc::make_mut(&mut self.view.l1);
        for _ in 0..count {
            let next = l1_block(l1.last(), self.l1_branch);
            l1.push(next);
        }
        let finalized = self.view.l1_head().saturating_sub(L1_FINALITY);
        self.view.l1_finalized = self.view.l1_finalized.max(finalized);
    }

    fn truncate_l2(&mut self, kept: u64) {
        self.salt += 1;
        Arc::make_mut(&mut self.view.l2).truncate(usize::try_from(kept).unwrap() + 1);
    }

    /// The sequencer builds until its blocks have the L1 head as origin.
    fn sequence(&mut self) {
        let Self {
            builder,
            view,
            blocks,
            salt,
            ..
        } = self;
        let l2 = Arc::make_mut(&mut view.l2);
        for block in &view.l1[1..] {
            let (origin, last) = (block.block_ref().id(), l2[l2.len() - 1]);
            if origin.number < last.l1_origin.number {
                continue;
            }
            let there = l2
                .iter()
                .rev()
                .take_while(|block| block.l1_origin == origin)
                .count() as u64;
            for _ in there..L2_BLOCKS_PER_L1_BLOCK {
                let parent = &blocks[&l2[l2.len() - 1].hash];
                let child = builder.child(parent, origin, *salt);
                l2.push(child.block_ref());
                blocks.insert(child.hash(), child);
            }
        }
    }
}

fn l1_block(parent: Option<&L1Block>, branch: u64) -> L1Block {
    let number = parent.map_or(0, |parent| parent.header.number + 1);
    let header = Header {
        number,
        timestamp: L1_GENESIS_TIME + 12 * number,
        parent_hash: parent.map(|parent| parent.hash).unwrap_or_default(),
        mix_hash: keccak256(branch.to_be_bytes()),
        base_fee_per_gas: Some(7),
        ..Header::default()
    };
    let hash = header.hash_slow();
    L1Block { header, hash }
}
