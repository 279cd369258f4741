//! Labels follow the derived blocks: one forkchoice for a burst of them. What derivation says is applied as what any safe
//! source says, with the same reads of the execution layer and the same refusals.

use crate::{
    context::Context,
    reads::Reads,
    request::{FollowOutcome, ResetReason},
    tasks::{follow, lost},
};
use light_node_engine_api::{ElError, EngineApi};
use tokio::time::Instant;
use tracing::{debug, error, warn};

/// Moves the labels to where derivation stands.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. It will be tried again.
pub(crate) async fn move_labels(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    let now = Instant::now();
    let published = ctx.state;
    let Some(derived) = &mut ctx.derived else {
        return Ok(());
    };
    if derived.is_replay && derived.holds(&published) {
        derived.labels_moved(now);
        return Ok(());
    }
    derived.moving_labels(now);
    find_finalized(el, ctx).await?;
    let Some(derived) = &ctx.derived else {
        return Ok(());
    };
    let row = ctx.last_case;
    let outcome = Box::pin(follow::follow(el, ctx, derived.update())).await;
    // The table's rows are reported of a source that is another node.
    ctx.last_case = row;
    match outcome? {
        FollowOutcome::Applied | FollowOutcome::Unchanged => {
            if let Some(derived) = &mut ctx.derived {
                derived.is_replay = false;
                derived.labels_moved(now);
            }
        }
        FollowOutcome::Refused(refusal) => {
            let reason = ResetReason::Contradicted(refusal);
            error!(%reason, "derivation has to begin anew");
            ctx.restart_derivation();
        }
        outcome @ (FollowOutcome::Syncing | FollowOutcome::Skipped | FollowOutcome::Superseded) => {
            debug!(?outcome, "the labels of derived blocks wait");
            look_for_safe(el, ctx).await?;
        }
    }
    Ok(())
}

/// Labels that wait may wait for a block that the EL had and lost, by a restart after which it stands on another branch.
/// Nobody serves that block; derivation finds where both agree.
async fn look_for_safe(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    let Some(safe) = ctx.derived.as_ref().map(|derived| derived.safe) else {
        return Ok(());
    };
    if !lost::is_unknown(el, &safe).await? {
        return Ok(());
    }
    warn!(number = safe.number, hash = %safe.hash,
        "the execution layer has lost derived blocks; derivation begins anew");
    lost::recover(el, ctx).await?;
    if ctx.derived.is_some() {
        ctx.restart_derivation();
    }
    Ok(())
}

/// Looks up a block that shall be final. Whether it is on our chain is found when the labels are.
async fn find_finalized(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    let Some(derived) = &ctx.derived else {
        return Ok(());
    };
    let Some(id) = derived.ripe_finalize() else {
        return Ok(());
    };
    let remembered = ctx.memory.get(id.hash);
    let block = match remembered {
        Some(block) => Some(block),
        None => Reads::default()
            .hash(id.hash)
            .send(el)
            .await?
            .by_hash(id.hash),
    };
    if let Some(derived) = &mut ctx.derived {
        derived.finalize = None;
        match block.filter(|block| block.number == id.number) {
            Some(block) => derived.finalized = block,
            None => warn!(number = id.number, hash = %id.hash,
                "a block that shall be final is not in the execution layer"),
        }
    }
    Ok(())
}
