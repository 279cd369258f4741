//! The one place where a forkchoice without attributes goes out, and the heartbeat.

use crate::{
    context::Context,
    forkchoice::{Outcome, Rejection, of_heads, outcome},
    reads::{LABELS, Reads},
    state::EngineState,
    tasks::lost,
};
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_engine::{ForkchoiceState, PayloadId};
use light_node_engine_api::{ElError, EngineApi};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use tokio::time::Instant;
use tracing::warn;

/// Sends `wanted` and keeps book of it. After -38002 the EL's three labels are read again: it may have moved its head
/// before it looked at the other two.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. Then it may have moved all the same; `wanted` counts as not confirmed.
pub(crate) async fn send(
    el: &dyn EngineApi,
    ctx: &mut Context,
    wanted: ForkchoiceState,
) -> Result<Outcome, ElError> {
    let (outcome, _) = send_and_build(el, ctx, wanted, None).await?;
    Ok(outcome)
}

/// As [`send`]; with attributes the EL also starts a build, whose id comes with `VALID`.
///
/// # Errors
/// As [`send`], and [`ElError::InvalidPayloadAttributes`].
pub(crate) async fn send_and_build(
    el: &dyn EngineApi,
    ctx: &mut Context,
    wanted: ForkchoiceState,
    attributes: Option<OpPayloadAttributes>,
) -> Result<(Outcome, Option<PayloadId>), ElError> {
    ctx.forkchoices.request(wanted);
    ctx.last_forkchoice_at = Some(Instant::now());
    let answer = el.fork_choice_updated(wanted, attributes).await;
    let id = answer.as_ref().ok().and_then(|updated| updated.payload_id);
    let outcome = outcome(answer.map(|updated| updated.payload_status))?;
    match &outcome {
        Outcome::Applied => ctx.forkchoices.confirm(),
        Outcome::Rejected(Rejection::Inconsistent { message }) => {
            if ctx.forkchoices.refuse(message) {
                warn!(
                    head = %wanted.head_block_hash,
                    safe = %wanted.safe_block_hash,
                    finalized = %wanted.finalized_block_hash,
                    reason = message,
                    "the execution layer refused the labels of a forkchoice"
                );
            }
            reread_labels(el, ctx).await?;
        }
        Outcome::Accepted | Outcome::Rejected(Rejection::Invalid { .. }) => {}
    }
    Ok((outcome, id))
}

async fn reread_labels(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    let reads = LABELS.into_iter().fold(Reads::default(), Reads::label);
    let blocks = reads.send(el).await?;
    let [head_block_hash, safe_block_hash, finalized_block_hash] = LABELS.map(|label| {
        blocks
            .label(label)
            .map(|block| block.hash)
            .unwrap_or_default()
    });
    ctx.forkchoices.reread(ForkchoiceState {
        head_block_hash,
        safe_block_hash,
        finalized_block_hash,
    });
    Ok(())
}

/// Sends the published forkchoice once more, so that the EL knows that we are there, and so that we learn whether it
/// still has our head, or stands above it.
///
/// # Errors
/// [`ElError`] if the EL could not be asked.
pub(crate) async fn heartbeat(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    ctx.metrics.heartbeat();
    match send(el, ctx, ctx.published_forkchoice()).await? {
        Outcome::Accepted if lost::is_gone(el, ctx).await? => {
            lost::recover(el, ctx).await?;
            lost::ask_for_source_block(el, ctx).await
        }
        Outcome::Rejected(Rejection::Invalid { reason }) => {
            let head = ctx.state.unsafe_head;
            if ctx.forkchoices.refuse(&reason) {
                warn!(number = head.number, hash = %head.hash, reason,
                    "the execution layer calls our unsafe head invalid");
            }
            Ok(())
        }
        Outcome::Applied => adopt_where_it_stands(el, ctx).await,
        Outcome::Accepted | Outcome::Rejected(Rejection::Inconsistent { .. }) => Ok(()),
    }
}

/// An EL answers VALID to our head also where it stands above it: after the lost answer of a forkchoice, or on a block
/// whose refusal is forgotten by now. Nothing leads it back, so that block is our head.
async fn adopt_where_it_stands(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    let EngineState {
        unsafe_head: ours,
        safe_head,
        finalized_head,
        ..
    } = ctx.state;
    let reads = Reads::default().label(BlockNumberOrTag::Latest);
    let blocks = reads.number(ours.number).send(el).await?;
    let latest = ctx.adoptable(blocks.label(BlockNumberOrTag::Latest), Instant::now());
    let above = latest.filter(|latest| latest.number > ours.number && blocks.holds(ours.id()));
    if let Some(head) = above
        && send(el, ctx, of_heads(&head, &safe_head, &finalized_head)).await? == Outcome::Applied
    {
        ctx.build = None;
        ctx.adopt(head, None, None, Instant::now());
    }
    Ok(())
}
