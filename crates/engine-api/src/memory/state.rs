//! The semantics of the EL in memory: which blocks it knows, what a payload or a forkchoice does to them. Pure.

use super::{ChainBuilder, MemoryBlock};
use crate::{ElBlock, ElError, ElSyncing};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use alloy_rpc_types_engine::{
    ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus, PayloadStatusEnum,
};
use light_node_protocol::RollupConfig;
use op_alloy_consensus::DEPOSIT_TX_TYPE_ID;
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use std::collections::{HashMap, HashSet};

/// Whose answers the EL in memory gives where the real ones differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryElKind {
    /// Zero head: -38002. A head that is an ancestor of latest: labels are ignored too. Labels may be off the chain. A
    /// forkchoice whose finalized block is known fetches no far head, and any VALID makes it forget its sync target.
    #[default]
    Reth,
    /// Zero head: INVALID. A head that is an ancestor of latest: labels are applied. Labels must be on the head's chain. It
    /// comes back from a restart with safe = finalized.
    Geth,
    /// As [`Self::Geth`], and a forkchoice starts a sync only to a head whose payload came before.
    OldGeth,
}

impl MemoryElKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Reth, Self::Geth, Self::OldGeth];
}

#[derive(Debug)]
pub(super) struct State {
    kind: MemoryElKind,
    blocks: HashMap<B256, MemoryBlock>,
    /// Payloads whose parent is not known, by that parent.
    buffered: HashMap<B256, Vec<MemoryBlock>>,
    invalid: HashSet<B256>,
    genesis: B256,
    head: B256,
    safe: B256,
    finalized: B256,
    target: Option<B256>,
    sticky_forkchoices: usize,
    backfilling: bool,
    builds: HashMap<PayloadId, MemoryBlock>,
    leaves_out: bool,
    syncing: Option<ElSyncing>,
}

impl State {
    pub(super) fn new(kind: MemoryElKind, genesis: MemoryBlock) -> Self {
        let hash = genesis.hash();
        Self {
            kind,
            blocks: HashMap::from([(hash, genesis)]),
            buffered: HashMap::new(),
            invalid: HashSet::new(),
            genesis: hash,
            head: hash,
            safe: B256::ZERO,
            finalized: B256::ZERO,
            target: None,
            sticky_forkchoices: 0,
            backfilling: false,
            builds: HashMap::new(),
            leaves_out: false,
            syncing: None,
        }
    }

    pub(super) fn block(&self, hash: B256) -> Option<ElBlock> {
        self.blocks.get(&hash).map(|block| block.el)
    }

    /// The payload of a known block.
    pub(super) fn envelope(&self, hash: B256) -> Option<OpExecutionPayloadEnvelope> {
        self.blocks.get(&hash).map(|block| block.envelope.clone())
    }

    pub(super) fn head(&self) -> ElBlock {
        self.block(self.head)
            .expect("the head is always a known block")
    }

    pub(super) fn safe(&self) -> Option<ElBlock> {
        self.block(self.safe)
    }

    pub(super) fn finalized(&self) -> Option<ElBlock> {
        self.block(self.finalized)
    }

    pub(super) const fn target(&self) -> Option<B256> {
        self.target
    }

    pub(super) fn syncing(&self) -> ElSyncing {
        let current = self.head().block_ref.number;
        self.syncing.unwrap_or(match self.target {
            None => ElSyncing::Idle,
            Some(_) => ElSyncing::Syncing {
                current,
                highest: current,
                marks: 0,
            },
        })
    }

    pub(super) const fn set_syncing(&mut self, syncing: Option<ElSyncing>) {
        self.syncing = syncing;
    }

    pub(super) const fn set_head(&mut self, hash: B256) {
        self.head = hash;
    }

    pub(super) const fn set_labels(&mut self, safe: B256, finalized: B256) {
        self.safe = safe;
        self.finalized = finalized;
    }

    pub(super) fn mark_invalid(&mut self, hash: B256) {
        self.invalid.insert(hash);
    }

    pub(super) const fn stick_to_branch(&mut self, count: usize) {
        self.sticky_forkchoices = count;
    }

    pub(super) fn set_backfilling(&mut self, backfilling: bool) {
        self.backfilling = backfilling;
        if let Some(target) = self
            .target
            .filter(|target| self.blocks.contains_key(target))
        {
            self.reach(target);
        }
    }

    /// The process was killed and starts again without its last `lost` blocks.
    pub(super) fn restart(&mut self, lost: usize) {
        self.lose_last(lost);
        self.builds.clear();
        self.invalid.clear();
        self.backfilling = false;
        if self.kind != MemoryElKind::Reth {
            self.safe = self.finalized;
        }
    }

