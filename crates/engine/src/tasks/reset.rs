//! Derivation has found from where it goes on: its heads become those of the execution layer, and all that it handed over
//! before is void.

use crate::{
    context::Context,
    derived::Derived,
    follow_case::next_finalized,
    reads::Reads,
    request::{FollowOutcome, FollowRefusal, FollowUpdate, ForkchoiceStart, ResetError},
    state::{DerivationState, EngineState},
    target::TargetOrigin,
    tasks::{follow, lost},
};
use light_node_engine_api::{ElError, EngineApi};
use tracing::{info, warn};

/// Sets the heads to `start`. Returns the epoch that begins.
///
/// # Errors
/// [`ElError`] if the EL could not be asked, inside [`ResetError`] if it does not take them. Nothing is derived then.
pub(crate) async fn reset(
    el: &dyn EngineApi,
    ctx: &mut Context,
    start: &ForkchoiceStart,
) -> Result<Result<u64, ResetError>, ElError> {
    if ctx.derived.is_some() || ctx.state.reset_epoch == 0 {
        ctx.restart_derivation();
    }
    let epoch = ctx.state.reset_epoch;
    let EngineState {
        safe_head: safe,
        finalized_head: finalized,
        ..
    } = ctx.state;
    let lost_safe = ctx.is_lost() && start.safe.number < safe.number;
    if lost_safe || start.safe.number < finalized.number {
        return replay(el, ctx, start).await;
    }
    let is_ours = |origin| origin != TargetOrigin::Payload;
    if ctx.is_lost() || ctx.target().is_some_and(|target| is_ours(target.origin)) {
        ctx.set_target(None);
    }
    // The start was read from the EL; what we remember of it may be what led to the reset.
    ctx.forkchoices.forget();
    ctx.last_applied = None;
    let update = FollowUpdate {
        state: DerivationState {
            safe: start.safe,
            local_safe: start.safe,
            finalized: start.finalized,
            current_l1: start.current_l1,
        },
        safe_may_move: true,
    };
    let row = ctx.last_case;
    let outcome = Box::pin(follow::follow(el, ctx, update)).await;
    ctx.last_case = row;
    match outcome? {
        FollowOutcome::Applied | FollowOutcome::Unchanged => {}
        FollowOutcome::Refused(refusal) => return Ok(Err(ResetError::Refused(refusal))),
        FollowOutcome::Syncing | FollowOutcome::Skipped | FollowOutcome::Superseded => {
            return Ok(Err(unavailable("it has not moved to it yet")));
        }
    }
    let finalized = next_finalized(ctx.state.finalized_head, start.finalized);
    let start = ForkchoiceStart {
        current_l1: ctx.state.current_l1,
        ..*start
    };
    ctx.derived = Some(Derived::new(&start, finalized));
    // The sequencer will build its own way out, also below our head.
    ctx.state.origin_left_l1 = start.unsafe_head.number < ctx.state.unsafe_head.number;
    info!(
        number = start.safe.number,
        hash = %start.safe.hash,
        unsafe_number = ctx.state.unsafe_head.number,
        l1_number = start.current_l1.number,
        epoch,
        "derivation begins"
    );
    Ok(Ok(epoch))
}

/// The start lies below what the EL has lost, or below what is final. If it has lost that, it gets it anew from L1, and what is
/// published holds.
async fn replay(
    el: &dyn EngineApi,
    ctx: &mut Context,
    start: &ForkchoiceStart,
) -> Result<Result<u64, ResetError>, ElError> {
    let finalized = ctx.state.finalized_head;
    if !ctx.is_lost() {
        let blocks = Reads::default().number(finalized.number).send(el).await?;
        if blocks.holds(finalized.id()) {
            let refusal = FollowRefusal::FinalizedContradicted;
            return Ok(Err(ResetError::Refused(refusal)));
        }
        lost::recover(el, ctx).await?;
    }
    let blocks = Reads::default().number(start.safe.number).send(el).await?;
    if !ctx.is_lost() || !blocks.holds(start.safe.id()) {
        return Ok(Err(unavailable("it is not on its chain any more")));
    }
    ctx.set_target(None);
    ctx.derived = Some(Derived::replay(start));
    warn!(
        number = start.safe.number,
        hash = %start.safe.hash,
        safe_number = ctx.state.safe_head.number,
        finalized_number = finalized.number,
        "the execution layer has lost safe blocks; they are derived from L1 again, heads hold"
    );
    Ok(Ok(ctx.state.reset_epoch))
}

fn unavailable(reason: &str) -> ResetError {
    ResetError::Unavailable {
        reason: reason.to_owned(),
    }
}
