//! An L1 endpoint over the model, which errs on command.

use crate::model::{L1_CHAIN_ID, L1_FINALITY, L1Block, View};
use alloy_primitives::keccak256;
use async_trait::async_trait;
use light_node_l1::{HttpError, Transport};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// What an endpoint does instead of answering well.
#[derive(Clone, Debug)]
pub enum L1Fault {
    Refused,
    Silent,
    TooManyRequests,
    Html,
    Truncated,
    WrongHashes,
    OtherChain,
    /// It stands at an older view: it is stale, or has not seen a reorg.
    Stale(View),
    /// Every other answer is from an older view.
    Flapping(View),
    /// It lags this many blocks.
    Lagging(usize),
}

#[derive(Debug)]
struct State {
    view: View,
    fault: Option<L1Fault>,
    requests: u64,
}

/// One endpoint. Clones are the same one.
#[derive(Clone, Debug)]
pub struct SimL1 {
    name: String,
    state: Arc<Mutex<State>>,
}

impl SimL1 {
    pub fn new(name: &str, view: &View) -> Self {
        let state = State {
            view: view.clone(),
            fault: None,
            requests: 0,
        };
        Self {
            name: name.to_owned(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub fn see(&self, view: &View) {
        self.state().view = view.clone();
    }

    pub fn set_fault(&self, fault: Option<L1Fault>) {
        self.state().fault = fault;
    }

    pub fn has_fault(&self, is_it: impl FnOnce(&L1Fault) -> bool) -> bool {
        self.state().fault.as_ref().is_some_and(is_it)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// The blocks that the endpoint answers from, for one request.
    fn seen(&self) -> (Arc<Vec<L1Block>>, usize, u64) {
        let view = match &self.fault {
            Some(L1Fault::Stale(view)) => view,
            Some(L1Fault::Flapping(view)) if self.requests.is_multiple_of(2) => view,
            _ => &self.view,
        };
        let hidden = match self.fault {
            Some(L1Fault::Lagging(blocks)) => blocks,
            _ => 0,
        };
        (view.l1.clone(), view.l1.len() - hidden, view.l1_finalized)
    }

    fn answer(&self, request: &Value) -> Value {
        let (l1, visible, finalized) = self.seen();
        let id = request["id"].clone();
        let is_other = matches!(self.fault, Some(L1Fault::OtherChain));
        if request["method"] == "eth_chainId" {
            let chain_id = if is_other { 1 } else { L1_CHAIN_ID };
            return json!({"jsonrpc": "2.0", "id": id, "result": format!("{chain_id:#x}")});
        }
        let number = match request["params"][0].as_str().unwrap() {
            "latest" => visible as u64 - 1,
            "safe" => finalized + L1_FINALITY / 2,
            "finalized" => finalized,
            hex => u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap(),
        };
        let index = usize::try_from(number).unwrap();
        let found = l1[..visible].get(index).map(|block| {
            let mut json = serde_json::to_value(&block.header).unwrap();
            let lies = matches!(self.fault, Some(L1Fault::WrongHashes));
            let hash = if lies {
                keccak256(block.hash)
            } else {
                block.hash
            };
            json["hash"] = json!(hash);
            json["transactions"] = json!([]);
            json
        });
        json!({"jsonrpc": "2.0", "id": id, "result": found})
    }
}

#[async_trait]
impl Transport for SimL1 {
    async fn post(&self, body: Vec<u8>, _limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let (fault, answer) = {
            let mut state = self.state();
            state.requests += 1;
            let answer: Value = match serde_json::from_slice(&body).unwrap() {
                Value::Array(batch) => batch.iter().map(|one| state.answer(one)).collect(),
                one => state.answer(&one),
            };
            (state.fault.clone(), answer.to_string().into_bytes())
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        match fault {
            Some(L1Fault::Refused) => Err(HttpError::Connect {
                cause: "connection refused".to_owned(),
            }),
            Some(L1Fault::Silent) => std::future::pending().await,
            Some(L1Fault::TooManyRequests) => Err(HttpError::Status {
                status: 429,
                retry_after: Some(Duration::from_secs(2)),
            }),
            Some(L1Fault::Html) => Ok(b"<html>502 Bad Gateway</html>".to_vec()),
            Some(L1Fault::Truncated) => Ok(answer[..answer.len() / 2].to_vec()),
            _ => Ok(answer),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}
