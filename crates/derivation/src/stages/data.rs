//! What the batcher put into the L1 block at the cursor: calldata and blobs of its transactions, in block order
//! (`specs/protocol/derivation.md#l1-retrieval`). Frames are parsed and put in order here, and handed on one at a time, so that
//! the frame queue above never holds two of which one could displace the other.

use super::Context;
use crate::{
    blob::decode_blob,
    cause::{ResetCause, RetryCause},
    frames::{RawFrame, parse_frames, prune_frames},
    kona::{BlockInfo, DataAvailabilityProvider, PipelineError, PipelineErrorKind, PipelineResult},
    refusals::{Refusal, Refusals},
};
use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use light_node_l1::{Blob, BlobError, InboxData, L1Data};
use light_node_protocol::{BlockNumHash, Hardfork};
use std::{collections::VecDeque, sync::Arc};
use tracing::debug;

/// The batcher's data.
#[derive(Debug)]
pub(crate) struct BatcherData {
    context: Context,
    open: Option<OpenBlock>,
}

/// A block whose data is being handed on.
#[derive(Debug)]
struct OpenBlock {
    hash: B256,
    data: VecDeque<Data>,
    frames: VecDeque<RawFrame>,
}

#[derive(Debug)]
enum Data {
    Calldata(Bytes),
    Blob(Arc<Blob>),
}

impl BatcherData {
    pub(crate) const fn new(context: Context) -> Self {
        Self {
            context,
            open: None,
        }
    }

    /// Fetches everything that the batcher put into `block`.
    async fn fetch(&self, block: &BlockInfo, batcher: Address) -> PipelineResult<OpenBlock> {
        let causes = &self.context.causes;
        let id = BlockNumHash::new(block.number, block.hash);
        let l1_data = self.context.l1.block_by_hash(id).await;
        let l1_data = l1_data
            .map_err(|error| causes.retry(error))?
            .ok_or_else(|| {
                causes.reset(ResetCause::L1BlockGone {
                    number: id.number,
                    hash: id.hash,
                })
            })?;
        // Before Ecotone the input of a transaction counts and its blobs do not, from then on the reverse
        // (specs/protocol/ecotone/derivation.md#blob-retrieval).
        let takes_blobs = self
            .context
            .config
            .is_active(Hardfork::Ecotone, block.timestamp);
        let of_batcher = || {
            let inbox = l1_data.inbox.iter();
            inbox.filter(|transaction| transaction.sender == batcher)
        };
        let foreign = l1_data.inbox.len() - of_batcher().count();
        self.context
            .refusals
            .note_many(Refusal::ForeignSender, foreign);
        let hashes: Vec<B256> = of_batcher()
            .filter(|_| takes_blobs)
            .filter_map(|transaction| match &transaction.data {
                InboxData::Blobs { hashes, .. } => Some(hashes),
                InboxData::Calldata(_) => None,
            })
            .flatten()
            .copied()
            .collect();
        let mut blobs = self.blobs(&l1_data, &hashes).await?.into_iter();
        let mut data = VecDeque::new();
        for transaction in of_batcher() {
            match &transaction.data {
                InboxData::Calldata(calldata) => data.push_back(Data::Calldata(calldata.clone())),
                InboxData::Blobs { hashes, .. } if takes_blobs => {
                    data.extend(blobs.by_ref().take(hashes.len()).map(Data::Blob));
                }
                InboxData::Blobs { input, .. } => data.push_back(Data::Calldata(input.clone())),
            }
        }
        Ok(OpenBlock {
            hash: block.hash,
            data,
            frames: VecDeque::new(),
        })
    }

    async fn blobs(&self, block: &L1Data, hashes: &[B256]) -> PipelineResult<Vec<Arc<Blob>>> {
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let header = &block.header;
        let blobs = self.context.l1.blobs(
            block.id(),
            header.timestamp,
            header.parent_beacon_block_root,
            hashes,
        );
        match blobs.await {
            Ok(blobs) if blobs.len() == hashes.len() => Ok(blobs),
            Ok(blobs) => {
                let cause = format!("{} blobs instead of {}", blobs.len(), hashes.len());
                let error = BlobError::Unavailable { cause };
                Err(self.context.causes.retry(error))
            }
            Err(error) => Err(self.blob_failure(block, error).await),
        }
    }

    /// Blobs that are missing for good belong to a block that left L1, or else something is wrong with a beacon node, which has
    /// to be said and cannot be passed over.
    async fn blob_failure(&self, block: &L1Data, error: BlobError) -> PipelineErrorKind {
        let causes = &self.context.causes;
        let gone = ResetCause::L1BlockGone {
            number: block.header.number,
            hash: block.hash,
        };
        match error {
            BlobError::Absent { .. }
            | BlobError::Unavailable { .. }
            | BlobError::Expired { .. } => causes.retry(RetryCause::Blobs(error)),
            BlobError::Reorged { .. } | BlobError::Missed { .. } => {
                match self.context.l1.block(block.header.number).await {
                    Ok(Some(canonical)) if canonical.hash == block.hash => {
                        causes.retry(RetryCause::Blobs(error))
                    }
                    Ok(_) => causes.reset(gone),
                    Err(error) => causes.retry(error),
                }
            }
        }
    }
}

impl OpenBlock {
    /// The next frame, from as much data as it takes to find one.
    fn next_frame(
        &mut self,
        block: &BlockInfo,
        is_holocene: bool,
        refusals: &Refusals,
    ) -> Option<RawFrame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            let data = match self.data.pop_front()? {
                Data::Calldata(calldata) => calldata,
                Data::Blob(blob) => match decode_blob(&blob) {
                    Ok(data) => data,
                    Err(error) => {
                        debug!(l1_block = block.number, %error, "blob that holds no data is skipped");
                        refusals.note(Refusal::BlobEncoding);
                        continue;
                    }
                },
            };
            match parse_frames(&data) {
                Ok(frames) if is_holocene => {
                    let count = frames.len();
                    let kept = prune_frames(frames);
                    refusals.note_many(Refusal::FrameOutOfOrder, count - kept.len());
                    self.frames.extend(kept);
                }
                Ok(frames) => self.frames.extend(frames),
                Err(error) => {
                    debug!(l1_block = block.number, %error, "batcher data that holds no frames is skipped");
                    refusals.note(Refusal::NoFrames);
                }
            }
        }
    }
}

#[async_trait]
impl DataAvailabilityProvider for BatcherData {
    type Item = Bytes;

    async fn next(&mut self, block: &BlockInfo, batcher: Address) -> PipelineResult<Bytes> {
        let mut open = match self.open.take().filter(|open| open.hash == block.hash) {
            Some(open) => open,
            None => self.fetch(block, batcher).await?,
        };
        let is_holocene = self
            .context
            .config
            .is_active(Hardfork::Holocene, block.timestamp);
        let frame = open.next_frame(block, is_holocene, &self.context.refusals);
        self.open = Some(open);
        frame
            .map(|frame| frame.encode_alone())
            .ok_or_else(|| PipelineError::Eof.temp())
    }

    fn clear(&mut self) {
        self.open = None;
    }
}
