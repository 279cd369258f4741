//! What a batcher puts on L1, from L2 blocks to the data of its transactions: singular and span batches, compressed
//! channels, frames, blobs. Encoders only, of our own making, so that they check the decoders of derivation instead of
//! repeating their mistakes; and a collection of [`malformed`] things. No chain, no clock, no network.

mod blob;
mod channel;
pub mod malformed;
mod singular;
mod span;

pub use blob::{BLOB_DATA_BYTES_MAX, BlobError, Blobs, blob_of};
pub use channel::{
    Channel, ChannelError, ChannelId, Compression, DERIVATION_VERSION, FRAME_OVERHEAD_BYTES, Frame,
    batcher_data,
};
pub use singular::{SINGULAR_BATCH_TYPE, SingularBatch, batch_transactions};
pub use span::{SPAN_BATCH_TYPE, SpanBatch, SpanBlock, SpanError};
