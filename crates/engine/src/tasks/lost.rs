//! An EL that has lost blocks which it once confirmed: an unclean stop, a restored backup, an emptied disk.

use crate::{
    context::{Context, Reorg},
    reads::Reads,
    target::{Target, TargetOrigin},
    tasks::{probe, settle},
};
use alloy_eips::BlockNumberOrTag;
use light_node_engine_api::{ElError, EngineApi};
use light_node_protocol::L2BlockRef;
use tokio::time::Instant;
use tracing::warn;

/// True if the EL no longer returns our unsafe head by its hash. If it does, a SYNCING was only a busy EL's.
///
/// # Errors
/// [`ElError`] if the EL could not be asked.
pub(crate) async fn is_gone(el: &dyn EngineApi, ctx: &Context) -> Result<bool, ElError> {
    is_unknown(el, &ctx.state.unsafe_head).await
}

/// True if the EL does not return `block` by its hash.
///
/// # Errors
/// [`ElError`] if the EL could not be asked.
pub(crate) async fn is_unknown(el: &dyn EngineApi, block: &L2BlockRef) -> Result<bool, ElError> {
    let blocks = Reads::default().hash(block.hash).send(el).await?;
    Ok(blocks.by_hash(block.hash).is_none())
}

/// True if the EL, whose head is `latest`, has lost ours: it stands below it, and does not return it any more. One that
/// imports another branch stands below it for a while, too, and still has it.
///
/// # Errors
/// [`ElError`] if the EL could not be asked.
pub(crate) async fn has_fallen(
    el: &dyn EngineApi,
    ctx: &Context,
    latest: Option<u64>,
) -> Result<bool, ElError> {
    let is_below = latest.is_some_and(|latest| latest < ctx.state.unsafe_head.number);
    Ok(is_below && !ctx.is_lost() && is_gone(el, ctx).await?)
}

/// Looks at the EL again. If its latest block is at or above our safe head and on its chain, that is our unsafe head now;
/// else the published heads hold, and the safe source's block has to be asked for.
///
/// # Errors
/// [`ElError`] if the EL could not be asked, or is that of another chain. Then nothing has changed.
pub(crate) async fn recover(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    // Another chain in its place looks like a loss: an operator is at work there.
    probe::identify(el, &ctx.config.rollup_config).await?;
    let genesis = ctx.config.rollup_config.genesis.l2;
    let state = ctx.state;
    let anchor = if state.safe_head.is_zero() {
        state.finalized_head
    } else {
        state.safe_head
    };
    let tip = ctx.derived.as_ref().map(|derived| derived.tip);
    let blocks = Reads::default()
        .label(BlockNumberOrTag::Latest)
        .number(genesis.number)
        .height_of(&anchor)
        .height_of(&tip.unwrap_or_default())
        .send(el)
        .await?;
    let now = Instant::now();
    let latest = blocks.label(BlockNumberOrTag::Latest).filter(|latest| {
        let on_chain = anchor.is_zero() || blocks.holds(anchor.id());
        blocks.holds(genesis) && latest.number >= anchor.number && on_chain
    });
    let Some(latest) = latest else {
        if !ctx.is_lost() {
            ctx.metrics.el_lost();
            warn!(
                unsafe_number = state.unsafe_head.number,
                safe_number = state.safe_head.number,
                "the execution layer has lost the safe chain; heads hold until it has it again"
            );
        }
        ctx.lose(true, now);
        return Ok(());
    };
    ctx.lose(false, now);
    if latest.hash == state.unsafe_head.hash {
        return Ok(());
    }
    ctx.metrics.el_lost();
    if state.local_safe_head.number > latest.number {
        ctx.state.local_safe_head = state.safe_head;
        ctx.lower_pending_safe();
    }
    if tip.is_some_and(|tip| !blocks.holds(tip.id())) {
        // Derived blocks of which the labels say nothing yet are among the lost.
        ctx.restart_derivation();
    }
    ctx.adopt(
        latest,
        None,
        Some(Reorg {
            cause: "el_lost",
            fork: latest.number,
        }),
        now,
    );
    Ok(())
}

/// Asks a lost EL for the block that the safe source wants, if there is one.
///
/// # Errors
/// [`ElError`] if the EL could not be asked.
pub(crate) async fn ask_for_source_block(
    el: &dyn EngineApi,
    ctx: &mut Context,
) -> Result<(), ElError> {
    // Where we derive, derivation finds out where it has to begin.
    let is_wanted = ctx.is_lost() && !ctx.derives();
    let Some(update) = ctx.last_update.filter(|_| is_wanted) else {
        return Ok(());
    };
    let id = update.state.local_safe.id();
    let mut target = Target::new(id, TargetOrigin::Source, Instant::now());
    target.update = Some(update);
    settle::request(el, ctx, target).await.map(|_| ())
}
