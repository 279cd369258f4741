//! Building a derived block where the execution layer has none, or another: attributes on the last derived block, the block
//! fetched, executed, and made the head.

use crate::{
    content::Content,
    context::{Context, Labels},
    forkchoice::{Outcome, Rejection, of_heads, outcome, without_labels},
    memory::Refusal,
    payload::Payload,
    reads::Reads,
    request::{FollowRefusal, ResetReason},
    target::{Target, TargetOrigin},
    tasks::{
        forkchoice::{send, send_and_build},
        lost,
        settle::{self, Settled},
    },
};
use alloy_rpc_types_engine::PayloadId;
use light_node_engine_api::{ElError, EngineApi};
use light_node_protocol::L2BlockRef;
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use tokio::time::Instant;

/// What became of a block that was to be built.
#[derive(Debug)]
pub(crate) enum Built {
    /// The EL has it on its chain.
    Block(L2BlockRef),
    /// The EL refuses it, in these words.
    Refused(String),
    /// The EL is busy, or on its way. To be tried again.
    Waiting,
    /// It refuses the chain below it.
    Reset(ResetReason),
}

/// Builds the child of `parent`, the last derived block, and makes it part of the EL's chain. `expected` is what the
/// attributes say of it. If it `is_safe` as soon as it is there, the same forkchoice says so.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. To be tried again.
pub(crate) async fn build(
    el: &dyn EngineApi,
    ctx: &mut Context,
    parent: &L2BlockRef,
    attributes: &OpPayloadAttributes,
    expected: &Content,
    is_safe: bool,
) -> Result<Built, ElError> {
    let id = match start(el, ctx, parent, attributes).await? {
        Ok(id) => id,
        Err(built) => return Ok(built),
    };
    let timestamp = attributes.payload_attributes.timestamp;
    let envelope = match el.get_payload(id, timestamp).await {
        Ok(envelope) => envelope,
        Err(ElError::UnknownPayload) => return Ok(Built::Waiting),
        Err(error) => return Err(error),
    };
    let payload = Payload::new(&ctx.config.rollup_config, envelope);
    let payload = payload.map_err(|error| malformed(&error.to_string()))?;
    let block = payload.block;
    if block.parent_hash != parent.hash || block.number != parent.number + 1 {
        return Err(malformed("the block does not stand on its parent"));
    }
    if !Content::of(&payload.envelope).has_transactions_of(expected) {
        // op-reth leaves out what it cannot execute; by the rules the whole block is invalid then.
        let reason = "it left transactions out of the block".to_owned();
        return Ok(Built::Refused(reason));
    }
    if block.number <= ctx.state.unsafe_head.number {
        let blocks = Reads::default().number(block.number).send(el).await?;
        if blocks.holds(block.id()) {
            return Ok(Built::Block(block));
        }
    }
    insert(el, ctx, parent, payload, is_safe).await
}

/// Starts the build; what came of it instead if none was started.
async fn start(
    el: &dyn EngineApi,
    ctx: &mut Context,
    parent: &L2BlockRef,
    attributes: &OpPayloadAttributes,
) -> Result<Result<PayloadId, Built>, ElError> {
    let unlabelled = without_labels(parent.hash);
    // What is derived again lies below the labels, or on another branch.
    let is_below = parent.number < ctx.state.safe_head.number;
    let labelled = if ctx.is_lost() || is_below {
        unlabelled
    } else {
        of_heads(parent, &ctx.state.safe_head, &ctx.state.finalized_head)
    };
    let mut asked = send_and_build(el, ctx, labelled, Some(attributes.clone())).await;
    if matches!(
        asked,
        Ok((Outcome::Rejected(Rejection::Inconsistent { .. }), _))
    ) {
        // The labels are refused, not the parent; they are set right when they move.
        asked = send_and_build(el, ctx, unlabelled, Some(attributes.clone())).await;
    }
    let (outcome, id) = match asked {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(Built::Refused(error.into_refused_attributes()?))),
    };
    Ok(match (outcome, id) {
        (Outcome::Applied, Some(id)) => Ok(id),
        (Outcome::Applied, None) => Err(Built::Waiting),
        (Outcome::Accepted, _) => Err(not_executed(el, ctx, parent).await?),
        (Outcome::Rejected(Rejection::Invalid { reason }), _)
        | (Outcome::Rejected(Rejection::Inconsistent { message: reason }), _) => {
            Err(refused_head(reason))
        }
    })
}

