//! One poll, as far as it goes over the network: ask the source, look at the answer's shape and at who gave it, ask L1 about
//! the blocks that are new. It owns what it needs, so that the actor can go on selecting while it runs.

use crate::{
    checks::{
        IdentityError, OriginError, ShapeError, check_chain, check_origins, check_path, check_shape,
    },
    config::FollowConfig,
    metrics::FollowMetrics,
    regression::{CheckedAnswer, L1Facts, Regression},
    source::{ChainIdentity, FollowSource, SourceError},
};
use light_node_engine::{DerivationState, EngineHandle};
use light_node_l1::{Canonicality, L1Error, L1Handle};
use light_node_protocol::SyncStatus;
use std::sync::Arc;
use tracing::info;

/// Nodes of a follow path that we look at; a longer path is a loop without us.
const MAX_PATH: usize = 32;

/// What a poll has to do, decided when it starts.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) config: Arc<FollowConfig>,
    pub(crate) source: Arc<dyn FollowSource>,
    pub(crate) engine: EngineHandle,
    pub(crate) l1: L1Handle,
    /// L1 reorgs after which the unsafe head's origin was looked at.
    pub(crate) seen_l1_reorgs: u64,
    /// Ask which chain the source serves and whom it follows.
    pub(crate) identity_is_due: bool,
    /// The source's last words that are fully applied: the same words again need no L1.
    pub(crate) settled: Option<DerivationState>,
    pub(crate) regression: Regression,
    pub(crate) metrics: FollowMetrics,
}

/// What the source says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// It serves its rollup config, which is ours.
    pub(crate) is_verified: bool,
    /// Whom it follows, itself first.
    pub(crate) path: Vec<String>,
}

/// What a poll found.
#[derive(Debug)]
pub(crate) struct Report {
    /// As in the plan, with those that this poll looked at.
    pub(crate) seen_l1_reorgs: u64,
    /// Present if it was asked and is acceptable.
    pub(crate) identity: Option<Identity>,
    /// Present if the source answered.
    pub(crate) status: Option<SyncStatus>,
    pub(crate) finding: Result<Finding, Failure>,
}

/// What an answer without fault brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, moved once
pub(crate) enum Finding {
    /// The same words that are applied already.
    Settled,
    /// Something new.
    New(CheckedAnswer),
}

/// The check at which an answer failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Source(SourceError),
    Shape(ShapeError),
    Identity(IdentityError),
    Origin(OriginError),
    L1(L1Error),
}

/// Runs one poll. Ends within the deadlines of the source's and of L1's calls.
///
/// # Cancel safety
/// Nothing is lost but the calls in flight.
pub(crate) async fn poll(plan: Plan) -> Report {
    let seen_l1_reorgs = report_lost_origin(&plan).await;
    let mut report = Report {
        seen_l1_reorgs,
        identity: None,
        status: None,
        finding: Ok(Finding::Settled),
    };
    report.finding = run(&plan, &mut report.identity, &mut report.status).await;
    report
}

async fn run(
    plan: &Plan,
    identity: &mut Option<Identity>,
    status: &mut Option<SyncStatus>,
) -> Result<Finding, Failure> {
    // First, because a node that follows itself has no heads yet, and would be called broken instead of itself.
    if plan.identity_is_due {
        *identity = Some(identify(plan).await?);
    }
    let answer = plan.source.status().await.map_err(Failure::Source)?;
    *status = Some(answer);
    let said = check_shape(&answer, &plan.config.rollup_config).map_err(Failure::Shape)?;
    if plan.settled == Some(said) {
        return Ok(Finding::Settled);
    }
    check_l1(plan, said).await.map(Finding::New)
}

/// After an L1 reorg, tells the engine if the origin of its unsafe head is gone: the sequencer will lead the unsafe chain
/// back, and the engine shall let it. Asked again with the next poll while L1 cannot tell.
async fn report_lost_origin(plan: &Plan) -> u64 {
    let reorgs = plan.l1.reorgs();
    if reorgs == plan.seen_l1_reorgs {
        return reorgs;
    }
    let head = plan.engine.state().unsafe_head;
    if head.is_zero() {
        return reorgs;
    }
    match plan.l1.check(&[head.l1_origin]).await.as_deref() {
        Ok([Canonicality::Mismatch { .. }]) => {
            info!(number = head.number, hash = %head.hash, "l1 origin of the unsafe head has left l1");
            // An engine that has stopped needs no news; the actor finds out with its next update.
            let _ = plan.engine.reset_keeping_heads().await;
            reorgs
        }
        Ok([Canonicality::Canonical]) => {
            if plan.engine.state().origin_left_l1 {
                // L1 has come back to it.
                let _ = plan.engine.origin_stands().await;
            }
            reorgs
        }
        Ok(_) | Err(_) => plan.seen_l1_reorgs,
    }
}

async fn identify(plan: &Plan) -> Result<Identity, Failure> {
    let theirs = plan
        .source
        .chain_identity()
        .await
        .map_err(Failure::Source)?;
    if let Some(theirs) = theirs {
        let ours = ChainIdentity::from(&*plan.config.rollup_config);
        check_chain(&ours, &theirs).map_err(Failure::Identity)?;
    }
    let path = plan.source.follow_path().await.map_err(Failure::Source)?;
    let path: Vec<String> = path
        .unwrap_or_default()
        .into_iter()
        .take(MAX_PATH)
        .collect();
    check_path(&plan.config.own_id, &path).map_err(Failure::Identity)?;
    Ok(Identity {
        is_verified: theirs.is_some(),
        path,
    })
}

/// Check 3, and the facts that check 5 needs, in one question to L1.
async fn check_l1(plan: &Plan, said: DerivationState) -> Result<CheckedAnswer, Failure> {
    let mut blocks = vec![said.local_safe.l1_origin, said.safe.l1_origin];
    if !said.finalized.is_zero() {
        blocks.push(said.finalized.l1_origin);
    }
    let gating = blocks.len();
    let applied = plan.regression.needs_l1(&said);
    blocks.extend(applied.iter().flatten());
    if !said.current_l1.is_zero() {
        blocks.push(said.current_l1.id());
    }
    let verdicts = plan.l1.check(&blocks).await;
    plan.metrics.origin_checks(&verdicts);
    let verdicts = verdicts.map_err(Failure::L1)?;
    check_origins(&blocks[..gating], &verdicts).map_err(Failure::Origin)?;
    let left = |verdict: &Canonicality| matches!(verdict, Canonicality::Mismatch { .. });
    let facts = match (applied, &verdicts[gating..]) {
        (Some(_), [safe_origin, cursor, ..]) => L1Facts {
            safe_origin_left: left(safe_origin),
            // The cursor stands on the origin, also where L1 is too short now to show that it has gone.
            cursor_left: left(safe_origin) || left(cursor),
            cursor_out_of_reach: *cursor == Canonicality::Ahead,
        },
        _ => L1Facts::default(),
    };
    let cursor_is_canonical =
        !said.current_l1.is_zero() && verdicts.last() == Some(&Canonicality::Canonical);
    Ok(CheckedAnswer {
        said,
        cursor_is_canonical,
        facts,
    })
}
