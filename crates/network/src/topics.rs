//! The topics of blocks and the ids of messages. A topic says by its number how the blocks on it are encoded; which one a block
//! goes to follows from its timestamp. An id is made of the decompressed data, so that all who compress differently agree on it.

use libp2p::gossipsub::{IdentTopic, Message, MessageId};
use light_node_protocol::{Hardfork, RollupConfig};
use sha2::{Digest, Sha256};

/// Length of a message's id in bytes: the front of a SHA-256.
pub(crate) const MESSAGE_ID_LEN: usize = 20;

/// How a block is encoded on the wire; each version has a topic of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BlockVersion {
    /// Bedrock.
    V1,
    /// Canyon: a list of withdrawals, always empty.
    V2,
    /// Ecotone: blob gas, and the parent beacon block root before the payload.
    V3,
    /// Isthmus: the withdrawals root. Later forks add no version.
    V4,
}

impl BlockVersion {
    /// All versions, oldest first.
    pub(crate) const ALL: [Self; 4] = [Self::V1, Self::V2, Self::V3, Self::V4];

    /// The version of a block with this `timestamp` (seconds).
    pub(crate) fn at(config: &RollupConfig, timestamp: u64) -> Self {
        if config.is_active(Hardfork::Isthmus, timestamp) {
            Self::V4
        } else if config.is_active(Hardfork::Ecotone, timestamp) {
            Self::V3
        } else if config.is_active(Hardfork::Canyon, timestamp) {
            Self::V2
        } else {
            Self::V1
        }
    }

    /// Its place in [`Self::ALL`], which is also its number in the topic.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Its name in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
            Self::V4 => "v4",
        }
    }

    /// The topic of its blocks on a chain.
    pub(crate) fn topic(self, l2_chain_id: u64) -> IdentTopic {
        IdentTopic::new(format!("/optimism/{l2_chain_id}/{}/blocks", self.index()))
    }

    /// True if the parent beacon block root stands before the payload.
    pub(crate) const fn has_parent_beacon_block_root(self) -> bool {
        matches!(self, Self::V3 | Self::V4)
    }
}

/// What an id is told apart by, besides topic and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageDomain {
    /// The data did not decompress, and the id is made of it as it came.
    #[cfg_attr(not(test), allow(dead_code))] // such a message is dropped before it gets an id
    InvalidSnappy,
    /// The id is made of the decompressed data.
    ValidSnappy,
}

impl MessageDomain {
    const fn bytes(self) -> [u8; 4] {
        match self {
            Self::InvalidSnappy => [0, 0, 0, 0],
            Self::ValidSnappy => [1, 0, 0, 0],
        }
    }
}

/// The id of all messages that were not decompressed. It is shorter than any other, so it is nobody's; and as it is always the same,
/// gossip takes all but the first for known, and neither keeps them nor tells others of them.
const SHED: [u8; 1] = [0];

/// The id of a message that [`BoundedSnappy`](crate::snappy::BoundedSnappy) has decompressed, or has not for want of room.
pub(crate) fn message_id(message: &Message) -> MessageId {
    if is_shed(message) {
        return MessageId::from(SHED);
    }
    let id = id_of(
        MessageDomain::ValidSnappy,
        message.topic.as_str(),
        &message.data,
    );
    MessageId::from(id.to_vec())
}

/// Whether a message was not decompressed: one that was is never empty.
pub(crate) const fn is_shed(message: &Message) -> bool {
    message.data.is_empty()
}

/// The id of `data` on `topic`. The topic is a part of it, so that a block sent on a wrong topic does not hide it on the right one;
/// so does op-node, although the specification leaves the topic out.
pub(crate) fn id_of(domain: MessageDomain, topic: &str, data: &[u8]) -> [u8; MESSAGE_ID_LEN] {
    let digest = Sha256::new()
        .chain_update(domain.bytes())
        .chain_update((topic.len() as u64).to_le_bytes())
        .chain_update(topic)
        .chain_update(data)
        .finalize();
    let mut id = [0; MESSAGE_ID_LEN];
    id.copy_from_slice(&digest[..MESSAGE_ID_LEN]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_chain;
    use alloy_primitives::hex;
    use libp2p::gossipsub::TopicHash;

    #[test]
    fn ids_are_those_of_other_clients() {
        let data = [1, 2, 3, 4, 5];
        assert_eq!(
            hex::encode(id_of(MessageDomain::InvalidSnappy, "test", &data)),
            "b6897dcba59347fedcd694cc0f5117093c9dc727"
        );
        assert_eq!(
            hex::encode(id_of(MessageDomain::ValidSnappy, "test", &data)),
            "adbe547b27f41294a08a09210a5e8531e83cdc16"
        );
    }

    #[test]
    fn the_id_of_a_message_is_made_of_its_decompressed_data_and_its_topic() {
        let message = |topic: &str| Message {
            source: None,
            data: vec![1, 2, 3, 4, 5],
            sequence_number: None,
            topic: TopicHash::from_raw(topic),
        };
        let id = message_id(&message("test"));
        assert_eq!(
            hex::encode(&id.0),
            "adbe547b27f41294a08a09210a5e8531e83cdc16"
        );
        assert_ne!(id, message_id(&message("tesu")));
    }

    #[test]
    fn a_topic_names_chain_and_version_by_number() {
        assert_eq!(
            BlockVersion::ALL.map(|version| version.topic(10).to_string()),
            [
                "/optimism/10/0/blocks",
                "/optimism/10/1/blocks",
                "/optimism/10/2/blocks",
                "/optimism/10/3/blocks"
            ]
        );
    }

    #[test]
    fn the_version_follows_the_fork_at_the_blocks_time() {
        let config = test_chain::config();
        let at = |timestamp| BlockVersion::at(&config, timestamp);
        assert_eq!(at(test_chain::CANYON - 1), BlockVersion::V1);
        assert_eq!(at(test_chain::CANYON), BlockVersion::V2);
        assert_eq!(at(test_chain::ECOTONE - 1), BlockVersion::V2);
        assert_eq!(at(test_chain::ECOTONE), BlockVersion::V3);
        assert_eq!(at(test_chain::ISTHMUS - 1), BlockVersion::V3);
        assert_eq!(at(test_chain::ISTHMUS), BlockVersion::V4);
        assert_eq!(at(u64::MAX), BlockVersion::V4);
    }
}
