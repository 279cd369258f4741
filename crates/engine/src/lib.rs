//! The engine: the only writer of the execution layer. Safe sources, the network, the sequencer and admin send requests
//! through [`EngineHandle`]; the actor awaits nobody but the EL. Heads that it publishes are what the EL confirmed.

mod handle;
mod request;
mod state;

pub use handle::{EngineGone, EngineHandle};
pub use request::{FollowOutcome, FollowRefusal, FollowUpdate, InsertOutcome};
pub use state::{DerivationState, ElSyncState, EngineState};
