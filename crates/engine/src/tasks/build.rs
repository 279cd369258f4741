//! The sequencer's three steps: start a build, fetch the block, make it the head. They are apart so that a conductor can
//! commit the block between the last two.

use crate::{
    context::{Context, OpenBuild},
    forkchoice::{Outcome, Rejection},
    payload::Payload,
    request::{BuildOutcome, CommitOutcome, InsertOutcome, SealOutcome},
    tasks::{
        forkchoice::send_and_build,
        insert::{Insertion, extend},
    },
};
use alloy_primitives::B256;
use alloy_rpc_types_engine::PayloadId;
use light_node_engine_api::{ElError, EngineApi};
use op_alloy_rpc_types_engine::OpPayloadAttributes;

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
    if ctx.target().is_some() || ctx.is_lost() {
        return Ok(BuildOutcome::Syncing);
    }
    if parent != ctx.state.unsafe_head.hash {
        return Ok(BuildOutcome::HeadChanged);
    }
    ctx.build = None;
    let timestamp = attributes.payload_attributes.timestamp;
    let forkchoice = ctx.published_forkchoice();
    let busy = |words: &str| BuildOutcome::Failed {
        reason: words.to_owned(),
    };
    match send_and_build(el, ctx, forkchoice, Some(attributes)).await {
        Ok((Outcome::Applied, Some(id))) => {
            ctx.build = Some(OpenBuild { id, timestamp });
            Ok(BuildOutcome::Started(id))
        }
        Ok((Outcome::Applied, None)) => Ok(busy("the execution layer started no build")),
        Ok((Outcome::Accepted, _)) => Ok(BuildOutcome::Syncing),
        Ok((Outcome::Rejected(Rejection::Invalid { reason }), _)) => {
            Ok(BuildOutcome::Failed { reason })
        }
        Ok((Outcome::Rejected(Rejection::Inconsistent { message }), _)) => {
            Ok(BuildOutcome::Failed { reason: message })
        }
        Err(ElError::InvalidPayloadAttributes { message: reason }) => {
            Ok(BuildOutcome::InvalidAttributes { reason })
        }
        Err(error) => Err(error),
    }
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
    if payload.block.parent_hash != ctx.state.unsafe_head.hash || ctx.is_lost() {
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
