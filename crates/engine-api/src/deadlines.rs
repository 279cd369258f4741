//! How long each kind of call to the EL may take.

use std::time::Duration;

/// Deadlines by kind of call. A call that has no answer by then fails with [`Timeout`](crate::ElError::Timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElDeadlines {
    /// `eth_*` and other reads.
    pub read: Duration,
    /// `engine_forkchoiceUpdated`, with and without attributes.
    pub forkchoice: Duration,
    /// `engine_getPayload`.
    pub get_payload: Duration,
    /// `engine_newPayload`.
    pub new_payload: Duration,
}

impl ElDeadlines {
    /// Reads come from the EL's memory or disk; a slower one means an EL that is stuck, and the next poll asks again.
    pub const READ: Duration = Duration::from_secs(2);
    /// The Engine API specification's own limit for this call: the EL may have to unwind and re-execute a reorg.
    pub const FORKCHOICE: Duration = Duration::from_secs(8);
    /// The block is already built; on a 2 s chain a longer wait loses the slot.
    pub const GET_PAYLOAD: Duration = Duration::from_secs(2);
    /// The EL executes the whole block before it answers, on a cold state perhaps slowly; giving up early would make it
    /// execute the same block again. The specification's 8 s are for L1 blocks, ours may be larger.
    pub const NEW_PAYLOAD: Duration = Duration::from_secs(20);
}

impl Default for ElDeadlines {
    fn default() -> Self {
        Self {
            read: Self::READ,
            forkchoice: Self::FORKCHOICE,
            get_payload: Self::GET_PAYLOAD,
            new_payload: Self::NEW_PAYLOAD,
        }
    }
}
