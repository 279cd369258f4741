//! How the batcher writes: all of it can be changed while the devnet runs.

use light_node_devnet_batches::{BLOB_DATA_BYTES_MAX, Compression, FRAME_OVERHEAD_BYTES};
use light_node_protocol::{Hardfork, RollupConfig};
use serde::{Deserialize, Serialize};

/// Bytes of a calldata transaction's data: L1 nodes refuse transactions over 128 KiB.
const CALLDATA_BYTES_MAX: usize = 100_000;

/// The smallest frame: with smaller ones, a full L2 block would need more transactions than wait in a pool.
const FRAME_BYTES_MIN: usize = 1_000;

/// Version byte before the frames.
const VERSION_BYTES: usize = 1;

/// How L2 blocks are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchKind {
    /// Each block by itself.
    Singular,
    /// All blocks of a channel together.
    #[default]
    Span,
}

/// Where the data goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataAvailability {
    /// Into the transactions themselves.
    Calldata,
    /// Into blobs.
    #[default]
    Blobs,
}

/// How the batcher writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BatcherConfig {
    /// Batch by batch, or spans.
    pub batches: BatchKind,
    /// How channels are compressed. Before Fjord it is zlib whatever stands here.
    pub compression: Compression,
    /// Calldata or blobs.
    pub da: DataAvailability,
    /// Bytes of a frame at most, so that a channel has several; as many as fit into a transaction or blob when absent.
    pub frame_bytes: Option<usize>,
}

impl BatcherConfig {
    /// The compression that the chain understands at `timestamp`.
    pub(super) fn compression_at(&self, rollup: &RollupConfig, timestamp: u64) -> Compression {
        if rollup.is_active(Hardfork::Fjord, timestamp) {
            self.compression
        } else {
            Compression::Zlib
        }
    }

    /// Bytes of batcher data in one transaction's calldata or in one blob.
    pub(super) const fn piece_bytes(&self) -> usize {
        match self.da {
            DataAvailability::Calldata => CALLDATA_BYTES_MAX,
            DataAvailability::Blobs => BLOB_DATA_BYTES_MAX,
        }
    }

    /// Bytes of the data of one frame.
    pub(super) fn frame_data_bytes(&self) -> usize {
        let whole = self.piece_bytes() - VERSION_BYTES;
        let frame = self
            .frame_bytes
            .unwrap_or(whole)
            .clamp(FRAME_BYTES_MIN, whole);
        frame - FRAME_OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_fit_into_what_carries_them() {
        for da in [DataAvailability::Calldata, DataAvailability::Blobs] {
            for frame_bytes in [None, Some(0), Some(1_500), Some(usize::MAX)] {
                let config = BatcherConfig {
                    da,
                    frame_bytes,
                    ..BatcherConfig::default()
                };
                let whole = VERSION_BYTES + FRAME_OVERHEAD_BYTES + config.frame_data_bytes();
                assert!((FRAME_BYTES_MIN..=config.piece_bytes()).contains(&whole));
            }
        }
    }

    #[test]
    fn brotli_waits_for_fjord() {
        let rollup = RollupConfig {
            fjord_time: Some(100),
            ..RollupConfig::default()
        };
        let config = BatcherConfig::default();
        assert_eq!(config.compression_at(&rollup, 99), Compression::Zlib);
        assert_eq!(config.compression_at(&rollup, 100), Compression::Brotli);
    }
}
