//! What is in the blocks of the L1 in memory, and how an endpoint answers for it.

use super::{Chain, Endpoint, Fault, number};
use alloy_consensus::{
    Eip658Value, EthereumTxEnvelope, Header, Receipt, ReceiptWithBloom, TxEip4844,
    proofs::ordered_trie_root_with_encoder,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, keccak256, logs_bloom};
use alloy_rlp::Encodable;
use serde_json::{Value, json};

/// A transaction of the L1 in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryTransaction {
    /// Of a type that everybody knows.
    Known(Box<EthereumTxEnvelope<TxEip4844>>),
    /// Of a type that nobody knows yet: its bytes, and to whom its JSON says that it goes.
    Unknown {
        /// The encoded transaction; the first byte is its type.
        bytes: Bytes,
        /// Recipient.
        to: Address,
    },
    /// One whose JSON says that it is of another type.
    Disguised {
        /// The encoded transaction.
        bytes: Bytes,
        /// The type that is announced.
        tx_type: u8,
    },
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryReceipt {
    /// It did not fail.
    pub successful: bool,
    /// What it emitted. (The logs of one that failed are there to be ignored.)
    pub logs: Vec<Log>,
}

impl MemoryTransaction {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Known(envelope) => envelope.encoded_2718(),
            Self::Unknown { bytes, .. } | Self::Disguised { bytes, .. } => bytes.to_vec(),
        }
    }

    fn tx_type(&self) -> u8 {
        match self {
            Self::Known(envelope) => envelope.tx_type() as u8,
            Self::Unknown { bytes, .. } | Self::Disguised { bytes, .. } => {
                bytes.first().copied().unwrap_or_default()
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Known(envelope) => serde_json::to_value(envelope).unwrap_or_default(),
            Self::Unknown { bytes, to } => {
                let tx_type = format!("{:#x}", self.tx_type());
                json!({"type": tx_type, "hash": keccak256(bytes), "to": to, "new": []})
            }
            Self::Disguised { bytes, tx_type } => {
                let tx_type = format!("{tx_type:#x}");
                json!({"type": tx_type, "hash": keccak256(bytes), "to": null})
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    transactions: Vec<MemoryTransaction>,
    receipts: Vec<ReceiptWithBloom<Receipt>>,
}

impl Body {
    pub(super) fn new(transactions: Vec<MemoryTransaction>, receipts: Vec<MemoryReceipt>) -> Self {
        let receipts = (1..).zip(receipts).map(|(count, receipt)| {
            let MemoryReceipt { successful, logs } = receipt;
            let logs_bloom = logs_bloom(&logs);
            let receipt = Receipt {
                status: Eip658Value::Eip658(successful),
                cumulative_gas_used: 21_000 * count,
                logs,
            };
            ReceiptWithBloom {
                receipt,
                logs_bloom,
            }
        });
        Self {
            transactions,
            receipts: receipts.collect(),
        }
    }

    /// Commits the header to all of it.
    pub(super) fn seal(&self, header: &mut Header) {
        header.transactions_root =
            ordered_trie_root_with_encoder(&self.transactions, |one, out| {
                out.extend_from_slice(&one.bytes());
            });
        let typed: Vec<_> = self.transactions.iter().zip(&self.receipts).collect();
        header.receipts_root = ordered_trie_root_with_encoder(&typed, |(one, receipt), out| {
            if one.tx_type() > 0 {
                out.push(one.tx_type());
            }
            receipt.encode(out);
        });
        let blooms = self.receipts.iter().map(|receipt| receipt.logs_bloom);
        header.logs_bloom = blooms.fold(Bloom::default(), |all, bloom| all | bloom);
    }

    /// Every log with its index in the block.
    fn logs(&self) -> impl Iterator<Item = (usize, &Log)> {
        let receipts = self.receipts.iter();
        receipts
            .flat_map(|receipt| &receipt.receipt.logs)
            .enumerate()
    }
}

impl Chain {
    /// A block as JSON, whole or with the hashes of its transactions.
    pub(super) fn block_json(
        &self,
        index: usize,
        is_full: bool,
        endpoint: &Endpoint,
    ) -> Result<Value, &'static str> {
        let (header, hash) = &self.headers[index];
        let mut block = serde_json::to_value(header).map_err(|_| "cannot encode")?;
        let announced = if endpoint.fault == Fault::WrongHashes {
            keccak256(hash)
        } else {
            *hash
        };
        block["hash"] = json!(announced);
        let transactions = self.bodies.get(hash).map(|body| &body.transactions);
        let transactions = transactions.into_iter().flatten();
        let mut transactions: Vec<Value> = transactions
            .map(|one| {
                if is_full {
                    one.json()
                } else {
                    json!(keccak256(one.bytes()))
                }
            })
            .collect();
        if endpoint.fault == Fault::WrongTransactions {
            transactions.pop();
        }
        block["transactions"] = Value::Array(transactions);
        Ok(block)
    }

    /// The JSON of a block with another header around its body.
    pub(super) fn orphan_of(
        &self,
        index: usize,
        is_sibling: bool,
        block: Value,
    ) -> Result<Value, &'static str> {
        let (header, _) = &self.headers[index];
        let mut header = header.clone();
        header.extra_data = Bytes::from_static(b"orphan");
        if !is_sibling {
            header.parent_hash = keccak256(header.parent_hash);
        }
        let mut orphan = serde_json::to_value(&header).map_err(|_| "cannot encode")?;
        orphan["hash"] = json!(header.hash_slow());
        orphan["transactions"] = block["transactions"].clone();
        Ok(orphan)
    }

    /// The methods that blocks have beside `eth_getBlockByNumber`.
    pub(super) fn answer_of_bodies(
        &self,
        request: &Value,
        endpoint: &Endpoint,
    ) -> Result<Value, &'static str> {
        let param = &request["params"][0];
        match request["method"].as_str() {
            Some("eth_getBlockByHash") => match self.index(param, endpoint) {
                Some(index) => self.block_json(index, true, endpoint),
                None => Ok(Value::Null),
            },
            Some("eth_getBlockReceipts") => match self.index(param, endpoint) {
                Some(index) => Ok(self.receipts_json(index, endpoint)),
                None => Ok(Value::Null),
            },
            Some("eth_getLogs") => self.logs_json(param, endpoint),
            _ => Ok(self.raw_json(param)),
        }
    }

    /// Of a block that can be seen, by its height or hash.
    fn index(&self, id: &Value, endpoint: &Endpoint) -> Option<usize> {
        let visible = endpoint.visible(self.headers.len());
        let id = id.as_str()?;
        let index = match id.parse::<B256>() {
            Ok(hash) if id.len() == 66 => {
                self.headers.iter().position(|(_, ours)| *ours == hash)?
            }
            _ => usize::try_from(number(id)?).ok()?,
        };
        (index < visible).then_some(index)
    }

    fn receipts_json(&self, index: usize, endpoint: &Endpoint) -> Value {
        let (_, hash) = &self.headers[index];
        let Some(body) = self.bodies.get(hash) else {
            return json!([]);
        };
        let mut first_log = 0;
        let receipts = body.receipts.iter().zip(&body.transactions);
        let mut receipts: Vec<Value> = receipts
            .map(|(receipt, transaction)| {
                let logs = receipt.receipt.logs.iter().enumerate();
                let logs: Vec<Value> = logs
                    .map(|(place, log)| self.log_json(index, first_log + place, log))
                    .collect();
                first_log += logs.len();
                json!({
                    "type": format!("{:#x}", transaction.tx_type()),
                    "status": format!("{:#x}", u8::from(receipt.receipt.status.coerce_status())),
                    "cumulativeGasUsed": format!("{:#x}", receipt.receipt.cumulative_gas_used),
                    "logsBloom": receipt.logs_bloom,
                    "logs": logs,
                })
            })
            .collect();
        if endpoint.fault == Fault::WrongReceipts
            && let Some(logs) = receipts
                .last_mut()
                .and_then(|receipt| receipt["logs"].as_array_mut())
        {
            logs.pop();
        }
        Value::Array(receipts)
    }

    fn log_json(&self, index: usize, log_index: usize, log: &Log) -> Value {
        let (header, hash) = &self.headers[index];
        json!({
            "address": log.address,
            "topics": log.topics(),
            "data": log.data.data,
            "blockHash": hash,
            "blockNumber": format!("{:#x}", header.number),
            "logIndex": format!("{log_index:#x}"),
            "removed": false,
        })
    }

    fn logs_json(&self, filter: &Value, endpoint: &Endpoint) -> Result<Value, &'static str> {
        let block = |name: &str| self.index(&filter[name], endpoint);
        let (first, last) = match filter.get("blockHash") {
            Some(_) => {
                let index = block("blockHash").ok_or("unknown block")?;
                (index, index)
            }
            // Beyond its head an endpoint gives what it has.
            None => {
                let visible = endpoint.visible(self.headers.len()) - 1;
                let first = block("fromBlock").unwrap_or(visible);
                (first, block("toBlock").unwrap_or(visible))
            }
        };
        let is_long = |limit| (last - first) as u64 >= limit;
        if endpoint.longest_range.is_some_and(is_long) {
            return Err("block range is too large");
        }
        let addresses = filter["address"].as_array().ok_or("no address")?;
        let mut found = Vec::new();
        for index in first..=last {
            let (_, hash) = &self.headers[index];
            let logs = self.bodies.get(hash).into_iter().flat_map(Body::logs);
            let logs = logs.filter(|(_, log)| addresses.contains(&json!(log.address)));
            found.extend(logs.map(|(place, log)| self.log_json(index, place, log)));
        }
        Ok(Value::Array(found))
    }

    fn raw_json(&self, hash: &Value) -> Value {
        let transactions = self.bodies.values().flat_map(|body| &body.transactions);
        let mut encoded = transactions.map(MemoryTransaction::bytes);
        let found = encoded.find(|bytes| json!(keccak256(bytes)) == *hash);
        found.map_or(Value::Null, |bytes| json!(Bytes::from(bytes)))
    }
}
