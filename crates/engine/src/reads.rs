//! One batch of block reads: planned by number and hash, sent once, looked up by what was asked. What is remembered goes
//! in beside what is read, and when all is remembered the EL is not asked at all.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use light_node_engine_api::{ElError, ElReader};
use light_node_protocol::{BlockNumHash, L2BlockRef};

/// The three labels of an EL.
pub(crate) const LABELS: [BlockNumberOrTag; 3] = [
    BlockNumberOrTag::Latest,
    BlockNumberOrTag::Safe,
    BlockNumberOrTag::Finalized,
];

/// A planned batch.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    ids: Vec<BlockId>,
    known: Vec<L2BlockRef>,
    looked_at: Option<u64>,
}

impl Reads {
    /// The canonical block with `number`.
    pub(crate) fn number(mut self, number: u64) -> Self {
        if self.known.iter().all(|block| block.number != number) {
            self.add(BlockId::number(number));
        }
        self
    }

    /// The canonical block with `number`, also where one is known: the EL may stand on another branch by now.
    pub(crate) fn look_at(mut self, number: u64) -> Self {
        self.add(BlockId::number(number));
        self.looked_at = Some(number);
        self
    }

    /// The canonical block at the height of `block`, unless that one is the zero object.
    pub(crate) fn height_of(self, block: &L2BlockRef) -> Self {
        if block.is_zero() {
            self
        } else {
            self.number(block.number)
        }
    }

    /// The block `hash`, canonical or not.
    pub(crate) fn hash(mut self, hash: B256) -> Self {
        self.add(BlockId::hash(hash));
        self
    }

    /// A label of the EL.
    pub(crate) fn label(mut self, label: BlockNumberOrTag) -> Self {
        self.add(label.into());
        self
    }

    /// A canonical block that is known already.
    pub(crate) fn know(mut self, block: Option<L2BlockRef>) -> Self {
        self.known.extend(block);
        self
    }

    /// True if all is known already.
    pub(crate) const fn is_answered(&self) -> bool {
        self.ids.is_empty()
    }

    /// Asks the EL once.
    ///
    /// # Errors
    /// [`ElError`] if it could not be asked.
    pub(crate) async fn send<R: ElReader + ?Sized>(self, el: &R) -> Result<Blocks, ElError> {
        let answers = if self.ids.is_empty() {
            Vec::new()
        } else {
            el.blocks(&self.ids).await?
        };
        let read = self
            .ids
            .into_iter()
            .zip(answers)
            .filter_map(|(id, block)| Some((id, block?.block_ref)))
            .collect();
        Ok(Blocks {
            read,
            known: self.known,
            looked_at: self.looked_at,
        })
    }

    fn add(&mut self, id: BlockId) {
        if !self.ids.contains(&id) {
            self.ids.push(id);
        }
    }
}

/// The answers to [`Reads`]. What was not asked, or does not exist, or does not answer the question, is `None`.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    read: Vec<(BlockId, L2BlockRef)>,
    known: Vec<L2BlockRef>,
    looked_at: Option<u64>,
}

impl Blocks {
    /// The canonical block at the height that was looked at, as the EL has it now; what is known there if none was.
    pub(crate) fn seen_at(&self, number: u64) -> Option<L2BlockRef> {
        if self.looked_at != Some(number) {
            return self.at(number);
        }
        self.find(BlockId::number(number))
            .filter(|block| block.number == number)
    }

    /// The canonical block with `number`.
    pub(crate) fn at(&self, number: u64) -> Option<L2BlockRef> {
        let known = self
            .known
            .iter()
            .find(|block| block.number == number)
            .copied();
        known.or_else(|| {
            self.find(BlockId::number(number))
                .filter(|block| block.number == number)
        })
    }

    /// Its hash.
    pub(crate) fn hash_at(&self, number: u64) -> Option<B256> {
        self.at(number).map(|block| block.hash)
    }

    /// True if `id` is the canonical block at its height.
    pub(crate) fn holds(&self, id: BlockNumHash) -> bool {
        self.hash_at(id.number) == Some(id.hash)
    }

    /// The block `hash`.
    pub(crate) fn by_hash(&self, hash: B256) -> Option<L2BlockRef> {
        self.find(BlockId::hash(hash))
            .filter(|block| block.hash == hash)
    }

    /// The block of a label.
    pub(crate) fn label(&self, label: BlockNumberOrTag) -> Option<L2BlockRef> {
        self.find(label.into())
    }

    /// Adds a block to the canonical ones.
    pub(crate) fn know(&mut self, block: L2BlockRef) {
        self.known.push(block);
    }

    fn find(&self, id: BlockId) -> Option<L2BlockRef> {
        self.read
            .iter()
            .find(|(asked, _)| *asked == id)
            .map(|(_, block)| *block)
    }
}
