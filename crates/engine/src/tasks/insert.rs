//! One unsafe payload: it extends our head, or reorganises it as the sequencer's own reorg, or waits in the buffer until its
//! parents come, or, above an old gap, becomes the EL's target.

use crate::{
    context::Context,
    forkchoice::{Outcome, Rejection, outcome, without_labels},
    memory::Refusal,
    payload::Payload,
    reads::Reads,
    request::{FollowRefusal, InsertOutcome},
    target::{Target, TargetOrigin},
    tasks::{
        forkchoice::send,
        lost,
        settle::{self, Settled},
    },
};
use light_node_engine_api::{ElError, EngineApi};
use std::time::Duration;
use tokio::time::Instant;

/// After a failed attempt to make a payload target, the next one waits this long: the EL is down or busy.
const GAP_RETRY: Duration = Duration::from_secs(1);

/// What became of a payload.
#[derive(Debug)]
pub(crate) enum Insertion {
    /// This is the verdict.
    Done(InsertOutcome),
    /// The EL has the parent and yet does not execute: it is busy. To be tried again.
    Busy,
}

/// How a payload lies to our chain.
#[derive(Debug)]
enum Link {
    /// It is on our chain.
    Known,
    /// It was refused, not long ago.
    Refused,
    /// It and these before it, lowest first, stand on our head or on a remembered block above what is safe.
    Path(Vec<Payload>),
    /// It is at or below our head, and on no chain that we remember.
    Low,
    /// Blocks are missing between our head and it.
    Gap,
}

/// Inserts a payload whose block hash has been checked.
///
/// # Errors
/// [`ElError`] if the EL could not be asked.
pub(crate) async fn insert(
    el: &dyn EngineApi,
    ctx: &mut Context,
    payload: Payload,
) -> Result<Insertion, ElError> {
    let outcome = match link(ctx, &payload, Instant::now()) {
        Link::Known => InsertOutcome::AlreadyKnown,
        Link::Refused => InsertOutcome::Rejected {
            reason: "the block was refused before",
        },
        Link::Path(path) => return extend(el, ctx, path).await,
        Link::Low => return low(el, ctx, payload).await.map(Insertion::Done),
        Link::Gap => buffer(ctx, payload),
    };
    Ok(Insertion::Done(outcome))
}

fn link(ctx: &Context, payload: &Payload, now: Instant) -> Link {
    let (block, ours) = (&payload.block, &ctx.state.unsafe_head);
    let on_our_chain = ctx.memory.ancestor(ours.hash, block.number);
    if on_our_chain.is_some_and(|known| known.hash == block.hash) {
        return Link::Known;
    }
    let refusal = ctx.memory.refusal(block.hash, now);
    if refusal.is_some_and(|refusal| refusal != Refusal::SourceLied) {
        return Link::Refused;
    }
    let may_lead = block.number > ours.number || ctx.state.origin_left_l1;
    if may_lead && let Some(path) = ctx.buffer.path(payload, |hash| ctx.is_anchor(hash)) {
        return Link::Path(path);
    }
    if block.number > ours.number {
        Link::Gap
    } else {
        Link::Low
    }
}

fn buffer(ctx: &mut Context, payload: Payload) -> InsertOutcome {
    let now = Instant::now();
    if let Some(target) = ctx
        .target_mut()
        .filter(|target| target.id == payload.block.id())
    {
        // The EL waits for just this block.
        target.ask_now(now);
    }
    ctx.buffer.prune(|_| true, now);
    if ctx.buffer.insert(payload, now) {
        InsertOutcome::Buffered
    } else {
        InsertOutcome::Rejected {
            reason: "the buffer is full of lower payloads",
        }
    }
}

/// A block that is not above our head: known, or against what is final, or a piece of another branch. One that is against
/// what is safe waits, too: after an L1 reorg the sequencer's new branch comes by gossip at once, and the safe source goes
/// back to where it forks only with its next answer. Nobody sends those payloads twice.
async fn low(
    el: &dyn EngineApi,
    ctx: &mut Context,
    payload: Payload,
) -> Result<InsertOutcome, ElError> {
    let block = payload.block;
    let blocks = Reads::default().number(block.number).send(el).await?;
    if blocks.holds(block.id()) {
        return Ok(InsertOutcome::AlreadyKnown);
    }
    let finalized = &ctx.state.finalized_head;
    if !finalized.is_zero() && block.number <= finalized.number {
        return Ok(InsertOutcome::Rejected {
            reason: "it conflicts with the finalized chain",
        });
    }
    Ok(buffer(ctx, payload))
}

