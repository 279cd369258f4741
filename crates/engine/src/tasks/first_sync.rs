//! The end of the execution layer's own first sync: it stands on a head that gossip named, of which L1 has said nothing yet.
//! What is old enough is taken to be safe and final, never the head itself; derivation begins there.

use crate::{
    context::Context,
    reads::Reads,
    request::{FollowOutcome, FollowUpdate},
    state::{DerivationState, EngineState},
    tasks::follow,
};
use light_node_engine_api::{ElError, EngineApi};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Sets safe and finalized behind the head.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. It will be tried again.
pub(crate) async fn set_labels(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    if let Some(sync) = &mut ctx.first_sync {
        sync.due = Instant::now() + PAUSE;
    }
    let config = &ctx.config.rollup_config;
    let tip = ctx.state.unsafe_head;
    let blocks_back = ctx.config.el_safe_offset.as_secs() / config.block_time.max(1);
    let number = tip.number.saturating_sub(blocks_back);
    let number = number.max(config.genesis.l2.number);
    let EngineState {
        safe_head,
        finalized_head,
        ..
    } = ctx.state;
    if !finalized_head.is_zero() && number <= finalized_head.number {
        ctx.end_first_sync();
        return Ok(());
    }
    let Some(block) = Reads::default().number(number).send(el).await?.at(number) else {
        return Ok(());
    };
    // What was safe before is no less safe now.
    let safe = if safe_head.number > number {
        safe_head
    } else {
        block
    };
    let update = FollowUpdate {
        state: DerivationState {
            safe,
            local_safe: safe,
            finalized: block,
            ..Default::default()
        },
        safe_may_move: false,
    };
    let row = ctx.last_case;
    let outcome = Box::pin(follow::follow(el, ctx, update)).await;
    ctx.last_case = row;
    match outcome? {
        FollowOutcome::Applied | FollowOutcome::Unchanged => {
            info!(
                number = block.number,
                hash = %block.hash,
                unsafe_number = tip.number,
                "the execution layer has synced; derivation begins behind its head"
            );
            ctx.end_first_sync();
        }
        FollowOutcome::Refused(refusal) => {
            warn!(
                ?refusal,
                "no safe block can be set behind the head of the execution layer"
            );
        }
        FollowOutcome::Syncing | FollowOutcome::Skipped | FollowOutcome::Superseded => {}
    }
    Ok(())
}
