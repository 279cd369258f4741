//! The first look at the EL: is it there, is it ours, and where does it stand.

use crate::{config::SafeSourceKind, context::Context, reads::Reads};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::B256;
use light_node_engine_api::{ElError, ElErrorClass, EngineApi};
use light_node_protocol::RollupConfig;
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

impl ProbeError {
    /// Its class, for the log.
    pub(crate) const fn class(&self) -> ElErrorClass {
        match self {
            Self::El(error) => error.class(),
            Self::Empty => ElErrorClass::Rpc,
            Self::WrongChain { .. } | Self::WrongGenesis { .. } => ElErrorClass::WrongChain,
        }
    }
}

/// Asks an EL that was away whether it is still that of our chain.
///
/// # Errors
/// [`ElError::WrongChain`] or [`ElError::WrongGenesis`] if it is not, another [`ElError`] if it could not be asked.
pub(crate) async fn identify(el: &dyn EngineApi, config: &RollupConfig) -> Result<(), ElError> {
    let genesis = config.genesis.l2;
    let first = Reads::default().number(genesis.number);
    let (chain_id, blocks) = futures::join!(el.chain_id(), first.send(el));
    let (expected, found) = (config.l2_chain_id, chain_id?);
    if found != expected {
        return Err(ElError::WrongChain { expected, found });
    }
    match blocks?.at(genesis.number) {
        Some(first) if first.hash == genesis.hash => Ok(()),
        Some(first) => Err(ElError::WrongGenesis {
            number: genesis.number,
            expected: genesis.hash,
            actual: first.hash,
        }),
        None => Err(ElError::Rpc {
            method: "eth_getBlockByNumber",
            code: ElError::UNKNOWN_BLOCK,
            message: ProbeError::Empty.to_string(),
        }),
    }
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
        ctx.lower_pending_safe();
        ctx.memory.remember(ctx.state.safe_head);
    }
    let now = tokio::time::Instant::now();
    ctx.begin_first_sync(latest.number, now);
    ctx.adopt(latest, None, None, now);
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
