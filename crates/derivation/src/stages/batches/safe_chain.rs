//! Before Holocene: the safe L2 chain as kona's batch queue reads it, where a batch may overlap it.

use crate::{
    cause::Causes,
    kona::{
        self, BatchValidationProvider, KonaRollupConfig, KonaSystemConfig, L2BlockInfo,
        L2ChainProvider, OpBlock, PipelineError, PipelineErrorKind, l2_block_info,
    },
    safe_block::SafeBlock,
};
use async_trait::async_trait;
use light_node_engine_api::ElReader;
use light_node_protocol::RollupConfig;
use std::sync::Arc;
use thiserror::Error;

/// The safe chain of an execution layer.
#[derive(Clone, Debug)]
pub(crate) struct SafeChain {
    el: Arc<dyn ElReader>,
    config: Arc<RollupConfig>,
    causes: Causes,
}

/// A block could not be read. Why is in [`Causes`], where the deriver looks for it.
#[derive(Debug, Error)]
#[error("the safe chain cannot be read")]
pub(crate) struct Unread;

impl From<Unread> for PipelineErrorKind {
    fn from(error: Unread) -> Self {
        PipelineError::Provider(error.to_string()).temp()
    }
}

impl SafeChain {
    pub(crate) const fn new(
        el: Arc<dyn ElReader>,
        config: Arc<RollupConfig>,
        causes: Causes,
    ) -> Self {
        Self { el, config, causes }
    }

    async fn read(&self, number: u64) -> Result<SafeBlock, Unread> {
        if number < self.config.genesis.l2.number {
            return Err(Unread);
        }
        let block = SafeBlock::read(&*self.el, &self.config, number).await;
        block.map_err(|cause| {
            self.causes.retry(cause);
            Unread
        })
    }
}

#[async_trait]
impl BatchValidationProvider for SafeChain {
    type Error = Unread;

    async fn l2_block_info_by_number(&mut self, number: u64) -> Result<L2BlockInfo, Unread> {
        let block = self.read(number).await?;
        Ok(l2_block_info(&block.block_ref))
    }

    async fn block_by_number(&mut self, number: u64) -> Result<OpBlock, Unread> {
        let block = self.read(number).await?;
        kona::block(&block.block_ref, &block.transactions).ok_or(Unread)
    }
}

#[async_trait]
impl L2ChainProvider for SafeChain {
    type Error = Unread;

    /// The stages that ask for it are ours.
    async fn system_config_by_number(
        &mut self,
        _number: u64,
        _config: Arc<KonaRollupConfig>,
    ) -> Result<KonaSystemConfig, Unread> {
        Err(Unread)
    }
}
