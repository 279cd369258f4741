//! Starting an L1: a miner on the clock and a server around the chain.

use crate::{
    clock::SlotClock,
    config::{ConfigError, L1SimConfig},
    l1::EmbeddedL1,
    rpc,
};
use std::net::SocketAddr;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Why the L1 could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration is no chain.
    #[error("invalid L1 configuration")]
    Config(#[from] ConfigError),
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl EmbeddedL1 {
    /// Binds the port, makes block 0 and starts mining. Slots that passed before the start have been missed.
    ///
    /// # Errors
    /// The configuration is invalid or the port is taken.
    pub async fn start(config: L1SimConfig, token: CancellationToken) -> Result<Self, StartError> {
        config.validate()?;
        let (listener, address) = bind(config.listen).await?;
        let clock = SlotClock::new(config.genesis_time, config.block_time);
        let l1 = Self::new(config, address);
        let tasks = &l1.tasks();
        tasks.spawn(mine_on_the_clock(l1.clone(), clock, token.clone()));
        tasks.spawn(rpc::serve(l1.clone(), listener, token));
        tasks.close();
        info!(%address, genesis = %l1.heads().latest.hash, "embedded L1 started");
        Ok(l1)
    }

    /// Serves the same chain at another address too, until `token` is cancelled: a second endpoint, which meets the faults
    /// that are set on the returned handle, and no others.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn serve_also(
        &self,
        listen: SocketAddr,
        token: CancellationToken,
    ) -> Result<Self, StartError> {
        let (listener, address) = bind(listen).await?;
        let endpoint = self.at(address);
        let tasks = endpoint.tasks();
        tasks.spawn(rpc::serve(endpoint.clone(), listener, token));
        tasks.close();
        info!(%address, "embedded L1 serves on another port, too");
        Ok(endpoint)
    }
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Mines a block at the beginning of each slot.
async fn mine_on_the_clock(l1: EmbeddedL1, clock: SlotClock, token: CancellationToken) {
    loop {
        let slot = clock.next_slot();
        tokio::select! {
            biased;
            () = token.cancelled() => return,
            () = tokio::time::sleep_until(clock.start_of(slot)) => l1.begin_slot(slot),
        }
    }
}

#[cfg(test)]
mod tests;
