//! What the attributes of L2 blocks take from their L1 origins. The pipeline reads far ahead of the origins that it still needs,
//! so what it saw on its way is kept: no L1 block is asked for twice.

use crate::cause::{Causes, ResetCause};
use crate::kona::PipelineErrorKind;
use alloy_consensus::Header;
use alloy_primitives::Log;
use light_node_l1::{L1Data, L1Source};
use light_node_protocol::{BlockNumHash, L1BlockRef};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Most bytes of logs and headers that are kept. What is beyond is fetched again when its turn comes.
const MAX_BYTES: usize = 64 << 20;

/// Bytes that a header takes, roughly.
const HEADER_BYTES: usize = 1 << 10;

/// An L1 block as the origin of L2 blocks.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) header: Header,
    pub(crate) block: L1BlockRef,
    /// Logs of portal and SystemConfig, each with its index in the block.
    pub(crate) logs: Vec<(u64, Log)>,
}

impl Epoch {
    pub(crate) fn new(data: &L1Data) -> Self {
        Self {
            header: data.header.clone(),
            block: data.block_ref(),
            logs: data.logs.clone(),
        }
    }

    fn bytes(&self) -> usize {
        let logs = self.logs.iter();
        HEADER_BYTES
            + logs
                .map(|(_, log)| 256 + log.data.data.len())
                .sum::<usize>()
    }
}

/// The L1 blocks that L2 blocks may still stand on. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Epochs(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    epochs: BTreeMap<u64, Arc<Epoch>>,
    bytes: usize,
}

impl Epochs {
    /// Keeps a block that the pipeline reads.
    pub(crate) fn keep(&self, data: &L1Data) {
        let epoch = Arc::new(Epoch::new(data));
        let mut kept = self.lock();
        kept.bytes += epoch.bytes();
        if let Some(old) = kept.epochs.insert(epoch.block.number, epoch) {
            kept.bytes -= old.bytes();
        }
        // The highest goes: the lowest is needed next.
        while kept.bytes > MAX_BYTES && kept.epochs.len() > 1 {
            let Some((_, dropped)) = kept.epochs.pop_last() else {
                break;
            };
            kept.bytes -= dropped.bytes();
        }
    }

    /// Forgets what lies below the L1 block `number`: no L2 block will stand on it any more.
    pub(crate) fn forget_below(&self, number: u64) {
        let mut kept = self.lock();
        while let Some(first) = kept.epochs.first_entry() {
            if *first.key() >= number {
                break;
            }
            let bytes = first.remove().bytes();
            kept.bytes -= bytes;
        }
    }

    /// The L1 block `id`, kept or fetched again.
    pub(crate) async fn get(
        &self,
        id: BlockNumHash,
        l1: &dyn L1Source,
        causes: &Causes,
    ) -> Result<Arc<Epoch>, PipelineErrorKind> {
        let kept = self.lock().epochs.get(&id.number).cloned();
        if let Some(epoch) = kept.filter(|epoch| epoch.block.hash == id.hash) {
            return Ok(epoch);
        }
        match l1.block_by_hash(id).await {
            Ok(Some(data)) => Ok(Arc::new(Epoch::new(&data))),
            Ok(None) => Err(causes.reset(ResetCause::L1BlockGone {
                number: id.number,
                hash: id.hash,
            })),
            Err(error) => Err(causes.retry(error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
