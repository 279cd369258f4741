//! Blocks of the safe chain, read from the execution layer where a batch overlaps them.

use crate::cause::RetryCause;
use alloy_eips::BlockId;
use alloy_primitives::Bytes;
use light_node_engine_api::ElReader;
use light_node_protocol::{L2BlockRef, RollupConfig};

/// A block of the safe chain.
#[derive(Clone, Debug)]
pub(crate) struct SafeBlock {
    pub(crate) block_ref: L2BlockRef,
    /// As they stand in the block, deposits first.
    pub(crate) transactions: Vec<Bytes>,
}

impl SafeBlock {
    /// Reads the block of this number, which is not above the safe head.
    pub(crate) async fn read(
        el: &dyn ElReader,
        config: &RollupConfig,
        number: u64,
    ) -> Result<Self, RetryCause> {
        let missing = RetryCause::L2BlockMissing { number };
        let envelope = el.payload(BlockId::number(number)).await?;
        let payload = envelope.ok_or_else(|| missing.clone())?.execution_payload;
        let block_ref = L2BlockRef::from_payload(config, &payload).map_err(|_| missing)?;
        let transactions = payload.transactions().clone();
        Ok(Self {
            block_ref,
            transactions,
        })
    }
}
