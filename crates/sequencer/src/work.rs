//! The one block that is under way, from its build to the head.

use alloy_primitives::B256;
use alloy_rpc_types_engine::PayloadId;
use light_node_engine::EngineState;
use light_node_protocol::{L2BlockRef, SystemConfig};
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use tokio::time::Instant;

/// What a block is built on, and in which state of things. When that is over, so is the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) parent: L2BlockRef,
    /// The unsafe head: the parent, or above it where the chain is led back.
    pub(crate) head: B256,
    pub(crate) epoch: u64,
}

impl Base {
    pub(crate) fn holds(&self, state: &EngineState) -> bool {
        self.head == state.unsafe_head.hash && self.epoch == state.epoch
    }
}

/// Attributes that the execution layer was given. They are given again unchanged until it is known what became of them: it then
/// has one build on the parent, not two.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) base: Base,
    pub(crate) attributes: OpPayloadAttributes,
}

/// What the conductor has said of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was not asked.
    NotAsked,
    /// It may have taken it.
    Unknown,
    /// It has.
    Yes,
}

/// A sealed block. It is given up only when that can do no harm: when nobody else can have it, or when the chain has moved on
/// without it. Until then nothing else is built in its place.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) envelope: OpExecutionPayloadEnvelope,
    pub(crate) block: L2BlockRef,
    /// The system config in force in it.
    pub(crate) config: SystemConfig,
    /// The unsafe head when it was built.
    pub(crate) head: B256,
    pub(crate) taken: Taken,
}

impl Kept {
    /// It is the head, or can still become it.
    pub(crate) fn stands(&self, state: &EngineState) -> bool {
        let head = state.unsafe_head.hash;
        head == self.head || head == self.block.hash
    }
}

/// Where the block is.
#[derive(Debug, Default)]
#[allow(clippy::large_enum_variant)] // there is one
pub(crate) enum Work {
    /// None is under way.
    #[default]
    Nothing,
    /// The execution layer builds it.
    Open {
        base: Base,
        id: PayloadId,
        /// Of what it is made.
        attributes: Box<OpPayloadAttributes>,
        /// If it cannot be fetched until then, another one is begun.
        give_up: Instant,
    },
    /// It is sealed.
    Kept(Kept),
}

/// The last block that was made here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastMade {
    pub(crate) hash: B256,
    pub(crate) at: Instant,
}
