//! One question for blocks, from the endpoint that is asked to blocks that may be believed. Whose answer is not accepted is
//! noted in the health that the watcher shares, and the next endpoint is asked.

mod trusted;

use super::{
    decode::{self, Addresses, Body, malformed},
    limiter::Limiter,
};
use crate::{
    L1Data, L1Error,
    endpoints::Endpoints,
    rpc::{self, Answer, Call, DecodeError, Question, Reply},
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, Log};
use light_node_protocol::BlockNumHash;
use serde_json::{json, value::RawValue};
use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::time::Instant;
use trusted::RangeLength;

/// A block with whole transactions. Ethereum bounds its encoding to 10 MiB, which hexadecimal doubles.
const BODY_LIMIT_BYTES: usize = 32 << 20;
/// All receipts of a block: gas bounds them, and the cheapest logs are ten times larger in JSON than encoded.
const RECEIPTS_LIMIT_BYTES: usize = 128 << 20;
/// Raw transactions of one batch.
const RAW_PER_BATCH: usize = 20;

/// What is wanted of L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// The canonical block of a height. At the head everything is asked for at once, because nothing waits behind it.
    Number { number: u64, at_head: bool },
    /// The canonical block of a height again, after an answer that contradicts others: from an endpoint whose blocks below and
    /// above go with it.
    Confirmed { number: u64 },
    /// Canonical blocks in a row, of a trusted endpoint.
    Range { first: u64, last: u64 },
    /// A block by its identity.
    Hash(BlockNumHash),
}

impl Want {
    /// The heights that it asks for.
    pub(super) const fn numbers(&self) -> RangeInclusive<u64> {
        match self {
            Self::Number { number, .. } | Self::Confirmed { number } => *number..=*number,
            Self::Range { first, last } => *first..=*last,
            Self::Hash(id) => id.number..=id.number,
        }
    }
}

/// A block in the words of JSON-RPC.
#[derive(Clone, Copy, Debug)]
enum Id {
    Number(u64),
    Hash(BlockNumHash),
}

impl Id {
    const fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Hash(id) => id.number,
        }
    }

    fn body(self) -> Call {
        let (method, params) = match self {
            Self::Number(number) => ("eth_getBlockByNumber", json!([hex(number), true])),
            Self::Hash(id) => ("eth_getBlockByHash", json!([id.hash, true])),
        };
        Call { method, params }
    }

    fn receipts(self) -> Call {
        let params = match self {
            Self::Number(number) => json!([hex(number)]),
            Self::Hash(id) => json!([id.hash]),
        };
        Call {
            method: "eth_getBlockReceipts",
            params,
        }
    }

    fn is(self, body: &Body) -> bool {
        match self {
            Self::Number(number) => body.header.number == number,
            Self::Hash(id) => body.header.number == id.number && body.hash == id.hash,
        }
    }
}

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

/// Asks the endpoints.
#[derive(Debug)]
pub(super) struct Fetch {
    endpoints: Endpoints,
    addresses: Addresses,
    limiter: Limiter,
    deadline: Duration,
    /// Of the last 32 blocks, those whose blooms did not exclude our logs, as bits.
    blooms: AtomicU32,
    range: RangeLength,
}

impl Fetch {
    pub(super) fn new(
        endpoints: Endpoints,
        addresses: Addresses,
        calls_per_second: u32,
        deadline: Duration,
    ) -> Self {
        Self {
            endpoints,
            addresses,
            limiter: Limiter::new(calls_per_second),
            deadline,
            blooms: AtomicU32::new(0),
            range: RangeLength::default(),
        }
    }

    /// How many blocks may be wanted at once; more than one only of trusted endpoints.
    pub(super) fn max_range(&self) -> u64 {
        if self.endpoints.trust_rpc() {
            self.range.get()
        } else {
            1
        }
    }

    /// When it is worth asking again after a failure.
    pub(super) fn available_at(&self) -> Instant {
        self.endpoints.available_at()
    }

    /// Asks one endpoint after the other. `None` if all that answer have not got what is wanted.
    pub(super) async fn blocks(&self, want: Want) -> Result<Option<Vec<L1Data>>, L1Error> {
        let (mut failure, mut is_absent) = (None, false);
        for index in self.endpoints.available() {
            let asked_at = Instant::now();
            match self.ask(index, want).await {
                Ok(Some(blocks)) => {
                    self.endpoints.accepted(index, asked_at);
                    return Ok(Some(blocks));
                }
                Ok(None) => is_absent = true,
                Err(error) => {
                    if !self.shortens(want, &error) {
                        self.endpoints.failed(index, asked_at, &error);
                    }
                    failure = Some(error);
                }
            }
        }
        if is_absent && failure.is_none() {
            return Ok(None);
        }
        Err(self.endpoints.unavailable(failure))
    }

