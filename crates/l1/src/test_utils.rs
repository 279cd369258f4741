//! An L1 in memory behind the transport seam: real headers with real hashes, reorgs and faults on command, and a count of
//! every request. Under tokio's paused clock it mines by itself if told to.

mod bodies;
mod real_data;
mod storage;

use crate::{HttpError, Transport};
use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use async_trait::async_trait;
use bodies::Body;
pub use bodies::{MemoryReceipt, MemoryTransaction};
use light_node_protocol::{BlockNumHash, L1BlockRef};
pub use real_data::real_data;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Instant, sleep};

/// What the endpoint does instead of answering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it answers.
    #[default]
    None,
    /// The connection is refused.
    Refused,
    /// No answer ever comes.
    Silent,
    /// An HTTP status, with `Retry-After`.
    Status(u16, Option<Duration>),
    /// A web page.
    Html,
    /// The first half of the true answer.
    Truncated,
    /// A JSON-RPC error for the whole batch.
    RpcError,
    /// Headers whose announced hash is not theirs.
    WrongHashes,
    /// `null` for every block that is asked for by its height, and a true head.
    NullBlocks,
    /// Blocks without their last transaction.
    WrongTransactions,
    /// Receipts without their last log.
    WrongReceipts,
    /// The true answer, so late.
    Slow(Duration),
    /// The true answer after so many blanks.
    Padded(usize),
    /// For this height a block that is whole and on no chain: a sibling of the true one, or one of a parent that nobody has.
    Orphan {
        /// The height.
        number: u64,
        /// It stands on the true block's parent.
        is_sibling: bool,
    },
}

#[derive(Clone, Debug)]
struct Chain {
    chain_id: u64,
    headers: Vec<(Header, B256)>,
    bodies: HashMap<B256, Body>,
    branch: u64,
    safe: Option<u64>,
    finalized: Option<u64>,
    mining: Option<Mining>,
}

#[derive(Debug, Default)]
struct Endpoint {
    hidden_blocks: usize,
    flapping: bool,
    frozen_at: Option<usize>,
    fault: Fault,
    requests: u64,
    calls: Vec<Vec<String>>,
    longest_range: Option<u64>,
    storage: Option<Value>,
}

impl Endpoint {
    /// So many of `length` blocks are there to be seen. Behind a flapping balancer two of three backends lag.
    fn visible(&self, length: usize) -> usize {
        let lags = !self.flapping || !self.requests.is_multiple_of(3);
        let hidden = if lags { self.hidden_blocks } else { 0 };
        length.min(self.frozen_at.unwrap_or(length)) - hidden
    }
}

#[derive(Clone, Copy, Debug)]
struct Mining {
    started: Instant,
    block_time: Duration,
    arrival_delay: Duration,
}

/// An endpoint of an L1 in memory. Clones are the same endpoint.
#[derive(Clone, Debug)]
pub struct MemoryL1 {
    chain: Arc<Mutex<Arc<Mutex<Chain>>>>,
    endpoint: Arc<Mutex<Endpoint>>,
    name: String,
}

