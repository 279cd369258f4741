//! The EL over HTTP: Engine API and `eth_*` on its authenticated port. Chooses method versions, encodes and decodes;
//! retries are the engine's work.

mod transport;

use crate::{
    ElBlock, ElDeadlines, ElError, ElReader, ElSyncing, EngineApi, JwtError, JwtSource,
    versions::{ForkchoiceVersion, GetPayloadVersion, NewPayloadVersion},
    wire::{
        self, AccountProof, Answer, BuiltPayload, Request, WireForkchoiceUpdated, WirePayloadStatus,
    },
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64};
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus};
use async_trait::async_trait;
use core::fmt;
use light_node_metrics::{RequestMetrics, RequestResult};
use light_node_protocol::{RollupConfig, redact_url};
use op_alloy_rpc_types_engine::{
    OpExecutionPayload, OpExecutionPayloadEnvelope, OpPayloadAttributes,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use thiserror::Error;
use tokio::time::Instant;
use transport::Transport;
use url::Url;

const BLOCK_BY_HASH: &str = "eth_getBlockByHash";
const BLOCK_BY_NUMBER: &str = "eth_getBlockByNumber";
const BODIES_BY_HASH: &str = "engine_getPayloadBodiesByHashV1";
const BODIES_BY_RANGE: &str = "engine_getPayloadBodiesByRangeV1";
const GET_PROOF: &str = "eth_getProof";
/// This client and its batches of reads, in the labels of metrics.
const RPC: &str = "engine-api";
const BATCH: &str = "eth_batch";
const SYNCING: &str = "eth_syncing";
const CLIENT_VERSION: &str = "engine_getClientVersionV1";

/// What an [`HttpEngine`] is made of.
#[derive(Clone)]
pub struct HttpEngineConfig {
    /// The EL's authenticated port, `http` or `https`.
    pub url: Url,
    /// The shared secret.
    pub jwt: JwtSource,
    /// Decides method versions and names the genesis block.
    pub rollup_config: Arc<RollupConfig>,
    /// Deadlines by kind of call.
    pub deadlines: ElDeadlines,
}

impl fmt::Debug for HttpEngineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEngineConfig")
            .field("url", &redact_url(&self.url))
            .field("jwt", &self.jwt)
            .field("rollup_config", &self.rollup_config)
            .field("deadlines", &self.deadlines)
            .finish()
    }
}

/// Why an [`HttpEngine`] cannot be made.
#[derive(Debug, Error)]
pub enum HttpEngineError {
    /// The secret cannot be had.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// Not `http` or `https`.
    #[error("the Engine API URL {endpoint} must begin with http:// or https://")]
    Scheme {
        /// URL without credentials.
        endpoint: String,
    },
    /// The URL has a user or a password.
    #[error(
        "the Engine API URL of {endpoint} has a user or password, but the JWT takes their place in the request: remove them"
    )]
    Credentials {
        /// URL without credentials.
        endpoint: String,
    },
    /// The HTTP client does not start.
    #[error("cannot set up the HTTP client for {endpoint}")]
    Client {
        /// URL without credentials.
        endpoint: String,
        /// What the client says.
        #[source]
        source: reqwest::Error,
    },
}

/// The EL over HTTP. One connection pool; calls may run at the same time.
pub struct HttpEngine {
    transport: Transport,
    rollup_config: Arc<RollupConfig>,
    deadlines: ElDeadlines,
    next_id: AtomicU64,
    requests: RequestMetrics,
}

/// Judges the Engine API's URL before anything is made of it.
///
/// # Errors
/// [`HttpEngineError::Scheme`] and [`HttpEngineError::Credentials`].
pub fn check_engine_url(url: &Url) -> Result<(), HttpEngineError> {
    let endpoint = redact_url(url);
    if !matches!(url.scheme(), "http" | "https") {
        return Err(HttpEngineError::Scheme { endpoint });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpEngineError::Credentials { endpoint });
    }
    Ok(())
}