    /// A provider that does not give logs of so many blocks may give those of fewer; that is no failure.
    fn shortens(&self, want: Want, error: &L1Error) -> bool {
        let Want::Range { first, last } = want else {
            return false;
        };
        let length = last.saturating_sub(first).saturating_add(1);
        let is_refusal = matches!(error, L1Error::Rpc { .. });
        if is_refusal && length > 1 {
            self.range.refused(length);
        }
        is_refusal && length > 1
    }

    async fn ask(&self, index: usize, want: Want) -> Result<Option<Vec<L1Data>>, L1Error> {
        let one = match want {
            Want::Range { first, last } => {
                let blocks = self.range(index, first, last).await?;
                self.range.answered(blocks.as_ref().map_or(0, Vec::len));
                return Ok(blocks);
            }
            Want::Number { number, at_head } => {
                let id = Id::Number(number);
                if self.endpoints.trust_rpc() {
                    let blocks = self.range(index, number, number).await?;
                    self.range.answered(blocks.as_ref().map_or(0, Vec::len));
                    return Ok(blocks);
                }
                let likely = self.blooms.load(Ordering::Relaxed).count_ones() > 16;
                self.verified(index, id, at_head || likely).await?
            }
            Want::Confirmed { number } => {
                let blocks = if self.endpoints.trust_rpc() {
                    self.range(index, number, number).await?
                } else {
                    let one = self.verified(index, Id::Number(number), false).await?;
                    one.map(|one| vec![one])
                };
                if let Some([block]) = blocks.as_deref() {
                    self.check_neighbours(index, block).await?;
                }
                return Ok(blocks);
            }
            Want::Hash(id) if self.endpoints.trust_rpc() => {
                let filter = json!({"blockHash": id.hash});
                let found = self.body_and_logs(index, Id::Hash(id), filter).await?;
                found
                    .map(|(body, logs)| self.joined(index, vec![body], logs))
                    .transpose()?
                    .and_then(|mut blocks| blocks.pop())
            }
            Want::Hash(id) => self.verified(index, Id::Hash(id), false).await?,
        };
        Ok(one.map(|one| vec![one]))
    }

    /// An endpoint that has a block of another branch in its chain contradicts itself; after a reorg it does not.
    async fn check_neighbours(&self, index: usize, block: &L1Data) -> Result<(), L1Error> {
        let BlockNumHash { number, hash } = block.id();
        let below = number.checked_sub(1).map(Question::Block);
        let above = number.checked_add(1).map(Question::Block);
        let questions: Vec<Question> = below.into_iter().chain(above).collect();
        self.limiter.pass(questions.len()).await;
        let answers = self
            .endpoints
            .exchange(index, &questions, self.deadline, false)
            .await?;
        let links = answers.iter().all(|answer| match answer {
            Answer::Block(other) if other.number < number => other.hash == block.header.parent_hash,
            Answer::Block(other) => other.parent_hash == hash,
            _ => true,
        });
        if links {
            Ok(())
        } else {
            Err(self.inconsistent(index, number))
        }
    }

