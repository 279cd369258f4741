//! What the behaviours share: the binary as a process, its RPC, and waiting for an observed state.

pub(crate) mod process;
pub(crate) mod rpc;
pub(crate) mod wait;
