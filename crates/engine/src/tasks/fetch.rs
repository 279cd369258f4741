//! A block that the sequencer wants below its own: the unsafe head of its safe source, of which nobody sends it the payload.

use crate::{
    context::Context,
    target::{Target, TargetOrigin},
    tasks::settle,
};
use light_node_engine_api::{ElError, EngineApi};
use light_node_protocol::BlockNumHash;
use tokio::time::Instant;

/// Makes `head` the EL's target, if it is above our head and nothing else is under way. True if it was.
///
/// # Errors
/// [`ElError`] if the EL could not be asked.
pub(crate) async fn fetch(
    el: &dyn EngineApi,
    ctx: &mut Context,
    head: BlockNumHash,
) -> Result<bool, ElError> {
    let now = Instant::now();
    let is_busy = ctx.target().is_some() || ctx.is_lost();
    let is_refused = ctx.memory.refusal(head.hash, now).is_some();
    if is_busy || is_refused || head.number <= ctx.state.unsafe_head.number {
        return Ok(false);
    }
    let mut target = Target::new(head, TargetOrigin::Sequencer, now);
    target.payload = ctx.buffer.get(head).cloned();
    settle::request(el, ctx, target).await?;
    Ok(true)
}
