//! The node's own JSON-RPC server: `optimism_*`, `admin_*`, `ws_*`, `lightnode_*`, and the pages `/healthz`, `/readyz` and
//! `/status`, all on one port. It reads what the other actors publish; only `admin_postUnsafePayload` asks one of them to
//! do something. Nobody awaits it.

mod actor;
mod admin;
mod config;
mod context;
mod error;
mod lightnode;
mod optimism;
mod pages;
mod readiness;
mod status;
mod subscriptions;
mod sync_status;

pub use actor::{RpcActor, RpcHandle};
pub use config::RpcConfig;
pub use context::RpcPeers;
pub use error::RpcError;
pub use sync_status::sync_status;
