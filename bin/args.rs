//! The command line, one flag group a file. A group's struct holds what was typed; `commands/` turns groups into configuration.

pub(crate) mod about;
pub(crate) mod aliases;
pub(crate) mod chain;
pub(crate) mod config;
pub(crate) mod derive;
#[cfg(feature = "devnet")]
pub(crate) mod devnet;
pub(crate) mod doctor;
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod follow;
pub(crate) mod given;
pub(crate) mod healthcheck;
pub(crate) mod jwt;
pub(crate) mod l1;
pub(crate) mod l2;
pub(crate) mod layers;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod node;
pub(crate) mod rpc;
pub(crate) mod safedb;
pub(crate) mod setting;
pub(crate) mod value;
pub(crate) mod words;
