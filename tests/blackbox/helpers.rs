//! What the behaviours share: a chain, the binary as a process, its RPC, and waiting for an observed state.

pub(crate) mod chain;
pub(crate) mod door;
pub(crate) mod flags;
pub(crate) mod invariants;
pub(crate) mod manual;
pub(crate) mod process;
pub(crate) mod recorder;
pub(crate) mod rpc;
pub(crate) mod wait;
