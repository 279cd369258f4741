//! The part of `admin` that is about the sequencer: what op-conductor and the batcher call. A node that does not sequence is
//! never active, and refuses the rest in op-node's words.

use crate::{
    context::Turns,
    error::{expected, failed},
};
use alloy_primitives::B256;
use jsonrpsee::{Methods, RpcModule, core::RegisterMethodError, types::ErrorObjectOwned};
use light_node_sequencer::{SequencerCommandError, SequencerHandle, SequencerStatus};

/// What the methods answer from.
struct Door {
    sequencer: Option<SequencerHandle>,
    commands: Turns,
}

/// One thing that is known of the sequencer.
type Fact = fn(&SequencerStatus) -> bool;

pub(super) fn methods(
    sequencer: Option<SequencerHandle>,
    commands: Turns,
) -> Result<Methods, RegisterMethodError> {
    let mut module = RpcModule::new(Door {
        sequencer,
        commands,
    });
    // Asked often, and answered without asking anybody. The last one is kona-node's own.
    let facts: [(_, Fact); 3] = [
        ("admin_sequencerActive", |status| status.is_active),
        ("admin_conductorEnabled", |status| status.has_conductor),
        ("admin_adminRecoverMode", |status| status.is_recovering),
    ];
    for (name, fact) in facts {
        module.register_method(name, move |_, door, _| {
            let sequencer = door.sequencer.as_ref();
            sequencer.is_some_and(|sequencer| fact(&sequencer.status()))
        })?;
    }
    module.register_async_method("admin_startSequencer", |params, door, _| async move {
        let head: Option<B256> = params
            .sequence()
            .optional_next()
            .map_err(|cause| expected("the hash of the unsafe head, or nothing", &cause))?;
        let start = |sequencer: SequencerHandle| async move { sequencer.start(head).await };
        door.command(start).await
    })?;
    module.register_async_method("admin_stopSequencer", |_, door, _| async move {
        let stop = |sequencer: SequencerHandle| async move { sequencer.stop().await };
        door.command(stop).await
    })?;
    module.register_async_method("admin_overrideLeader", |_, door, _| async move {
        let lead = |sequencer: SequencerHandle| async move { sequencer.override_leader().await };
        door.command(lead).await
    })?;
    module.register_async_method("admin_setRecoverMode", |params, door, _| async move {
        let mode: bool = params
            .one()
            .map_err(|cause| expected("true or false", &cause))?;
        let set = move |it: SequencerHandle| async move { it.set_recover_mode(mode).await };
        door.command(set).await
    })?;
    Ok(module.into())
}

impl Door {
    /// Has the sequencer do something, in its turn.
    async fn command<T, F>(
        &self,
        act: impl FnOnce(SequencerHandle) -> F,
    ) -> Result<T, ErrorObjectOwned>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SequencerCommandError>> + Send + 'static,
    {
        let Some(sequencer) = self.sequencer.clone() else {
            return Err(failed("sequencer is not enabled"));
        };
        let done = act(sequencer);
        let done = async move { done.await.map_err(|cause| failed(cause.to_string())) };
        self.commands.ask(done).await
    }
}

#[cfg(test)]
mod tests;
