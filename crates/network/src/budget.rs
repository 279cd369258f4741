//! What peers may have us work. Each has a budget of RPCs to take in, bytes to decompress and hash, and messages to judge in a span of
//! time; beyond it messages are dropped without being judged, and the peer's score goes down until it is quiet. What all of them
//! together have decompressed on the swarm's task is bounded, too. Pure; the time is handed in.

use crate::standing::Standing;
use libp2p::PeerId;
use schnellru::{ByLength, LruMap};
use std::time::{Duration, Instant};

/// The span of a budget.
const WINDOW: Duration = Duration::from_secs(10);
/// Decompressed bytes in a span: three messages of the largest size, or a block of 300 KB ten times a second.
const BYTES_MAX: usize = 32 * MIB;
/// Messages in a span: 20 a second, ten times what the fastest chains have with one block for one height.
const MESSAGES_MAX: usize = 200;
/// RPCs in a span, with messages or without: ten a message on the fastest chains are far more than an honest peer has to say, and
/// what the ids in so many take is bounded.
const RPCS_MAX: usize = 2000;
/// Bytes that every peer has decompressed in a span, whoever else comes: a block of 400 KB every two seconds. With 80 peers at a time
/// and 8 new ones a second these are at most 32 MiB a second, an eighth of the task's time at 4 ms a MiB.
const FLOOR: usize = 2 * MIB;
/// Bytes that all peers together have decompressed beyond that in a second: a sixteenth of the task's time.
const SHARED_PER_SECOND: usize = 16 * MIB;
/// Most that is saved up of them for a busy moment.
const SHARED_MAX: usize = 32 * MIB;
/// What stays in there for those who have brought a good block. The rest is room for a message of the largest size from others.
const SHARED_KEPT: usize = 16 * MIB;
/// Peers that are remembered, also when they come back.
const PEERS_MAX: u32 = 1024;
/// What an RPC too much costs: one is below the threshold of gossip, three end the talk.
const PENALTY: f64 = 20.0;
/// The most: it alone bans nobody.
const PENALTY_MAX: f64 = 100.0;
/// A penalty below it is none.
const PENALTY_MIN: f64 = 1.0;
const MIB: usize = 1024 * 1024;

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
    /// Bytes of them when they are decompressed, whether they were or not.
    pub(crate) bytes: usize,
    /// Those of them that were decompressed.
    pub(crate) decompressed: usize,
}

/// The budgets of all peers.
pub(crate) struct Budgets {
    peers: LruMap<PeerId, Budget, ByLength>,
    standing: Standing,
    shared: Shared,
}

struct Budget {
    since: Instant,
    rpcs: usize,
    bytes: usize,
    decompressed: usize,
    messages: usize,
    penalty: f64,
}

/// What all peers together have left beyond the floor of each.
struct Shared {
    bytes: usize,
    at: Instant,
}

impl Budgets {
    /// Nobody has spent anything. Those in good `standing` come first where it is short.
    pub(crate) fn new(standing: Standing) -> Self {
        Self {
            peers: LruMap::new(ByLength::new(PEERS_MAX)),
            standing,
            shared: Shared {
                bytes: SHARED_MAX,
                at: Instant::now(),
            },
        }
    }

    /// How many bytes may be decompressed for a peer now. To be asked before each of its RPCs, and followed by [`Self::spend`].
    pub(crate) fn allowance(&mut self, peer: PeerId, now: Instant) -> usize {
        self.shared.refill(now);
        let kept = match self.standing.is_proven(&peer, now) {
            true => 0,
            false => SHARED_KEPT,
        };
        let shared = self.shared.bytes.saturating_sub(kept);
        let Some(budget) = self.budget(peer, now) else {
            return 0;
        };
        if budget.is_spent() {
            return 0;
        }
        let own = FLOOR.saturating_sub(budget.decompressed);
        own.saturating_add(shared)
    }

