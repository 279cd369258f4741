//! Asking for a target, asking again, and what has to hold before a target that was answered VALID becomes our head: the
//! EL stands there, our labels are on its chain, the source told the truth about it.

use crate::{
    context::{Context, Labels, Reorg},
    follow_case::{head_to_label, next_finalized},
    forkchoice::{Ancestry, Outcome, Rejection, ancestry, of_heads, outcome, without_labels},
    memory::Refusal,
    metrics::Stall,
    payload::Payload,
    reads::{Blocks, Reads},
    request::{FollowRefusal, FollowUpdate},
    state::EngineState,
    target::{Target, TargetOrigin},
    tasks::{forkchoice::send, lost},
};
use alloy_eips::BlockNumberOrTag;
use light_node_engine_api::{ElError, EngineApi};
use light_node_protocol::L2BlockRef;
use std::cmp::Reverse;
use tokio::time::Instant;
use tracing::{debug, error, warn};

/// How many of our last blocks are compared with the EL's to find where a reorg forked off, in one batch, beside the heads that
/// ours has been. It only serves the log and the buffer; what lies between two known blocks counts as lost.
const FORK_SEARCH: usize = 64;

/// What became of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is our head, and labels that came with it stand.
    Adopted,
    /// It stays the target; it will be asked for again.
    Waiting,
    /// It is no target any more: the EL said VALID and never moved.
    GaveUp,
    /// It was refused. The EL's words are there if it was the EL.
    Refused(FollowRefusal, Option<String>),
}

/// Asks the EL for a target, with its payload if we hold one. Labels stay as they are until the EL has it.
///
/// # Errors
/// [`ElError`] if the EL could not be asked; then the target before it stays.
pub(crate) async fn request(
    el: &dyn EngineApi,
    ctx: &mut Context,
    target: Target,
) -> Result<Settled, ElError> {
    if let Some(payload) = &target.payload
        && let Ok(Outcome::Rejected(rejection)) = outcome(el.new_payload(&payload.envelope).await)
    {
        return Ok(match rejection {
            Rejection::Invalid { reason } => refuse_invalid(ctx, &target, reason),
            Rejection::Inconsistent { .. } => Settled::GaveUp,
        });
    }
    ask(el, ctx, target).await
}

/// The same for a target whose payload the EL has, or nobody has.
///
/// # Errors
/// As [`request`].
pub(crate) async fn ask(
    el: &dyn EngineApi,
    ctx: &mut Context,
    target: Target,
) -> Result<Settled, ElError> {
    match send(el, ctx, without_labels(target.id.hash)).await? {
        Outcome::Applied => settle(el, ctx, target).await,
        Outcome::Accepted => {
            wait_for_sync(ctx, target);
            Ok(Settled::Waiting)
        }
        Outcome::Rejected(Rejection::Invalid { reason }) => {
            Ok(refuse_invalid(ctx, &target, reason))
        }
        Outcome::Rejected(Rejection::Inconsistent { .. }) => Ok(Settled::GaveUp),
    }
}

/// Looks whether the EL has reached the pending target, and asks once more for it. A target that nobody holds the payload of
/// is looked for on the EL's chain first: a head that the EL has reached by itself needs no forkchoice but that of its labels.
///
/// # Errors
/// [`ElError`] if the EL could not be asked; the target will be asked for again.
pub(crate) async fn ask_again(
    el: &dyn EngineApi,
    ctx: &mut Context,
) -> Result<Option<Settled>, ElError> {
    let Some(mut target) = ctx.target().cloned() else {
        return Ok(None);
    };
    // Scheduled before anything can fail.
    let read_back = target.is_read_back();
    let arrived = target.payload.is_none();
    target.payload = target
        .payload
        .or_else(|| ctx.buffer.get(target.id).cloned());
    let mut later = target.clone();
    later.wait_for_sync(Instant::now());
    let by_hash = [TargetOrigin::Source, TargetOrigin::Sequencer].contains(&target.origin);
    let is_looked_for = by_hash && target.payload.is_none();
    let is_young = target.is_young();
    if !read_back {
        target = later.clone();
    }
    ctx.set_target(Some(later));

    if is_looked_for && !read_back {
        let blocks = reads_for(ctx, &target).send(el).await?;
        if blocks.holds(target.id) {
            return settle_on(el, ctx, target, &blocks).await.map(Some);
        }
        let latest = blocks.label(BlockNumberOrTag::Latest);
        if lost::has_fallen(el, ctx, latest.map(|latest| latest.number)).await? {
            lost::recover(el, ctx).await?;
            return Ok(Some(Settled::Waiting));
        }
        if target.origin == TargetOrigin::Sequencer && has_stood_still(ctx, latest) {
            debug!(hash = %target.id.hash, "nobody has the unsafe head that the safe source names");
            ctx.set_target(None);
            return Ok(Some(Settled::GaveUp));
        }
        if is_young {
            return Ok(Some(Settled::Waiting));
        }
    }
    let mut asked = Outcome::Applied;
    // A derived block that the EL has executed may be lost with its memory, and no peer has it.
    let is_derived = ctx.derives() && target.origin == TargetOrigin::Source;
    let is_sent = |_: &&Payload| read_back || arrived || is_derived;
    if let Some(payload) = target.payload.as_ref().filter(is_sent) {
        asked = outcome(el.new_payload(&payload.envelope).await)?;
    }
    if !matches!(asked, Outcome::Rejected(_)) {
        let wanted = match target.origin {
            TargetOrigin::Restore => ctx.published_forkchoice(),
            TargetOrigin::Source | TargetOrigin::Payload | TargetOrigin::Sequencer => {
                without_labels(target.id.hash)
            }
        };
        asked = send(el, ctx, wanted).await?;
    }
    match asked {
        Outcome::Applied => settle(el, ctx, target).await.map(Some),
        Outcome::Rejected(Rejection::Invalid { reason }) => {
            Ok(Some(refuse_invalid(ctx, &target, reason)))
        }
        Outcome::Accepted | Outcome::Rejected(Rejection::Inconsistent { .. }) => {
            Ok(Some(Settled::Waiting))
        }
    }
}

