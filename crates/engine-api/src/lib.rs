//! The door to the execution layer (EL): the traits [`ElReader`] and [`EngineApi`], and their HTTP client with JWT
//! authentication. The engine holds an [`EngineApi`]; everyone else who must read the EL holds an [`ElReader`].

mod block;
mod deadlines;
mod error;
#[cfg(any(test, feature = "test-utils"))]
pub mod memory;
mod payload;
mod reader;

pub use block::{ElBlock, ElSyncing};
pub use deadlines::ElDeadlines;
pub use error::ElError;
pub use payload::{PayloadError, payload_block_hash};
pub use reader::{ElReader, EngineApi};