    /// Takes an RPC out of a peer's budget.
    ///
    /// # Errors
    /// [`Excess`] if it is spent.
    pub(crate) fn spend(&mut self, peer: PeerId, work: Work, now: Instant) -> Result<(), Excess> {
        let Some(budget) = self.budget(peer, now) else {
            return Ok(());
        };
        budget.rpcs = budget.rpcs.saturating_add(1);
        budget.bytes = budget.bytes.saturating_add(work.bytes);
        budget.messages = budget.messages.saturating_add(work.messages);
        let own = FLOOR.saturating_sub(budget.decompressed);
        budget.decompressed = budget.decompressed.saturating_add(work.decompressed);
        let outcome = budget.outcome();
        let beyond = work.decompressed.saturating_sub(own);
        self.shared.bytes = self.shared.bytes.saturating_sub(beyond);
        outcome
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

    /// The budget of a peer at this time. There always is one: a list that holds a thousand takes one more by dropping the oldest.
    fn budget(&mut self, peer: PeerId, now: Instant) -> Option<&mut Budget> {
        let budget = self.peers.get_or_insert(peer, || Budget::new(now))?;
        budget.refill(now);
        Some(budget)
    }
}

impl Budget {
    const fn new(now: Instant) -> Self {
        Self {
            since: now,
            rpcs: 0,
            bytes: 0,
            decompressed: 0,
            messages: 0,
            penalty: 0.0,
        }
    }

    const fn is_spent(&self) -> bool {
        self.bytes > BYTES_MAX || self.messages > MESSAGES_MAX || self.rpcs > RPCS_MAX
    }

    fn outcome(&mut self) -> Result<(), Excess> {
        if !self.is_spent() {
            return Ok(());
        }
        self.penalty = (self.penalty + PENALTY).min(PENALTY_MAX);
        Err(Excess {
            score: -self.penalty,
        })
    }

    /// A new span begins after the last; with each the penalty halves.
    fn refill(&mut self, now: Instant) {
        while now.saturating_duration_since(self.since) >= WINDOW {
            self.since += WINDOW;
            self.rpcs = 0;
            self.bytes = 0;
            self.decompressed = 0;
            self.messages = 0;
            self.penalty /= 2.0;
            if self.penalty < PENALTY_MIN {
                self.penalty = 0.0;
                self.since = now;
            }
        }
    }
}

impl Shared {
    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        // Within a u64 for as long as anybody waits; more than the most is cut off below.
        let came = passed.as_micros() * SHARED_PER_SECOND as u128 / 1_000_000;
        if came == 0 {
            // The time is kept until it is worth a byte.
            return;
        }
        self.at = now;
        let came = usize::try_from(came).unwrap_or(usize::MAX);
        self.bytes = self.bytes.saturating_add(came).min(SHARED_MAX);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const fn message(bytes: usize) -> Work {
        Work {
            messages: 1,
            bytes,
            decompressed: bytes,
        }
    }

    fn budgets() -> Budgets {
        Budgets::new(Standing::new())
    }

    /// Has as much decompressed of a message as it may, all or nothing.
    fn offer(budgets: &mut Budgets, peer: PeerId, bytes: usize, now: Instant) -> bool {
        let is_taken = budgets.allowance(peer, now) >= bytes;
        let work = Work {
            decompressed: if is_taken { bytes } else { 0 },
            ..message(bytes)
        };
        let _ = budgets.spend(peer, work, now);
        is_taken
    }

    #[test]
    fn a_peer_that_only_talks_is_bounded_too() {
        let (mut budgets, peer, start) = (budgets(), PeerId::random(), Instant::now());
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
        let (mut budgets, peer, start) = (budgets(), PeerId::random(), Instant::now());
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
        let (mut budgets, peer, start) = (budgets(), PeerId::random(), Instant::now());
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
        let (mut budgets, peer, start) = (budgets(), PeerId::random(), Instant::now());
        for _ in 0..MESSAGES_MAX + 100 {
            let _ = budgets.spend(peer, message(1), start);
        }
        assert_eq!(budgets.recover(start), vec![]);
        assert_eq!(budgets.recover(start + WINDOW), vec![(peer, -50.0)]);
        assert_eq!(budgets.recover(start + 10 * WINDOW), vec![(peer, -0.0)]);
        assert_eq!(budgets.recover(start + 11 * WINDOW), vec![]);
    }

