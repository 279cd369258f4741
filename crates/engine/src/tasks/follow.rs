//! One update of the follow source: the table's row is found in `follow_case.rs`, and carried out here.

use crate::{
    context::{Context, Labels},
    follow_case::{
        FollowCase, case_after_reads, case_before_reads, contradiction, head_to_label,
        next_finalized,
    },
    forkchoice::{Outcome, of_heads},
    metrics::Stall,
    reads::{Blocks, Reads},
    request::{FollowOutcome, FollowRefusal, FollowUpdate},
    target::{Target, TargetOrigin},
    tasks::{
        forkchoice::send,
        lost, probe,
        settle::{self, Settled, check_labels},
    },
};
use alloy_eips::BlockNumberOrTag;
use light_node_engine_api::{ElError, EngineApi};
use light_node_protocol::L2BlockRef;
use tokio::time::Instant;
use tracing::{debug, warn};

/// Applies one checked answer of the source.
///
/// # Errors
/// [`ElError`] if the EL could not be asked: row 2b, the next poll supersedes the update.
pub(crate) async fn follow(
    el: &dyn EngineApi,
    ctx: &mut Context,
    update: FollowUpdate,
) -> Result<FollowOutcome, ElError> {
    let unknown = update.state.local_safe.is_zero() || update.state.safe.is_zero();
    if unknown {
        return Ok(FollowOutcome::Skipped);
    }
    let refusal = contradiction(&ctx.state, &update)
        .or_else(|| ctx.remembered_refusal(&update, Instant::now()));
    if let Some(refusal) = refusal {
        return Ok(FollowOutcome::Refused(refusal));
    }
    ctx.last_update = Some(update);
    // The second pass is for an EL that lost blocks, or a target that yielded: what holds then is found from the top.
    for _ in 0..2 {
        if let Some(outcome) = pass(el, ctx, &update).await? {
            return Ok(outcome);
        }
    }
    Ok(FollowOutcome::Skipped)
}

/// One way through the table; `None` if the ground has changed under it.
async fn pass(
    el: &dyn EngineApi,
    ctx: &mut Context,
    update: &FollowUpdate,
) -> Result<Option<FollowOutcome>, ElError> {
    let view = ctx.follow_view(update);
    if let Some(case) = case_before_reads(&view) {
        ctx.last_case = Some(case);
        return match case {
            FollowCase::Unchanged => Ok(Some(FollowOutcome::Unchanged)),
            FollowCase::TargetPending => Ok(pending(ctx, update, &Blocks::default())),
            _ => ahead(el, ctx, update).await,
        };
    }
    let blocks = reads_for(ctx, update).send(el).await?;
    let case = case_after_reads(&view, blocks.hash_at(view.local_safe.number));
    ctx.last_case = Some(case);
    match case {
        FollowCase::TargetPending => Ok(pending(ctx, update, &blocks)),
        FollowCase::LostBlocks => {
            lost::recover(el, ctx).await?;
            Ok(None)
        }
        FollowCase::Consolidate => consolidate(el, ctx, update, &blocks).await,
        FollowCase::Reorg => reorg(el, ctx, update).await.map(Some),
        FollowCase::Unchanged | FollowCase::Ahead | FollowCase::Unanswered => {
            Ok(Some(FollowOutcome::Skipped))
        }
    }
}

/// The one batch of rows 2 to 4. Blocks of our own chain that are remembered are not asked for.
fn reads_for(ctx: &Context, update: &FollowUpdate) -> Reads {
    let FollowUpdate { state, .. } = update;
    let heads = [state.local_safe, state.safe, state.finalized];
    let mut reads = Reads::default();
    for head in heads.iter().filter(|head| !head.is_zero()) {
        reads = reads.know(ctx.own_block(head.number)).number(head.number);
    }
    let ours = ctx.state.unsafe_head;
    let finalized = next_finalized(ctx.state.finalized_head, state.finalized);
    let stands = !ctx
        .forkchoices
        .must_send(of_heads(&ours, &state.safe, &finalized));
    if reads.is_answered() && stands {
        return reads.know(Some(ours));
    }
    // Where the EL stands is looked at before every forkchoice: its own sync may have moved it above our head, where it
    // would answer VALID and ignore the labels, or to another branch.
    reads.label(BlockNumberOrTag::Latest).look_at(ours.number)
}