/// Executes the blocks of `path`, and makes the last one our head.
///
/// # Errors
/// [`ElError`] if the EL could not be asked.
pub(crate) async fn extend(
    el: &dyn EngineApi,
    ctx: &mut Context,
    path: Vec<Payload>,
) -> Result<Insertion, ElError> {
    let Some(tip) = path.last().cloned() else {
        return Ok(Insertion::Busy);
    };
    let extends = path
        .first()
        .is_some_and(|p| p.block.parent_hash == ctx.state.unsafe_head.hash);
    for payload in &path {
        match outcome(el.new_payload(&payload.envelope).await)? {
            Outcome::Applied => {}
            Outcome::Accepted if extends => return not_executed(el, ctx, tip).await,
            Outcome::Accepted => {}
            Outcome::Rejected(rejection) => return Ok(rejected(ctx, payload, rejection)),
        }
    }
    if !extends {
        let mut target = Target::new(tip.block.id(), TargetOrigin::Payload, Instant::now());
        target.payload = Some(tip);
        return settle::request(el, ctx, target).await.map(verdict);
    }
    let mut answer = send(el, ctx, ctx.forkchoice_to(tip.hash())).await?;
    if matches!(answer, Outcome::Rejected(Rejection::Inconsistent { .. })) {
        // The labels are refused, not the head; those are the safe source's to set right.
        answer = send(el, ctx, without_labels(tip.hash())).await?;
    }
    match answer {
        Outcome::Applied => {
            for payload in &path {
                ctx.remember_payload(payload);
                ctx.buffer.remove(payload.block.id());
            }
            ctx.adopt(tip.block, None, None, Instant::now());
            Ok(Insertion::Done(InsertOutcome::Inserted))
        }
        Outcome::Accepted => not_executed(el, ctx, tip).await,
        Outcome::Rejected(rejection) => Ok(rejected(ctx, &tip, rejection)),
    }
}

/// The EL does not execute a child of our head: it is busy, or it has lost our head.
async fn not_executed(
    el: &dyn EngineApi,
    ctx: &mut Context,
    payload: Payload,
) -> Result<Insertion, ElError> {
    if !lost::is_gone(el, ctx).await? {
        return Ok(Insertion::Busy);
    }
    lost::recover(el, ctx).await?;
    lost::ask_for_source_block(el, ctx).await?;
    Ok(Insertion::Done(buffer(ctx, payload)))
}

fn rejected(ctx: &mut Context, payload: &Payload, rejection: Rejection) -> Insertion {
    let Rejection::Invalid { reason } = rejection else {
        // It may have moved its head to the block all the same: ask until it says so.
        return Insertion::Busy;
    };
    let hash = payload.hash();
    ctx.memory.refuse(hash, Refusal::Invalid, Instant::now());
    ctx.buffer.remove(payload.block.id());
    ctx.buffer.drop_linked_to(|parent| parent == hash);
    Insertion::Done(InsertOutcome::Invalid { reason })
}

fn verdict(settled: Settled) -> Insertion {
    Insertion::Done(match settled {
        Settled::Adopted => InsertOutcome::Inserted,
        Settled::Waiting => InsertOutcome::Syncing,
        Settled::GaveUp => InsertOutcome::Failed {
            reason: "the execution layer did not move to it".to_owned(),
        },
        Settled::Refused(FollowRefusal::InvalidBlock { .. }, reason) => InsertOutcome::Invalid {
            reason: reason.unwrap_or_default(),
        },
        Settled::Refused(..) => InsertOutcome::Rejected {
            reason: "it conflicts with the safe chain",
        },
    })
}

/// Makes the payload above an old gap the EL's target: its peers fill the gap.
///
/// # Errors
/// [`ElError`] if the EL could not be asked; it will be tried again.
pub(crate) async fn target_gap(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    let Some((payload, _)) = ctx.gap() else {
        return Ok(());
    };
    let payload = payload.clone();
    let now = Instant::now();
    if ctx.memory.refusal(payload.hash(), now).is_some() {
        ctx.buffer.remove(payload.block.id());
        return Ok(());
    }
    ctx.calm_for(GAP_RETRY, now);
    let mut target = Target::new(payload.block.id(), TargetOrigin::Payload, now);
    target.payload = Some(payload);
    settle::request(el, ctx, target).await.map(|_| ())
}
