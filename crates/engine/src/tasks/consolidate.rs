//! One derived block. Most often the execution layer has it from gossip: then nothing is asked of it, because the engine
//! remembers of each block what attributes are compared with. Else its block is read once, or the derived one is built.

use crate::{
    content::Content,
    context::Context,
    metrics::{DerivedBlock, Stall},
    payload::Payload,
    reads::Reads,
    request::{ConsolidateOutcome, DerivedAttributes, ResetReason},
    target::TargetOrigin,
    tasks::{
        derive::{self, Built},
        lost,
    },
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use light_node_engine_api::{ElError, ElErrorClass, EngineApi};
use light_node_protocol::{Hardfork, L2BlockRef};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// After gossip's head yielded to derivation no other becomes target for this time: the EL has no peer that serves blocks,
/// and each attempt would hold derivation up. Long enough to catch up with hours of blocks.
pub(crate) const AFTER_YIELD: Duration = Duration::from_secs(300);
/// The same after a few blocks did not come at once.
const AFTER_SLOW: Duration = Duration::from_secs(30);

/// What became of derived attributes.
#[derive(Debug)]
pub(crate) enum Consolidation {
    /// This is the answer.
    Done(ConsolidateOutcome),
    /// The EL is busy, or on its way. To be tried again.
    Again,
}

/// What the EL has at the height of a derived block.
#[derive(Debug)]
enum Found {
    /// The derived block.
    Same(L2BlockRef),
    /// Another, which differs in this.
    Other(&'static str),
    /// None, or one that cannot be compared: build it.
    None,
    /// None as yet, or none any more: look again.
    Wait,
}

/// Makes the block of `derived` part of the chain, if it stands on the last derived one.
///
/// # Errors
/// [`ElError`] if the EL could not be asked. To be tried again.
pub(crate) async fn consolidate(
    el: &dyn EngineApi,
    ctx: &mut Context,
    derived: &DerivedAttributes,
) -> Result<Consolidation, ElError> {
    let consolidation = attempt(el, ctx, derived).await?;
    let is_open = matches!(consolidation, Consolidation::Again);
    if ctx.derived.is_some() || !is_open {
        return Ok(consolidation);
    }
    // There is no start, or it was lost in this attempt.
    let reason = if ctx.is_lost() {
        ResetReason::ElLostBlocks
    } else {
        ResetReason::NoStart
    };
    Ok(Consolidation::Done(ConsolidateOutcome::Reset(reason)))
}

async fn attempt(
    el: &dyn EngineApi,
    ctx: &mut Context,
    derived: &DerivedAttributes,
) -> Result<Consolidation, ElError> {
    let Some(at) = &ctx.derived else {
        return Ok(Consolidation::Again);
    };
    let parent = at.tip;
    let is_next = parent.number.checked_add(1) == Some(derived.number)
        && derived.parent.is_none_or(|hash| hash == parent.hash);
    if !is_next {
        return Ok(Consolidation::Done(ConsolidateOutcome::Stale));
    }
    let is_ours = |origin| origin != TargetOrigin::Payload;
    if ctx.target().is_some_and(|target| is_ours(target.origin)) {
        // The EL is on its way to a block that we built, or back from one that was refused.
        if lost::is_unknown(el, &parent).await? {
            lost::recover(el, ctx).await?;
            return Ok(restart(ctx, derived, ResetReason::ElLostBlocks));
        }
        return Ok(Consolidation::Again);
    }
    let expected = Content::expected(&ctx.config.rollup_config, &derived.attributes);
    let found = match remembered(ctx, derived.number, &parent, &expected) {
        Some(found) => found,
        None => read(el, ctx, derived.number, &parent, &expected).await?,
    };
    let differs_in = match found {
        Found::Wait => return Ok(Consolidation::Again),
        Found::Same(block) => {
            ctx.metrics.derived(DerivedBlock::Consolidated);
            return Ok(accept(ctx, block, derived));
        }
        Found::Other(field) => Some(field),
        Found::None => None,
    };
    let consolidation = Box::pin(build(el, ctx, derived, &parent, &expected)).await;
    if let (Some(field), Ok(Consolidation::Done(_))) = (differs_in, &consolidation) {
        info!(
            number = derived.number,
            field, "the unsafe chain had another block than the derived one"
        );
    }
    consolidation
}

fn accept(ctx: &mut Context, block: L2BlockRef, derived: &DerivedAttributes) -> Consolidation {
    let is_safe = is_safe(ctx, derived);
    if let Some(at) = &mut ctx.derived {
        at.advance(block, is_safe, Instant::now());
    }
    if !is_safe {
        ctx.note_pending_safe(block);
    }
    Consolidation::Done(ConsolidateOutcome::Safe(block))
}

/// True if the block is safe as soon as the EL has it. Until Holocene only the end of a span makes its blocks safe, because
/// one that is refused takes those before it along; from then on nothing does
/// (`specs/protocol/holocene/derivation.md#engine-queue`).
fn is_safe(ctx: &Context, derived: &DerivedAttributes) -> bool {
    derived.is_last_in_span || is_of_holocene(ctx, derived)
}

/// The L1 block that a block is derived from decides by which rules, not the L2 block itself.
fn is_of_holocene(ctx: &Context, derived: &DerivedAttributes) -> bool {
    let config = &ctx.config.rollup_config;
    config.is_active(Hardfork::Holocene, derived.derived_from.timestamp)
}

fn compare(
    block: &L2BlockRef,
    content: &Content,
    parent: &L2BlockRef,
    expected: &Content,
) -> Found {
    if block.parent_hash != parent.hash {
        return Found::Other("parent");
    }
    content
        .difference(expected)
        .map_or(Found::Same(*block), Found::Other)
}

/// What is remembered of our chain at `number`; `None` if the EL has to be asked.
fn remembered(
    ctx: &Context,
    number: u64,
    parent: &L2BlockRef,
    expected: &Content,
) -> Option<Found> {
    let head = ctx.state.unsafe_head;
    if number > head.number && ctx.target().is_none() && !ctx.is_lost() {
        return Some(Found::None);
    }
    let block = ctx.memory.ancestor(head.hash, number)?;
    let content = ctx.memory.content(block.hash)?;
    Some(compare(&block, content, parent, expected))
}

/// What the EL has at `number`, in one read.
async fn read(
    el: &dyn EngineApi,
    ctx: &mut Context,
    number: u64,
    parent: &L2BlockRef,
    expected: &Content,
) -> Result<Found, ElError> {
    ctx.metrics.payload_read();
    let envelope = match el.payload(BlockId::number(number)).await {
        Ok(envelope) => envelope,
        // It cannot be compared then; but the same block built anew is the same block.
        Err(error) if error.class() == ElErrorClass::MethodNotFound => return Ok(Found::None),
        Err(error) => return Err(error),
    };
    let Some(envelope) = envelope else {
        return missing(el, ctx, number).await;
    };
    let Ok(payload) = Payload::new(&ctx.config.rollup_config, envelope) else {
        return Ok(Found::Other("l1_info"));
    };
    let content = Content::of(&payload.envelope);
    Ok(compare(&payload.block, &content, parent, expected))
}

/// The EL has no block at `number`: it lost it, or fetches it, or never had it.
async fn missing(el: &dyn EngineApi, ctx: &mut Context, number: u64) -> Result<Found, ElError> {
    if ctx.is_lost() {
        return Ok(Found::None);
    }
    if number <= ctx.state.unsafe_head.number {
        lost::recover(el, ctx).await?;
        return Ok(Found::Wait);
    }
    let latest = Reads::default().label(BlockNumberOrTag::Latest);
    let latest = latest.send(el).await?.label(BlockNumberOrTag::Latest);
    let now = Instant::now();
    let Some(target) = ctx.target_mut() else {
        return Ok(Found::None);
    };
    // What gossip asked for may be there sooner than we could build up to it; but nothing may come of it.
    let is_ours = target.origin != TargetOrigin::Payload;
    let Some(latest) = latest.filter(|_| !is_ours) else {
        return Ok(Found::Wait);
    };
    if !target.is_slow(latest.number, now) {
        return Ok(Found::Wait);
    }
    let calm = match target.is_stuck(latest.number, now) {
        true => AFTER_YIELD,
        // Its peers may only have been slow.
        false => AFTER_SLOW,
    };
    let id = target.id;
    ctx.metrics.stall(Stall::TargetYielded);
    warn!(number = id.number, hash = %id.hash,
        "a head that the execution layer does not get to is asked for no more; the chain is derived up to it");
    ctx.give_up_target();
    ctx.calm_for(calm, now);
    Ok(Found::None)
}

/// Has the EL build the derived block, by the rules also without the transactions of its batch.
async fn build(
    el: &dyn EngineApi,
    ctx: &mut Context,
    derived: &DerivedAttributes,
    parent: &L2BlockRef,
    expected: &Content,
) -> Result<Consolidation, ElError> {
    let is_safe = is_safe(ctx, derived);
    let built = derive::build(el, ctx, parent, &derived.attributes, expected, is_safe).await?;
    let reason = match built {
        Built::Block(block) => {
            ctx.metrics.derived(DerivedBlock::Built);
            return Ok(accept(ctx, block, derived));
        }
        Built::Waiting => return Ok(Consolidation::Again),
        Built::Reset(reason) => return Ok(restart(ctx, derived, reason)),
        Built::Refused(reason) => reason,
    };
    if std::mem::replace(&mut ctx.said.invalid, true) {
        debug!(
            number = derived.number,
            reason, "the execution layer refuses a derived block"
        );
    } else {
        warn!(number = derived.number, parent = %parent.hash, l1_number = derived.derived_from.number,
            reason, "the execution layer refuses a derived block");
    }
    let refuses_deposits = |reason: String| ResetReason::DepositsOnlyRefused {
        reason: reason.into(),
    };
    if derived.is_deposits_only() {
        return Ok(restart(ctx, derived, refuses_deposits(reason)));
    }
    if !is_of_holocene(ctx, derived) {
        return Ok(drop_span(ctx));
    }
    let attributes = derived.deposits_only();
    let expected = Content::expected(&ctx.config.rollup_config, &attributes);
    match derive::build(el, ctx, parent, &attributes, &expected, is_safe).await? {
        Built::Block(block) => {
            accept(ctx, block, derived);
            ctx.flush();
            ctx.metrics.derived(DerivedBlock::DepositsOnly);
            let outcome = ConsolidateOutcome::DepositsOnly(block);
            Ok(Consolidation::Done(outcome))
        }
        Built::Waiting => Ok(Consolidation::Again),
        Built::Reset(reason) => Ok(restart(ctx, derived, reason)),
        Built::Refused(reason) => Ok(restart(ctx, derived, refuses_deposits(reason))),
    }
}

/// Before Holocene: the block is dropped, and those of its span that were derived before it.
fn drop_span(ctx: &mut Context) -> Consolidation {
    ctx.flush();
    ctx.lower_pending_safe();
    let Some(at) = &mut ctx.derived else {
        return Consolidation::Done(ConsolidateOutcome::Stale);
    };
    at.drop_span();
    let outcome = ConsolidateOutcome::Dropped(at.tip);
    ctx.metrics.derived(DerivedBlock::Dropped);
    Consolidation::Done(outcome)
}

fn restart(ctx: &mut Context, derived: &DerivedAttributes, reason: ResetReason) -> Consolidation {
    error!(number = derived.number, %reason, "derivation has to begin anew");
    ctx.restart_derivation();
    Consolidation::Done(ConsolidateOutcome::Reset(reason))
}