/// Executes a built block and makes it part of the EL's chain.
async fn insert(
    el: &dyn EngineApi,
    ctx: &mut Context,
    parent: &L2BlockRef,
    payload: Payload,
    is_safe: bool,
) -> Result<Built, ElError> {
    let block = payload.block;
    match outcome(el.new_payload(&payload.envelope).await)? {
        Outcome::Applied => {}
        Outcome::Accepted => return not_executed(el, ctx, parent).await,
        Outcome::Rejected(Rejection::Invalid { reason }) => {
            let now = Instant::now();
            ctx.memory.refuse(block.hash, Refusal::Invalid, now);
            return Ok(Built::Refused(reason));
        }
        Outcome::Rejected(Rejection::Inconsistent { .. }) => return Ok(Built::Waiting),
    }
    let extends = parent.hash == ctx.state.unsafe_head.hash;
    if !extends && !ctx.is_lost() {
        return replace(el, ctx, payload).await;
    }
    if ctx.is_lost() {
        // Published heads hold until the chain is as high as they are.
        let answer = send(el, ctx, without_labels(block.hash)).await?;
        return match became_head(answer) {
            None => not_executed(el, ctx, parent).await,
            Some(Ok(())) => Ok(Built::Block(block)),
            Some(Err(built)) => Ok(built),
        };
    }
    let mut labels = labels(ctx, block, is_safe);
    let wanted = labels.map_or_else(
        || ctx.forkchoice_to(block.hash),
        |labels| of_heads(&block, &labels.safe, &labels.finalized),
    );
    let mut answer = send(el, ctx, wanted).await?;
    if matches!(answer, Outcome::Rejected(Rejection::Inconsistent { .. })) {
        labels = None;
        answer = send(el, ctx, without_labels(block.hash)).await?;
    }
    match became_head(answer) {
        None => not_executed(el, ctx, parent).await,
        Some(Err(built)) => Ok(built),
        Some(Ok(())) => {
            ctx.build = None;
            ctx.adopt(block, labels, None, Instant::now());
            Ok(Built::Block(block))
        }
    }
}

/// What the answer to the forkchoice of a block says that the EL has executed; `None` if it does not know it after all. What
/// it says against the block now says nothing of the batch: the deposits alone would fare no better.
fn became_head(answer: Outcome) -> Option<Result<(), Built>> {
    match answer {
        Outcome::Applied => Some(Ok(())),
        Outcome::Accepted => None,
        Outcome::Rejected(Rejection::Invalid { reason }) => Some(Err(refused_head(reason))),
        Outcome::Rejected(Rejection::Inconsistent { .. }) => Some(Err(Built::Waiting)),
    }
}

fn refused_head(reason: String) -> Built {
    let reason = reason.into();
    Built::Reset(ResetReason::ParentRefused { reason })
}

/// The labels that go out with a new head which is safe. All of them are its ancestors.
fn labels(ctx: &Context, block: L2BlockRef, is_safe: bool) -> Option<Labels> {
    let mut update = ctx.derived.as_ref().filter(|_| is_safe)?.update();
    update.state.safe = block;
    update.state.local_safe = block;
    // A higher one has to be found on this chain first; the cursor comes when the L1 block is done.
    update.state.finalized = ctx.state.finalized_head;
    update.state.current_l1 = ctx.state.current_l1;
    Some(Labels {
        local_safe: block,
        safe: block,
        finalized: ctx.state.finalized_head,
        update,
    })
}

/// The block, which the EL has executed, takes the place of others: a reorg of the unsafe chain, after which the EL is looked
/// at.
async fn replace(
    el: &dyn EngineApi,
    ctx: &mut Context,
    payload: Payload,
) -> Result<Built, ElError> {
    let block = payload.block;
    let mut target = Target::new(block.id(), TargetOrigin::Source, Instant::now());
    target.payload = Some(payload);
    Ok(match settle::ask(el, ctx, target).await? {
        Settled::Adopted => Built::Block(block),
        Settled::Waiting | Settled::GaveUp => Built::Waiting,
        Settled::Refused(FollowRefusal::InvalidBlock { .. }, reason) => {
            refused_head(reason.unwrap_or_default())
        }
        Settled::Refused(refusal, _) => Built::Reset(ResetReason::Contradicted(refusal)),
    })
}

/// The EL does not execute on a block that it had: it is busy, or has lost it, or our head above it.
async fn not_executed(
    el: &dyn EngineApi,
    ctx: &mut Context,
    parent: &L2BlockRef,
) -> Result<Built, ElError> {
    let head = ctx.state.unsafe_head.hash;
    let reads = Reads::default().hash(head).hash(parent.hash);
    let blocks = reads.send(el).await?;
    let has_parent = blocks.by_hash(parent.hash).is_some();
    if !has_parent || !ctx.is_lost() && blocks.by_hash(head).is_none() {
        lost::recover(el, ctx).await?;
    }
    // Nobody brings back what was derived.
    Ok(if has_parent {
        Built::Waiting
    } else {
        Built::Reset(ResetReason::ElLostBlocks)
    })
}

fn malformed(cause: &str) -> ElError {
    ElError::Malformed {
        method: "engine_getPayload",
        cause: cause.to_owned(),
    }
}
