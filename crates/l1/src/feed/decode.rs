//! From the JSON of an endpoint to what derivation reads of a block. This is where the body of a remote answer enters: header,
//! transactions and receipts are checked against the hashes that commit to them, unless the endpoint is trusted. Pure, and
//! too slow for the async threads.

use crate::{InboxData, InboxTransaction, rpc::DecodeError};
use alloy_consensus::{
    Eip658Value, EthereumTxEnvelope, Header, Receipt, ReceiptWithBloom, Transaction, TxEip4844,
    proofs::ordered_trie_root_with_encoder, transaction::SignerRecoverable,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bloom, BloomInput, Bytes, Log, U64, logs_bloom};
use alloy_rlp::Encodable;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The highest transaction type that may carry batches; set-code transactions and all later ones may not
/// (`specs/protocol/derivation.md#l1-retrieval`).
const MAX_INBOX_TYPE: u64 = 3;
/// The highest transaction type that is known here. Others are skipped, after their bytes have been counted into the root.
const MAX_KNOWN_TYPE: u64 = 4;

/// The contracts of the chain on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) inbox: Address,
    pub(crate) portal: Address,
    pub(crate) system_config: Address,
}

impl Addresses {
    /// False if the block of this header has no log of portal and SystemConfig for sure: blooms have no false negatives.
    pub(crate) fn may_log(&self, header: &Header) -> bool {
        [self.portal, self.system_config].iter().any(|address| {
            header
                .logs_bloom
                .contains_input(BloomInput::Raw(address.as_slice()))
        })
    }

    fn is_logger(&self, address: &Address) -> bool {
        *address == self.portal || *address == self.system_config
    }
}

type Envelope = EthereumTxEnvelope<TxEip4844>;

/// A block, before its receipts.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) header: Header,
    pub(crate) hash: B256,
    pub(crate) inbox: Vec<InboxTransaction>,
    /// The transactions root is not checked yet, because transactions of unknown types are in the block.
    pub(crate) unchecked: Option<Unchecked>,
}

/// The encoded transactions of a block. Those of unknown types are only known by their hashes.
#[derive(Debug)]
pub(crate) struct Unchecked {
    encoded: Vec<Result<Vec<u8>, B256>>,
}

impl Unchecked {
    /// Hashes of the transactions whose bytes are wanting, in block order.
    pub(crate) fn wanting(&self) -> Vec<B256> {
        let unknown = self.encoded.iter();
        unknown
            .filter_map(|one| one.as_ref().err().copied())
            .collect()
    }

    /// Checks the transactions root with the bytes of the unknown ones, in the order of [`Self::wanting`].
    pub(crate) fn check(self, header: &Header, raw: Vec<Bytes>) -> Result<(), DecodeError> {
        let mut raw = raw.into_iter();
        let mut whole = Vec::with_capacity(self.encoded.len());
        for one in self.encoded {
            whole.push(match one {
                Ok(encoded) => encoded,
                Err(hash) => checked_unknown(hash, raw.next())?,
            });
        }
        check_transactions(header, &whole)
    }
}

/// The bytes of an unknown transaction must be of an unknown type: else they are one that was hidden from us.
fn checked_unknown(hash: B256, raw: Option<Bytes>) -> Result<Vec<u8>, DecodeError> {
    let raw = raw.ok_or_else(|| malformed(format!("transaction {hash} is missing")))?;
    match raw.first() {
        Some(byte) if u64::from(*byte) > MAX_KNOWN_TYPE && *byte < 0x80 => Ok(raw.to_vec()),
        _ => Err(malformed(format!(
            "transaction {hash} is not of the announced type"
        ))),
    }
}

#[derive(Deserialize)]
struct RpcBlock<'a> {
    hash: B256,
    #[serde(borrow)]
    transactions: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct RpcTransaction {
    hash: B256,
    to: Option<Address>,
    #[serde(rename = "type", default)]
    tx_type: U64,
}

/// A block with whole transactions. Unless `trusted`, header and transactions are checked.
pub(crate) fn body(json: &str, addresses: &Addresses, trusted: bool) -> Result<Body, DecodeError> {
    let RpcBlock { hash, transactions } = parse(json)?;
    let header: Header = parse(json)?;
    if !trusted {
        let computed = header.hash_slow();
        if computed != hash {
            return Err(malformed(format!(
                "header {} hashes to {computed}, not to the announced {hash}",
                header.number
            )));
        }
    }
    let mut inbox = Vec::new();
    let mut encoded = Vec::with_capacity(if trusted { 0 } else { transactions.len() });
    for json in transactions {
        let peek: RpcTransaction = parse(json.get())?;
        let tx_type = peek.tx_type.to::<u64>();
        let is_inbox = peek.to == Some(addresses.inbox) && tx_type <= MAX_INBOX_TYPE;
        if tx_type > MAX_KNOWN_TYPE {
            encoded.push(Err(peek.hash));
        } else if is_inbox || !trusted {
            let transaction: Envelope = parse(json.get())?;
            if transaction.to() == Some(addresses.inbox) {
                inbox.extend(inbox_transaction(&transaction));
            }
            if !trusted {
                encoded.push(Ok(transaction.encoded_2718()));
            }
        }
    }
    let mut body = Body {
        header,
        hash,
        inbox,
        unchecked: None,
    };
    if trusted {
        return Ok(body);
    }
    let unchecked = Unchecked { encoded };
    if unchecked.encoded.iter().all(Result::is_ok) {
        unchecked.check(&body.header, Vec::new())?;
    } else {
        body.unchecked = Some(unchecked);
    }
    Ok(body)
}

