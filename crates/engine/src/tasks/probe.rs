//! The first look at the EL: is it there, is it ours, and where does it stand.

use crate::{config::SafeSourceKind, context::Context, reads::Reads};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::B256;
use light_node_engine_api::{ElError, EngineApi};
use thiserror::Error;
use tracing::info;

/// Why a probe did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ProbeError {
    /// It could not be asked. To be tried again.
    #[error(transparent)]
    El(#[from] ElError),
    /// It has no genesis block or no head yet. To be tried again.
    #[error("the execution layer has no genesis block yet")]
    Empty,
    /// It runs another chain.
    #[error("chain id {found} instead of {expected}")]
    WrongChain { expected: u64, found: u64 },
    /// It runs another chain of the same id.
    #[error("genesis {found} instead of {expected}")]
    WrongGenesis { expected: B256, found: B256 },
}

/// Takes over what the EL has: its latest block is our unsafe head. Labels that it does not have are unknown; when another
/// node says what is safe, safe is unknown until it has said so.
///
/// Returns the EL's version for the operator.
///
/// # Errors
/// [`ProbeError`]; nothing has changed then.
pub(crate) async fn probe(
    el: &dyn EngineApi,
    ctx: &mut Context,
) -> Result<Option<String>, ProbeError> {
    let config = &ctx.config.rollup_config;
    let genesis = config.genesis.l2;
    let reads = Reads::default()
        .number(genesis.number)
        .label(BlockNumberOrTag::Latest)
        .label(BlockNumberOrTag::Safe)
        .label(BlockNumberOrTag::Finalized);
    // The chain id decides first: on a foreign chain the blocks need not even decode.
    let (chain_id, blocks, version) =
        futures::join!(el.chain_id(), reads.send(el), el.client_version());
    let (expected, found) = (config.l2_chain_id, chain_id?);
    if found != expected {
        return Err(ProbeError::WrongChain { expected, found });
    }
    let blocks = blocks.map_err(|error| match error {
        ElError::WrongGenesis {
            expected, actual, ..
        } => ProbeError::WrongGenesis {
            expected,
            found: actual,
        },
        other => ProbeError::El(other),
    })?;
    let first = blocks.at(genesis.number).ok_or(ProbeError::Empty)?;
    if first.hash != genesis.hash {
        let (expected, found) = (genesis.hash, first.hash);
        return Err(ProbeError::WrongGenesis { expected, found });
    }
    let latest = blocks
        .label(BlockNumberOrTag::Latest)
        .ok_or(ProbeError::Empty)?;
    let label = |label| {
        blocks
            .label(label)
            .filter(|block| block.number <= latest.number)
    };
    let finalized = label(BlockNumberOrTag::Finalized).unwrap_or_default();
    if !finalized.is_zero() {
        ctx.memory.remember(finalized);
        ctx.state.finalized_head = finalized;
    }
    if ctx.config.safe_source == SafeSourceKind::Derive {
        let safe = label(BlockNumberOrTag::Safe).filter(|safe| safe.number >= finalized.number);
        ctx.state.safe_head = safe.unwrap_or(finalized);
        ctx.state.local_safe_head = ctx.state.safe_head;
        ctx.memory.remember(ctx.state.safe_head);
    }
    ctx.adopt(latest, None, None, tokio::time::Instant::now());
    let version = version.ok().flatten();
    info!(
        client = version.as_deref().unwrap_or("unknown"),
        chain_id = found,
        number = latest.number,
        hash = %latest.hash,
        finalized_number = finalized.number,
        "the execution layer answers"
    );
    Ok(version)
}
