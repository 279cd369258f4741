//! The sequencer's three steps: start a build, fetch the block, make it the head. They are apart so that a conductor can
//! commit the block between the last two.

use crate::{
    context::{Context, OpenBuild},
    forkchoice::{Outcome, Rejection},
    metrics::Stall,
    payload::Payload,
    reads::Reads,
    request::{BuildOutcome, CommitOutcome, InsertOutcome, SealOutcome},
    tasks::{
        consolidate::AFTER_YIELD,
        forkchoice::send_and_build,
        insert::{Insertion, extend},
        lost,
    },
};
use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_engine::PayloadId;
use light_node_engine_api::{ElError, EngineApi};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use tokio::time::Instant;
use tracing::warn;

/// Has the EL build the child of `parent`.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. No build is open then.
pub(crate) async fn build(
    el: &dyn EngineApi,
    ctx: &mut Context,
    parent: B256,
    attributes: OpPayloadAttributes,
) -> Result<BuildOutcome, ElError> {
    yield_to_sequencer(ctx);
    if ctx.target().is_some() || ctx.is_lost() {
        return Ok(BuildOutcome::Syncing);
    }
    if !may_stand_on(el, ctx, parent).await? {
        return Ok(BuildOutcome::HeadChanged);
    }
    ctx.build = None;
    let timestamp = attributes.payload_attributes.timestamp;
    let forkchoice = ctx.forkchoice_to(parent);
    let busy = |words: &str| BuildOutcome::Failed {
        reason: words.to_owned(),
    };
    match send_and_build(el, ctx, forkchoice, Some(attributes)).await {
        Ok((Outcome::Applied, Some(id))) => {
            ctx.build = Some(OpenBuild { id, timestamp });
            Ok(BuildOutcome::Started(id))
        }
        Ok((Outcome::Applied, None)) => Ok(busy("the execution layer started no build")),
        Ok((Outcome::Accepted, _)) => {
            // An EL that was restarted may have lost its head, and nobody else asks it for a block of ours soon.
            if lost::is_gone(el, ctx).await? {
                lost::recover(el, ctx).await?;
                lost::ask_for_source_block(el, ctx).await?;
            }
            Ok(BuildOutcome::Syncing)
        }
        Ok((Outcome::Rejected(Rejection::Invalid { reason }), _)) => {
            Ok(BuildOutcome::Failed { reason })
        }
        Ok((Outcome::Rejected(Rejection::Inconsistent { message }), _)) => {
            Ok(BuildOutcome::Failed { reason: message })
        }
        Err(error) => {
            let reason = error.into_refused_attributes()?;
            Ok(BuildOutcome::InvalidAttributes { reason })
        }
    }
}

/// Gives up a head of gossip that nobody serves: who else than the sequencer could end that?
fn yield_to_sequencer(ctx: &mut Context) {
    if ctx.target_yields() {
        give_way(ctx);
    }
}

/// Gives up a head of gossip, whatever becomes of it: who started the sequencer has named our head as the one to build on.
pub(crate) fn begin_here(ctx: &mut Context) {
    if ctx.first_sync.is_none() && ctx.target_is_of_gossip() {
        give_way(ctx);
    }
}

fn give_way(ctx: &mut Context) {
    if let Some(id) = ctx.target().map(|target| target.id) {
        ctx.metrics.stall(Stall::TargetYielded);
        warn!(number = id.number, hash = %id.hash,
            "a head that the execution layer does not get to is asked for no more; the sequencer builds on its own");
        ctx.give_up_target();
        ctx.calm_for(AFTER_YIELD, Instant::now());
    }
}

/// True if the sequencer may build on `parent`: on our head, or, once the L1 origin of our head has left L1, on an older block
/// of our chain that is not below what is safe. What is not remembered, as after a restart, the EL is asked for.
async fn may_stand_on(el: &dyn EngineApi, ctx: &Context, parent: B256) -> Result<bool, ElError> {
    if parent == ctx.state.unsafe_head.hash || !ctx.state.origin_left_l1 {
        return Ok(parent == ctx.state.unsafe_head.hash);
    }
    if ctx.is_anchor(parent) {
        return Ok(true);
    }
    let (Some(floor), Some(block)) = (
        ctx.anchor_floor(),
        el.block(BlockId::hash(parent))
            .await?
            .map(|it| it.block_ref),
    ) else {
        return Ok(false);
    };
    // The EL may stand on another branch for the moment: then a block of its chain is not one of ours.
    let blocks = Reads::default().number(floor.number).number(block.number);
    let blocks = blocks.send(el).await?;
    let is_above = block.number >= floor.number && blocks.holds(floor.id());
    Ok(is_above && blocks.holds(block.id()))
}

/// Fetches the block of the open build `id`.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. The build stays open.
pub(crate) async fn seal(
    el: &dyn EngineApi,
    ctx: &mut Context,
    id: PayloadId,
) -> Result<SealOutcome, ElError> {
    let Some(open) = ctx.build.filter(|open| open.id == id) else {
        return Ok(SealOutcome::Dropped);
    };
    match el.get_payload(id, open.timestamp).await {
        Ok(envelope) => Ok(SealOutcome::Sealed(Box::new(envelope))),
        Err(ElError::UnknownPayload) => {
            ctx.build = None;
            Ok(SealOutcome::Dropped)
        }
        Err(error) => Err(error),
    }
}

/// Makes a sealed block the head.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. It may have the block all the same.
pub(crate) async fn commit(
    el: &dyn EngineApi,
    ctx: &mut Context,
    payload: Payload,
) -> Result<CommitOutcome, ElError> {
    if payload.hash() == ctx.state.unsafe_head.hash {
        // A commit whose answer got lost, or our own block that came back by gossip.
        return Ok(CommitOutcome::Committed);
    }
    if ctx.is_lost() || !may_stand_on(el, ctx, payload.block.parent_hash).await? {
        return Ok(CommitOutcome::HeadChanged);
    }
    let inserted = extend(el, ctx, vec![payload]).await?;
    let failed = |reason: &str| CommitOutcome::Failed {
        reason: reason.to_owned(),
    };
    Ok(match inserted {
        Insertion::Busy => failed("the execution layer is busy"),
        Insertion::Done(outcome) => match outcome {
            InsertOutcome::Inserted | InsertOutcome::AlreadyKnown => {
                ctx.build = None;
                CommitOutcome::Committed
            }
            InsertOutcome::Invalid { reason } => CommitOutcome::Invalid { reason },
            InsertOutcome::Failed { reason } => CommitOutcome::Failed { reason },
            InsertOutcome::Rejected { reason } => failed(reason),
            InsertOutcome::Buffered | InsertOutcome::Syncing => {
                failed("the execution layer has lost the parent")
            }
        },
    })
}
