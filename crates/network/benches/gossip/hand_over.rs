//! From a verdict to the execution layer: an accepted block is handed to a real engine, whose `newPayload` goes over HTTP to a socket
//! that notes when all of it is there. Everything else an execution layer in memory answers.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_engine::{ForkchoiceState, ForkchoiceUpdated, PayloadId, PayloadStatus};
use async_trait::async_trait;
use light_node_actor::CancellationToken;
use light_node_engine::{EngineActor, EngineConfig, EngineHandle, SafeSourceKind};
use light_node_engine_api::{
    ElBlock, ElDeadlines, ElError, ElReader, ElSyncing, EngineApi, HttpEngine, HttpEngineConfig,
    JwtSecret, JwtSource,
    memory::{ChainBuilder, MemoryBlock, MemoryEl},
    payload_block_hash, payload_ref,
};
use light_node_network::bench_door::transactions;
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

const BLOCKS: u64 = 200;

/// What must hold.
const WIRE_MAX: Duration = Duration::from_micros(500);

/// True if blocks of `block_bytes` bytes are at the execution layer in time.
pub(crate) async fn measure(block_bytes: usize) -> bool {
    let builder = ChainBuilder::new();
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let (called, mut calls) = mpsc::unbounded_channel();
    let el = Arc::new(WireEl {
        memory: MemoryEl::new(&builder),
        wire: http_engine(&builder, arrived),
        called,
    });
    let config = EngineConfig::new(builder.config(), SafeSourceKind::Follow);
    let (actor, engine) = EngineActor::new(config, el);
    let token = CancellationToken::new();
    let run = tokio::spawn(actor.run(token.clone()));
    until_head(&engine, builder.genesis().hash()).await;

    let (mut to_call, mut to_wire) = (Vec::new(), Vec::new());
    let mut parent = builder.genesis();
    for number in 1..=BLOCKS {
        let block = block_on(&builder, &parent, transactions(number, block_bytes));
        let envelope = block.envelope.clone();
        let verdict_at = Instant::now();
        engine
            .try_insert_unsafe(envelope)
            .expect("the engine has nothing else to do");
        to_call.push(calls.recv().await.expect("a call") - verdict_at);
        to_wire.push(arrivals.recv().await.expect("an arrival") - verdict_at);
        until_head(&engine, block.hash()).await;
        parent = block;
    }
    token.cancel();
    run.await
        .expect("the engine does not panic")
        .expect("the engine ends well");

    let (to_call, to_wire) = (super::median(to_call), super::median(to_wire));
    println!("verdict to the call of newPayload, p50: {to_call:?}");
    println!("verdict to newPayload on the wire, p50: {to_wire:?} (at most {WIRE_MAX:?})");
    to_wire <= WIRE_MAX
}

async fn until_head(engine: &EngineHandle, hash: B256) {
    let mut state = engine.watch();
    let reached = state.wait_for(|state| state.unsafe_head.hash == hash);
    reached.await.expect("the engine runs");
}

/// The child of `parent` with these transactions behind its deposit.
fn block_on(
    builder: &ChainBuilder,
    parent: &MemoryBlock,
    transactions: Vec<alloy_primitives::Bytes>,
) -> MemoryBlock {
    let mut block = builder.child(parent, parent.block_ref().l1_origin, 0);
    let payload = block.envelope.execution_payload.as_v1_mut();
    payload.transactions.extend(transactions);
    let hash = payload_block_hash(&block.envelope).expect("the block has a header");
    block.envelope.execution_payload.as_v1_mut().block_hash = hash;
    block.el.block_ref =
        payload_ref(&builder.config(), &block.envelope).expect("the block has its deposit");
    block
}

/// The node's client of a socket that answers every payload with VALID.
fn http_engine(builder: &ChainBuilder, arrived: mpsc::UnboundedSender<Instant>) -> HttpEngine {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    // It is another process elsewhere, so it has a thread of its own here.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection ends as the client likes.
            let _ = answer(stream, &arrived);
        }
    });
    HttpEngine::new(HttpEngineConfig {
        url: format!("http://127.0.0.1:{port}").parse().expect("a URL"),
        jwt: JwtSource::Secret(JwtSecret::from_bytes([7; 32])),
        rollup_config: builder.config(),
        deadlines: ElDeadlines::default(),
    })
    .expect("the configuration is sound")
}

fn answer(stream: TcpStream, arrived: &mpsc::UnboundedSender<Instant>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let _ = arrived.send(Instant::now());
        let call: Value = serde_json::from_slice(&body)?;
        let hash = &call["params"][0]["blockHash"];
        let result = json!({ "status": "VALID", "latestValidHash": hash, "validationError": null });
        let answer = json!({ "jsonrpc": "2.0", "id": call["id"], "result": result }).to_string();
        let bytes = answer.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
        writer.write_all(format!("{head} {bytes}\r\n\r\n{answer}").as_bytes())?;
    }
}

/// An execution layer in memory, whose payloads come over a socket.
#[derive(Debug)]
struct WireEl {
    memory: Arc<MemoryEl>,
    wire: HttpEngine,
    called: mpsc::UnboundedSender<Instant>,
}

#[async_trait]
impl ElReader for WireEl {
    async fn chain_id(&self) -> Result<u64, ElError> {
        self.memory.chain_id().await
    }

    async fn blocks(&self, ids: &[BlockId]) -> Result<Vec<Option<ElBlock>>, ElError> {
        self.memory.blocks(ids).await
    }

    async fn payload(&self, id: BlockId) -> Result<Option<OpExecutionPayloadEnvelope>, ElError> {
        self.memory.payload(id).await
    }

    async fn storage_root(&self, address: Address, block: B256) -> Result<B256, ElError> {
        self.memory.storage_root(address, block).await
    }

    async fn syncing(&self) -> Result<ElSyncing, ElError> {
        self.memory.syncing().await
    }

    async fn client_version(&self) -> Result<Option<String>, ElError> {
        self.memory.client_version().await
    }
}

#[async_trait]
impl EngineApi for WireEl {
    async fn new_payload(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<PayloadStatus, ElError> {
        let _ = self.called.send(Instant::now());
        self.wire.new_payload(envelope).await?;
        self.memory.new_payload(envelope).await
    }

    async fn fork_choice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<OpPayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, ElError> {
        self.memory.fork_choice_updated(state, attributes).await
    }

    async fn get_payload(
        &self,
        id: PayloadId,
        timestamp: u64,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        self.memory.get_payload(id, timestamp).await
    }

    fn as_reader(self: Arc<Self>) -> Arc<dyn ElReader> {
        self
    }
}
