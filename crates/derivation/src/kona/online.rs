//! Kona's pipeline as it comes, over a wire, so that a bench can run it beside ours: the providers ask as those of kona's own node
//! do, one question after the other, and check of each answer what our feed checks. What was answered about a hash is kept and shared
//! by all stages, which saves kona more questions than its own caches do.

use super::{BlockInfo, L2BlockInfo, PipelineError, PipelineErrorKind, l2_block_info};
use alloy_consensus_v1::{
    Eip658Value, EthereumTxEnvelope, Header, Receipt, ReceiptWithBloom, TxEip4844, TxEnvelope,
    proofs::{calculate_transaction_root, ordered_trie_root_with_encoder},
};
use alloy_eips_v1::eip4844::{Blob, IndexedBlobHash};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, U64, logs_bloom};
use alloy_rlp::Encodable;
use async_trait::async_trait;
use core::fmt::{self, Debug};
use kona_derive::{
    BlobProvider, ChainProvider, EthereumDataSource, L2ChainProvider, Pipeline, PipelineBuilder,
    ResetSignal, SignalReceiver, StatefulAttributesBuilder, StepResult,
};
use kona_protocol::{BatchReader, BatchValidationProvider};
use light_node_protocol::{L1BlockRef, L2BlockRef, RollupConfig, SystemConfig};
use op_alloy_consensus_v018::OpBlock;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How kona's providers reach L1.
#[async_trait]
pub trait StockWire: Debug + Send + Sync {
    /// The result of a JSON-RPC call.
    async fn call(&self, method: &'static str, params: Value) -> Result<Box<RawValue>, String>;

    /// The blobs with these versioned hashes in the L1 block of `time`, verified against them.
    async fn blobs(&self, time: u64, hashes: &[B256]) -> Result<Vec<Box<Blob>>, String>;
}

/// The chain that is derived, as an execution layer would have it that answers at once.
pub trait StockL2: Debug + Send + Sync {
    /// A block and the system config in force at it.
    fn block(&self, number: u64) -> Option<(L2BlockRef, SystemConfig)>;
}

/// What went wrong.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Failure> for PipelineErrorKind {
    fn from(failure: Failure) -> Self {
        if failure.0.is_empty() {
            PipelineError::Eof.temp()
        } else {
            PipelineError::Provider(failure.0).crit()
        }
    }
}

/// L1 as kona asks for it.
#[derive(Clone, Debug)]
struct L1 {
    wire: Arc<dyn StockWire>,
    kept: Arc<Mutex<Kept>>,
}

/// What was answered about a hash.
#[derive(Debug, Default)]
struct Kept {
    headers: HashMap<B256, Header>,
    receipts: HashMap<B256, Vec<Receipt>>,
    blocks: HashMap<B256, (BlockInfo, Vec<TxEnvelope>)>,
}

#[derive(Deserialize)]
struct Hash {
    hash: B256,
}

#[derive(Deserialize)]
struct Transactions {
    transactions: Vec<EthereumTxEnvelope<TxEip4844>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcReceipt {
    #[serde(rename = "type", default)]
    tx_type: U64,
    status: U64,
    cumulative_gas_used: U64,
    logs_bloom: Option<Bloom>,
    logs: Vec<RpcLog>,
}

#[derive(Deserialize)]
struct RpcLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
}

fn parse<T: DeserializeOwned>(json: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(json.get()).map_err(|error| Failure(error.to_string()))
}

fn info(header: &Header, hash: B256) -> BlockInfo {
    BlockInfo::new(hash, header.number, header.parent_hash, header.timestamp)
}

impl L1 {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A JSON-RPC result; nothing of it is the end of L1.
    async fn call(&self, method: &'static str, params: Value) -> Result<Box<RawValue>, Failure> {
        let result = self.wire.call(method, params).await.map_err(Failure)?;
        if result.get() == "null" {
            return Err(Failure(String::new()));
        }
        Ok(result)
    }

    /// The header of a block, hashed anew.
    fn header(json: &RawValue) -> Result<(Header, B256), Failure> {
        let header: Header = parse(json)?;
        let Hash { hash } = parse(json)?;
        if header.hash_slow() == hash {
            Ok((header, hash))
        } else {
            Err(Failure(format!("header {} is not {hash}", header.number)))
        }
    }