    fn reach(&mut self, target: B256) {
        if !self.backfilling {
            self.head = target;
            self.target = None;
        }
    }

    /// Answers a forkchoice to a head that is not here, or while all wait for a backfill.
    fn sync_to(&mut self, state: ForkchoiceState) -> ForkchoiceUpdated {
        let head = state.head_block_hash;
        let mut payloads = self.buffered.values().flatten();
        let is_fetched = match self.kind {
            MemoryElKind::Reth => !self.blocks.contains_key(&state.finalized_block_hash),
            MemoryElKind::Geth => true,
            MemoryElKind::OldGeth => payloads.any(|block| block.hash() == head),
        };
        if is_fetched {
            self.target = Some(head);
        }
        ForkchoiceUpdated::from_status(PayloadStatusEnum::Syncing)
    }

    /// The block that a read by `id` finds.
    pub(super) fn find(&self, id: BlockId) -> Option<ElBlock> {
        match id {
            BlockId::Hash(hash) => self.block(hash.block_hash),
            BlockId::Number(tag) => match tag {
                BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => Some(self.head()),
                BlockNumberOrTag::Safe => self.safe(),
                BlockNumberOrTag::Finalized => self.finalized(),
                BlockNumberOrTag::Earliest => self.block(self.genesis),
                BlockNumberOrTag::Number(number) => self.ancestor_at(self.head, number),
            },
        }
    }

    /// Takes in a block whose parent may be missing, and everything that waited for it.
    pub(super) fn insert(&mut self, block: MemoryBlock) {
        let mut ready = vec![block];
        while let Some(block) = ready.pop() {
            let (hash, parent) = (block.hash(), block.el.block_ref.parent_hash);
            if self.blocks.contains_key(&hash) {
                continue;
            }
            if !self.blocks.contains_key(&parent) {
                self.buffered.entry(parent).or_default().push(block);
                continue;
            }
            self.blocks.insert(hash, block);
            ready.extend(self.buffered.remove(&hash).unwrap_or_default());
            if self.target == Some(hash) {
                self.reach(hash);
            }
        }
    }

    pub(super) fn lose_last(&mut self, count: usize) {
        for _ in 0..count {
            let lost = self.head;
            if lost == self.genesis {
                break;
            }
            self.head = self.head().block_ref.parent_hash;
            self.forget(lost);
        }
        self.buffered.clear();
        self.target = None;
        for label in [&mut self.safe, &mut self.finalized] {
            if !self.blocks.contains_key(label) {
                *label = B256::ZERO;
            }
        }
    }

    /// `newPayload` of a block whose hash has been checked.
    pub(super) fn new_payload(&mut self, block: MemoryBlock) -> PayloadStatus {
        let this = block.el.block_ref;
        if self.invalid.contains(&this.hash) || self.invalid.contains(&this.parent_hash) {
            self.invalid.insert(this.hash);
            return self.rejected(this.parent_hash, "links to previously rejected block");
        }
        let Some(parent) = self.block(this.parent_hash) else {
            if this.hash == self.genesis {
                return valid(this.hash);
            }
            self.insert(block);
            return PayloadStatus::from_status(PayloadStatusEnum::Syncing);
        };
        if self.backfilling {
            // What a real one buffers it executes afterwards; here the peers bring it.
            return PayloadStatus::from_status(PayloadStatusEnum::Syncing);
        }
        if this.number != parent.block_ref.number + 1
            || this.timestamp <= parent.block_ref.timestamp
        {
            self.invalid.insert(this.hash);
            return self.rejected(this.parent_hash, "invalid block number or timestamp");
        }
        self.insert(block);
        valid(this.hash)
    }

