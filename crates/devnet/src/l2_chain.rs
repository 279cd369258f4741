//! The sequencer's chain as batcher, source and traffic read it: straight from the first execution layer's memory.

use crate::system_configs::is_canonical;
use alloy_eips::Encodable2718;
use light_node_devnet_el::{ChainView, EmbeddedEl, ExecutedBlock};
use light_node_devnet_l1::Chain;
use light_node_protocol::{L2BlockRef, L2BlockRefError, RollupConfig};
use std::sync::Arc;
use tokio::sync::watch;

/// A reader of the sequencer's chain.
#[derive(Clone, Debug)]
pub(crate) struct L2Chain {
    el: Arc<EmbeddedEl>,
    config: Arc<RollupConfig>,
}

impl L2Chain {
    pub(crate) const fn new(el: Arc<EmbeddedEl>, config: Arc<RollupConfig>) -> Self {
        Self { el, config }
    }

    /// The rollup.
    pub(crate) const fn config(&self) -> &Arc<RollupConfig> {
        &self.config
    }

    /// The execution layer that holds the chain.
    pub(crate) const fn el(&self) -> &Arc<EmbeddedEl> {
        &self.el
    }

    /// The chain now.
    pub(crate) fn view(&self) -> Arc<ChainView> {
        self.el.view()
    }

    /// The chain on every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<ChainView>> {
        self.el.subscribe()
    }

    /// The reference to a block.
    ///
    /// # Errors
    /// The block does not start with an L1-info deposit. The sequencer makes no such block.
    pub(crate) fn reference(&self, block: &ExecutedBlock) -> Result<L2BlockRef, L2BlockRefError> {
        let header = block.header();
        let first = block
            .block
            .body
            .transactions
            .first()
            .map(Encodable2718::encoded_2718);
        L2BlockRef::from_parts(
            &self.config,
            block.hash,
            header.number,
            header.parent_hash,
            header.timestamp,
            first.as_deref(),
        )
    }

    /// The highest block whose L1 origin is on `l1`: what remains of the chain after an L1 reorg.
    ///
    /// # Errors
    /// As [`Self::reference`].
    pub(crate) fn highest_on(
        &self,
        view: &ChainView,
        l1: &Chain,
    ) -> Result<Option<L2BlockRef>, L2BlockRefError> {
        let mut block = Some(view.head());
        while let Some(candidate) = block {
            let reference = self.reference(candidate)?;
            if is_canonical(l1, &reference.l1_origin) {
                return Ok(Some(reference));
            }
            block = view.block_by_hash(&reference.parent_hash);
        }
        Ok(None)
    }
}