    fn checked_receipts(json: &RawValue, root: B256) -> Result<Vec<Receipt>, Failure> {
        let mut receipts = Vec::new();
        for one in parse::<Vec<RpcReceipt>>(json)? {
            let logs = one.logs.into_iter().map(|log| {
                Log::new(log.address, log.topics, log.data)
                    .ok_or_else(|| Failure("a log with too many topics".to_owned()))
            });
            let logs = logs.collect::<Result<Vec<_>, _>>()?;
            let logs_bloom = one.logs_bloom.unwrap_or_else(|| logs_bloom(&logs));
            let receipt = Receipt {
                status: Eip658Value::Eip658(!one.status.is_zero()),
                cumulative_gas_used: one.cumulative_gas_used.to(),
                logs,
            };
            let receipt = ReceiptWithBloom {
                receipt,
                logs_bloom,
            };
            receipts.push((one.tx_type.to::<u8>(), receipt));
        }
        let computed = ordered_trie_root_with_encoder(&receipts, |(tx_type, receipt), out| {
            if *tx_type > 0 {
                out.push(*tx_type);
            }
            receipt.encode(out);
        });
        if computed != root {
            return Err(Failure("the receipts have another root".to_owned()));
        }
        Ok(receipts
            .into_iter()
            .map(|(_, receipt)| receipt.receipt)
            .collect())
    }
}

#[async_trait]
impl ChainProvider for L1 {
    type Error = Failure;

    async fn header_by_hash(&mut self, hash: B256) -> Result<Header, Failure> {
        if let Some(header) = self.kept().headers.get(&hash).cloned() {
            return Ok(header);
        }
        let json = self
            .call("eth_getBlockByHash", json!([hash, false]))
            .await?;
        let (header, _) = Self::header(&json)?;
        self.kept().headers.insert(hash, header.clone());
        Ok(header)
    }

    async fn block_info_by_number(&mut self, number: u64) -> Result<BlockInfo, Failure> {
        let params = json!([format!("{number:#x}"), false]);
        let json = self.call("eth_getBlockByNumber", params).await?;
        let (header, hash) = Self::header(&json)?;
        let block = info(&header, hash);
        // Kona's node would ask for it again.
        self.kept().headers.insert(hash, header);
        Ok(block)
    }

    async fn receipts_by_hash(&mut self, hash: B256) -> Result<Vec<Receipt>, Failure> {
        if let Some(receipts) = self.kept().receipts.get(&hash).cloned() {
            return Ok(receipts);
        }
        let root = self.header_by_hash(hash).await?.receipts_root;
        let json = self.call("eth_getBlockReceipts", json!([hash])).await?;
        let receipts = Self::checked_receipts(&json, root)?;
        self.kept().receipts.insert(hash, receipts.clone());
        Ok(receipts)
    }

    async fn block_info_and_transactions_by_hash(
        &mut self,
        hash: B256,
    ) -> Result<(BlockInfo, Vec<TxEnvelope>), Failure> {
        if let Some(block) = self.kept().blocks.get(&hash).cloned() {
            return Ok(block);
        }
        let json = self.call("eth_getBlockByHash", json!([hash, true])).await?;
        let (header, hash) = Self::header(&json)?;
        let Transactions { transactions } = parse(&json)?;
        if calculate_transaction_root(&transactions) != header.transactions_root {
            return Err(Failure("the transactions have another root".to_owned()));
        }
        let transactions = transactions.into_iter().map(Into::into).collect();
        let block = (info(&header, hash), transactions);
        self.kept().blocks.insert(hash, block.clone());
        Ok(block)
    }
}

#[derive(Clone, Debug)]
struct Blobs(Arc<dyn StockWire>);

#[async_trait]
impl BlobProvider for Blobs {
    type Error = Failure;

    async fn get_blobs(
        &mut self,
        block: &BlockInfo,
        hashes: &[IndexedBlobHash],
    ) -> Result<Vec<Box<Blob>>, Failure> {
        let hashes: Vec<B256> = hashes.iter().map(|indexed| indexed.hash).collect();
        let blobs = self.0.blobs(block.timestamp, &hashes).await;
        blobs.map_err(Failure)
    }
}

#[derive(Clone, Debug)]
struct L2(Arc<dyn StockL2>);

