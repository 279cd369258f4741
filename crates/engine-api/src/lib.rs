//! The door to the execution layer (EL): the traits [`ElReader`] and [`EngineApi`], and their HTTP client with JWT
//! authentication. The engine holds an [`EngineApi`]; everyone else who must read the EL holds an [`ElReader`].

mod block;
#[cfg(any(test, feature = "test-utils"))]
pub mod conformance;
mod deadlines;
mod error;
mod http;
mod jwt;
#[cfg(any(test, feature = "test-utils"))]
pub mod memory;
mod payload;
mod reader;
pub mod versions;
mod wire;

pub use block::{ElBlock, ElSyncing};
pub use deadlines::ElDeadlines;
pub use error::{ElError, ElErrorClass, JwtRefusal};
pub use http::{HttpEngine, HttpEngineConfig, HttpEngineError, check_engine_url};
pub use jwt::{JwtError, JwtSecret, JwtSource};
pub use payload::{PayloadError, payload_block_hash, payload_ref};
pub use reader::{ElReader, EngineApi};
pub use wire::payload_envelope_from_json;
