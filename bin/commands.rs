//! What the subcommands do, one file each.

#[cfg(feature = "devnet")]
pub(crate) mod devnet;
pub(crate) mod node;
pub(crate) mod shutdown;