impl HttpEngine {
    /// Reads the secret and sets up the client. Nothing is sent: the EL may still be down.
    ///
    /// # Errors
    /// [`HttpEngineError`]: the configuration is wrong; trying again does not help.
    pub fn new(config: HttpEngineConfig) -> Result<Self, HttpEngineError> {
        let HttpEngineConfig {
            url,
            jwt,
            rollup_config,
            deadlines,
        } = config;
        check_engine_url(&url)?;
        let endpoint = redact_url(&url);
        let secret = jwt.load()?;
        let transport = Transport::new(url, jwt, secret)
            .map_err(|source| HttpEngineError::Client { endpoint, source })?;
        Ok(Self {
            transport,
            rollup_config,
            deadlines,
            next_id: AtomicU64::new(1),
            requests: RequestMetrics::new(RPC),
        })
    }

    /// The EL's URL without credentials, for logs.
    pub fn endpoint(&self) -> &str {
        self.transport.endpoint()
    }

    /// Durations of all requests by method and result, to be registered once.
    pub const fn requests(&self) -> &RequestMetrics {
        &self.requests
    }

    /// `net_peerCount`, which few serve beside the Engine API.
    ///
    /// # Errors
    /// As for every read; [`ElError::METHOD_NOT_FOUND`] where it is not served.
    pub async fn peer_count(&self) -> Result<u64, ElError> {
        let count: U64 = self.read("net_peerCount", json!([])).await?;
        Ok(count.to())
    }

