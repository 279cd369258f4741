//! The `lightnode` namespace: what only nodes of our own kind ask each other.

use crate::context::RpcContext;
use jsonrpsee::{RpcModule, core::RegisterMethodError};

pub(crate) fn register(module: &mut RpcModule<RpcContext>) -> Result<(), RegisterMethodError> {
    // Who follows whom, nearest first: a node that finds its own id in its source's path refuses the cycle.
    module.register_method("lightnode_followPath", |_, context, _| {
        context.peers.safe_source.path()
    })?;
    Ok(())
}
