//! Someone walks up the chain as derivation does, while endpoints fail and lie and L1 reorgs at random. What a seed does is
//! always the same; a failure names it.

use super::*;
use crate::test_utils::Fault;
use light_node_actor::seed_thread;

/// Numbers out of a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn fault(&mut self, head: u64) -> Fault {
        match self.below(12) {
            0 => Fault::Refused,
            1 => Fault::Silent,
            2 => Fault::Status(429, Some(Duration::from_secs(3))),
            3 => Fault::Html,
            4 => Fault::Truncated,
            5 => Fault::WrongHashes,
            6 => Fault::WrongReceipts,
            7 => Fault::WrongTransactions,
            8 => Fault::NullBlocks,
            9 => Fault::Slow(Duration::from_secs(2)),
            10 => Fault::Orphan {
                number: head.saturating_sub(self.below(12)),
                is_sibling: self.below(2) == 0,
            },
            _ => Fault::None,
        }
    }
}

/// Walks up from what it knows; goes back where a block does not link, and then asks for canonical blocks by their heights.
struct Walker {
    feed: L1FeedHandle,
    chain: Vec<Arc<L1Data>>,
}

impl Walker {
    /// One step. True if there is nothing above.
    async fn step(&mut self) -> bool {
        let last = self.chain.last().unwrap().clone();
        match self.feed.block(last.header.number + 1).await {
            Ok(None) => return true,
            Err(_) => sleep(Duration::from_millis(500)).await,
            Ok(Some(data)) if data.header.parent_hash == last.hash => {
                assert_eq!(data.header.hash_slow(), data.hash);
                // Every third block has a deposit and a batch.
                let expected = usize::from(data.header.number.is_multiple_of(3));
                assert_eq!((data.logs.len(), data.inbox.len()), (expected, expected));
                self.feed.advance(data.id(), batcher().address());
                self.chain.push(data);
            }
            Ok(Some(_)) => self.go_back().await,
        }
        false
    }

    async fn go_back(&mut self) {
        while self.chain.len() > 1 {
            let last = self.chain.last().unwrap();
            match self.feed.block(last.header.number).await {
                Ok(Some(ours)) if ours.hash == last.hash => break,
                Ok(_) => drop(self.chain.pop()),
                // The weather may change before the next step.
                Err(_) => {
                    sleep(Duration::from_millis(500)).await;
                    break;
                }
            }
        }
        let last = self.chain.last().unwrap();
        self.feed.advance(last.id(), batcher().address());
    }
}

fn mine(l1: &MemoryL1, count: u64) {
    for _ in 0..count {
        if (l1.head().number + 1).is_multiple_of(3) {
            let batch = transaction(2, ADDRESSES.inbox, b"batch");
            l1.mine_with(vec![batch], vec![receipt(true, &[ADDRESSES.portal])]);
        } else {
            l1.mine(1);
        }
    }
}

async fn storm(seed: u64) {
    seed_thread(seed);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let first = MemoryL1::new(CHAIN_ID, 2);
    mine(&first, 60);
    let second = first.another_endpoint("second");
    let setup = Setup {
        trust_rpc: seed.is_multiple_of(4),
        ..Setup::default()
    };
    let trusted = setup.trust_rpc;
    let world = World::start(&[&first, &second], setup).await;
    let start = world.block(1).await;
    let mut walker = Walker {
        feed: world.feed.clone(),
        chain: vec![start],
    };
    for _ in 0..40 {
        for _ in 0..dice.below(12) {
            if walker.step().await {
                break;
            }
        }
        match dice.below(6) {
            0 => {
                let depth = 1 + dice.below(8);
                first.roll_back(usize::try_from(depth).unwrap());
                mine(&first, depth + dice.below(3));
            }
            1 | 2 => mine(&first, dice.below(4)),
            // Who is trusted is believed, so it may fail, but not lie.
            3 if !trusted => first.set_fault(dice.fault(first.head().number)),
            4 if !trusted => second.set_fault(dice.fault(first.head().number)),
            3 => first.set_fault(Fault::Refused),
            _ => first.set_fault(Fault::None),
        }
        sleep(Duration::from_millis(dice.below(6000))).await;
    }
    first.set_fault(Fault::None);
    second.set_fault(Fault::None);
    mine(&first, 3);
    let head = first.head();
    let arrived = async {
        while walker.chain.last().unwrap().hash != head.hash {
            if walker.step().await {
                sleep(Duration::from_secs(1)).await;
            }
        }
    };
    let patience = Duration::from_secs(600);
    let arrived = tokio::time::timeout(patience, arrived).await;
    assert!(arrived.is_ok(), "seed {seed} does not arrive");
    for data in &walker.chain {
        let number = data.header.number;
        assert_eq!(
            data.hash,
            first.id(number).hash,
            "seed {seed}, block {number}"
        );
    }
    // Nobody spins, whatever happens.
    let requests = first.requests() + second.requests();
    assert!(requests < 6000, "seed {seed}: {requests} requests");
    world.stop().await;
}

#[test]
fn whatever_endpoints_and_l1_do_a_walker_arrives_at_l1_s_own_chain() {
    for seed in 1..=32 {
        println!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(storm(seed));
    }
}
