//! An engine that derives, for tests: what derivation would hand over for blocks of a chain, and how it starts.

use super::*;
use crate::request::{ConsolidateOutcome, DerivedAttributes, ForkchoiceStart, ResetError};
use alloy_primitives::Bytes;
use alloy_rpc_types_engine::PayloadAttributes;
use light_node_protocol::RollupConfig;
use op_alloy_rpc_types_engine::OpPayloadAttributes;

/// The attributes of which `block` is built.
pub(super) fn attributes_of(block: &MemoryBlock) -> OpPayloadAttributes {
    let payload = block.envelope.execution_payload.as_v1();
    OpPayloadAttributes {
        payload_attributes: PayloadAttributes {
            timestamp: payload.timestamp,
            prev_randao: payload.prev_randao,
            suggested_fee_recipient: payload.fee_recipient,
            withdrawals: Some(Vec::new()),
            parent_beacon_block_root: block.envelope.parent_beacon_block_root,
            ..Default::default()
        },
        transactions: Some(payload.transactions.clone()),
        no_tx_pool: Some(true),
        gas_limit: Some(payload.gas_limit),
        eip_1559_params: Some(Default::default()),
        min_base_fee: Some(0),
    }
}

/// `block` as derivation hands it over, alone in its span.
pub(super) fn derived(block: &MemoryBlock) -> DerivedAttributes {
    let this = block.block_ref();
    DerivedAttributes {
        attributes: attributes_of(block),
        parent: Some(this.parent_hash),
        number: this.number,
        l1_origin: this.l1_origin,
        sequence_number: this.sequence_number,
        derived_from: ChainBuilder::l1_block(this.l1_origin.number + 1, 0),
        is_last_in_span: true,
    }
}

/// The same, inside a span.
pub(super) fn in_span(block: &MemoryBlock) -> DerivedAttributes {
    DerivedAttributes {
        is_last_in_span: false,
        ..derived(block)
    }
}

/// The same with a transaction of a batch in it.
pub(super) fn with_transaction(block: &MemoryBlock) -> DerivedAttributes {
    let mut derived = derived(block);
    let transactions = derived.attributes.transactions.get_or_insert_default();
    transactions.push(Bytes::from_static(&[2, 0xc0]));
    derived
}

/// Blocks that ran ahead: only the first knows its parent, only the last ends the span.
pub(super) fn span(blocks: &[MemoryBlock]) -> Vec<DerivedAttributes> {
    let mut span: Vec<_> = blocks.iter().map(in_span).collect();
    for derived in span.iter_mut().skip(1) {
        derived.parent = None;
    }
    span.last_mut().unwrap().is_last_in_span = true;
    span
}

/// A span of which the third block has the transaction of a batch in it; what follows ran ahead.
pub(super) fn bad_span(blocks: &[MemoryBlock]) -> Vec<DerivedAttributes> {
    let mut span = span(blocks);
    span[2].attributes = with_transaction(&blocks[2]).attributes;
    span
}

pub(super) fn is_stale(outcomes: &[ConsolidateOutcome]) -> bool {
    outcomes
        .iter()
        .all(|outcome| *outcome == ConsolidateOutcome::Stale)
}

impl Harness {
    /// An engine that derives, beside an EL that `arrange` has prepared; the start-up probe is over.
    pub(super) async fn deriving_beside(
        kind: MemoryElKind,
        arrange: impl FnOnce(&ChainBuilder, &MemoryEl),
    ) -> Self {
        let builder = ChainBuilder::new();
        let el = MemoryEl::with_kind(&builder, kind);
        arrange(&builder, &el);
        let config = EngineConfig::new(builder.config(), SafeSourceKind::Derive);
        let harness = Self::start_with(config, builder, el);
        harness
            .published_until(|state| !state.unsafe_head.is_zero())
            .await;
        harness
    }

    /// An engine that derives from genesis on, beside an EL that has nothing else.
    pub(super) async fn deriving(kind: MemoryElKind) -> Self {
        let mut harness = Self::deriving_beside(kind, |_, _| {}).await;
        let genesis = harness.builder.genesis();
        assert_eq!(harness.reset_to(&genesis).await, Ok(1));
        harness.forkchoices();
        harness
    }

    /// The same where the L1 blocks before `l1_number` are of before Holocene, and of the L2 blocks all that the tests have.
    pub(super) async fn deriving_before_holocene(kind: MemoryElKind, l1_number: u64) -> Self {
        let builder = ChainBuilder::new();
        let el = MemoryEl::with_kind(&builder, kind);
        let holocene = ChainBuilder::l1_block(l1_number, 0).timestamp;
        let rollup_config = RollupConfig {
            holocene_time: Some(holocene),
            isthmus_time: None,
            jovian_time: None,
            ..(*builder.config()).clone()
        };
        let config = EngineConfig::new(Arc::new(rollup_config), SafeSourceKind::Derive);
        let mut harness = Self::start_with(config, builder, el);
        harness
            .published_until(|state| !state.unsafe_head.is_zero())
            .await;
        let genesis = harness.builder.genesis();
        assert_eq!(harness.reset_to(&genesis).await, Ok(1));
        harness.forkchoices();
        harness
    }

    /// A start at `safe`, finalized genesis.
    pub(super) fn start_at(&self, safe: &MemoryBlock) -> ForkchoiceStart {
        let number = safe.block_ref().l1_origin.number;
        ForkchoiceStart {
            unsafe_head: self.el.head(),
            safe: safe.block_ref(),
            finalized: self.builder.genesis().block_ref(),
            current_l1: ChainBuilder::l1_block(number, 0),
        }
    }

    pub(super) async fn reset_to(&mut self, safe: &MemoryBlock) -> Result<u64, ResetError> {
        let start = self.start_at(safe);
        let done = self.engine.reset(start).await;
        self.check();
        done
    }

    pub(super) async fn consolidate(&mut self, derived: DerivedAttributes) -> ConsolidateOutcome {
        let epoch = self.state().reset_epoch;
        let outcome = self.engine.consolidate(epoch, derived).await.unwrap();
        self.know(&outcome);
        self.check();
        outcome
    }

    /// Hands over all at once, as derivation does when it runs ahead.
    pub(super) async fn consolidate_all(
        &mut self,
        derived: Vec<DerivedAttributes>,
    ) -> Vec<ConsolidateOutcome> {
        let epoch = self.state().reset_epoch;
        let calls = derived
            .into_iter()
            .map(|derived| self.engine.consolidate(epoch, derived));
        let outcomes = futures::future::join_all(calls).await;
        let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
        for outcome in &outcomes {
            self.know(outcome);
        }
        self.check();
        outcomes
    }

    /// Blocks that only the EL has made.
    fn know(&mut self, outcome: &ConsolidateOutcome) {
        if let ConsolidateOutcome::Safe(block) | ConsolidateOutcome::DepositsOnly(block) = outcome {
            self.blocks.insert(block.hash, *block);
        }
    }
}

pub(super) fn safe(block: &MemoryBlock) -> ConsolidateOutcome {
    ConsolidateOutcome::Safe(block.block_ref())
}

/// An engine that derives from genesis on, and a chain of which the first `count` blocks are safe and in the EL.
pub(super) async fn at(kind: MemoryElKind, count: usize) -> (Harness, Vec<MemoryBlock>) {
    let mut harness = Harness::deriving(kind).await;
    let chain = harness.chain(24);
    for block in &chain[..count] {
        assert_eq!(harness.consolidate(derived(block)).await, safe(block));
    }
    harness.pass(seconds(1)).await;
    (harness, chain)
}
