//! A cluster of op-conductors as a script: one log of blocks, which only the leader's conductor takes, and a leader that moves when
//! the test says so. Each conductor is an HTTP server in this process.

use super::{peers::LIMIT, process::NodeProcess, rpc::Rpc, wait::until};
use alloy_primitives::B256;
use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::net::TcpListener;

/// The cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster(Arc<Mutex<Raft>>);

/// What all conductors agree on.
#[derive(Debug, Default)]
struct Raft {
    leader: usize,
    /// Envelopes in the order in which they were taken.
    log: Vec<Value>,
}

/// What one conductor answers from.
#[derive(Clone, Debug)]
struct Member {
    number: usize,
    cluster: Cluster,
}

impl Cluster {
    fn raft(&self) -> MutexGuard<'_, Raft> {
        self.0.lock().unwrap()
    }

    /// Starts the conductor with this number and says where it serves.
    pub(crate) async fn conductor(&self, number: usize) -> String {
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        format!("http://{}", self.conductor_at(number, any_port).await)
    }

    /// The same at this address.
    pub(crate) async fn conductor_at(&self, number: usize, addr: SocketAddr) -> SocketAddr {
        let member = Member {
            number,
            cluster: self.clone(),
        };
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let app = Router::new().route("/", post(answer)).with_state(member);
        tokio::spawn(async move { axum::serve(listener, app).await });
        addr
    }

    /// From now on the conductor with this number takes blocks, and no other.
    pub(crate) fn elect(&self, number: usize) {
        self.raft().leader = number;
    }

    /// Hashes of the blocks that were taken.
    pub(crate) fn committed(&self) -> Vec<B256> {
        self.raft().log.iter().map(hash_of).collect()
    }

    /// How many blocks were taken.
    pub(crate) fn height(&self) -> usize {
        self.raft().log.len()
    }

    /// Has a node lead as op-conductor does: it waits until the node has the last block that was taken, gives it this block if it
    /// is the only one missing, and starts it on it.
    pub(crate) async fn start(&self, node: &NodeProcess) {
        let rpc = node.rpc();
        until("a start of the sequencer", LIMIT, || async {
            let last = self.raft().log.last().cloned();
            let head = rpc.sync_status().await?.unsafe_l2;
            let Some(last) = last else {
                return start_on(&rpc, head.hash).await;
            };
            let (number, hash) = (number_of(&last), hash_of(&last));
            if head.number + 1 == number {
                rpc.call("admin_postUnsafePayload", json!([last])).await?;
            }
            if head.hash == hash {
                return start_on(&rpc, hash).await;
            }
            Err(json!({ "ours": head, "committed": number }))
        })
        .await;
    }
}

async fn start_on(rpc: &Rpc, hash: B256) -> Result<(), Value> {
    let started = rpc.call("admin_startSequencer", json!([hash])).await;
    started.map(drop)
}

async fn answer(State(member): State<Member>, Json(request): Json<Value>) -> Json<Value> {
    let mut raft = member.cluster.raft();
    let leads = raft.leader == member.number;
    let method = request["method"].as_str().unwrap_or_default();
    let result = match method {
        "conductor_leader" => Ok(json!(leads)),
        "conductor_active" => Ok(json!(true)),
        "conductor_commitUnsafePayload" if leads => {
            raft.log.push(request["params"][0].clone());
            Ok(Value::Null)
        }
        "conductor_commitUnsafePayload" => Err("node is not the leader".to_owned()),
        other => Err(format!("the method {other} does not exist")),
    };
    let id = &request["id"];
    Json(match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(message) => {
            let error = json!({ "code": -32000, "message": message });
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        }
    })
}

fn hash_of(envelope: &Value) -> B256 {
    let hash = envelope["executionPayload"]["blockHash"].as_str();
    hash.unwrap().parse().unwrap()
}

fn number_of(envelope: &Value) -> u64 {
    let number = envelope["executionPayload"]["blockNumber"].as_str();
    let digits = number.unwrap().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap()
}
