//! A door for benches: a gossiped block from its compressed bytes to its verdict, and beside it each of the primitives that this
//! cannot do without, on the same bytes.

use crate::{
    block_hash::block_hash,
    frame::{self, Frame},
    pool::{Job, ValidationPool},
    signature, snappy, test_chain,
    topics::{self, BlockVersion, MessageDomain},
    verdict::{Judge, Moment, Verdict},
};
use alloy_primitives::{Bytes, keccak256};
use libp2p::{PeerId, gossipsub::MessageId};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

const VERSION: BlockVersion = BlockVersion::V4;

/// Bytes of a transaction in the blocks of a bench.
const TRANSACTION_BYTES: usize = 200;

/// Blocks of a bench do not get old.
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A node's way of judging blocks, and a sequencer that signs them.
#[derive(Debug)]
pub struct GossipBench {
    judge: Arc<Judge>,
    topic: String,
    /// The time of all blocks, in seconds since 1970.
    timestamp: u64,
}

/// The judges' pool of a node.
pub struct BenchPool {
    pool: ValidationPool,
    source: PeerId,
}

/// Time that each primitive takes on one block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Primitives {
    /// Decompression.
    pub snappy: Duration,
    /// SHA-256 of the decompressed data, for the message's id.
    pub sha256: Duration,
    /// Keccak-256 of what is signed.
    pub keccak: Duration,
    /// Recovery of the signer.
    pub recover: Duration,
    /// The block's hash with the root of its transactions.
    pub block_hash: Duration,
}

impl Primitives {
    /// All of them, one after the other.
    pub fn sum(&self) -> Duration {
        self.snappy + self.sha256 + self.keccak + self.recover + self.block_hash
    }
}

impl Default for GossipBench {
    fn default() -> Self {
        let judge = Judge::new(test_chain::config(), AGE_MAX);
        judge.observe_signer(Some(test_chain::signer()), false, Instant::now());
        Self {
            judge: Arc::new(judge),
            topic: VERSION.topic(test_chain::CHAIN_ID).to_string(),
            timestamp: Moment::now().unix_seconds,
        }
    }
}

impl GossipBench {
    /// The bytes on the wire of block `number`, of about `block_bytes` bytes that do not compress. Blocks differ by number, so that
    /// none is taken for one that was seen.
    pub fn message(&self, number: u64, block_bytes: usize) -> Vec<u8> {
        let mut envelope = test_chain::block(VERSION, transactions(number, block_bytes));
        let v1 = envelope.execution_payload.as_v1_mut();
        v1.block_number = number;
        v1.timestamp = self.timestamp;
        let envelope = test_chain::rehashed(envelope);
        let data = test_chain::data(VERSION, &envelope, &test_chain::key());
        snappy::compress(&data).expect("the block is within the limits")
    }

    /// What the swarm's task does with a message: decompress it and make its id. `None` if it refuses it.
    pub fn receive(&self, message: &[u8]) -> Option<Bytes> {
        let data = snappy::decompress(message).ok()?;
        black_box(topics::id_of(
            MessageDomain::ValidSnappy,
            &self.topic,
            &data,
        ));
        Some(data.into())
    }

    /// Has the block judged. True if it was accepted.
    pub fn judge(&self, data: Bytes) -> bool {
        let judgement = self.judge.judge(VERSION, data, Moment::now());
        matches!(judgement.verdict, Verdict::Accept(_))
    }

    /// A pool of its own for the same judge.
    pub fn pool(&self) -> BenchPool {
        BenchPool {
            pool: ValidationPool::new(Arc::clone(&self.judge)),
            source: PeerId::random(),
        }
    }

    /// Times the primitives on a message, each by itself.
    ///
    /// # Panics
    /// If the message is none of [`Self::message`].
    pub fn primitives(&self, message: &[u8]) -> Primitives {
        let (data, snappy) = timed(|| snappy::decompress(message).expect("own message"));
        let (_, sha256) = timed(|| topics::id_of(MessageDomain::ValidSnappy, &self.topic, &data));
        let frame = Frame::parse(VERSION, data.into()).expect("own frame");
        let envelope = frame.decode().expect("own block");
        let signed = frame::encode(VERSION, &envelope).expect("own block");
        let (payload_hash, keccak) = timed(|| keccak256(&signed));
        let digest = signature::digest(test_chain::CHAIN_ID, payload_hash);
        let (_, recover) = timed(|| signature::recover(frame.signature(), digest));
        let (_, block_hash) = timed(|| block_hash(&envelope));
        Primitives {
            snappy,
            sha256,
            keccak,
            recover,
            block_hash,
        }
    }
}

impl BenchPool {
    /// Gives a block to the judges. What has no room is dropped, and never judged.
    pub fn offer(&mut self, data: Bytes) {
        self.pool.offer(Job {
            id: MessageId::from(Vec::new()),
            source: self.source,
            version: VERSION,
            data,
            received_at: Instant::now(),
        });
    }

    /// Waits for the next verdict. True if the block was accepted.
    ///
    /// # Cancel safety
    /// None is lost.
    pub async fn is_accepted(&mut self) -> bool {
        let judged = self.pool.judged().await.judgement;
        judged.is_some_and(|judgement| matches!(judgement.verdict, Verdict::Accept(_)))
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started_at = Instant::now();
    let result = black_box(work());
    (result, started_at.elapsed())
}

/// Transactions of a block of about `block_bytes` bytes, which do not compress.
pub fn transactions(seed: u64, block_bytes: usize) -> Vec<Bytes> {
    noise(seed, block_bytes / TRANSACTION_BYTES)
}

/// Transactions of bytes that look random: the state of a linear congruential generator, eight bytes a step.
fn noise(seed: u64, count: usize) -> Vec<Bytes> {
    let mut state = seed;
    let mut transaction = || {
        let words = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // The upper half is the better one.
            state.rotate_left(32).to_le_bytes()
        });
        words
            .take(TRANSACTION_BYTES / 8)
            .flatten()
            .collect::<Vec<u8>>()
    };
    (0..count).map(|_| Bytes::from(transaction())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_bench_is_accepted_once_and_has_its_size() {
        let bench = GossipBench::default();
        let message = bench.message(7, 100_000);
        assert!(
            (100_000..110_000).contains(&message.len()),
            "{}",
            message.len()
        );
        let data = bench.receive(&message).expect("it decompresses");
        assert!(bench.judge(data.clone()));
        assert!(!bench.judge(data));
        assert!(bench.primitives(&message).sum() > Duration::ZERO);
    }
}