    /// One request, measured; an error object is an error.
    async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        deadline: Duration,
        params: impl Serialize + Send,
    ) -> Result<T, ElError> {
        let sent_at = Instant::now();
        let answer = self.ask(method, deadline, params).await;
        self.requests.observe(method, result_of(&answer), sent_at);
        answer
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        deadline: Duration,
        params: impl Serialize + Send,
    ) -> Result<T, ElError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = encode(method, &Request::new(id, method, params))?;
        let answer = self.transport.post(method, deadline, body).await?;
        let result =
            wire::single(method, id, &answer)?.map_err(|failure| failure.into_error(method))?;
        wire::decode(method, result)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize + Send,
    ) -> Result<T, ElError> {
        self.call(method, self.deadlines.read, params).await
    }

    /// Sends `calls` as one batch (one alone as a plain request), and lets `read` look at the answers in their order.
    async fn read_many<T>(
        &self,
        calls: Vec<(&'static str, Value)>,
        read: impl FnOnce(Vec<Answer<'_>>) -> Result<T, ElError> + Send,
    ) -> Result<T, ElError> {
        let Some(&(first, _)) = calls.first() else {
            return read(Vec::new());
        };
        let method = if calls.len() == 1 { first } else { BATCH };
        let sent_at = Instant::now();
        let answer = self.ask_many(first, calls, read).await;
        self.requests.observe(method, result_of(&answer), sent_at);
        answer
    }

    async fn ask_many<T>(
        &self,
        method: &'static str,
        calls: Vec<(&'static str, Value)>,
        read: impl FnOnce(Vec<Answer<'_>>) -> Result<T, ElError> + Send,
    ) -> Result<T, ElError> {
        let count = calls.len();
        let first_id = self.next_id.fetch_add(count as u64, Ordering::Relaxed);
        let requests: Vec<Request<Value>> = (first_id..)
            .zip(calls)
            .map(|(id, (method, params))| Request::new(id, method, params))
            .collect();
        let body = match requests.as_slice() {
            [request] => encode(method, request)?,
            requests => encode(method, requests)?,
        };
        let answer = self
            .transport
            .post(method, self.deadlines.read, body)
            .await?;
        let answers = if count == 1 {
            vec![wire::single(method, first_id, &answer)?]
        } else {
            wire::batch(method, first_id, count, &answer)?
        };
        read(answers)
    }
}

#[async_trait]
impl ElReader for HttpEngine {
    async fn chain_id(&self) -> Result<u64, ElError> {
        let id: U64 = self.read("eth_chainId", json!([])).await?;
        Ok(id.to())
    }

    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        let calls = ids.iter().map(|id| block_call(*id, true)).collect();
        self.read_many(calls, |answers| {
            let block = |(id, answer): (&BlockId, Answer<'_>)| {
                let method = block_call(*id, true).0;
                match answer {
                    Ok(result) => wire::decode_block(&self.rollup_config, method, *id, result),
                    Err(failure) if failure.is_unknown_block() => Ok(None),
                    Err(failure) => Err(failure.into_error(method)),
                }
            };
            ids.iter().zip(answers).map(block).collect()
        })
        .await
    }

    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        let (method, params) = match id {
            BlockId::Hash(hash) => (BODIES_BY_HASH, json!([[hash.block_hash]])),
            // No EL answers a range from genesis on.
            BlockId::Number(BlockNumberOrTag::Number(number)) if number > 0 => {
                (BODIES_BY_RANGE, json!([U64::from(number), U64::from(1)]))
            }
            // A label may move between two reads, so its block is read by hash.
            BlockId::Number(_) => {
                let Some(block) = self.block(id).await? else {
                    return Ok(None);
                };
                return self.payload(block.block_ref.hash.into()).await;
            }
        };
        let calls = vec![block_call(id, false), (method, params)];
        self.read_many(calls, |answers| {
            let [header, bodies] = <[Answer<'_>; 2]>::try_from(answers)
                .map_err(|_| wire::malformed(method, "the batch has not two answers"))?;
            let asked = block_call(id, false).0;
            let header = match header {
                Ok(result) => wire::decode_header(asked, id, result)?,
                Err(failure) if failure.is_unknown_block() => None,
                Err(failure) => return Err(failure.into_error(asked)),
            };
            let body = bodies.map_err(|failure| failure.into_error(method))?;
            let body = wire::decode_body(method, body)?;
            let (Some(header), Some(body)) = (header, body) else {
                return Ok(None);
            };
            body.into_envelope(method, header).map(Some)
        })
        .await
    }

    async fn storage_root(&self, address: Address, block: B256) -> Result<B256, ElError> {
        let id = BlockId::from(block);
        let calls = vec![
            block_call(id, false),
            (GET_PROOF, json!([address, [], block])),
        ];
        self.read_many(calls, |answers| {
            let mut answers = answers
                .into_iter()
                .zip([BLOCK_BY_HASH, GET_PROOF])
                .map(|(answer, method)| answer.map_err(|failure| failure.into_error(method)));
            let (Some(header), Some(proof)) = (answers.next(), answers.next()) else {
                return Err(wire::malformed(GET_PROOF, "the batch has no second answer"));
            };
            let header = wire::decode_header(BLOCK_BY_HASH, id, header?)?
                .ok_or_else(|| ElError::unknown_block(BLOCK_BY_HASH))?;
            let proof: AccountProof = wire::decode(GET_PROOF, proof?)?;
            proof.storage_root(GET_PROOF, address, header.state_root)
        })
        .await
    }

    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        let answer: Box<RawValue> = self.read(SYNCING, json!([])).await?;
        wire::decode_syncing(SYNCING, &answer)
    }

    async fn client_version(&self) -> Result<Option<String>, ElError> {
        // Older op-reth serves no web3_* on this port and refuses codes of clients that it does not know; so it is asked
        // with its own code in the end.
        match self
            .read(CLIENT_VERSION, json!([identification("LN")]))
            .await
        {
            Ok(versions) => return Ok(version_text(versions)),
            Err(ElError::Rpc { .. }) => {}
            Err(error) => return Err(error),
        }
        match self.read::<String>("web3_clientVersion", json!([])).await {
            Ok(version) => return Ok(Some(wire::shorten(&version))),
            Err(ElError::Rpc { .. }) => {}
            Err(error) => return Err(error),
        }
        match self
            .read(CLIENT_VERSION, json!([identification("RH")]))
            .await
        {
            Ok(versions) => Ok(version_text(versions)),
            Err(ElError::Rpc { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl EngineApi for HttpEngine {
    async fn new_payload(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<PayloadStatus, ElError> {
        const NONE: &[B256] = &[];
        const NO_REQUESTS: &[Bytes] = &[];
        let payload = &envelope.execution_payload;
        let version = NewPayloadVersion::at(&self.rollup_config, payload.timestamp());
        let (method, deadline) = (version.method(), self.deadlines.new_payload);
        let beacon_root = envelope.parent_beacon_block_root;
        let status: WirePayloadStatus = match (version, payload, beacon_root) {
            (
                NewPayloadVersion::V2,
                OpExecutionPayload::V1(_) | OpExecutionPayload::V2(_),
                None,
            ) => self.call(method, deadline, (payload,)).await?,
            (NewPayloadVersion::V3, OpExecutionPayload::V3(_), Some(root)) => {
                self.call(method, deadline, (payload, NONE, root)).await?
            }
            (NewPayloadVersion::V4, OpExecutionPayload::V4(_), Some(root)) => {
                self.call(method, deadline, (payload, NONE, root, NO_REQUESTS))
                    .await?
            }
            // What the EL would answer; it need not be asked.
            (NewPayloadVersion::V2 | NewPayloadVersion::V3 | NewPayloadVersion::V4, _, _) => {
                let message = format!("the payload's fields are not those of {method}");
                return Err(ElError::UnsupportedFork { message });
            }
        };
        Ok(status.into())
    }

    async fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, ElError> {
        let timestamp = attributes
            .as_ref()
            .map(|it| it.payload_attributes.timestamp);
        let method = ForkchoiceVersion::at(&self.rollup_config, timestamp).method();
        let deadline = self.deadlines.forkchoice;
        let updated: WireForkchoiceUpdated =
            self.call(method, deadline, (state, attributes)).await?;
        Ok(updated.into())
    }

    async fn get_payload(
        &self,
        id: PayloadId,
        timestamp: u64,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        let version = GetPayloadVersion::at(&self.rollup_config, timestamp);
        let deadline = self.deadlines.get_payload;
        let built: BuiltPayload = self.call(version.method(), deadline, (id,)).await?;
        built.into_envelope(version)
    }

    fn as_reader(self: Arc<Self>) -> Arc<dyn ElReader> {
        self
    }
}

impl fmt::Debug for HttpEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEngine")
            .field("endpoint", &self.endpoint())
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

fn encode<T: Serialize + ?Sized>(method: &'static str, request: &T) -> Result<Vec<u8>, ElError> {
    serde_json::to_vec(request).map_err(|error| wire::malformed(method, &error.to_string()))
}

fn result_of<T>(answer: &Result<T, ElError>) -> RequestResult {
    let Err(error) = answer else {
        return RequestResult::Ok;
    };
    match error {
        ElError::Transport { .. } => RequestResult::Transport,
        ElError::Timeout { .. } => RequestResult::Timeout,
        ElError::Unauthorized(_) => RequestResult::Unauthorized,
        ElError::Http { status: 429, .. } => RequestResult::RateLimited,
        ElError::Http { .. } => RequestResult::HttpStatus,
        ElError::Malformed { .. } | ElError::WrongChain { .. } | ElError::WrongGenesis { .. } => {
            RequestResult::Malformed
        }
        ElError::UnknownPayload
        | ElError::InvalidForkchoiceState { .. }
        | ElError::InvalidPayloadAttributes { .. }
        | ElError::TooLargeRequest { .. }
        | ElError::UnsupportedFork { .. }
        | ElError::Rpc { .. } => RequestResult::RpcError,
    }
}

fn block_call(id: BlockId, full: bool) -> (&'static str, Value) {
    match id {
        BlockId::Hash(hash) => (BLOCK_BY_HASH, json!([hash.block_hash, full])),
        BlockId::Number(tag) => (BLOCK_BY_NUMBER, json!([tag, full])),
    }
}

/// How we introduce ourselves: the specification wants a two-letter code and four bytes of a commit.
fn identification(code: &str) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({ "code": code, "name": "light-node", "version": version, "commit": "00000000" })
}

#[derive(Deserialize)]
struct WireClientVersion {
    name: String,
    version: String,
    #[serde(default)]
    commit: String,
}

/// An EL behind a multiplexer answers for several clients; all are named.
fn version_text(versions: Vec<WireClientVersion>) -> Option<String> {
    let one = |it: WireClientVersion| format!("{} {} ({})", it.name, it.version, it.commit);
    let all: Vec<String> = versions.into_iter().map(one).collect();
    (!all.is_empty()).then(|| wire::shorten(&all.join(", ")))
}

#[cfg(test)]
mod tests;
