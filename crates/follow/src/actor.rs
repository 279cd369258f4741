//! The follow actor.

use crate::checks::IdentityError;
use crate::{config::FollowConfig, handle::FollowHandle, source::FollowSource};
use light_node_actor::CancellationToken;
use light_node_engine::EngineHandle;
use light_node_l1::L1Handle;
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

/// Polls the source and sends checked updates to the engine.
#[derive(Debug)]
pub struct FollowActor {
    _config: FollowConfig,
    _source: Box<dyn FollowSource>,
}

impl FollowActor {
    /// An actor that follows `source`. Nothing is sent before [`FollowActor::run`].
    pub fn new(config: FollowConfig, source: Box<dyn FollowSource>) -> (Self, FollowHandle) {
        let handle = FollowHandle::new(config.own_id.as_str().into(), source.name().into());
        (
            Self {
                _config: config,
                _source: source,
            },
            handle,
        )
    }

    /// Follows until `token` is cancelled or the engine has stopped.
    ///
    /// # Errors
    /// If the source is of another chain, or follows us, before its first success.
    pub async fn run(
        self,
        engine: EngineHandle,
        l1: L1Handle,
        token: CancellationToken,
    ) -> Result<(), FollowFatal> {
        let _ = (engine, l1);
        token.cancelled().await;
        Ok(())
    }
}