    #[test]
    fn new_identities_without_end_take_a_bounded_share_of_the_tasks_time() {
        let (mut budgets, start) = (budgets(), Instant::now());
        let (mut decompressed, seconds) = (0, 60_u32);
        for second in 0..seconds {
            for _ in 0..8 {
                let peer = PeerId::random();
                for _ in 0..3 {
                    if offer(
                        &mut budgets,
                        peer,
                        10 * MIB,
                        start + Duration::from_secs(second.into()),
                    ) {
                        decompressed += 10 * MIB;
                    }
                }
            }
        }
        // Without a bound these would be 14 GiB.
        let limit = SHARED_MAX + (seconds as usize) * (8 * FLOOR + SHARED_PER_SECOND);
        assert!(decompressed <= limit, "{decompressed} of {limit}");
    }

    #[test]
    fn as_many_peers_as_there_can_be_take_no_more_than_their_floors_and_what_is_shared() {
        let (mut budgets, start) = (budgets(), Instant::now());
        let peers: Vec<_> = (0..80).map(|_| PeerId::random()).collect();
        let mut decompressed = 0;
        for round in 0..600_u32 {
            let now = start + Duration::from_millis(100) * round;
            for peer in &peers {
                let bytes = 100_000;
                if offer(&mut budgets, *peer, bytes, now) {
                    decompressed += bytes;
                }
            }
        }
        let limit = SHARED_MAX + 60 * SHARED_PER_SECOND + 6 * 80 * FLOOR;
        assert!(decompressed <= limit, "{decompressed} of {limit}");
    }

    #[test]
    fn an_honest_peer_is_heard_among_those_who_spend_all_that_is_shared() {
        let (mut budgets, now) = (budgets(), Instant::now());
        for _ in 0..50 {
            let stranger = PeerId::random();
            while offer(&mut budgets, stranger, MIB, now) {}
        }
        let honest = PeerId::random();
        for _ in 0..5 {
            assert!(offer(&mut budgets, honest, 400 * 1024, now));
        }
    }

    #[test]
    fn a_peer_in_good_standing_sends_the_largest_message_while_others_spend_what_is_shared() {
        let (standing, now) = (Standing::new(), Instant::now());
        let mut budgets = Budgets::new(standing.clone());
        let (honest, other) = (PeerId::random(), PeerId::random());
        standing.prove(honest, now);
        for _ in 0..50 {
            let stranger = PeerId::random();
            while offer(&mut budgets, stranger, MIB, now) {}
        }
        assert!(!offer(&mut budgets, other, 10 * MIB, now));
        assert!(offer(&mut budgets, honest, 10 * MIB, now));
    }

    #[test]
    fn the_first_message_of_a_stranger_may_be_of_the_largest_size() {
        let (mut budgets, now) = (budgets(), Instant::now());
        assert!(offer(&mut budgets, PeerId::random(), 10 * MIB, now));
    }

    #[test]
    fn what_is_shared_comes_back_with_time_however_often_it_is_asked_for() {
        let (mut budgets, start) = (budgets(), Instant::now());
        let standing = budgets.standing.clone();
        let peers: Vec<_> = (0..4).map(|_| PeerId::random()).collect();
        for peer in &peers {
            standing.prove(*peer, start);
            while offer(&mut budgets, *peer, MIB, start) {}
        }
        let mut now = start;
        for _ in 0..100_000 {
            now += Duration::from_micros(10);
            budgets.allowance(peers[0], now);
        }
        let came = budgets.shared.bytes;
        assert!(came > SHARED_PER_SECOND / 10 * 9, "{came}");
        assert!(came <= SHARED_PER_SECOND + MIB, "{came}");
    }
}
