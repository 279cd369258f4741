//! A rollup node over HTTP as follow source: one request, one bounded answer, every failure named.

use crate::source::{ChainIdentity, FollowSource, SAFE_HEAD_AT_L1_BLOCK, SourceError};
use alloy_primitives::B256;
use async_trait::async_trait;
use light_node_l1::{BoxTransport, HttpError, HttpTransport};
use light_node_metrics::{RequestMetrics, RequestResult};
use light_node_protocol::{SyncStatus, foreign_text, redact_url};
use light_node_safedb::SafeHeadAtL1;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, error::Category, json, value::RawValue};
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, timeout};
use url::Url;

/// An honest `optimism_syncStatus` has 3 KiB, a rollup config 2 KiB.
const LIMIT_BYTES: usize = 64 * 1024;
/// The source's words that we keep, in characters.
const MESSAGE_LIMIT: usize = 200;

/// The URL does not make a source.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("follow source {endpoint} cannot be used: {cause}")]
pub struct HttpSourceError {
    /// URL without credentials.
    pub endpoint: String,
    /// Why.
    pub cause: String,
}

/// Asks one rollup node over HTTP. The URL's path is kept (an op-supernode serves a chain at `/<chain id>`), redirects are
/// not followed.
#[derive(Debug)]
pub struct HttpSource {
    transport: BoxTransport,
    deadline: Duration,
    requests: RequestMetrics,
}

impl HttpSource {
    /// A source at `url` whose calls end after `deadline`.
    ///
    /// # Errors
    /// If the URL is not http or https, or the HTTP client cannot be built.
    pub fn new(url: Url, deadline: Duration) -> Result<Self, HttpSourceError> {
        let endpoint = redact_url(&url);
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
            requests: RequestMetrics::new("follow-source-api"),
        }
    }

    /// How long its requests took.
    pub fn request_metrics(&self) -> RequestMetrics {
        self.requests.clone()
    }

    async fn call<T: DeserializeOwned>(&self, method: &'static str) -> Result<T, SourceError> {
        self.call_with(method, json!([])).await
    }

    async fn call_with<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, SourceError> {
        let sent_at = Instant::now();
        let answer = self.exchange(method, params).await;
        let result = answer
            .as_ref()
            .map_or_else(result_of, |_| RequestResult::Ok);
        self.requests.observe(method, result, sent_at);
        answer
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, SourceError> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let post = self
            .transport
            .post(request.to_string().into_bytes(), LIMIT_BYTES);
        let body = timeout(self.deadline, post)
            .await
            .unwrap_or(Err(HttpError::Timeout {
                deadline: self.deadline,
            }))
            .map_err(|source| SourceError::Http { method, source })?;
        decode(method, &body)
    }

    /// For methods that not every node serves. A proxy says so in its own way.
    async fn call_optional<T: DeserializeOwned>(
        &self,
        method: &'static str,
    ) -> Result<Option<T>, SourceError> {
        match self.call(method).await {
            Ok(answer) => Ok(Some(answer)),
            Err(
                SourceError::Rpc {
                    code: -32601 | -32001,
                    ..
                }
                | SourceError::Http {
                    source:
                        HttpError::Status {
                            status: 403..=405, ..
                        },
                    ..
                },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The failed request as a label.
const fn result_of(error: &SourceError) -> RequestResult {
    match error {
        SourceError::Http { source, .. } => match source {
            HttpError::Timeout { .. } => RequestResult::Timeout,
            HttpError::Connect { .. } | HttpError::Broken { .. } => RequestResult::Transport,
            HttpError::TooLarge { .. } => RequestResult::Malformed,
            HttpError::Status { status, .. } => match status {
                401 | 403 => RequestResult::Unauthorized,
                429 => RequestResult::RateLimited,
                _ => RequestResult::HttpStatus,
            },
        },
        SourceError::Html { .. } | SourceError::Json { .. } | SourceError::Malformed { .. } => {
            RequestResult::Malformed
        }
        SourceError::Rpc { .. } => RequestResult::RpcError,
    }
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
    #[serde(default)]
    message: String,
}

/// The part of the rollup config that says which chain it is; the rest may have any form.
#[derive(Deserialize)]
struct WireConfig {
    l1_chain_id: u64,
    l2_chain_id: u64,
    genesis: WireGenesis,
}

#[derive(Deserialize)]
struct WireGenesis {
    l1: WireBlock,
    l2: WireBlock,
}

#[derive(Deserialize)]
struct WireBlock {
    hash: B256,
}

fn decode<T: DeserializeOwned>(method: &'static str, body: &[u8]) -> Result<T, SourceError> {
    if body.trim_ascii_start().first() == Some(&b'<') {
        return Err(SourceError::Html { method });
    }
    let fault = |error: serde_json::Error| {
        let cause = error.to_string();
        match error.classify() {
            Category::Data => SourceError::Malformed { method, cause },
            Category::Io | Category::Syntax | Category::Eof => SourceError::Json { method, cause },
        }
    };
    let response: Response<'_> = serde_json::from_slice(body).map_err(fault)?;
    if let Some(Fault { code, message }) = response.error {
        let message = foreign_text(&message, MESSAGE_LIMIT);
        return Err(SourceError::Rpc {
            method,
            code,
            message,
        });
    }
    let Some(result) = response.result else {
        let cause = "no result".to_owned();
        return Err(SourceError::Malformed { method, cause });
    };
    serde_json::from_str(result.get()).map_err(fault)
}

#[async_trait]
impl FollowSource for HttpSource {
    async fn status(&self) -> Result<SyncStatus, SourceError> {
        self.call("optimism_syncStatus").await
    }

    async fn chain_identity(&self) -> Result<Option<ChainIdentity>, SourceError> {
        let config: Option<WireConfig> = self.call_optional("optimism_rollupConfig").await?;
        Ok(config.map(|config| ChainIdentity {
            l1_chain_id: config.l1_chain_id,
            l2_chain_id: config.l2_chain_id,
            genesis_l1: config.genesis.l1.hash,
            genesis_l2: config.genesis.l2.hash,
        }))
    }

    async fn follow_path(&self) -> Result<Option<Vec<String>>, SourceError> {
        match self.call_optional("lightnode_followPath").await {
            // The method is our own: no node owes us an answer to it, nor the right error code.
            Err(SourceError::Rpc { .. } | SourceError::Malformed { .. }) => Ok(None),
            answer => answer,
        }
    }

    async fn safe_head_at_l1_block(&self, l1_number: u64) -> Result<SafeHeadAtL1, SourceError> {
        let method = SAFE_HEAD_AT_L1_BLOCK;
        let params = json!([format!("{l1_number:#x}")]);
        let answer: SafeHeadAtL1 = self.call_with(method, params).await?;
        if answer.l1_block.number > l1_number {
            let cause = format!(
                "l1 block {} is above the one asked for",
                answer.l1_block.number
            );
            return Err(SourceError::Malformed { method, cause });
        }
        Ok(answer)
    }

    fn name(&self) -> &str {
        self.transport.name()
    }
}

#[cfg(test)]
mod tests;
