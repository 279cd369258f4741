//! The same L1 through kona's pipeline as it comes and through ours, both over HTTP, with an execution layer that answers at once.
//! Each must derive the sequencer's chain, or there is no figure.

use crate::{
    chain::{Block, Chain, L1_BLOCK_TIME},
    replay::{Counts, Replay},
};
use alloy_eips::{
    BlockId,
    eip4844::{Blob, kzg_to_versioned_hash},
};
use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use light_node_actor::CancellationToken;
use light_node_derivation::{
    Deriver, DeriverConfig, Parent, ResetPoint, Step, StockL2, StockWire, UpgradeBundles,
    derive_stock,
};
use light_node_engine_api::{ElBlock, ElError, ElReader, ElSyncing};
use light_node_l1::{BeaconClient, L1Config, L1Feed, L1FeedConfig, L1Watcher};
use light_node_protocol::{L1BlockRef, L1ChainConfig, L2BlockRef, RollupConfig, SystemConfig};
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use url::Url;

/// How long a run may stand still before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What both pipelines derive.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    rollup: Arc<RollupConfig>,
    l1_chain: L1ChainConfig,
    l1_genesis: L1BlockRef,
    l1_blocks: u64,
    blocks: Arc<Vec<Block>>,
    replay: Replay,
    beacon_genesis_time: u64,
}

/// One way along the course.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) counts: Counts,
}

impl Course {
    pub(crate) fn new(chain: &Chain, replay: &Replay) -> Self {
        let l1_genesis = chain.l1_genesis();
        let l1 = chain.devnet.l1();
        let l1_chain = std::fs::read_to_string(&chain.devnet.endpoints().files.l1_genesis);
        let rollup = chain.rollup().clone();
        Self {
            l1_chain: L1ChainConfig::from_json(&l1_chain.unwrap(), rollup.l1_chain_id).unwrap(),
            rollup,
            l1_blocks: l1.heads().latest.number - l1_genesis.number,
            l1_genesis,
            blocks: Arc::new(chain.blocks()),
            replay: replay.clone(),
            beacon_genesis_time: l1.with_chain(|chain| chain.config().genesis_time),
        }
    }

    pub(crate) const fn l1_blocks(&self) -> u64 {
        self.l1_blocks
    }