impl MemoryL1 {
    /// A chain of `length` blocks (the genesis block included), 12 s apart, the last one mined now.
    pub fn new(chain_id: u64, length: u64) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let mut chain = Chain {
            chain_id,
            headers: Vec::new(),
            bodies: HashMap::new(),
            branch: 0,
            safe: None,
            finalized: None,
            mining: None,
        };
        let first = now - 12 * (length - 1);
        for number in 0..length {
            chain.push(first + 12 * number);
        }
        Self {
            chain: shared(chain),
            endpoint: Arc::default(),
            name: "first".to_owned(),
        }
    }

    /// Another endpoint of the same L1, with faults and a count of its own.
    pub fn another_endpoint(&self, name: &str) -> Self {
        let chain = self.backend();
        Self {
            chain: Arc::new(Mutex::new(chain)),
            endpoint: Arc::default(),
            name: name.to_owned(),
        }
    }

    /// An endpoint of an L1 that has been the same until now and goes its own way from here.
    pub fn fork(&self, name: &str) -> Self {
        let chain = self.with(|chain| chain.clone());
        Self {
            chain: shared(chain),
            endpoint: Arc::default(),
            name: name.to_owned(),
        }
    }

    /// From now on serves the L1 of `other`, as a name that leads elsewhere does. No connection breaks.
    pub fn lead_to(&self, other: &Self) {
        *lock(&self.chain) = other.backend();
    }

    /// Mines with the (paused) clock from now on: a block each `block_time`, visible `arrival_delay` after its time.
    pub fn mine_with_the_clock(&self, block_time: Duration, arrival_delay: Duration) {
        let mining = Mining {
            started: Instant::now(),
            block_time,
            arrival_delay,
        };
        self.with(|chain| chain.mining = Some(mining));
    }

    /// Mines `count` blocks, 12 s apart in header time.
    pub fn mine(&self, count: u64) {
        self.with(|chain| chain.grow(count));
    }

    /// Mines a block with these transactions; `receipts` are theirs.
    pub fn mine_with(&self, transactions: Vec<MemoryTransaction>, receipts: Vec<MemoryReceipt>) {
        let body = Body::new(transactions, receipts);
        self.with(|chain| {
            let timestamp = chain.last().timestamp + 12;
            chain.push_with(timestamp, body);
        });
    }

    /// Refuses to give logs of more than so many blocks at once.
    pub fn limit_logs(&self, blocks: u64) {
        self.endpoint().longest_range = Some(blocks);
    }

    /// The methods of every request so far; blocks with all their transactions are `whole`.
    pub fn calls(&self) -> Vec<Vec<String>> {
        self.endpoint().calls.clone()
    }

    /// Replaces the `depth` highest blocks by `depth + grown` others.
    pub fn reorg(&self, depth: usize, grown: usize) {
        self.with(|chain| {
            chain.cut(depth);
            chain.grow((depth + grown) as u64);
        });
    }

    /// Removes the `depth` highest blocks.
    pub fn roll_back(&self, depth: usize) {
        self.with(|chain| chain.cut(depth));
    }

    /// Turns into another chain.
    pub fn set_chain_id(&self, chain_id: u64) {
        self.with(|chain| chain.chain_id = chain_id);
    }

    /// Answers as if the highest `blocks` did not exist yet, like a node that lags.
    pub fn hide(&self, blocks: usize) {
        self.endpoint().hidden_blocks = blocks;
    }

    /// As [`Self::hide`], but one answer of three is by a backend that has every block.
    pub fn flap(&self, blocks: usize) {
        self.hide(blocks);
        self.endpoint().flapping = true;
    }

    /// Learns of no new block any more, or again.
    pub fn freeze(&self, frozen: bool) {
        let length = self.with(|chain| chain.headers.len());
        self.endpoint().frozen_at = frozen.then_some(length);
    }

    /// Sets the heights of the `safe` and `finalized` tags; `None` answers with an error.
    pub fn set_tags(&self, safe: Option<u64>, finalized: Option<u64>) {
        self.with(|chain| {
            chain.safe = safe;
            chain.finalized = finalized;
        });
    }

    /// From now on misbehaves like this.
    pub fn set_fault(&self, fault: Fault) {
        self.endpoint().fault = fault;
    }

    /// HTTP requests received so far.
    pub fn requests(&self) -> u64 {
        self.endpoint().requests
    }

    /// The highest block.
    pub fn head(&self) -> L1BlockRef {
        self.with(|chain| chain.block_ref(chain.headers.len() - 1))
    }

    /// The canonical block at `number`. It must exist.
    pub fn block(&self, number: u64) -> L1BlockRef {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.with(|chain| chain.block_ref(index))
    }

    /// Number and hash of the canonical block at `number`. It must exist.
    pub fn id(&self, number: u64) -> BlockNumHash {
        self.block(number).id()
    }

    fn backend(&self) -> Arc<Mutex<Chain>> {
        lock(&self.chain).clone()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Chain) -> T) -> T {
        let backend = self.backend();
        let mut chain = lock(&backend);
        chain.catch_up();
        act(&mut chain)
    }

    fn endpoint(&self) -> MutexGuard<'_, Endpoint> {
        lock(&self.endpoint)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shared(chain: Chain) -> Arc<Mutex<Arc<Mutex<Chain>>>> {
    Arc::new(Mutex::new(Arc::new(Mutex::new(chain))))
}

impl Chain {
    fn last(&self) -> &Header {
        &self.headers[self.headers.len() - 1].0
    }

    fn push(&mut self, timestamp: u64) {
        self.push_with(timestamp, Body::default());
    }

    fn push_with(&mut self, timestamp: u64, body: Body) {
        let number = self.headers.len() as u64;
        let mut header = Header {
            number,
            timestamp,
            parent_hash: self
                .headers
                .last()
                .map(|(_, hash)| *hash)
                .unwrap_or_default(),
            mix_hash: keccak256(self.branch.to_be_bytes()),
            base_fee_per_gas: Some(7),
            ..Header::default()
        };
        body.seal(&mut header);
        let hash = header.hash_slow();
        self.headers.push((header, hash));
        self.bodies.insert(hash, body);
    }

    fn grow(&mut self, count: u64) {
        for _ in 0..count {
            let timestamp = self.last().timestamp + 12;
            self.push(timestamp);
        }
    }

    /// The next blocks are of another branch.
    fn cut(&mut self, depth: usize) {
        self.branch += 1;
        let kept = self.headers.len() - depth;
        self.headers.truncate(kept);
    }

