//! Who says what is safe and finalized, as the servers read it: the follow actor or the derivation actor, of which a node has
//! exactly one.

use light_node_derivation::{DerivationHandle, DerivationStatus};
use light_node_follow::{FollowHandle, FollowStatus};
use std::sync::Arc;

/// A door to the safe source of the node.
#[derive(Clone, Debug)]
pub enum SafeSourceHandle {
    /// Another node is followed.
    Follow(FollowHandle),
    /// The node derives.
    Derive {
        /// Where derivation stands.
        derivation: DerivationHandle,
        /// An id of this process that no other has: a follower of ours finds it at the end of its path.
        own_id: Arc<str>,
    },
}

/// What the safe source says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, and soon gone
pub enum SafeSourceStatus {
    /// Of the follow actor.
    Follow(FollowStatus),
    /// Of the derivation actor.
    Derive(DerivationStatus),
}

impl SafeSourceHandle {
    /// What it says of itself now.
    pub fn status(&self) -> SafeSourceStatus {
        match self {
            Self::Follow(follow) => SafeSourceStatus::Follow(follow.status()),
            Self::Derive { derivation, .. } => SafeSourceStatus::Derive(derivation.status()),
        }
    }

    /// The follow actor, if another node is followed.
    pub const fn follow(&self) -> Option<&FollowHandle> {
        match self {
            Self::Follow(follow) => Some(follow),
            Self::Derive { .. } => None,
        }
    }

    /// The derivation actor, if the node derives.
    pub const fn derivation(&self) -> Option<&DerivationHandle> {
        match self {
            Self::Follow(_) => None,
            Self::Derive { derivation, .. } => Some(derivation),
        }
    }

    /// Whom we follow, ourselves first: the answer of `lightnode_followPath`.
    pub fn path(&self) -> Vec<String> {
        match self {
            Self::Follow(follow) => follow.path(),
            Self::Derive { own_id, .. } => vec![own_id.to_string()],
        }
    }
}

impl SafeSourceStatus {
    /// Of the follow actor, if another node is followed.
    pub const fn follow(&self) -> Option<&FollowStatus> {
        match self {
            Self::Follow(status) => Some(status),
            Self::Derive(_) => None,
        }
    }

    /// Of the derivation actor, if the node derives.
    pub const fn derivation(&self) -> Option<&DerivationStatus> {
        match self {
            Self::Follow(_) => None,
            Self::Derive(status) => Some(status),
        }
    }
}
