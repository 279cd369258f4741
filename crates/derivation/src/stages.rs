//! The stages of the pipeline that are ours, from L1 upwards, and how they stand around kona's:
//!
//! ```text
//! Traversal -> L1Retrieval (kona) with BatcherData -> FrameQueue (kona) -> FrameGuard -> ChannelProvider (kona)
//!           -> ChannelReader -> Batches, before Holocene with BatchQueue (kona) inside
//! ```
//!
//! A stage asks the one before it. `Eof` means that the L1 block at hand is used up, `NotEnoughData` that the same question
//! should be asked again. A reset makes new stages: nothing of the old ones can survive it.

pub(crate) mod batches;
pub(crate) mod data;
pub(crate) mod frame_guard;
pub(crate) mod reader;
pub(crate) mod traversal;

use crate::{
    cause::Causes,
    epochs::Epochs,
    kona::{
        self, BlockInfo, ChannelProvider, FrameQueue, KonaRollupConfig, L1Retrieval, OriginProvider,
    },
    refusals::Refusals,
};
use batches::{Batches, safe_chain::SafeChain};
use data::BatcherData;
use frame_guard::FrameGuard;
use light_node_engine_api::ElReader;
use light_node_l1::L1Source;
use light_node_protocol::{BlockNumHash, L1BlockRef, RollupConfig, SystemConfig};
use reader::ChannelReader;
use std::sync::{Arc, Mutex, PoisonError};
use traversal::Traversal;

/// What every stage stands on.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) config: Arc<RollupConfig>,
    pub(crate) kona: Arc<KonaRollupConfig>,
    pub(crate) l1: Arc<dyn L1Source>,
    pub(crate) el: Arc<dyn ElReader>,
    pub(crate) causes: Causes,
    pub(crate) epochs: Epochs,
    pub(crate) cursor: Cursor,
    pub(crate) refusals: Refusals,
}

/// The L1 block that is being read, the same for all stages. Clones are the same place.
#[derive(Clone, Debug)]
pub(crate) struct Cursor(Arc<Mutex<BlockInfo>>);

impl Cursor {
    pub(crate) fn new(block: &L1BlockRef) -> Self {
        Self(Arc::new(Mutex::new(kona::block_info(block))))
    }

    pub(crate) fn get(&self) -> BlockInfo {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, block: BlockInfo) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = block;
    }
}

impl OriginProvider for Cursor {
    fn origin(&self) -> Option<BlockInfo> {
        Some(self.get())
    }
}

/// New stages that begin to read at the cursor, whose system config is `origin_config`. What is complete up to the L1 block
/// `used_up` is read over.
pub(crate) fn stack(
    context: &Context,
    origin_config: SystemConfig,
    used_up: Option<BlockNumHash>,
) -> Batches {
    let traversal = Traversal::new(context.clone(), origin_config);
    let data = BatcherData::new(context.clone());
    let frames = FrameQueue::new(L1Retrieval::new(traversal, data), context.kona.clone());
    let (config, cursor) = (&context.config, &context.cursor);
    let guard = FrameGuard::new(
        frames,
        config.clone(),
        cursor.clone(),
        context.refusals.clone(),
    );
    let channels = ChannelProvider::new(context.kona.clone(), guard);
    let reader = ChannelReader::new(
        channels,
        config.clone(),
        cursor.clone(),
        context.refusals.clone(),
    );
    let l2 = SafeChain::new(
        context.el.clone(),
        context.config.clone(),
        context.causes.clone(),
    );
    Batches::new(Box::new(reader), context.clone(), l2, used_up)
}
