//! Compression of what is gossiped: one snappy block a message. It is undone once, before the message gets its id, so that id and
//! judgement see the same bytes; the declared length is held to bounds before anything is allocated for it.

use crate::{metered::Meter, signature::SIGNATURE_LEN};
use libp2p::gossipsub::{DataTransform, Message, RawMessage, TopicHash};
use std::{io, sync::Arc};
use thiserror::Error;

/// Most bytes of a message, compressed or not. The limit of op-node, to the byte.
pub(crate) const DATA_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Fewest bytes of a decompressed message: a signature and something that it signs.
pub(crate) const DATA_BYTES_MIN: usize = SIGNATURE_LEN + 1;

/// Why a message was not decompressed, or compressed.
#[derive(Debug, Error)]
pub(crate) enum SnappyError {
    /// It does not begin with a length.
    #[error("the compressed data declares no length")]
    NoLength(#[source] snap::Error),
    /// Its length is none that a block can have.
    #[error("a message of {bytes} bytes is not within {DATA_BYTES_MIN} to {DATA_BYTES_MAX}")]
    Length {
        /// Bytes without compression, as declared.
        bytes: usize,
    },
    /// What follows the length is no snappy, or not of that length.
    #[error("the compressed data is corrupt")]
    Corrupt(#[source] snap::Error),
    /// It is on a topic to which we are not subscribed. Gossip would keep it for a while all the same.
    #[error("the topic is foreign")]
    ForeignTopic,
}

/// Undoes the compression of a message.
///
/// # Errors
/// [`SnappyError`].
pub(crate) fn decompress(compressed: &[u8]) -> Result<Vec<u8>, SnappyError> {
    let bytes = snap::raw::decompress_len(compressed).map_err(SnappyError::NoLength)?;
    check_length(bytes)?;
    snap::raw::Decoder::new()
        .decompress_vec(compressed)
        .map_err(SnappyError::Corrupt)
}

/// Compresses a message.
///
/// # Errors
/// [`SnappyError::Length`] if others would refuse it.
pub(crate) fn compress(data: &[u8]) -> Result<Vec<u8>, SnappyError> {
    check_length(data.len())?;
    snap::raw::Encoder::new()
        .compress_vec(data)
        .map_err(SnappyError::Corrupt)
}

const fn check_length(bytes: usize) -> Result<(), SnappyError> {
    if bytes < DATA_BYTES_MIN || bytes > DATA_BYTES_MAX {
        return Err(SnappyError::Length { bytes });
    }
    Ok(())
}

/// The transform of gossip. A message for which it fails counts as invalid against the peer that sent it.
#[derive(Clone, Debug)]
pub(crate) struct BoundedSnappy {
    topics: [TopicHash; 4],
    meter: Arc<Meter>,
}

impl BoundedSnappy {
    /// For messages on `topics`, counted with `meter`.
    pub(crate) const fn new(topics: [TopicHash; 4], meter: Arc<Meter>) -> Self {
        Self { topics, meter }
    }

    /// The decompressed data; none if nothing is to be decompressed for its sender now. Nobody is blamed for that.
    fn inbound(&self, raw: &RawMessage) -> Result<Vec<u8>, SnappyError> {
        if !self.topics.contains(&raw.topic) {
            self.meter.refused(raw.data.len());
            return Err(SnappyError::ForeignTopic);
        }
        let declared = snap::raw::decompress_len(&raw.data).unwrap_or_default();
        if check_length(declared).is_err() {
            // Refused by its length; it had to be received all the same.
            self.meter.refused(raw.data.len());
        } else if !self.meter.admit(declared) {
            return Ok(Vec::new());
        }
        decompress(&raw.data).inspect_err(|_| self.meter.malformed())
    }
}

impl DataTransform for BoundedSnappy {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        let data = self.inbound(&raw).map_err(io::Error::other)?;
        Ok(Message {
            source: raw.source,
            data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _topic: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        compress(&data).map_err(io::Error::other)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    fn raw(data: Vec<u8>) -> RawMessage {
        RawMessage {
            source: None,
            data,
            sequence_number: None,
            topic: TopicHash::from_raw("topic"),
            signature: None,
            key: None,
            validated: false,
        }
    }

    fn transform() -> BoundedSnappy {
        let topics = ["topic", "b", "c", "d"].map(TopicHash::from_raw);
        let meter = Meter::default();
        meter.open(usize::MAX);
        BoundedSnappy::new(topics, Arc::new(meter))
    }

    #[test]
    fn a_message_on_a_foreign_topic_is_not_decompressed() {
        let compressed = compress(&[7; 100]).unwrap();
        transform()
            .inbound_transform(raw(compressed.clone()))
            .unwrap();
        let foreign = RawMessage {
            topic: TopicHash::from_raw("other"),
            ..raw(compressed)
        };
        assert!(matches!(
            transform().inbound(&foreign),
            Err(SnappyError::ForeignTopic)
        ));
    }

    #[test]
    fn what_is_beyond_the_allowance_of_an_rpc_is_not_decompressed_and_nobody_is_blamed() {
        let transform = transform();
        let message = raw(compress(&[7; 100]).unwrap());
        transform.meter.open(250);
        let taken: Vec<_> = (0..4)
            .map(|_| transform.inbound_transform(message.clone()).unwrap())
            .map(|message| message.data.len())
            .collect();
        assert_eq!(taken, [100, 100, 0, 0]);
    }

    #[test]
    fn a_frame_of_seven_bytes_that_declares_four_gibibytes_is_refused_by_its_length() {
        let bomb = hex!("ffffffff0f0041");
        assert!(matches!(
            decompress(&bomb),
            Err(SnappyError::Length { bytes: 0xffff_ffff })
        ));
        transform()
            .inbound_transform(raw(bomb.to_vec()))
            .unwrap_err();
    }

    #[test]
    fn lengths_are_taken_from_66_bytes_to_10_mebibytes() {
        let frame = |bytes| {
            snap::raw::Encoder::new()
                .compress_vec(&vec![0; bytes])
                .unwrap()
        };
        for bytes in [DATA_BYTES_MIN, DATA_BYTES_MAX] {
            assert_eq!(decompress(&frame(bytes)).unwrap().len(), bytes);
        }
        for bytes in [0, DATA_BYTES_MIN - 1, DATA_BYTES_MAX + 1] {
            assert!(matches!(
                decompress(&frame(bytes)),
                Err(SnappyError::Length { .. })
            ));
            assert!(matches!(
                compress(&vec![0; bytes]),
                Err(SnappyError::Length { .. })
            ));
        }
    }

    #[test]
    fn data_without_a_length_or_of_another_length_is_refused() {
        assert!(matches!(
            decompress(&[0xff; 11]),
            Err(SnappyError::NoLength(_))
        ));
        assert!(matches!(
            decompress(&[]),
            Err(SnappyError::Length { bytes: 0 })
        ));
        let mut frame = compress(&[7; 100]).unwrap();
        frame.push(0);
        assert!(matches!(decompress(&frame), Err(SnappyError::Corrupt(_))));
        assert!(matches!(decompress(&[100]), Err(SnappyError::Corrupt(_))));
    }

    #[test]
    fn what_goes_out_comes_in_again() {
        let data: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let topic = TopicHash::from_raw("topic");
        let out = transform().outbound_transform(&topic, data.clone());
        let message = transform().inbound_transform(raw(out.unwrap())).unwrap();
        assert_eq!(message.data, data);
        assert_eq!(message.topic, topic);
    }

    proptest! {
        #[test]
        fn hostile_data_never_panics(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decompress(&data);
        }
    }
}