    /// `forkchoiceUpdated`.
    pub(super) fn forkchoice(
        &mut self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
        config: &RollupConfig,
    ) -> Result<ForkchoiceUpdated, ElError> {
        let head = state.head_block_hash;
        if head.is_zero() {
            return match self.kind {
                MemoryElKind::Reth => Err(invalid_state("zero head")),
                MemoryElKind::Geth | MemoryElKind::OldGeth => {
                    Ok(ForkchoiceUpdated::new(self.rejected(head, "")))
                }
            };
        }
        if self.invalid.contains(&head) {
            let status = self.rejected(head, "links to previously rejected block");
            return Ok(ForkchoiceUpdated::new(status));
        }
        let all_wait = self.backfilling && self.kind == MemoryElKind::Reth;
        if all_wait || !self.blocks.contains_key(&head) {
            return Ok(self.sync_to(state));
        }

        let is_old = head != self.head && self.is_ancestor(head, self.head);
        let is_branch = !is_old && !self.is_ancestor(self.head, head);
        if is_branch && self.sticky_forkchoices > 0 {
            self.sticky_forkchoices -= 1;
        } else if !is_old {
            self.head = head;
        }
        if self.kind == MemoryElKind::Reth || self.target == Some(head) {
            self.target = None;
        }
        if !is_old || self.kind != MemoryElKind::Reth {
            self.apply_labels(state)?;
        }
        let mut updated = ForkchoiceUpdated::new(valid(head));
        if let Some(attributes) = attributes {
            updated.payload_id = Some(self.start_build(head, attributes, config)?);
        }
        Ok(updated)
    }

    /// `getPayload`.
    pub(super) fn built(&self, id: PayloadId) -> Result<MemoryBlock, ElError> {
        self.builds.get(&id).cloned().ok_or(ElError::UnknownPayload)
    }

    pub(super) const fn leave_out(&mut self, leaves_out: bool) {
        self.leaves_out = leaves_out;
    }

    fn start_build(
        &mut self,
        parent: B256,
        mut attributes: OpPayloadAttributes,
        config: &RollupConfig,
    ) -> Result<PayloadId, ElError> {
        let parent = self.blocks.get(&parent).expect("the caller looked it up");
        if attributes.payload_attributes.timestamp <= parent.el.block_ref.timestamp {
            let message = "invalid timestamp".to_owned();
            return Err(ElError::InvalidPayloadAttributes { message });
        }
        if attributes.gas_limit.is_none() {
            let message = "missing gas limit".to_owned();
            return Err(ElError::Rpc {
                method: "engine_forkchoiceUpdatedV3",
                code: -32602,
                message,
            });
        }
        let id = attributes.payload_id(&parent.hash(), 3);
        if let Some(transactions) = attributes.transactions.as_mut().filter(|_| self.leaves_out) {
            transactions.retain(|transaction| transaction.first() == Some(&DEPOSIT_TX_TYPE_ID));
        }
        let block = ChainBuilder::build(config, parent, &attributes)
            .map_err(|message| ElError::InvalidPayloadAttributes { message })?;
        self.builds.insert(id, block);
        Ok(id)
    }

    /// Safe before finalized; the head has moved already, as in both real ELs.
    fn apply_labels(&mut self, state: ForkchoiceState) -> Result<(), ElError> {
        let labels = [state.safe_block_hash, state.finalized_block_hash];
        for label in labels.into_iter().filter(|label| !label.is_zero()) {
            let on_chain = match self.kind {
                MemoryElKind::Reth => true,
                MemoryElKind::Geth | MemoryElKind::OldGeth => self.is_ancestor(label, self.head),
            };
            if !self.blocks.contains_key(&label) || !on_chain {
                return Err(invalid_state("unknown safe or finalized block"));
            }
        }
        let [safe, finalized] = labels;
        if !safe.is_zero() {
            self.safe = safe;
        }
        if !finalized.is_zero() {
            self.finalized = finalized;
        }
        Ok(())
    }

    fn rejected(&self, ancestor: B256, reason: &str) -> PayloadStatus {
        let validation_error = reason.to_owned();
        PayloadStatus::new(
            PayloadStatusEnum::Invalid { validation_error },
            self.blocks.contains_key(&ancestor).then_some(ancestor),
        )
    }

    fn forget(&mut self, lost: B256) {
        self.blocks.remove(&lost);
        let children: Vec<B256> = self
            .blocks
            .values()
            .filter(|block| block.el.block_ref.parent_hash == lost)
            .map(MemoryBlock::hash)
            .collect();
        for child in children {
            self.forget(child);
        }
    }

    fn ancestor_at(&self, mut hash: B256, number: u64) -> Option<ElBlock> {
        loop {
            let block = self.block(hash)?;
            if block.block_ref.number == number {
                return Some(block);
            }
            hash = block.block_ref.parent_hash;
        }
    }

    fn is_ancestor(&self, ancestor: B256, of: B256) -> bool {
        self.block(ancestor)
            .is_some_and(|block| self.ancestor_at(of, block.block_ref.number) == Some(block))
    }
}

const fn valid(hash: B256) -> PayloadStatus {
    PayloadStatus::new(PayloadStatusEnum::Valid, Some(hash))
}

fn invalid_state(message: &str) -> ElError {
    ElError::InvalidForkchoiceState {
        message: message.to_owned(),
    }
}