/// True if the EL, whose head is `latest`, makes no progress to the target.
fn has_stood_still(ctx: &mut Context, latest: Option<L2BlockRef>) -> bool {
    let number = latest.unwrap_or_default().number;
    let target = ctx.target_mut();
    target.is_some_and(|target| target.is_stuck(number, Instant::now()))
}

/// Looks at the EL after it answered VALID to `target`, and makes it our head if all holds.
///
/// # Errors
/// [`ElError`] if the EL could not be asked; the target is pending then.
pub(crate) async fn settle(
    el: &dyn EngineApi,
    ctx: &mut Context,
    target: Target,
) -> Result<Settled, ElError> {
    if !target.is_read_back() {
        let mut later = target.clone();
        later.wait_for_sync(Instant::now());
        ctx.set_target(Some(later));
    }
    let blocks = reads_for(ctx, &target).send(el).await?;
    settle_on(el, ctx, target, &blocks).await
}

/// The same, with what was read of the EL's chain.
async fn settle_on(
    el: &dyn EngineApi,
    ctx: &mut Context,
    target: Target,
    blocks: &Blocks,
) -> Result<Settled, ElError> {
    let Some(block) = blocks
        .at(target.id.number)
        .filter(|block| block.hash == target.id.hash)
    else {
        return Ok(wait_for_move(ctx, target));
    };
    if target.origin == TargetOrigin::Restore {
        ctx.set_target(None);
        return Ok(Settled::Adopted);
    }
    // The EL may stand above the target already, by its own sync or because the target is below our head. That block is
    // the head then: a forkchoice to one of its ancestors would move nothing, not even labels.
    let latest = blocks.label(BlockNumberOrTag::Latest);
    let may_adopt = ctx.adoptable(latest, Instant::now()).is_some();
    let stands_on = head_to_label(Some(block), latest, may_adopt, block.number);
    let head = stands_on.unwrap_or(block);
    let labels = match judge(&ctx.state, &head, target.update, blocks) {
        Ok(labels) => labels,
        Err(refusal) => return abandon(el, ctx, &target, refusal).await,
    };
    let moves = |labels: &Labels| {
        let (safe, finalized) = (ctx.state.safe_head.hash, ctx.state.finalized_head.hash);
        (labels.safe.hash, labels.finalized.hash) != (safe, finalized)
    };
    if stands_on.is_none() && labels.as_ref().is_some_and(moves) {
        debug!(number = head.number, hash = %head.hash,
            "labels wait: the execution layer stands above them on a block that was refused");
        wait_for_sync(ctx, target);
        return Ok(Settled::Waiting);
    }
    let extends = blocks.holds(ctx.state.unsafe_head.id());
    become_head(el, ctx, &target, head, labels, extends).await
}