/// `None` for types that carry no batches, and for signatures of nobody.
fn inbox_transaction(transaction: &Envelope) -> Option<InboxTransaction> {
    let data = match transaction {
        EthereumTxEnvelope::Eip7702(_) => return None,
        EthereumTxEnvelope::Eip4844(blobs) => InboxData::Blobs {
            hashes: blobs.tx().blob_versioned_hashes.clone(),
            input: blobs.input().clone(),
        },
        calldata => InboxData::Calldata(calldata.input().clone()),
    };
    let sender = transaction.recover_signer().ok()?;
    Some(InboxTransaction { sender, data })
}

fn check_transactions(header: &Header, encoded: &[Vec<u8>]) -> Result<(), DecodeError> {
    let root = ordered_trie_root_with_encoder(encoded, |one, out| out.extend_from_slice(one));
    if root == header.transactions_root {
        return Ok(());
    }
    Err(malformed(format!(
        "the transactions of block {} have the root {root} instead of {}",
        header.number, header.transactions_root
    )))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcReceipt {
    #[serde(rename = "type", default)]
    tx_type: U64,
    status: Option<U64>,
    root: Option<B256>,
    cumulative_gas_used: U64,
    logs_bloom: Option<Bloom>,
    logs: Vec<RpcLog>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_hash: Option<B256>,
    log_index: Option<U64>,
    #[serde(default)]
    removed: bool,
}

impl RpcLog {
    fn into_log(self) -> Result<Log, DecodeError> {
        Log::new(self.address, self.topics, self.data)
            .ok_or_else(|| malformed("a log with more than four topics".to_owned()))
    }
}

/// All receipts of the block of `header`: the logs of portal and SystemConfig, each with its index in the block.
pub(crate) fn receipts(
    json: &str,
    header: &Header,
    addresses: &Addresses,
) -> Result<Vec<(u64, Log)>, DecodeError> {
    let parsed: Vec<RpcReceipt> = parse(json)?;
    let mut receipts = Vec::with_capacity(parsed.len());
    for receipt in parsed {
        let tx_type = u8::try_from(receipt.tx_type.to::<u64>())
            .map_err(|_| malformed("a receipt of no type".to_owned()))?;
        let status = match (receipt.status, receipt.root) {
            (Some(status), _) => Eip658Value::Eip658(!status.is_zero()),
            (None, Some(root)) => Eip658Value::PostState(root),
            (None, None) => return Err(malformed("a receipt without status".to_owned())),
        };
        let logs = receipt.logs.into_iter().map(RpcLog::into_log);
        let logs: Vec<Log> = logs.collect::<Result<_, _>>()?;
        // The root commits to it, so it need not be computed again.
        let bloom = receipt.logs_bloom.unwrap_or_else(|| logs_bloom(&logs));
        let receipt = Receipt {
            status,
            cumulative_gas_used: receipt.cumulative_gas_used.to(),
            logs,
        };
        let logs_bloom = bloom;
        receipts.push((
            tx_type,
            ReceiptWithBloom {
                receipt,
                logs_bloom,
            },
        ));
    }
    let root = ordered_trie_root_with_encoder(&receipts, |(tx_type, receipt), out| {
        if *tx_type > 0 {
            out.push(*tx_type);
        }
        receipt.encode(out);
    });
    if root != header.receipts_root {
        return Err(malformed(format!(
            "the receipts of block {} have the root {root} instead of {}",
            header.number, header.receipts_root
        )));
    }
    let successful = receipts.into_iter().flat_map(|(_, receipt)| {
        let is_successful = receipt.receipt.status.coerce_status();
        let logs = receipt.receipt.logs.into_iter();
        logs.map(move |log| (is_successful, log))
    });
    let logs = (0..).zip(successful);
    Ok(logs
        .filter(|(_, (is_successful, log))| *is_successful && addresses.is_logger(&log.address))
        .map(|(index, (_, log))| (index, log))
        .collect())
}

/// Logs by the block that they are in.
pub(crate) type LogsByBlock = HashMap<B256, Vec<(u64, Log)>>;

/// The answer of a trusted endpoint to `eth_getLogs`.
pub(crate) fn logs(json: &str, addresses: &Addresses) -> Result<LogsByBlock, DecodeError> {
    let mut by_block = LogsByBlock::new();
    for log in parse::<Vec<RpcLog>>(json)? {
        let (Some(block_hash), Some(index)) = (log.block_hash, log.log_index) else {
            return Err(malformed("a log of no block".to_owned()));
        };
        if log.removed || !addresses.is_logger(&log.address) {
            return Err(malformed("a log that was not asked for".to_owned()));
        }
        let logs = by_block.entry(block_hash).or_default();
        let index = index.to();
        if logs.last().is_some_and(|(last, _)| *last >= index) {
            return Err(malformed("logs out of order".to_owned()));
        }
        logs.push((index, log.into_log()?));
    }
    Ok(by_block)
}

/// One JSON value of a known shape.
pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, DecodeError> {
    serde_json::from_str(json).map_err(|error| malformed(error.to_string()))
}

pub(crate) fn malformed(cause: String) -> DecodeError {
    DecodeError::Malformed(cause)
}

#[cfg(test)]
mod tests;
