//! A watcher that runs over endpoints in memory, and the lines that it logs. Real data.
#![allow(clippy::unwrap_used)]

use crate::{BoxTransport, L1Config, L1Fatal, L1Handle, L1Watcher, test_utils::MemoryL1};
use light_node_actor::CancellationToken;
use std::{
    fs, io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinHandle;
use tracing::subscriber::DefaultGuard;

/// Chain id that the watcher expects.
pub(crate) const CHAIN_ID: u64 = 900;
/// Time between two blocks.
pub(crate) const BLOCK_TIME: Duration = Duration::from_secs(12);

/// A running watcher.
pub(crate) struct Running {
    pub(crate) l1: L1Handle,
    pub(crate) token: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), L1Fatal>>,
}

impl Running {
    pub(crate) fn start(genesis_of: &MemoryL1, endpoints: &[&MemoryL1]) -> Self {
        let config = L1Config::new(Vec::new(), CHAIN_ID, genesis_of.id(0));
        Self::start_with(config, endpoints)
    }

    pub(crate) fn start_with(config: L1Config, endpoints: &[&MemoryL1]) -> Self {
        let transports = endpoints
            .iter()
            .map(|l1| Box::new((*l1).clone()) as BoxTransport);
        let (watcher, l1) = L1Watcher::with_transports(config, transports.collect()).unwrap();
        let token = CancellationToken::new();
        let task = tokio::spawn(watcher.run(token.clone()));
        Self { l1, token, task }
    }

    pub(crate) async fn head_is(&self, number: u64) {
        let mut heads = self.l1.watch();
        heads
            .wait_for(|heads| heads.head.number == number)
            .await
            .unwrap();
    }

    /// The endpoint in use.
    pub(crate) fn active(&self) -> String {
        self.l1.status().active.unwrap_or_default()
    }

    /// The name of what keeps the node from being ready.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        self.l1.status().trouble.map(|trouble| trouble.name())
    }

    pub(crate) async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// What this thread logs at info and above while it exists.
pub(crate) struct Lines {
    written: Written,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn capture() -> Self {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        Self {
            written,
            _guard: guard,
        }
    }

    /// The lines with `words` in them.
    pub(crate) fn with(&self, words: &str) -> Vec<String> {
        let written = self.written.0.lock().unwrap();
        let lines = String::from_utf8(written.clone()).unwrap();
        let found = lines.lines().filter(|line| line.contains(words));
        found.map(str::to_owned).collect()
    }
}

impl io::Write for Written {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a file of the real data holds, if it is there.
pub(crate) fn real_data(name: &str) -> Option<Vec<u8>> {
    crate::test_utils::real_data(name).and_then(|path| fs::read(path).ok())
}