/// Makes `head` ours, with labels that have been found to hold on it. `extends`: our head before it is on its chain.
async fn become_head(
    el: &dyn EngineApi,
    ctx: &mut Context,
    target: &Target,
    head: L2BlockRef,
    labels: Option<Labels>,
    extends: bool,
) -> Result<Settled, ElError> {
    let state = ctx.state;
    let (safe, finalized) = labels.map_or((state.safe_head, state.finalized_head), |labels| {
        (labels.safe, labels.finalized)
    });
    let wanted = of_heads(&head, &safe, &finalized);
    if ctx.forkchoices.must_send(wanted) && send(el, ctx, wanted).await? != Outcome::Applied {
        return Ok(Settled::Waiting);
    }
    let reorg = if extends {
        None
    } else {
        Some(reorg_note(el, ctx, target).await?)
    };
    ctx.set_target(None);
    if reorg.is_some() {
        ctx.keep_calm(Instant::now());
    }
    if let Some(payload) = &target.payload {
        ctx.remember_payload(payload);
    }
    ctx.adopt(head, labels, reorg, Instant::now());
    Ok(Settled::Adopted)
}

/// Decides whether `head`, which the EL has confirmed, may be ours, and which labels come with it. `blocks` are the EL's on
/// the chain of that head.
fn judge(
    state: &EngineState,
    head: &L2BlockRef,
    update: Option<FollowUpdate>,
    blocks: &Blocks,
) -> Result<Option<Labels>, FollowRefusal> {
    // An update that came while gossip's block was pending may be of another chain; then it says nothing of this one.
    let update = update.filter(|update| blocks.holds(update.state.local_safe.id()));
    let may_move = update.is_some_and(|update| update.safe_may_move);
    // What no update replaces has to be on the chain, local safe included.
    let safe = match update {
        None if !state.local_safe_head.is_zero() => state.local_safe_head,
        _ => state.safe_head,
    };
    let at = |number| blocks.hash_at(number);
    match ancestry(head.number, safe.id(), state.finalized_head.id(), at) {
        Ancestry::FinalizedMissing => Err(FollowRefusal::FinalizedContradicted),
        Ancestry::SafeMissing if !may_move => Err(FollowRefusal::SafeContradicted),
        Ancestry::SafeMissing | Ancestry::Holds => update
            .map(|update| check_labels(&state.finalized_head, &update, blocks))
            .transpose(),
    }
}

/// Takes the labels of an update from the EL's own blocks, if these are what the source said, L1 origins included.
pub(crate) fn check_labels(
    our_finalized: &L2BlockRef,
    update: &FollowUpdate,
    blocks: &Blocks,
) -> Result<Labels, FollowRefusal> {
    let claimed = &update.state;
    let take = |claim: &L2BlockRef, missing: FollowRefusal| {
        let block = blocks
            .at(claim.number)
            .filter(|block| block.hash == claim.hash);
        let block = block.ok_or(missing)?;
        if block.l1_origin == claim.l1_origin {
            Ok(block)
        } else {
            Err(FollowRefusal::OriginMismatch { block: block.hash })
        }
    };
    let local_safe = take(&claimed.local_safe, FollowRefusal::SafeContradicted)?;
    let safe = take(&claimed.safe, FollowRefusal::SafeContradicted)?;
    let mut finalized = next_finalized(*our_finalized, claimed.finalized);
    if finalized != *our_finalized {
        finalized = take(&finalized, FollowRefusal::FinalizedContradicted)?;
    }
    Ok(Labels {
        local_safe,
        safe,
        finalized,
        update: *update,
    })
}

fn reads_for(ctx: &Context, target: &Target) -> Reads {
    let state = &ctx.state;
    let reads = Reads::default()
        .label(BlockNumberOrTag::Latest)
        .number(target.id.number)
        .number(state.unsafe_head.number)
        .height_of(&state.local_safe_head)
        .height_of(&state.safe_head)
        .height_of(&state.finalized_head);
    match &target.update {
        None => reads,
        Some(FollowUpdate { state, .. }) => reads
            .height_of(&state.local_safe)
            .height_of(&state.safe)
            .height_of(&state.finalized),
    }
}

fn wait_for_sync(ctx: &mut Context, mut target: Target) {
    target.wait_for_sync(Instant::now());
    ctx.set_target(Some(target));
}

fn wait_for_move(ctx: &mut Context, mut target: Target) -> Settled {
    ctx.metrics.read_back();
    if target.wait_for_move(Instant::now()) {
        debug!(hash = %target.id.hash, "the execution layer answered VALID and has not moved yet");
        ctx.set_target(Some(target));
        return Settled::Waiting;
    }
    ctx.metrics.stall(Stall::StaysOnBranch);
    // The source's next update asks anew, and most likely hears the same.
    if !std::mem::replace(&mut ctx.said.stays, true) {
        warn!(number = target.id.number, hash = %target.id.hash,
            "the execution layer answers VALID but stays on another branch");
    }
    ctx.set_target(None);
    Settled::GaveUp
}

