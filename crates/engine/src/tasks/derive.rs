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
/// attributes say of it. If it `ends_span`, it is safe in the same forkchoice.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. To be tried again.
pub(crate) async fn build(
    el: &dyn EngineApi,
    ctx: &mut Context,
    parent: &L2BlockRef,
    attributes: &OpPayloadAttributes,
    expected: &Content,
    ends_span: bool,
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
    insert(el, ctx, parent, payload, ends_span).await
}

/// Starts the build; what came of it instead if none was started.
async fn start(
    el: &dyn EngineApi,
    ctx: &mut Context,
    parent: &L2BlockRef,
    attributes: &OpPayloadAttributes,
) -> Result<Result<PayloadId, Built>, ElError> {
    let unlabelled = without_labels(parent.hash);
    let labelled = if ctx.is_lost() {
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
        Err(ElError::InvalidPayloadAttributes { message }) => {
            return Ok(Err(Built::Refused(message)));
        }
        asked => asked?,
    };
    Ok(match (outcome, id) {
        (Outcome::Applied, Some(id)) => Ok(id),
        (Outcome::Applied, None) => Err(Built::Waiting),
        (Outcome::Accepted, _) => Err(not_executed(el, ctx).await?),
        (Outcome::Rejected(Rejection::Invalid { reason }), _)
        | (Outcome::Rejected(Rejection::Inconsistent { message: reason }), _) => {
            let reason = reason.into();
            Err(Built::Reset(ResetReason::ParentRefused { reason }))
        }
    })
}

/// Executes a built block and makes it part of the EL's chain.
async fn insert(
    el: &dyn EngineApi,
    ctx: &mut Context,
    parent: &L2BlockRef,
    payload: Payload,
    ends_span: bool,
) -> Result<Built, ElError> {
    let extends = parent.hash == ctx.state.unsafe_head.hash;
    if !extends && !ctx.is_lost() {
        return replace(el, ctx, payload).await;
    }
    let block = payload.block;
    match outcome(el.new_payload(&payload.envelope).await)? {
        Outcome::Applied => {}
        Outcome::Accepted => return not_executed(el, ctx).await,
        Outcome::Rejected(rejection) => return Ok(rejected(ctx, &payload, rejection)),
    }
    if ctx.is_lost() {
        // Published heads hold until the chain is as high as they are.
        return match send(el, ctx, without_labels(block.hash)).await? {
            Outcome::Applied => Ok(Built::Block(block)),
            Outcome::Accepted => not_executed(el, ctx).await,
            Outcome::Rejected(rejection) => Ok(rejected(ctx, &payload, rejection)),
        };
    }
    let mut labels = labels(ctx, block, ends_span);
    let wanted = labels.map_or_else(
        || ctx.forkchoice_to(block.hash),
        |labels| of_heads(&block, &labels.safe, &labels.finalized),
    );
    let mut answer = send(el, ctx, wanted).await?;
    if matches!(answer, Outcome::Rejected(Rejection::Inconsistent { .. })) {
        labels = None;
        answer = send(el, ctx, without_labels(block.hash)).await?;
    }
    match answer {
        Outcome::Applied => {
            ctx.build = None;
            ctx.adopt(block, labels, None, Instant::now());
            Ok(Built::Block(block))
        }
        Outcome::Accepted => not_executed(el, ctx).await,
        Outcome::Rejected(rejection) => Ok(rejected(ctx, &payload, rejection)),
    }
}

/// The labels that go out with a new head which ends its span. All of them are its ancestors.
fn labels(ctx: &Context, block: L2BlockRef, ends_span: bool) -> Option<Labels> {
    let mut update = ctx.derived.as_ref().filter(|_| ends_span)?.update();
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

/// The block takes the place of others: a reorg of the unsafe chain, after which the EL is looked at.
async fn replace(
    el: &dyn EngineApi,
    ctx: &mut Context,
    payload: Payload,
) -> Result<Built, ElError> {
    let block = payload.block;
    let mut target = Target::new(block.id(), TargetOrigin::Source, Instant::now());
    target.payload = Some(payload);
    Ok(match settle::request(el, ctx, target).await? {
        Settled::Adopted => Built::Block(block),
        Settled::Waiting | Settled::GaveUp => Built::Waiting,
        Settled::Refused(FollowRefusal::InvalidBlock { .. }, reason) => {
            Built::Refused(reason.unwrap_or_default())
        }
        Settled::Refused(refusal, _) => Built::Reset(ResetReason::Contradicted(refusal)),
    })
}

/// The EL does not execute on a block that it had: it is busy, or has lost it.
async fn not_executed(el: &dyn EngineApi, ctx: &mut Context) -> Result<Built, ElError> {
    if !ctx.is_lost() && lost::is_gone(el, ctx).await? {
        lost::recover(el, ctx).await?;
    }
    Ok(Built::Waiting)
}

fn rejected(ctx: &mut Context, payload: &Payload, rejection: Rejection) -> Built {
    let Rejection::Invalid { reason } = rejection else {
        return Built::Waiting;
    };
    ctx.memory
        .refuse(payload.hash(), Refusal::Invalid, Instant::now());
    Built::Refused(reason)
}

fn malformed(cause: &str) -> ElError {
    ElError::Malformed {
        method: "engine_getPayload",
        cause: cause.to_owned(),
    }
}
