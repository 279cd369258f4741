//! The door to the execution layer (EL): the traits [`ElReader`] and [`EngineApi`], and their HTTP client with JWT
//! authentication. The engine holds an [`EngineApi`]; everyone else who must read the EL holds an [`ElReader`].

mod block;
mod error;
mod reader;

pub use block::{ElBlock, ElSyncing};
pub use error::ElError;
pub use reader::{ElReader, EngineApi};
