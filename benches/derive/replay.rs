//! An L1 and its beacon from memory, over HTTP and as far away as is wished. What nobody asked before is asked of the devnet once
//! and kept, so after a first run every answer costs no more than its bytes. It counts what is asked.

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// The server; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    l1: String,
    client: reqwest::Client,
    calls: Mutex<HashMap<String, Arc<RawValue>>>,
    beacon: Mutex<HashMap<String, (StatusCode, axum::body::Bytes)>>,
    round_trip_ms: AtomicU64,
    counts: Mutex<Counts>,
}

/// What was asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// HTTP requests to the execution layer.
    pub(crate) l1_requests: u64,
    /// JSON-RPC calls in them.
    pub(crate) l1_calls: u64,
    pub(crate) beacon_requests: u64,
}

#[derive(Deserialize)]
struct Call {
    id: Value,
    method: String,
    params: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Calls {
    Batch(Vec<Call>),
    One(Call),
}

impl Replay {
    /// Serves what `l1` serves, from now on.
    pub(crate) async fn of(l1: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let replay = Self {
            addr: listener.local_addr().unwrap(),
            shared: Arc::new(Shared {
                l1: l1.to_owned(),
                client: reqwest::Client::new(),
                calls: Mutex::default(),
                beacon: Mutex::default(),
                round_trip_ms: AtomicU64::new(0),
                counts: Mutex::default(),
            }),
        };
        let app = Router::new()
            .route("/", axum::routing::post(serve_calls))
            .fallback(serve_beacon)
            .with_state(replay.shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        replay
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// From now on this long passes between a question and its answer.
    pub(crate) fn set_round_trip_ms(&self, millis: u64) {
        self.shared.round_trip_ms.store(millis, Ordering::Relaxed);
    }

    /// What was asked since it was last taken.
    pub(crate) fn take_counts(&self) -> Counts {
        std::mem::take(&mut *self.shared.counts.lock().unwrap())
    }

    /// Forgets the answers: L1 has gone on.
    pub(crate) fn forget(&self) {
        self.shared.calls.lock().unwrap().clear();
        self.shared.beacon.lock().unwrap().clear();
    }
}

impl Shared {
    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap());
    }

    async fn travel(&self) {
        let millis = self.round_trip_ms.load(Ordering::Relaxed);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    async fn result(&self, call: &Call) -> Arc<RawValue> {
        let key = format!("{}{}", call.method, call.params);
        if let Some(result) = self.calls.lock().unwrap().get(&key) {
            return result.clone();
        }
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": call.method, "params": call.params});
        let answer = self.client.post(&self.l1).json(&request);
        let answer = answer.send().await.unwrap().bytes().await.unwrap();
        #[derive(Deserialize)]
        struct Answer {
            result: Box<RawValue>,
        }
        let answer: Answer = serde_json::from_slice(&answer).unwrap();
        let result: Arc<RawValue> = answer.result.into();
        self.calls.lock().unwrap().insert(key, result.clone());
        result
    }
}

async fn serve_calls(State(shared): State<Arc<Shared>>, Json(calls): Json<Calls>) -> Response {
    let (calls, is_batch) = match calls {
        Calls::Batch(calls) => (calls, true),
        Calls::One(call) => (vec![call], false),
    };
    shared.count(|counts| {
        counts.l1_requests += 1;
        counts.l1_calls += calls.len() as u64;
    });
    let mut body = String::new();
    for call in &calls {
        let result = shared.result(call).await;
        body.push(if body.is_empty() { '[' } else { ',' });
        let id = &call.id;
        body.push_str(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#));
        body.push_str(result.get());
        body.push('}');
    }
    shared.travel().await;
    let body = if is_batch {
        body + "]"
    } else {
        body.split_off(1)
    };
    answer(StatusCode::OK, body.into())
}

async fn serve_beacon(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    shared.count(|counts| counts.beacon_requests += 1);
    let key = uri.to_string();
    let known = shared.beacon.lock().unwrap().get(&key).cloned();
    let (status, body) = match known {
        Some(known) => known,
        None => {
            let url = format!("{}{key}", shared.l1);
            let response = shared.client.get(url).send().await.unwrap();
            let known = (response.status(), response.bytes().await.unwrap());
            shared.beacon.lock().unwrap().insert(key, known.clone());
            known
        }
    };
    shared.travel().await;
    answer(status, body.into())
}

fn answer(status: StatusCode, body: Body) -> Response {
    let response = Response::builder().status(status);
    let response = response.header(CONTENT_TYPE, "application/json");
    response.body(body).unwrap()
}