/// Row 1: the EL is asked for the source's block. `None` if it turns out to have lost our head.
async fn ahead(
    el: &dyn EngineApi,
    ctx: &mut Context,
    update: &FollowUpdate,
) -> Result<Option<FollowOutcome>, ElError> {
    let FollowUpdate { state: claimed, .. } = update;
    if ctx.asks_first && ctx.target().is_none() && !ctx.is_lost() {
        let outcome = Box::pin(ask_for_local_safe(el, ctx, update)).await?;
        ctx.asks_first = outcome == FollowOutcome::Syncing;
        return Ok(Some(outcome));
    }
    let step = ctx.target().and_then(Target::step);
    let mut reads = Reads::default()
        .label(BlockNumberOrTag::Latest)
        .hash(claimed.local_safe.hash);
    if let Some(step) = &step {
        reads = reads.hash(step.state.local_safe.hash);
    }
    for label in [claimed.safe, claimed.finalized] {
        let below = !label.is_zero() && label.hash != claimed.local_safe.hash;
        if below {
            reads = reads.know(ctx.own_block(label.number)).number(label.number);
        }
    }
    let mut blocks = reads.send(el).await?;
    let latest = blocks.label(BlockNumberOrTag::Latest);
    if lost::has_fallen(el, ctx, latest.map(|latest| latest.number)).await? {
        lost::recover(el, ctx).await?;
        return Ok(None);
    }
    let reached = step.filter(|step| blocks.by_hash(step.state.local_safe.hash).is_some());
    if let Some(step) = reached {
        // What becomes of it does not matter to what the source says now.
        Box::pin(ask_for_local_safe(el, ctx, &step)).await?;
    }
    if let Some(head) = blocks.by_hash(claimed.local_safe.hash) {
        if head.l1_origin != claimed.local_safe.l1_origin {
            let refusal = FollowRefusal::OriginMismatch { block: head.hash };
            return Ok(Some(FollowOutcome::Refused(refusal)));
        }
        // A child of our head needs no second look, unless the EL stands elsewhere: what is on our chain is on its chain.
        let stands = latest.is_some_and(|at| at.hash == head.hash || at.hash == head.parent_hash);
        let is_child = head.parent_hash == ctx.state.unsafe_head.hash;
        if is_child && stands && !ctx.is_lost() {
            blocks.know(head);
            return match check_labels(&ctx.state.finalized_head, update, &blocks) {
                Err(refusal) => Ok(Some(FollowOutcome::Refused(refusal))),
                Ok(labels) => label(el, ctx, head, labels).await,
            };
        }
    }
    ctx.asks_first = blocks.by_hash(claimed.local_safe.hash).is_none();
    ask_for_local_safe(el, ctx, update).await.map(Some)
}

/// Row 2a: the EL is syncing; labels wait. `None` if the target yields: one of gossip to which the EL makes no progress,
/// or one that the source itself has left.
fn pending(ctx: &mut Context, update: &FollowUpdate, blocks: &Blocks) -> Option<FollowOutcome> {
    let now = Instant::now();
    let target = ctx.target_mut()?;
    target.update = Some(*update);
    let latest = blocks.label(BlockNumberOrTag::Latest);
    let stuck = latest.is_some_and(|latest| target.is_stuck(latest.number, now));
    // A source that turned back has given up what it wanted before.
    let turned = update.safe_may_move
        && target.origin == TargetOrigin::Source
        && target.id != update.state.local_safe.id();
    if !stuck && !turned {
        return Some(FollowOutcome::Syncing);
    }
    let id = target.id;
    ctx.metrics.stall(Stall::TargetYielded);
    if std::mem::replace(&mut ctx.said.yielded, true) {
        debug!(number = id.number, hash = %id.hash, "another head is asked for no more");
    } else {
        warn!(number = id.number, hash = %id.hash,
            "a head that the execution layer does not have is asked for no more, but that of the safe source");
    }
    ctx.give_up_target();
    None
}

/// Row 3: labels move on the chain that the EL has. `None` if it turns out to have lost our head, or a target yields.
async fn consolidate(
    el: &dyn EngineApi,
    ctx: &mut Context,
    update: &FollowUpdate,
    blocks: &Blocks,
) -> Result<Option<FollowOutcome>, ElError> {
    let labels = match check_labels(&ctx.state.finalized_head, update, blocks) {
        Ok(labels) => labels,
        Err(refusal) => return Ok(Some(FollowOutcome::Refused(refusal))),
    };
    let ours = ctx.state.unsafe_head;
    let stays = match blocks.seen_at(ours.number) {
        _ if ctx.is_lost() => None,
        Some(block) if block.hash == ours.hash => Some(ours),
        // The EL's own sync has left our branch: whether it may is found when the source's block is settled.
        Some(_) => {
            ctx.build = None;
            return ask_for_local_safe(el, ctx, update).await.map(Some);
        }
        None => {
            lost::recover(el, ctx).await?;
            return Ok(None);
        }
    };
    let latest = blocks.label(BlockNumberOrTag::Latest);
    let may_adopt = ctx.adoptable(latest, Instant::now()).is_some();
    match head_to_label(stays, latest, may_adopt, labels.local_safe.number) {
        Some(head) => label(el, ctx, head, labels).await,
        None if ctx.target().is_some() => Ok(pending(ctx, update, blocks)),
        None => Ok(Some(FollowOutcome::Syncing)),
    }
}