    pub(crate) fn l2_blocks(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    /// The derived block is the sequencer's.
    fn check(&self, number: u64, timestamp: u64, transactions: &[Bytes]) -> L2BlockRef {
        let block = &self.blocks[usize::try_from(number).unwrap()];
        assert_eq!(timestamp, block.reference.timestamp, "block {number}");
        assert!(transactions == block.transactions, "block {number}");
        block.reference
    }

    /// Ours: watcher, feed and deriver, with receipts or, of a trusted endpoint, with logs.
    pub(crate) async fn ours(&self, trust_rpc: bool) -> Run {
        let token = CancellationToken::new();
        let url = Url::parse(&self.replay.url()).unwrap();
        let chain_id = self.rollup.l1_chain_id;
        let config = L1Config {
            trust_rpc,
            ..L1Config::new(vec![url.clone()], chain_id, self.rollup.genesis.l1)
                .with_block_time(L1_BLOCK_TIME)
        };
        let (watcher, l1) = L1Watcher::new(config).unwrap();
        let beacons = BeaconClient::new(&[url], None).unwrap();
        let (feed, source) = L1Feed::new(L1FeedConfig::new(&self.rollup), &l1, beacons);
        let mut heads = l1.watch();
        tokio::spawn(watcher.run(token.clone()));
        tokio::spawn(feed.run(token.clone()));
        drop(heads.wait_for(|heads| !heads.head.is_zero()).await.unwrap());
        self.replay.take_counts();
        let began = Instant::now();
        let config = DeriverConfig {
            rollup: self.rollup.clone(),
            l1_chain: self.l1_chain.clone(),
            upgrades: UpgradeBundles::default(),
        };
        let mut deriver = Deriver::new(config, Arc::new(source), Arc::new(NoEl));
        let genesis = &self.blocks[0];
        deriver.reset(&ResetPoint {
            safe_head: genesis.reference,
            safe_config: genesis.system_config,
            origin: self.l1_genesis,
            origin_config: genesis.system_config,
            used_up: None,
        });
        let mut safe = genesis.reference;
        loop {
            assert!(began.elapsed() < PATIENCE, "derivation stands at {safe}");
            match deriver.step(Parent::Known(safe)).await {
                Step::Attributes(derived) => {
                    let attributes = &derived.attributes;
                    let timestamp = attributes.payload_attributes.timestamp;
                    let transactions = attributes.transactions.as_deref().unwrap_or_default();
                    safe = self.check(derived.number, timestamp, transactions);
                }
                Step::Advanced(_) | Step::Again => tokio::task::consume_budget().await,
                Step::CaughtUp => break,
                other => panic!("{other:?}"),
            }
        }
        let run = self.end(began, safe.number);
        token.cancel();
        run
    }

    /// Kona's.
    pub(crate) async fn stock(&self) -> Run {
        self.replay.take_counts();
        let began = Instant::now();
        let wire = Wire {
            url: self.replay.url(),
            client: reqwest::Client::new(),
            beacon_genesis_time: self.beacon_genesis_time,
        };
        let mut safe = 0;
        let l2 = Arc::new(L2(self.blocks.clone()));
        let derived = derive_stock(
            &self.rollup,
            &self.l1_genesis,
            Arc::new(wire),
            l2,
            |number, timestamp, transactions| {
                safe = self.check(number, timestamp, transactions).number;
            },
        );
        derived.await.unwrap();
        self.end(began, safe)
    }

    fn end(&self, began: Instant, safe: u64) -> Run {
        assert_eq!(safe, self.l2_blocks(), "the whole chain is derived");
        Run {
            seconds: began.elapsed().as_secs_f64(),
            counts: self.replay.take_counts(),
        }
    }
}

#[derive(Debug)]
struct L2(Arc<Vec<Block>>);

impl StockL2 for L2 {
    fn block(&self, number: u64) -> Option<(L2BlockRef, SystemConfig)> {
        let block = self.0.get(usize::try_from(number).ok()?)?;
        Some((block.reference, block.system_config))
    }
}

/// How the stock pipeline's providers reach L1.
#[derive(Debug)]
struct Wire {
    url: String,
    client: reqwest::Client,
    beacon_genesis_time: u64,
}

#[async_trait]
impl StockWire for Wire {
    async fn call(&self, method: &'static str, params: Value) -> Result<Box<RawValue>, String> {
        #[derive(Deserialize)]
        struct Answer {
            result: Box<RawValue>,
        }
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = self.client.post(&self.url).json(&call).send();
        let answer = request.await.map_err(|error| error.to_string())?;
        let answer = answer.bytes().await.map_err(|error| error.to_string())?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        Ok(answer.result)
    }

    async fn blobs(&self, time: u64, hashes: &[B256]) -> Result<Vec<Box<Blob>>, String> {
        #[derive(Deserialize)]
        struct Answer {
            data: Vec<Bytes>,
        }
        let slot = (time - self.beacon_genesis_time) / L1_BLOCK_TIME.as_secs();
        let hashes_named = hashes.iter().map(|hash| format!("versioned_hashes={hash}"));
        let query = hashes_named.collect::<Vec<_>>().join("&");
        let url = format!("{}/eth/v1/beacon/blobs/{slot}?{query}", self.url);
        let request = self.client.get(url).send();
        let answer = request.await.map_err(|error| error.to_string())?;
        let answer = answer.bytes().await.map_err(|error| error.to_string())?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        let settings = c_kzg::ethereum_kzg_settings(0);
        let mut blobs = Vec::new();
        for (data, hash) in answer.data.iter().zip(hashes) {
            let blob = c_kzg::Blob::from_bytes(data).map_err(|error| error.to_string())?;
            let commitment = settings.blob_to_kzg_commitment(&blob);
            let commitment = commitment.map_err(|error| error.to_string())?;
            if kzg_to_versioned_hash(commitment.as_slice()) != *hash {
                return Err(format!("blob {hash} is another one"));
            }
            blobs.push(Box::new(Blob::from_slice(data)));
        }
        Ok(blobs)
    }
}

/// An execution layer that must not be read: nothing overlaps the safe chain here.
#[derive(Debug)]
struct NoEl;

#[async_trait]
impl ElReader for NoEl {
    async fn chain_id(&self) -> Result<u64, ElError> {
        panic!("the chain id is read")
    }

    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        panic!("L2 blocks are read: {ids:?}")
    }

    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        panic!("L2 block {id} is read")
    }

    async fn storage_root(&self, address: Address, _block: B256) -> Result<B256, ElError> {
        panic!("the storage of {address} is read")
    }

    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        panic!("the sync is read")
    }

    async fn client_version(&self) -> Result<Option<String>, ElError> {
        panic!("the version is read")
    }
}