fn refuse_invalid(ctx: &mut Context, target: &Target, reason: String) -> Settled {
    let block = target.id.hash;
    if std::mem::replace(&mut ctx.said.invalid, true) {
        // What stands on an invalid block is invalid, and the source names a new head with each poll.
        debug!(number = target.id.number, hash = %block, reason, "another invalid block");
    } else {
        warn!(number = target.id.number, hash = %block, reason,
            "the execution layer calls a block invalid");
    }
    ctx.memory.refuse(block, Refusal::Invalid, Instant::now());
    ctx.buffer.remove(target.id);
    ctx.buffer.drop_linked_to(|parent| parent == block);
    if ctx.target().is_some_and(|pending| pending.id == target.id) {
        ctx.set_target(None);
    }
    Settled::Refused(FollowRefusal::InvalidBlock { block }, Some(reason))
}

/// Remembers the refusal and leads the EL back to the published head. If it does not go at once, that head is the target
/// until it does.
async fn abandon(
    el: &dyn EngineApi,
    ctx: &mut Context,
    target: &Target,
    refusal: FollowRefusal,
) -> Result<Settled, ElError> {
    let (number, hash) = (target.id.number, target.id.hash);
    let remember = match refusal {
        FollowRefusal::FinalizedContradicted => {
            let finalized = ctx.state.finalized_head;
            error!(number, %hash, finalized_number = finalized.number, finalized_hash = %finalized.hash,
                "a head that does not descend from our finalized block is refused");
            Refusal::FinalizedContradicted
        }
        FollowRefusal::SafeContradicted => {
            let safe = ctx.state.safe_head;
            warn!(number, %hash, safe_number = safe.number, safe_hash = %safe.hash,
                "a head that does not descend from our safe block is refused");
            Refusal::SafeContradicted
        }
        FollowRefusal::OriginMismatch { block } => {
            warn!(number, %hash, %block,
                "a head is refused because the source claimed another L1 origin for a block of it");
            Refusal::SourceLied
        }
        FollowRefusal::InvalidBlock { .. } => Refusal::Invalid,
    };
    let now = Instant::now();
    ctx.memory.refuse(hash, remember, now);
    // Gossip goes on with children of it, and none shall lead the EL there and back in turn.
    ctx.keep_calm(now);
    if remember != Refusal::SourceLied {
        ctx.buffer.remove(target.id);
    }
    let head = ctx.state.unsafe_head;
    let mut restore = Target::new(head.id(), TargetOrigin::Restore, now);
    restore.wait_for_move(now);
    ctx.set_target(Some(restore));
    // A failure here is only logged: the restoring target is pending and will be asked for again.
    let back = async {
        send(el, ctx, ctx.published_forkchoice()).await?;
        Reads::default().number(head.number).send(el).await
    };
    match back.await {
        Ok(blocks) if blocks.holds(head.id()) => ctx.set_target(None),
        Ok(_) => debug!(hash = %head.hash, "the execution layer is not back on our head yet"),
        Err(error) => warn!(%error, "could not lead the execution layer back to our head"),
    }
    Ok(Settled::Refused(refusal, None))
}

/// Finds where the EL's chain left ours, as far as we remember ours.
async fn reorg_note(el: &dyn EngineApi, ctx: &Context, target: &Target) -> Result<Reorg, ElError> {
    let cause = match (ctx.is_lost(), target.origin) {
        (true, _) => "el_lost",
        (false, TargetOrigin::Source) if ctx.derives() => "derivation",
        (false, TargetOrigin::Source | TargetOrigin::Sequencer) => "safe_source",
        (false, TargetOrigin::Payload | TargetOrigin::Restore) => "sequencer",
    };
    let chain = ctx.memory.chain(ctx.state.unsafe_head.hash);
    let mut ours: Vec<L2BlockRef> = chain.take(FORK_SEARCH).chain(ctx.trail()).collect();
    ours.sort_by_key(|block| Reverse(block.number));
    ours.dedup();
    let reads = ours
        .iter()
        .fold(Reads::default(), |reads, block| reads.number(block.number));
    let blocks = reads.send(el).await?;
    let shared = ours
        .iter()
        .find(|block| blocks.holds(block.id()))
        .map(|block| block.number);
    let lowest = ours
        .last()
        .unwrap_or(&ctx.state.unsafe_head)
        .number
        .saturating_sub(1);
    Ok(Reorg {
        cause,
        fork: shared.unwrap_or(lowest),
    })
}
