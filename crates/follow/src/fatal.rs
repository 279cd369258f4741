//! Why following ends the process: only for a wrong configuration.

use crate::checks::IdentityError;
use thiserror::Error;

/// Why the follow actor ends the process: only for a wrong configuration, and only before its first success.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FollowFatal {
    /// The source must not be followed.
    #[error("cannot follow {endpoint}: {cause}; {remedy}")]
    WrongSource {
        /// URL without credentials.
        endpoint: String,
        /// What is wrong with it.
        #[source]
        cause: IdentityError,
        /// What the operator can do.
        remedy: &'static str,
    },
}

impl FollowFatal {
    /// The source `endpoint` is not one to follow, for the given cause.
    pub(crate) fn wrong_source(endpoint: &str, cause: IdentityError) -> Self {
        let remedy = match cause {
            IdentityError::WrongChain { .. } => {
                "give --l2.follow.source a node of the chain of --rollup.config or --network"
            }
            IdentityError::Ourselves | IdentityError::Cycle { .. } => {
                "give --l2.follow.source a node that derives from l1, or follows one that does"
            }
        };
        Self::WrongSource {
            endpoint: endpoint.to_owned(),
            cause,
            remedy,
        }
    }
}
