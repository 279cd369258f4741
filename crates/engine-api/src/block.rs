//! What a reader learns of a block of the EL, and of the EL's own sync.

use alloy_primitives::B256;
use light_node_protocol::L2BlockRef;

/// A block as the EL holds it. The reference is decoded from the block itself: its L1 origin is what its first deposit
/// says, never what somebody claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ElBlock {
    /// Hash, number, parent, time, L1 origin and sequence number.
    pub block_ref: L2BlockRef,
    /// Root of the state after the block.
    pub state_root: B256,
    /// `withdrawalsRoot` of the header: from Isthmus on the storage root of the L2ToL1MessagePasser.
    pub withdrawals_root: Option<B256>,
}

/// The answer of `eth_syncing`. It informs operators; no decision stands on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ElSyncing {
    /// The EL says that it is not syncing.
    #[default]
    Idle,
    /// The EL fetches blocks from its peers.
    Syncing {
        /// Highest block that it has executed.
        current: u64,
        /// Highest block that it knows of.
        highest: u64,
        /// A digest of the whole answer. While it changes the EL makes progress, also where the two numbers stand still:
        /// op-reth moves its head only at the end of a far sync, op-geth first fetches state.
        marks: u64,
    },
}
