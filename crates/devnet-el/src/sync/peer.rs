//! The peer EL: plain JSON-RPC in batches, with bounded answers. Every header is hashed and every block is checked against
//! its header, so that what comes out of here is what was asked for.

use alloy_consensus::{Block, BlockBody, Header, proofs::calculate_transaction_root};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::B256;
use op_alloy_consensus::OpTxEnvelope;
use op_alloy_rpc_types::Transaction;
use reqwest::{Client, StatusCode, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{ops::RangeInclusive, time::Duration};
use thiserror::Error;
use url::Url;

/// Deadline of a batch.
const DEADLINE: Duration = Duration::from_secs(10);

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

type RpcBlock = alloy_rpc_types_eth::Block<Transaction>;
type RpcHeader = alloy_rpc_types_eth::Header;

/// What can be wrong with a peer. Its URL is not named: it may have a key in it.
#[derive(Debug, Error)]
pub enum PeerError {
    /// No HTTP client, no connection, or no answer in time.
    #[error("cannot reach the peer: {0}")]
    Transport(#[source] reqwest::Error),
    /// Another HTTP status than 200.
    #[error("the peer answers HTTP {0}")]
    Status(StatusCode),
    /// The answer has more bytes than are read.
    #[error("the peer's answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    /// The answer is no JSON-RPC answer to the batch.
    #[error("the peer's answer does not decode: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The answers are not those of the batch.
    #[error("the peer's answers are not to what was asked")]
    WrongIds,
    /// A JSON-RPC error.
    #[error("the peer fails with {code}: {message}")]
    Rpc {
        /// Its code.
        code: i64,
        /// The peer's words.
        message: String,
    },
    /// The peer does not have a block.
    #[error("the peer has no block {0}")]
    Unknown(B256),
    /// The header or the transactions make another block.
    #[error("the peer's block {asked} is another one")]
    WrongBlock {
        /// Hash of the block that was asked for.
        asked: B256,
    },
}

#[derive(Deserialize)]
struct Answer<T> {
    id: usize,
    result: Option<T>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
    message: String,
}

/// An EL that has the blocks.
#[derive(Debug)]
pub(super) struct Peer {
    client: Client,
    url: Url,
}

impl Peer {
    pub(super) fn new(url: Url) -> Result<Self, PeerError> {
        let client = Client::builder()
            .timeout(DEADLINE)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(transport)?;
        Ok(Self { client, url })
    }

    /// The header of the block with this hash.
    pub(super) async fn header(&self, hash: B256) -> Result<Header, PeerError> {
        let params = vec![json!([hash, false])];
        let header: Option<RpcHeader> = self
            .batch("eth_getBlockByHash", params)
            .await?
            .pop()
            .flatten();
        let header = header.ok_or(PeerError::Unknown(hash))?.inner;
        if header.hash_slow() != hash {
            return Err(PeerError::WrongBlock { asked: hash });
        }
        Ok(header)
    }

    /// Headers of the peer's canonical chain, highest first, up to the first that it does not have. They are not linked to
    /// anything: the caller hashes them.
    pub(super) async fn canonical_headers(
        &self,
        numbers: RangeInclusive<u64>,
    ) -> Result<Vec<Header>, PeerError> {
        let params = numbers
            .rev()
            .map(|number| json!([BlockNumberOrTag::Number(number), false]))
            .collect();
        let headers: Vec<Option<RpcHeader>> = self.batch("eth_getBlockByNumber", params).await?;
        Ok(headers
            .into_iter()
            .map_while(|header| Some(header?.inner))
            .collect())
    }

    /// Blocks by hash, in the same order.
    pub(super) async fn blocks(
        &self,
        hashes: &[B256],
    ) -> Result<Vec<Block<OpTxEnvelope>>, PeerError> {
        let params = hashes.iter().map(|hash| json!([hash, true])).collect();
        let blocks: Vec<Option<RpcBlock>> = self.batch("eth_getBlockByHash", params).await?;
        let checked = |(block, hash): (Option<RpcBlock>, &B256)| {
            check(block.ok_or(PeerError::Unknown(*hash))?, *hash)
        };
        blocks.into_iter().zip(hashes).map(checked).collect()
    }

    /// Sends one request per parameter list; the answers come in the same order, `None` for null.
    async fn batch<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Vec<Value>,
    ) -> Result<Vec<Option<T>>, PeerError> {
        let count = params.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let requests: Vec<Value> = params
            .into_iter()
            .enumerate()
            .map(|(id, params)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .collect();
        let body = self.post(&requests).await?;
        let answers: Vec<Answer<T>> = serde_json::from_slice(&body)?;
        let mut results: Vec<Option<Option<T>>> = (0..count).map(|_| None).collect();
        for answer in answers {
            if let Some(Failure { code, message }) = answer.error {
                return Err(PeerError::Rpc { code, message });
            }
            let slot = results.get_mut(answer.id).ok_or(PeerError::WrongIds)?;
            *slot = Some(answer.result);
        }
        results
            .into_iter()
            .collect::<Option<_>>()
            .ok_or(PeerError::WrongIds)
    }

    async fn post(&self, requests: &[Value]) -> Result<Vec<u8>, PeerError> {
        let request = self.client.post(self.url.clone()).json(requests);
        let mut response = request.send().await.map_err(transport)?;
        if response.status() != StatusCode::OK {
            return Err(PeerError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(PeerError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn transport(error: reqwest::Error) -> PeerError {
    PeerError::Transport(error.without_url())
}

/// The block, if it is the one with this hash. L2 blocks have neither uncles nor withdrawals.
fn check(block: RpcBlock, asked: B256) -> Result<Block<OpTxEnvelope>, PeerError> {
    let header = block.header.inner;
    let transactions: Vec<OpTxEnvelope> = block
        .transactions
        .into_transactions()
        .map(|transaction| transaction.inner.inner.into_inner())
        .collect();
    let is_asked = header.hash_slow() == asked
        && calculate_transaction_root(&transactions) == header.transactions_root
        && block
            .withdrawals
            .as_ref()
            .is_none_or(|withdrawals| withdrawals.is_empty());
    if !is_asked {
        return Err(PeerError::WrongBlock { asked });
    }
    let body = BlockBody {
        transactions,
        ommers: Vec::new(),
        withdrawals: block.withdrawals,
    };
    Ok(Block::new(header, body))
}
