//! Clients of the node's RPC, who call at a steady rate whether or not it answers in time.

use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// What they call in turn.
const METHODS: [&str; 3] = [
    "optimism_syncStatus",
    "optimism_outputAtBlock",
    "optimism_rollupConfig",
];

/// Connections at once.
const CLIENTS: u32 = 50;

/// Runs until dropped.
#[derive(Debug)]
pub(crate) struct Flood {
    answered: Arc<AtomicU32>,
    _clients: JoinSet<()>,
}

impl Flood {
    pub(crate) fn start(url: &str, calls_per_second: u32) -> Self {
        let answered = Arc::new(AtomicU32::new(0));
        let client = reqwest::Client::new();
        let mut clients = JoinSet::new();
        for first in 0..CLIENTS as usize {
            let mut ticks = interval(Duration::from_secs(1) * CLIENTS / calls_per_second);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let (client, url, answered) = (client.clone(), url.to_owned(), answered.clone());
            clients.spawn(async move {
                for method in METHODS.iter().cycle().skip(first) {
                    ticks.tick().await;
                    let call =
                        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": ["0x1"]});
                    let Ok(answer) = client.post(&url).json(&call).send().await else {
                        continue;
                    };
                    if answer.bytes().await.is_ok() {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        Self {
            answered,
            _clients: clients,
        }
    }

    /// Calls answered so far.
    pub(crate) fn answered(&self) -> u32 {
        self.answered.load(Ordering::Relaxed)
    }
}
