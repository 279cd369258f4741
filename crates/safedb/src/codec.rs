//! Rows as bytes: numbers big-endian, hashes as they are. Fixed widths, so that no row can fail to decode.

use crate::rules::{Last, Span};
use alloy_primitives::B256;
use light_node_protocol::{BlockNumHash, RollupConfig};

/// A span without its key: hash of the first L1 block, last L1 block, L2 block.
pub(crate) const SPAN_BYTES: usize = 32 + 40 + 40;
/// The last sample.
pub(crate) const LAST_BYTES: usize = 40 + 40 + 1;
/// What tells two chains apart.
pub(crate) const CHAIN_BYTES: usize = 8 + 8 + 32 + 32;

pub(crate) fn encode_span(span: &Span) -> [u8; SPAN_BYTES] {
    let mut bytes = [0; SPAN_BYTES];
    bytes[..32].copy_from_slice(span.from.hash.as_slice());
    bytes[32..72].copy_from_slice(&encode_block(&span.through));
    bytes[72..].copy_from_slice(&encode_block(&span.safe));
    bytes
}

pub(crate) fn decode_span(number: u64, bytes: &[u8; SPAN_BYTES]) -> Span {
    Span {
        from: BlockNumHash::new(number, B256::from_slice(&bytes[..32])),
        through: decode_block(&bytes[32..72]),
        safe: decode_block(&bytes[72..]),
    }
}

pub(crate) fn encode_last(last: &Last) -> [u8; LAST_BYTES] {
    let mut bytes = [0; LAST_BYTES];
    bytes[..40].copy_from_slice(&encode_block(&last.cursor));
    bytes[40..80].copy_from_slice(&encode_block(&last.safe));
    bytes[80] = u8::from(last.is_complete);
    bytes
}

pub(crate) fn decode_last(bytes: &[u8; LAST_BYTES]) -> Last {
    Last {
        cursor: decode_block(&bytes[..40]),
        safe: decode_block(&bytes[40..80]),
        is_complete: bytes[80] != 0,
    }
}

/// Chain ids and genesis hashes of both layers.
pub(crate) fn encode_chain(config: &RollupConfig) -> [u8; CHAIN_BYTES] {
    let mut bytes = [0; CHAIN_BYTES];
    bytes[..8].copy_from_slice(&config.l1_chain_id.to_be_bytes());
    bytes[8..16].copy_from_slice(&config.l2_chain_id.to_be_bytes());
    bytes[16..48].copy_from_slice(config.genesis.l1.hash.as_slice());
    bytes[48..].copy_from_slice(config.genesis.l2.hash.as_slice());
    bytes
}

/// The same for people.
pub(crate) fn describe_chain(bytes: &[u8; CHAIN_BYTES]) -> String {
    let (id, genesis) = (number(&bytes[8..16]), B256::from_slice(&bytes[48..]));
    format!("chain {id} with genesis {genesis}")
}

fn encode_block(block: &BlockNumHash) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&block.number.to_be_bytes());
    bytes[8..].copy_from_slice(block.hash.as_slice());
    bytes
}

fn decode_block(bytes: &[u8]) -> BlockNumHash {
    BlockNumHash::new(number(&bytes[..8]), B256::from_slice(&bytes[8..40]))
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64, byte: u8) -> BlockNumHash {
        BlockNumHash::new(number, B256::repeat_byte(byte))
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let span = Span {
            from: block(7, 1),
            through: block(u64::MAX, 2),
            safe: block(300, 3),
        };
        assert_eq!(decode_span(7, &encode_span(&span)), span);
        for is_complete in [false, true] {
            let last = Last {
                cursor: block(1 << 40, 4),
                safe: block(0, 5),
                is_complete,
            };
            assert_eq!(decode_last(&encode_last(&last)), last);
        }
    }
}