/// Sends the forkchoice of `head` and `labels` if it is not what stands, and publishes them. `None` if the EL has lost
/// that head.
async fn label(
    el: &dyn EngineApi,
    ctx: &mut Context,
    head: L2BlockRef,
    labels: Labels,
) -> Result<Option<FollowOutcome>, ElError> {
    let wanted = of_heads(&head, &labels.safe, &labels.finalized);
    if let Some(target) = ctx.target().filter(|_| !ctx.is_lost()) {
        // Whatever is sent now takes the EL away from its target.
        if target.has_put_off(wanted) {
            return Ok(Some(FollowOutcome::Skipped));
        }
        if ctx.forkchoices.stands(wanted) && head.hash == ctx.state.unsafe_head.hash {
            ctx.label(&labels);
            return Ok(Some(FollowOutcome::Applied));
        }
    }
    if ctx.forkchoices.must_send(wanted) {
        match send(el, ctx, wanted).await? {
            Outcome::Applied => {}
            Outcome::Accepted if !ctx.is_lost() && lost::is_gone(el, ctx).await? => {
                lost::recover(el, ctx).await?;
                return Ok(None);
            }
            Outcome::Accepted => {
                if let Some(target) = ctx.target_mut() {
                    target.put_off(wanted, Instant::now());
                }
                return Ok(Some(FollowOutcome::Skipped));
            }
            Outcome::Rejected(_) => return Ok(Some(FollowOutcome::Skipped)),
        }
    }
    let now = Instant::now();
    let before = ctx.state;
    let reorg = ctx.is_lost().then_some(crate::context::Reorg {
        cause: "el_lost",
        fork: head.number.min(before.safe_head.number),
    });
    if labels.safe.number < before.safe_head.number {
        ctx.keep_calm(now);
    }
    if head.hash != before.unsafe_head.hash && head.parent_hash != before.unsafe_head.hash {
        ctx.build = None;
    }
    ctx.adopt(head, Some(labels), reorg, now);
    Ok(Some(FollowOutcome::Applied))
}

/// Row 4: the source's chain is another than ours.
async fn reorg(
    el: &dyn EngineApi,
    ctx: &mut Context,
    update: &FollowUpdate,
) -> Result<FollowOutcome, ElError> {
    // The EL's block at that height is an ancestor of our labels, or is one itself, if they are at or above it.
    let (height, state) = (update.state.local_safe.number, &ctx.state);
    let refusal = if !state.finalized_head.is_zero() && height <= state.finalized_head.number {
        Some(FollowRefusal::FinalizedContradicted)
    } else if !update.safe_may_move
        && !state.safe_head.is_zero()
        && height <= state.safe_head.number
    {
        Some(FollowRefusal::SafeContradicted)
    } else {
        None
    };
    if let Some(refusal) = refusal {
        return Ok(FollowOutcome::Refused(refusal));
    }
    // So it looks, too, if the EL of another chain stands where ours stood.
    probe::identify(el, &ctx.config.rollup_config).await?;
    ctx.set_target(None);
    ctx.build = None;
    ctx.keep_calm(Instant::now());
    ask_for_local_safe(el, ctx, update).await
}

async fn ask_for_local_safe(
    el: &dyn EngineApi,
    ctx: &mut Context,
    update: &FollowUpdate,
) -> Result<FollowOutcome, ElError> {
    let id = update.state.local_safe.id();
    let mut target = Target::new(id, TargetOrigin::Source, Instant::now());
    target.payload = ctx.buffer.get(id).cloned();
    target.update = Some(*update);
    Ok(match settle::request(el, ctx, target).await? {
        Settled::Adopted => FollowOutcome::Applied,
        Settled::Waiting => FollowOutcome::Syncing,
        Settled::GaveUp => FollowOutcome::Skipped,
        Settled::Refused(refusal, _) => FollowOutcome::Refused(refusal),
    })
}
