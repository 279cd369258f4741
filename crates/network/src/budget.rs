//! What one peer may have us work: RPCs to take in, bytes to decompress and hash, and messages to judge in a span of time. Beyond it
//! messages are dropped without being judged, and the peer's score goes down until it is quiet. Pure; the time is handed in.

use libp2p::PeerId;
use schnellru::{ByLength, LruMap};
use std::time::{Duration, Instant};

/// The span of a budget.
const WINDOW: Duration = Duration::from_secs(10);
/// Decompressed bytes in a span: three messages of the largest size, or a block of 300 KB ten times a second.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Messages in a span: 20 a second, ten times what the fastest chains have with one block for one height.
const MESSAGES_MAX: usize = 200;
/// RPCs in a span, with messages or without: ten a message on the fastest chains are far more than an honest peer has to say, and
/// what the ids in so many take is bounded.
const RPCS_MAX: usize = 2000;
/// Peers that are remembered, also when they come back.
const PEERS_MAX: u32 = 1024;
/// What an RPC too much costs: one is below the threshold of gossip, three end the talk.
const PENALTY: f64 = 20.0;
/// The most: it alone bans nobody.
const PENALTY_MAX: f64 = 100.0;
/// A penalty below it is none.
const PENALTY_MIN: f64 = 1.0;

/// A peer sends more than it may.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Excess {
    /// What the peer's score is to be now, of what we give it ourselves.
    pub(crate) score: f64,
}

/// What one RPC has us work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Messages in it, known and unknown, of whatever topic.
    pub(crate) messages: usize,
    /// Bytes of them when they are decompressed.
    pub(crate) bytes: usize,
}

/// The budgets of all peers.
pub(crate) struct Budgets {
    peers: LruMap<PeerId, Budget, ByLength>,
}

struct Budget {
    since: Instant,
    rpcs: usize,
    bytes: usize,
    messages: usize,
    penalty: f64,
}

impl Budgets {
    /// Nobody has spent anything.
    pub(crate) fn new() -> Self {
        Self {
            peers: LruMap::new(ByLength::new(PEERS_MAX)),
        }
    }

    /// Takes an RPC out of a peer's budget.
    ///
    /// # Errors
    /// [`Excess`] if it is spent.
    pub(crate) fn spend(&mut self, peer: PeerId, work: Work, now: Instant) -> Result<(), Excess> {
        let fresh = || Budget {
            since: now,
            rpcs: 0,
            bytes: 0,
            messages: 0,
            penalty: 0.0,
        };
        // A list that holds a thousand takes one more by dropping the oldest.
        let budget = self.peers.get_or_insert(peer, fresh);
        let Some(budget) = budget else {
            return Ok(());
        };
        budget.refill(now);
        budget.rpcs = budget.rpcs.saturating_add(1);
        budget.bytes = budget.bytes.saturating_add(work.bytes);
        budget.messages = budget.messages.saturating_add(work.messages);
        if !budget.is_spent() {
            return Ok(());
        }
        budget.penalty = (budget.penalty + PENALTY).min(PENALTY_MAX);
        Err(Excess {
            score: -budget.penalty,
        })
    }

    /// Whether a peer has spent more than it may in this span.
    pub(crate) fn is_spent(&self, peer: &PeerId, now: Instant) -> bool {
        self.peers.peek(peer).is_some_and(|budget| {
            budget.is_spent() && now.saturating_duration_since(budget.since) < WINDOW
        })
    }

    /// Peers whose score has changed by time, and what it is now.
    pub(crate) fn recover(&mut self, now: Instant) -> Vec<(PeerId, f64)> {
        let mut recovered = Vec::new();
        for (peer, budget) in self.peers.iter_mut() {
            let before = budget.penalty;
            budget.refill(now);
            if budget.penalty < before {
                recovered.push((*peer, -budget.penalty));
            }
        }
        recovered
    }
}

impl Budget {
    const fn is_spent(&self) -> bool {
        self.bytes > BYTES_MAX || self.messages > MESSAGES_MAX || self.rpcs > RPCS_MAX
    }

    /// A new span begins after the last; with each the penalty halves.
    fn refill(&mut self, now: Instant) {
        while now.saturating_duration_since(self.since) >= WINDOW {
            self.since += WINDOW;
            self.rpcs = 0;
            self.bytes = 0;
            self.messages = 0;
            self.penalty /= 2.0;
            if self.penalty < PENALTY_MIN {
                self.penalty = 0.0;
                self.since = now;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const fn message(bytes: usize) -> Work {
        Work { messages: 1, bytes }
    }

    #[test]
    fn a_peer_that_only_talks_is_bounded_too() {
        let (mut budgets, peer, start) = (Budgets::new(), PeerId::random(), Instant::now());
        for _ in 0..RPCS_MAX {
            budgets.spend(peer, Work::default(), start).unwrap();
        }
        assert!(!budgets.is_spent(&peer, start));
        budgets.spend(peer, Work::default(), start).unwrap_err();
        assert!(budgets.is_spent(&peer, start));
        assert!(!budgets.is_spent(&peer, start + WINDOW));
    }

    #[test]
    fn a_peer_may_send_twenty_messages_a_second_and_not_one_more() {
        let (mut budgets, peer, start) = (Budgets::new(), PeerId::random(), Instant::now());
        for _ in 0..MESSAGES_MAX {
            budgets.spend(peer, message(1000), start).unwrap();
        }
        assert_eq!(
            budgets.spend(peer, message(1000), start),
            Err(Excess { score: -20.0 })
        );
        assert_eq!(
            budgets.spend(peer, message(1000), start),
            Err(Excess { score: -40.0 })
        );
        budgets
            .spend(PeerId::random(), message(1000), start)
            .unwrap();
        budgets.spend(peer, message(1000), start + WINDOW).unwrap();
    }

    #[test]
    fn three_messages_of_the_largest_size_are_within_the_budget_and_four_are_not() {
        let (mut budgets, peer, start) = (Budgets::new(), PeerId::random(), Instant::now());
        for _ in 0..3 {
            budgets
                .spend(peer, message(10 * 1024 * 1024), start)
                .unwrap();
        }
        budgets
            .spend(peer, message(10 * 1024 * 1024), start)
            .unwrap_err();
    }

    #[test]
    fn the_penalty_is_bounded_and_goes_away_with_time() {
        let (mut budgets, peer, start) = (Budgets::new(), PeerId::random(), Instant::now());
        for _ in 0..MESSAGES_MAX + 100 {
            let _ = budgets.spend(peer, message(1), start);
        }
        assert_eq!(budgets.recover(start), vec![]);
        assert_eq!(budgets.recover(start + WINDOW), vec![(peer, -50.0)]);
        assert_eq!(budgets.recover(start + 10 * WINDOW), vec![(peer, -0.0)]);
        assert_eq!(budgets.recover(start + 11 * WINDOW), vec![]);
    }
}
