//! A look at an execution layer that was asked for a head: does it come nearer, or does nobody serve that head?

use crate::{
    context::Context,
    metrics::Stall,
    reads::Reads,
    sync_watch::SyncReport,
    tasks::{lost, probe},
};
use alloy_eips::BlockNumberOrTag;
use light_node_engine_api::{ElError, ElSyncing, EngineApi};
use tokio::time::Instant;
use tracing::{info, warn};

/// Reads the EL's head and what it says of its own sync. An EL that stands still is asked for its chain, too: one that was
/// exchanged for that of another chain would wait for our head for ever. One that lost our head is looked at anew.
///
/// # Errors
/// [`ElError`] if the EL could not be asked, or is another.
pub(crate) async fn look(el: &dyn EngineApi, ctx: &mut Context) -> Result<(), ElError> {
    let Some(watch) = &mut ctx.sync else {
        return Ok(());
    };
    watch.looking(Instant::now());
    let latest = Reads::default().label(BlockNumberOrTag::Latest);
    let (blocks, syncing) = futures::join!(latest.send(el), el.syncing());
    let head = blocks?.label(BlockNumberOrTag::Latest);
    let syncing = match syncing {
        Err(error) if error.class().is_outage() => return Err(error),
        // Not every EL serves it on this port.
        Err(_) => ElSyncing::Idle,
        Ok(syncing) => syncing,
    };
    let (now, head) = (Instant::now(), head.unwrap_or_default());
    let was_syncing = watch.is_syncing();
    if !watch.saw(head.number, syncing, now) {
        probe::identify(el, &ctx.config.rollup_config).await?;
    } else if was_syncing && let Some(target) = ctx.target_mut() {
        // Its stages move, while its head may stand still for hours.
        target.progressed(now);
    }
    if lost::has_fallen(el, ctx, Some(head.number)).await? {
        return lost::recover(el, ctx).await;
    }
    let changed = ctx.sync.as_mut().is_some_and(|watch| watch.judge(now));
    ctx.note_sync();
    if let Some(report) = ctx.sync_report().filter(|_| changed) {
        if report.no_progress {
            ctx.metrics.stall(Stall::NoProgress);
        }
        say(&report);
    }
    Ok(())
}

fn say(report: &SyncReport) {
    let (number, el_head) = (report.target.number, report.el_head);
    if report.no_progress {
        warn!(
            number,
            hash = %report.target.hash,
            el_head,
            still_seconds = report.still_age().as_secs(),
            hint = SyncReport::NO_PROGRESS_HINT,
            "the execution layer makes no progress to the head that it was asked for"
        );
    } else {
        info!(number, el_head, "the execution layer makes progress again");
    }
}