    /// One block whose header commits to all of it.
    async fn verified(
        &self,
        index: usize,
        id: Id,
        with_receipts: bool,
    ) -> Result<Option<L1Data>, L1Error> {
        let mut calls = vec![id.body()];
        let mut limit_bytes = BODY_LIMIT_BYTES;
        if with_receipts {
            calls.push(id.receipts());
            limit_bytes += RECEIPTS_LIMIT_BYTES;
        }
        let addresses = self.addresses;
        let decode = move |bytes: &[u8]| {
            let mut replies = rpc::replies(bytes, 1 + usize::from(with_receipts))?.into_iter();
            let Some(body) = checked_body(replies.next(), id, &addresses, false)? else {
                return Ok(None);
            };
            let mut logs = None;
            if addresses.may_log(&body.header)
                && let Some(json) = result(replies.next())?
            {
                logs = Some(decode::receipts(json.get(), &body.header, &addresses)?);
            }
            Ok(Some((body, logs)))
        };
        let Some((mut body, logs)) = self.call(index, &calls, limit_bytes, decode).await? else {
            return Ok(None);
        };
        if let Some(unchecked) = body.unchecked.take() {
            let raw = self.raw(index, unchecked.wanting()).await?;
            let header = body.header.clone();
            let checked = tokio::task::spawn_blocking(move || unchecked.check(&header, raw));
            let checked = checked
                .await
                .unwrap_or_else(|_| Err(malformed("the decoder failed".to_owned())));
            checked.map_err(|error| self.malformed(index, error))?;
        }
        let may_log = addresses.may_log(&body.header);
        let shift = |blooms| Some(blooms << 1 | u32::from(may_log));
        let _ = self
            .blooms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, shift);
        let logs = match logs {
            Some(logs) => logs,
            None if may_log => self.receipts(index, &body).await?,
            None => Vec::new(),
        };
        Ok(Some(data(body, logs)))
    }

    /// The logs out of the receipts of a block that the endpoint has just given; if it has them no longer, L1 reorged meanwhile.
    async fn receipts(&self, index: usize, body: &Body) -> Result<Vec<(u64, Log)>, L1Error> {
        let (header, hash, addresses) = (body.header.clone(), body.hash, self.addresses);
        let number = header.number;
        let decode = move |bytes: &[u8]| {
            let mut replies = rpc::replies(bytes, 1)?.into_iter();
            let json = result(replies.next())?;
            json.map(|json| decode::receipts(json.get(), &header, &addresses))
                .transpose()
        };
        let calls = [Id::Hash(BlockNumHash { number, hash }).receipts()];
        let logs = self
            .call(index, &calls, RECEIPTS_LIMIT_BYTES, decode)
            .await?;
        logs.ok_or_else(|| self.inconsistent(index, number))
    }

    /// The bytes of transactions of types that are unknown here.
    async fn raw(&self, index: usize, hashes: Vec<B256>) -> Result<Vec<Bytes>, L1Error> {
        let mut raw = Vec::with_capacity(hashes.len());
        for hashes in hashes.chunks(RAW_PER_BATCH) {
            let call = |hash: &B256| Call {
                method: "eth_getRawTransactionByHash",
                params: json!([hash]),
            };
            let calls: Vec<Call> = hashes.iter().map(call).collect();
            let count = calls.len();
            let decode = move |bytes: &[u8]| {
                let replies = rpc::replies(bytes, count)?.into_iter();
                let bytes = replies.map(|reply| {
                    let json = result(Some(reply))?;
                    let json = json.ok_or_else(|| malformed("no raw transaction".to_owned()))?;
                    decode::parse::<Bytes>(json.get())
                });
                bytes.collect::<Result<Vec<_>, _>>()
            };
            raw.extend(self.call(index, &calls, BODY_LIMIT_BYTES, decode).await?);
        }
        Ok(raw)
    }

    async fn call<T, F>(
        &self,
        index: usize,
        calls: &[Call],
        limit_bytes: usize,
        decode: F,
    ) -> Result<T, L1Error>
    where
        T: Send + 'static,
        F: FnOnce(&[u8]) -> Result<T, DecodeError> + Send + 'static,
    {
        self.limiter.pass(calls.len()).await;
        if !self.endpoints.is_available(index) {
            // It failed while this waited: what it asked for, a pause above all, holds for all.
            return Err(self.endpoints.unavailable(None));
        }
        self.endpoints
            .call(index, calls, limit_bytes, self.deadline, decode)
            .await
    }

    fn inconsistent(&self, index: usize, number: u64) -> L1Error {
        L1Error::Inconsistent {
            endpoint: self.endpoints.name(index),
            number,
        }
    }

    fn malformed(&self, index: usize, error: DecodeError) -> L1Error {
        self.endpoints.undecodable(index, error)
    }
}

/// The block that was asked for; `None` if the endpoint has not got it.
fn checked_body(
    reply: Option<Reply<'_>>,
    id: Id,
    addresses: &Addresses,
    trusted: bool,
) -> Result<Option<Body>, DecodeError> {
    let Some(json) = result(reply)? else {
        return Ok(None);
    };
    let body = decode::body(json.get(), addresses, trusted)?;
    if id.is(&body) {
        return Ok(Some(body));
    }
    let Header { number, .. } = body.header;
    let asked = id.number();
    Err(malformed(format!(
        "block {number} ({}) instead of block {asked}",
        body.hash
    )))
}

fn result(reply: Option<Reply<'_>>) -> Result<Option<&RawValue>, DecodeError> {
    match reply {
        Some(Reply::Result(json)) => Ok(Some(json)),
        Some(Reply::Nothing) | None => Ok(None),
        Some(Reply::Failed { code, message }) => Err(DecodeError::Rpc { code, message }),
    }
}

fn data(body: Body, logs: Vec<(u64, Log)>) -> L1Data {
    L1Data {
        header: body.header,
        hash: body.hash,
        inbox: body.inbox,
        logs,
    }
}
