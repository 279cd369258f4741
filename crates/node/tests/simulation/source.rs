//! A follow source over the model, as it looks on the wire, which errs on command.

use crate::model::View;
use alloy_primitives::B256;
use async_trait::async_trait;
use light_node_l1::{HttpError, Transport};
use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef, RollupConfig, SyncStatus};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// What the source does instead of answering well.
#[derive(Clone, Debug)]
pub enum SourceFault {
    Down,
    Hanging,
    Slow(Duration),
    Html,
    Truncated,
    Huge,
    RpcError,
    ZeroHeads,
    FinalizedAboveSafe,
    /// The safe head claims an L1 origin that never was.
    UnknownOrigin,
    /// The safe head claims the origin of another block.
    BorrowedOrigin,
    /// Its cursor is the zero object.
    NoCursor,
    /// It answers from an older view: frozen, or one L1 reorg behind us, or of another branch.
    At(View),
    /// Every other answer is from another backend.
    Alternating(View),
    /// Its safe head goes back this many blocks; so does its cursor, if it derives again.
    Back {
        blocks: u64,
        replays: bool,
    },
    OtherChain,
    /// It follows us.
    Cycle(String),
}

#[derive(Debug)]
struct State {
    config: Arc<RollupConfig>,
    view: View,
    fault: Option<SourceFault>,
    polls: u64,
    calls_now: u32,
    most_calls_at_once: u32,
    said: HashSet<B256>,
    said_cursors: HashSet<L1BlockRef>,
}

/// The source. Clones are the same one.
#[derive(Clone, Debug)]
pub struct SimSource(Arc<Mutex<State>>);

impl SimSource {
    pub fn new(config: Arc<RollupConfig>, view: &View) -> Self {
        Self(Arc::new(Mutex::new(State {
            config,
            view: view.clone(),
            fault: None,
            polls: 0,
            calls_now: 0,
            most_calls_at_once: 0,
            said: HashSet::new(),
            said_cursors: HashSet::new(),
        })))
    }

    pub fn see(&self, view: &View) {
        self.state().view = view.clone();
    }

    pub fn set_fault(&self, fault: Option<SourceFault>) {
        self.state().fault = fault;
    }

    pub fn has_fault(&self, is_it: impl FnOnce(&SourceFault) -> bool) -> bool {
        self.state().fault.as_ref().is_some_and(is_it)
    }

    /// How many calls there were at once, at the most.
    pub fn most_calls_at_once(&self) -> u32 {
        self.state().most_calls_at_once
    }

    /// True if an answer ever named `hash` as a head.
    pub fn has_said(&self, hash: B256) -> bool {
        self.state().said.contains(&hash)
    }

    /// True if an answer ever named `cursor`, whole.
    pub fn has_said_cursor(&self, cursor: &L1BlockRef) -> bool {
        self.state().said_cursors.contains(cursor)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn status(&mut self) -> SyncStatus {
        self.polls += 1;
        let mut view = match &self.fault {
            Some(SourceFault::At(view)) => view.clone(),
            Some(SourceFault::Alternating(view)) if self.polls.is_multiple_of(2) => view.clone(),
            _ => self.view.clone(),
        };
        if let Some(SourceFault::Back { blocks, replays }) = self.fault {
            view.safe = view.safe.saturating_sub(blocks).max(view.finalized);
            if replays {
                view.cursor = view.cursor.saturating_sub(blocks / 3 + 1);
            }
        }
        let mut status = view.status();
        match &self.fault {
            Some(SourceFault::ZeroHeads) => {
                status.safe_l2 = L2BlockRef::default();
                status.local_safe_l2 = L2BlockRef::default();
                status.finalized_l2 = L2BlockRef::default();
            }
            Some(SourceFault::FinalizedAboveSafe) => {
                std::mem::swap(&mut status.finalized_l2, &mut status.safe_l2);
            }
            Some(SourceFault::UnknownOrigin) => {
                let number = status.safe_l2.l1_origin.number;
                status.safe_l2.l1_origin = BlockNumHash::new(number, B256::repeat_byte(0xee));
                status.local_safe_l2 = status.safe_l2;
            }
            Some(SourceFault::BorrowedOrigin) => {
                status.safe_l2.l1_origin = status.finalized_l2.l1_origin;
                status.local_safe_l2 = status.safe_l2;
            }
            Some(SourceFault::NoCursor) => status.current_l1 = L1BlockRef::default(),
            _ => {}
        }
        for head in [status.safe_l2, status.local_safe_l2, status.finalized_l2] {
            self.said.insert(head.hash);
        }
        self.said_cursors.insert(status.current_l1);
        status
    }

    fn answer(&mut self, method: &str) -> Value {
        let result = match (method, &self.fault) {
            ("optimism_rollupConfig", fault) => {
                let is_other = matches!(fault, Some(SourceFault::OtherChain));
                json!({
                    "l1_chain_id": self.config.l1_chain_id,
                    "l2_chain_id": if is_other { 10 } else { self.config.l2_chain_id },
                    "genesis": {
                        "l1": { "hash": self.config.genesis.l1.hash },
                        "l2": { "hash": self.config.genesis.l2.hash },
                    },
                })
            }
            ("lightnode_followPath", Some(SourceFault::Cycle(id))) => json!(["source", id]),
            ("lightnode_followPath", _) => json!(["source"]),
            _ => json!(self.status()),
        };
        json!({"jsonrpc": "2.0", "id": 1, "result": result})
    }
}

#[async_trait]
impl Transport for SimSource {
    async fn post(&self, body: Vec<u8>, limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let request: Value = serde_json::from_slice(&body).unwrap();
        let (fault, answer) = {
            let mut state = self.state();
            state.calls_now += 1;
            state.most_calls_at_once = state.most_calls_at_once.max(state.calls_now);
            let answer = state.answer(request["method"].as_str().unwrap());
            (state.fault.clone(), answer.to_string().into_bytes())
        };
        // Counts the call as ended also where the caller gives it up.
        let _in_flight = InFlight(self.clone());
        tokio::time::sleep(Duration::from_millis(10)).await;
        match fault {
            Some(SourceFault::Down) => Err(HttpError::Connect {
                cause: "connection refused".to_owned(),
            }),
            Some(SourceFault::Hanging) => std::future::pending().await,
            Some(SourceFault::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(answer)
            }
            Some(SourceFault::Html) => Ok(b"<!doctype html><title>502</title>".to_vec()),
            Some(SourceFault::Truncated) => Ok(answer[..answer.len() / 2].to_vec()),
            Some(SourceFault::Huge) => Err(HttpError::TooLarge { limit_bytes }),
            Some(SourceFault::RpcError) => Ok(
                br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"not ready"}}"#
                    .to_vec(),
            ),
            _ => Ok(answer),
        }
    }

    fn name(&self) -> &str {
        "http://source"
    }
}

struct InFlight(SimSource);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().calls_now -= 1;
    }
}
