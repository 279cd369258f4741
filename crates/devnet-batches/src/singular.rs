//! Singular batches: one L2 block each (`specs/protocol/derivation.md#batch-format`).

use alloy_eips::{BlockNumHash, Encodable2718, Typed2718};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Encodable, RlpEncodable};
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, OpTxEnvelope};

/// Type byte of a singular batch.
pub const SINGULAR_BATCH_TYPE: u8 = 0;

/// One L2 block as derivation needs it: everything else follows from L1.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct SingularBatch {
    /// The L2 block's parent.
    pub parent_hash: B256,
    /// Number of its L1 origin.
    pub epoch_number: u64,
    /// Hash of its L1 origin.
    pub epoch_hash: B256,
    /// Its time, Unix seconds.
    pub timestamp: u64,
    /// Its transactions but the deposits, each as EIP-2718 bytes.
    pub transactions: Vec<Bytes>,
}

impl SingularBatch {
    /// The batch of a block with the L1 origin `epoch`.
    pub const fn new(
        parent_hash: B256,
        epoch: BlockNumHash,
        timestamp: u64,
        transactions: Vec<Bytes>,
    ) -> Self {
        Self {
            parent_hash,
            epoch_number: epoch.number,
            epoch_hash: epoch.hash,
            timestamp,
            transactions,
        }
    }

    /// The batch with its type, as it stands in a channel before it is wrapped in RLP.
    pub fn encoded(&self) -> Bytes {
        let mut typed = vec![SINGULAR_BATCH_TYPE];
        self.encode(&mut typed);
        typed.into()
    }
}

/// The transactions of a block that a batch carries. Deposits are left out: they come from L1.
pub fn batch_transactions(transactions: &[OpTxEnvelope]) -> Vec<Bytes> {
    transactions
        .iter()
        .filter(|transaction| !transaction.is_type(DEPOSIT_TX_TYPE_ID))
        .map(|transaction| transaction.encoded_2718().into())
        .collect()
}