impl L2 {
    fn block(&self, number: u64) -> Result<(L2BlockRef, SystemConfig), Failure> {
        let block = self.0.block(number);
        block.ok_or_else(|| Failure(format!("no block {number}")))
    }
}

#[async_trait]
impl BatchValidationProvider for L2 {
    type Error = Failure;

    async fn l2_block_info_by_number(&mut self, number: u64) -> Result<L2BlockInfo, Failure> {
        Ok(l2_block_info(&self.block(number)?.0))
    }

    async fn block_by_number(&mut self, number: u64) -> Result<OpBlock, Failure> {
        Err(Failure(format!(
            "block {number} is not read after Holocene"
        )))
    }
}

#[async_trait]
impl L2ChainProvider for L2 {
    type Error = Failure;

    async fn system_config_by_number(
        &mut self,
        number: u64,
        _config: Arc<kona_genesis::RollupConfig>,
    ) -> Result<kona_genesis::SystemConfig, Failure> {
        Ok(super::system_config(&self.block(number)?.1))
    }
}

/// Runs kona's pipeline from genesis until L1 has no more, and gives number, time and transactions of each derived block to
/// `each`.
///
/// # Errors
/// In words, what stopped it before.
pub async fn derive_stock(
    config: &RollupConfig,
    l1_genesis: &L1BlockRef,
    wire: Arc<dyn StockWire>,
    l2: Arc<dyn StockL2>,
    mut each: impl FnMut(u64, u64, &[Bytes]) + Send,
) -> Result<(), String> {
    let kona = Arc::new(super::rollup_config(config));
    let l1 = L1 {
        wire: wire.clone(),
        kept: Arc::default(),
    };
    let chain = L2(l2);
    let origin = super::block_info(l1_genesis);
    let data = EthereumDataSource::new_from_parts(l1.clone(), Blobs(wire), &kona);
    let builder = StatefulAttributesBuilder::new(kona.clone(), chain.clone(), l1.clone());
    let mut pipeline = PipelineBuilder::new()
        .rollup_config(kona)
        .dap_source(data)
        .l2_chain_provider(chain.clone())
        .chain_provider(l1)
        .builder(builder)
        .origin(origin)
        .build_polled();
    let head = |number| chain.block(number).map_err(|failure| failure.0);
    let mut safe = head(config.genesis.l2.number)?.0;
    let reset = ResetSignal {
        l2_safe_head: l2_block_info(&safe),
        l1_origin: origin,
        system_config: None,
    };
    let reset = pipeline.signal(reset.signal()).await;
    reset.map_err(|error| error.to_string())?;
    loop {
        match pipeline.step(l2_block_info(&safe)).await {
            StepResult::PreparedAttributes | StepResult::AdvancedOrigin => {}
            StepResult::StepFailed(PipelineErrorKind::Temporary(PipelineError::NotEnoughData)) => {}
            StepResult::OriginAdvanceErr(PipelineErrorKind::Temporary(PipelineError::Eof)) => {
                return Ok(());
            }
            StepResult::StepFailed(error) | StepResult::OriginAdvanceErr(error) => {
                return Err(error.to_string());
            }
        }
        for derived in pipeline.by_ref() {
            let transactions = derived.inner.transactions.as_deref().unwrap_or_default();
            let number = safe.number + 1;
            each(
                number,
                derived.inner.payload_attributes.timestamp,
                transactions,
            );
            safe = head(number)?.0;
        }
    }
}

/// Decompresses a channel as kona does. Returns its length, or `None` if kona does not take it.
pub fn decompress_stock(channel: &Bytes, limit: usize) -> Option<usize> {
    let mut reader = BatchReader::new(channel.to_vec(), limit);
    reader.decompress().ok()?;
    Some(reader.decompressed.len())
}

/// Decompresses a channel as ours does. Returns its length, or `None` if it is compressed in no way that is allowed.
pub fn decompress(channel: &Bytes, limit: usize) -> Option<usize> {
    let limit_bytes = u64::try_from(limit).ok()?;
    let mut inflater = crate::inflate::Inflater::new(channel.clone(), limit_bytes, true).ok()?;
    // A span batch is one string, so the whole channel is asked for at once.
    Some(inflater.peek(limit).len())
}
