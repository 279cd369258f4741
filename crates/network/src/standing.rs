//! Which peers have lately brought us a good block, as the first of all. Who wants a place here by the number has to have as many
//! good blocks before everybody else, so where room is short it goes to these first. Clones share one list.

use libp2p::PeerId;
use schnellru::{ByLength, LruMap};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// For so long a good block speaks for the peer that brought it: a mesh of a dozen peers has brought three hundred blocks of a slow
/// chain by then.
const PROVEN_FOR: Duration = Duration::from_secs(10 * 60);
/// Peers that are remembered: several times those that are ever connected.
const PEERS_MAX: u32 = 256;

/// The peers in good standing.
#[derive(Clone)]
pub(crate) struct Standing {
    proven_at: Arc<Mutex<LruMap<PeerId, Instant, ByLength>>>,
}

impl Standing {
    /// Nobody has brought anything.
    pub(crate) fn new() -> Self {
        let peers = LruMap::new(ByLength::new(PEERS_MAX));
        Self {
            proven_at: Arc::new(Mutex::new(peers)),
        }
    }

    /// A peer has brought a good block.
    pub(crate) fn prove(&self, peer: PeerId, now: Instant) {
        self.peers().insert(peer, now);
    }

    /// Whether it has lately.
    pub(crate) fn is_proven(&self, peer: &PeerId, now: Instant) -> bool {
        let peers = self.peers();
        let proven_at = peers.peek(peer);
        proven_at.is_some_and(|at| now.saturating_duration_since(*at) < PROVEN_FOR)
    }

    fn peers(&self) -> MutexGuard<'_, LruMap<PeerId, Instant, ByLength>> {
        // No code panics while it holds the lock.
        self.proven_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_block_speaks_for_its_bringer_for_ten_minutes() {
        let (standing, peer, now) = (Standing::new(), PeerId::random(), Instant::now());
        assert!(!standing.is_proven(&peer, now));
        standing.clone().prove(peer, now);
        assert!(standing.is_proven(&peer, now + PROVEN_FOR / 2));
        assert!(!standing.is_proven(&peer, now + PROVEN_FOR));
        assert!(!standing.is_proven(&PeerId::random(), now));
    }
}
