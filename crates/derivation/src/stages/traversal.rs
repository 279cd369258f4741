//! The lowest stage: walks L1 block by block and knows who the batcher is. Each block must stand on the one before it, else L1
//! was reorganised (`specs/protocol/derivation.md#l1-traversal`).

use super::Context;
use crate::{
    cause::ResetCause,
    kona::{
        BlockInfo, L1RetrievalProvider, OriginAdvancer, OriginProvider, PipelineError,
        PipelineResult, Signal, SignalReceiver, block_info,
    },
};
use alloy_primitives::{Address, Log};
use async_trait::async_trait;
use light_node_protocol::{BlockNumHash, L1BlockRef, RollupConfig, SystemConfig};
use tracing::debug;

/// Walks L1.
#[derive(Debug)]
pub(crate) struct Traversal {
    context: Context,
    /// The system config at the cursor.
    system_config: SystemConfig,
    /// The block at the cursor has been given out.
    is_given: bool,
}

impl Traversal {
    pub(crate) fn new(context: Context, system_config: SystemConfig) -> Self {
        let traversal = Self {
            context,
            system_config,
            is_given: false,
        };
        traversal.report();
        traversal
    }

    /// Tells L1 what to fetch next.
    fn report(&self) {
        let block = self.context.cursor.get();
        let id = BlockNumHash::new(block.number, block.hash);
        let batcher = self.system_config.batcher_address;
        self.context.l1.advance(id, batcher);
    }
}

/// Applies the config updates among `logs`, which are of an L1 block. A malformed one is left out alone.
pub(crate) fn apply_updates<'a>(
    system_config: &mut SystemConfig,
    config: &RollupConfig,
    logs: impl IntoIterator<Item = &'a (u64, Log)>,
    block: &L1BlockRef,
) {
    for (index, log) in logs {
        if let Err(error) = system_config.apply_log(config, log, block.timestamp) {
            debug!(l1_block = block.number, log = index, %error, "malformed config update is left out");
        }
    }
}

#[async_trait]
impl L1RetrievalProvider for Traversal {
    async fn next_l1_block(&mut self) -> PipelineResult<Option<BlockInfo>> {
        if self.is_given {
            return Err(PipelineError::Eof.temp());
        }
        self.is_given = true;
        Ok(Some(self.context.cursor.get()))
    }

    fn batcher_addr(&self) -> Address {
        self.system_config.batcher_address
    }
}

impl OriginProvider for Traversal {
    fn origin(&self) -> Option<BlockInfo> {
        self.context.cursor.origin()
    }
}

#[async_trait]
impl OriginAdvancer for Traversal {
    async fn advance_origin(&mut self) -> PipelineResult<()> {
        let causes = &self.context.causes;
        let at = self.context.cursor.get();
        let next = self.context.l1.block(at.number + 1).await;
        let next = next
            .map_err(|error| causes.retry(error))?
            .ok_or_else(|| PipelineError::Eof.temp())?;
        let block = next.block_ref();
        if block.parent_hash != at.hash {
            return Err(causes.reset(ResetCause::L1Reorg {
                block: crate::kona::l1_block_ref(&at),
                parent_hash: block.parent_hash,
            }));
        }
        let config = &self.context.config;
        apply_updates(&mut self.system_config, config, &next.logs, &block);
        self.context.epochs.keep(&next);
        self.context.cursor.set(block_info(&block));
        self.is_given = false;
        self.report();
        Ok(())
    }
}

/// Resets make new stages, so no signal has a meaning here.
#[async_trait]
impl SignalReceiver for Traversal {
    async fn signal(&mut self, _signal: Signal) -> PipelineResult<()> {
        Ok(())
    }
}
