//! Throttling: how much the next blocks may bring to L1. A batcher that falls behind asks for it.

use alloy_eips::Encodable2718;
use op_alloy_consensus::OpTxEnvelope;
use op_revm::estimate_tx_compressed_size;

/// How much data of pool transactions a block may hold, in bytes as L1 fees estimate them (`miner_setMaxDASize`). Zero is no
/// limit. Forced transactions are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaLimits {
    /// Most bytes of one transaction.
    pub max_transaction_bytes: u64,
    /// Most bytes of all transactions of a block.
    pub max_block_bytes: u64,
}

impl DaLimits {
    /// Adds a transaction to the bytes `used` so far, or says that it does not fit any more.
    pub(super) fn admit(&self, transaction: &OpTxEnvelope, used: &mut u64) -> bool {
        if *self == Self::default() {
            return true;
        }
        // The estimate is in millionths of a byte.
        let bytes = estimate_tx_compressed_size(&transaction.encoded_2718()) / 1_000_000;
        let total = used.saturating_add(bytes);
        let fits =
            is_within(bytes, self.max_transaction_bytes) && is_within(total, self.max_block_bytes);
        if fits {
            *used = total;
        }
        fits
    }
}

const fn is_within(bytes: u64, limit: u64) -> bool {
    limit == 0 || bytes <= limit
}
