//! The node's own servers. On one port JSON-RPC (`optimism_*`, `opp2p_*`, `admin_*`, `ws_*`, `lightnode_*`) and the
//! pages `/healthz`, `/readyz` and `/status`; on another one `/metrics`. They read what the other actors publish; only what an
//! admin calls asks them to do something. Nobody awaits them, and they run on a thread of their own.

mod actor;
mod admin;
mod config;
mod context;
mod error;
mod lightnode;
mod log_level;
mod metrics;
mod opp2p;
mod optimism;
mod pages;
mod readiness;
mod safe_head;
mod safe_source;
mod server;
mod status;
mod subscriptions;
mod sync_status;
mod thread;

pub use actor::{RpcActor, RpcHandle};
pub use config::RpcConfig;
pub use context::RpcPeers;
pub use error::RpcError;
pub use log_level::SetLogLevel;
pub use metrics::{
    MetricsHandle, MetricsServer, RpcMetrics, register_node, register_op_node_names,
};
pub use safe_source::{SafeSourceHandle, SafeSourceStatus};
pub use sync_status::sync_status;
