//! What a test or an operator does to an execution layer: kills it and starts it again, takes its blocks, gives it another
//! chain, cuts it off from its peer, lets requests fail. Requests over the wire and calls without one notice alike.

use crate::{
    behaviour::ElBehaviour,
    el::EmbeddedEl,
    engine::lock,
    fault::{ElFault, Life},
    genesis::GenesisError,
};
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, U256};
use thiserror::Error;
use tokio::sync::watch;

/// The account by which the genesis of another chain differs.
const FOREIGN_ACCOUNT: Address = Address::repeat_byte(0xfe);

/// Why a command is refused.
#[derive(Debug, Error)]
pub enum ControlError {
    /// All other execution layers sync from this one.
    #[error("this execution layer has the only copy of the chain")]
    OnlyCopy,
    /// The other chain cannot start.
    #[error("no other chain can be made of this genesis")]
    Genesis(#[from] GenesisError),
}

impl EmbeddedEl {
    /// Whose answers it gives.
    pub const fn behaviour(&self) -> ElBehaviour {
        self.config.behaviour
    }

    /// True unless it was killed.
    pub fn is_alive(&self) -> bool {
        self.faults.life().is_alive
    }

    /// How often it was started again. A port serves one life: what came to an earlier one is lost.
    pub fn life(&self) -> u64 {
        self.faults.life().number
    }

    /// Ends the process, as `kill -9` does: connections drop, ports refuse, calls without a wire fail, and what was in
    /// memory alone is gone. Blocks are lost with [`Self::restart`]. Nothing happens if it is dead already.
    pub fn kill(&self) {
        let is_killed = self.faults.life.send_if_modified(|life| {
            let was_alive = life.is_alive;
            life.is_alive = false;
            was_alive
        });
        if is_killed {
            self.with_engine(|engine| engine.forget_memory());
            self.pool().clear();
            tracing::info!("execution layer killed on command");
        }
    }

    /// Starts the process again on the same ports, and kills it before if it runs. The last `lost` blocks are gone, by
    /// default [`ElBehaviour::blocks_lost_at_kill`]; none where this is the only copy. Returns the hash of the head.
    pub fn restart(&self, lost: Option<u64>) -> B256 {
        self.kill();
        let lost = match lost {
            _ if self.config.is_only_copy => 0,
            Some(lost) => lost,
            None => self.behaviour().blocks_lost_at_kill(),
        };
        let (number, hash) = self.with_engine(|engine| {
            engine.restart(lost);
            let head = engine.view().head();
            (head.number(), head.hash)
        });
        self.start_again();
        tracing::info!(lost, number, %hash, "execution layer started again on command");
        hash
    }

    /// Deletes the database and starts again at genesis.
    ///
    /// # Errors
    /// This is the only copy of the chain.
    pub fn wipe(&self) -> Result<(), ControlError> {
        if self.config.is_only_copy {
            return Err(ControlError::OnlyCopy);
        }
        let view = self.config.first_view()?;
        self.kill();
        self.with_engine(|engine| engine.replace_view(view));
        *lock(&self.own_chain) = None;
        self.start_again();
        tracing::info!("execution layer wiped on command");
        Ok(())
    }

    /// Starts again at the genesis of another chain, of the same chain id unless one is given. Returns the hash of that
    /// genesis. [`Self::return_to_own_chain`] brings the first one back.
    ///
    /// # Errors
    /// This is the only copy of the chain, or the chain id fits no chain.
    pub fn swap_chain(&self, chain_id: Option<u64>) -> Result<B256, ControlError> {
        if self.config.is_only_copy {
            return Err(ControlError::OnlyCopy);
        }
        let mut foreign = self.config.clone();
        let account = GenesisAccount::default().with_balance(U256::from(1));
        foreign.genesis.alloc.insert(FOREIGN_ACCOUNT, account);
        if let Some(chain_id) = chain_id {
            foreign.genesis.config.chain_id = chain_id;
        }
        let view = foreign.first_view()?;
        let hash = view.genesis().hash;
        self.kill();
        let before = self.with_engine(|engine| engine.replace_view(view));
        // A second swap must not take the foreign chain for its own.
        lock(&self.own_chain).get_or_insert(before);
        self.start_again();
        tracing::info!(genesis = %hash, ?chain_id, "execution layer given another chain on command");
        Ok(hash)
    }

    /// Starts again on its own chain as it was when [`Self::swap_chain`] took it away. Nothing happens if none did.
    pub fn return_to_own_chain(&self) {
        let Some(view) = lock(&self.own_chain).take() else {
            return;
        };
        self.kill();
        self.with_engine(|engine| engine.replace_view(view));
        self.start_again();
        tracing::info!("execution layer given its own chain back on command");
    }

    /// Lets requests meet a fault in place of any other. Control methods never do, nor does an EL sync's own import.
    pub fn set_fault(&self, fault: ElFault) {
        tracing::info!(?fault, "execution layer fault set on command");
        self.faults.slot.set(fault);
    }

    /// Ends the fault in force.
    pub fn clear_fault(&self) {
        tracing::info!("execution layer fault cleared on command");
        self.faults.slot.clear();
    }

    /// The fault that the next request would meet.
    pub fn fault(&self) -> Option<crate::ElFaultKind> {
        self.faults.slot.current().map(|met| met.kind)
    }

    /// How many requests have met a fault since the start, so that a test can wait for one instead of sleeping. Requests to
    /// a killed execution layer do not count.
    pub fn faults_met(&self) -> watch::Receiver<u64> {
        self.faults.slot.met()
    }

    /// Connects it with the peer that it syncs from, or cuts it off: then no peer can serve a sync target. Without effect
    /// where there is no peer.
    pub fn set_peer_connected(&self, is_connected: bool) {
        self.peer.send_if_modified(|peer| {
            let is_change = peer.is_some_and(|known| known != is_connected);
            if is_change {
                *peer = Some(is_connected);
                tracing::info!(
                    is_connected,
                    "peer of the execution layer switched on command"
                );
            }
            is_change
        });
    }

    /// Whether it reaches the peer that it syncs from; `None` where there is none.
    pub fn is_peer_connected(&self) -> Option<bool> {
        *self.peer.borrow()
    }

    fn start_again(&self) {
        self.faults.life.send_modify(|life: &mut Life| {
            life.is_alive = true;
            life.number += 1;
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