    fn catch_up(&mut self) {
        while let Some(mining) = self.mining
            && mining.started.elapsed() >= mining.block_time + mining.arrival_delay
        {
            let started = mining.started + mining.block_time;
            self.mining = Some(Mining { started, ..mining });
            let timestamp = self.last().timestamp + mining.block_time.as_secs();
            self.push(timestamp);
        }
    }

    fn block_ref(&self, index: usize) -> L1BlockRef {
        let (header, hash) = &self.headers[index];
        L1BlockRef {
            hash: *hash,
            number: header.number,
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
        }
    }

    fn answer(&self, request: &Value, endpoint: &Endpoint) -> Value {
        let id = request["id"].clone();
        let result = match request["method"].as_str() {
            Some("eth_chainId") => Ok(json!(format!("{:#x}", self.chain_id))),
            Some("eth_getBlockByNumber") => self.block_by(&request["params"], endpoint),
            Some(
                "eth_getBlockByHash"
                | "eth_getBlockReceipts"
                | "eth_getLogs"
                | "eth_getRawTransactionByHash",
            ) => self.answer_of_bodies(request, endpoint),
            Some("eth_getStorageAt") => self.storage_of(&request["params"], endpoint),
            _ => Err("the method does not exist"),
        };
        match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(message) => {
                let error = json!({"code": -32000, "message": message});
                json!({"jsonrpc": "2.0", "id": id, "error": error})
            }
        }
    }

    fn block_by(&self, params: &Value, endpoint: &Endpoint) -> Result<Value, &'static str> {
        let tag = params[0].as_str();
        let visible = endpoint.visible(self.headers.len());
        let number = match tag {
            Some("latest") => Some(visible as u64 - 1),
            Some("safe") => Some(self.safe.ok_or("safe block not found")?),
            Some("finalized") => Some(self.finalized.ok_or("finalized block not found")?),
            Some(_) if endpoint.fault == Fault::NullBlocks => None,
            Some(hex) => number(hex),
            None => None,
        };
        let index = number.and_then(|number| usize::try_from(number).ok());
        let Some(index) = index.filter(|index| *index < visible) else {
            return Ok(Value::Null);
        };
        let is_full = params[1].as_bool().unwrap_or_default();
        let block = self.block_json(index, is_full, endpoint)?;
        match endpoint.fault {
            Fault::Orphan { number, is_sibling } if index as u64 == number => {
                self.orphan_of(index, is_sibling, block)
            }
            _ => Ok(block),
        }
    }
}

fn number(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex.trim_start_matches("0x"), 16).ok()
}

/// The methods of a request: of one call, or of a batch.
fn methods(request: &Value) -> Vec<String> {
    let calls = match request {
        Value::Array(batch) => batch.as_slice(),
        one => std::slice::from_ref(one),
    };
    let name = |call: &Value| {
        let method = call["method"].as_str()?;
        let is_whole = call["params"][1].as_bool() == Some(true);
        Some(if is_whole {
            format!("{method} whole")
        } else {
            method.to_owned()
        })
    };
    calls.iter().filter_map(name).collect()
}

#[async_trait]
impl Transport for MemoryL1 {
    async fn post(&self, body: Vec<u8>, limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let (fault, answer) = self.with(|chain| {
            let mut endpoint = self.endpoint();
            endpoint.requests += 1;
            let request: Value = serde_json::from_slice(&body).unwrap_or_default();
            endpoint.calls.push(methods(&request));
            // A server may answer a batch in any order.
            let answer = match &request {
                Value::Array(batch) => batch
                    .iter()
                    .rev()
                    .map(|one| chain.answer(one, &endpoint))
                    .collect(),
                one => chain.answer(one, &endpoint),
            };
            (endpoint.fault.clone(), answer.to_string().into_bytes())
        });
        sleep(Duration::from_millis(20)).await;
        let answer = match fault {
            Fault::None
            | Fault::Orphan { .. }
            | Fault::WrongHashes
            | Fault::NullBlocks
            | Fault::WrongTransactions
            | Fault::WrongReceipts => answer,
            Fault::Padded(blanks) => [vec![b' '; blanks], answer].concat(),
            Fault::Slow(delay) => {
                sleep(delay).await;
                answer
            }
            Fault::Refused => {
                return Err(HttpError::Connect {
                    cause: "connection refused".to_owned(),
                });
            }
            Fault::Silent => std::future::pending().await,
            Fault::Status(status, retry_after) => {
                return Err(HttpError::Status {
                    status,
                    retry_after,
                });
            }
            Fault::Html => b"<html><body>502 Bad Gateway</body></html>".to_vec(),
            Fault::Truncated => answer[..answer.len() / 2].to_vec(),
            Fault::RpcError => {
                br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"limit exceeded"}}"#
                    .to_vec()
            }
        };
        if answer.len() > limit_bytes {
            return Err(HttpError::TooLarge { limit_bytes });
        }
        Ok(answer)
    }

    fn name(&self) -> &str {
        &self.name
    }
}
