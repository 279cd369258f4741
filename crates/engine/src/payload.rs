//! An unsafe payload inside the engine: the envelope with what it says of its own place in the chain.

use alloy_primitives::{B256, Bytes};
use light_node_protocol::{L2BlockRef, L2BlockRefError, RollupConfig};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use std::sync::Arc;

/// Fields of fixed size in a payload, roughly.
const FIXED_BYTES: usize = 1024;

/// A payload and its block reference. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// The block that it carries.
    pub block: L2BlockRef,
    /// The payload itself.
    pub envelope: Arc<OpExecutionPayloadEnvelope>,
    /// Memory that it holds.
    pub bytes: usize,
}

impl Payload {
    /// Reads the place in the chain out of `envelope`, whose block hash has been checked by the sender.
    ///
    /// # Errors
    /// [`L2BlockRefError`] if it has no place in this rollup.
    pub(crate) fn new(
        config: &RollupConfig,
        envelope: OpExecutionPayloadEnvelope,
    ) -> Result<Self, L2BlockRefError> {
        let block = L2BlockRef::from_payload(config, &envelope.execution_payload)?;
        let bytes = envelope_bytes(&envelope);
        Ok(Self {
            block,
            envelope: Arc::new(envelope),
            bytes,
        })
    }

    /// Block hash.
    pub(crate) const fn hash(&self) -> B256 {
        self.block.hash
    }
}

/// Memory that an envelope holds, roughly.
pub(crate) fn envelope_bytes(envelope: &OpExecutionPayloadEnvelope) -> usize {
    let transactions = envelope.execution_payload.transactions();
    let content: usize = transactions.iter().map(|bytes| bytes.len()).sum();
    content + transactions.len() * size_of::<Bytes>() + FIXED_BYTES
}
