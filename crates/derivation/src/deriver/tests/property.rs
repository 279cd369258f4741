//! The same L1 gives the same chain: whatever the delays, however far derivation runs ahead, wherever it stops and begins anew,
//! and by whatever reorgs L1 came to be what it is.

use super::*;
use crate::kona::{Batch, SingleBatch};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::time::Duration;

/// Seeds that are tried. `DERIVATION_SEEDS=1000` tries more of them, `DERIVATION_SEED=17` that one alone.
const SEEDS: u64 = 40;

fn seeds() -> Vec<u64> {
    let number = |name| {
        let value: Option<String> = std::env::var(name).ok();
        value.map(|value| value.parse().expect("a seed is a number"))
    };
    number("DERIVATION_SEED").map_or_else(
        || (0..number("DERIVATION_SEEDS").unwrap_or(SEEDS)).collect(),
        |seed| vec![seed],
    )
}

/// What a batcher that is not always right makes of the sequencer's blocks.
struct Batcher {
    rng: StdRng,
    next_channel: u8,
}

impl Batcher {
    fn batches(&mut self, blocks: &[world::Sequenced]) -> Vec<Batch> {
        let mut blocks = blocks.to_vec();
        let is_span = self.rng.random_ratio(1, 2);
        for block in &mut blocks {
            if self.rng.random_ratio(1, 12) {
                self.spoil(&mut block.batch, is_span);
            }
        }
        if is_span {
            vec![span(&blocks)]
        } else {
            singles(&blocks)
        }
    }

    fn spoil(&mut self, batch: &mut SingleBatch, is_span: bool) {
        match self.rng.random_range(0..5) {
            0 => batch.parent_hash = B256::repeat_byte(0xde),
            1 => batch.transactions = vec![world::refused_transaction()],
            2 => batch.transactions = world::transactions(5000, 1),
            3 => batch.epoch_hash = B256::ZERO,
            // The encoder of span batches takes no deposits.
            _ if !is_span => batch.transactions = vec![Bytes::from_static(&[0x7e, 1])],
            _ => {}
        }
    }

    /// Transactions with the frames of a channel, now and then out of order or cut.
    fn transactions(&mut self, batches: &[Batch]) -> Vec<InboxTransaction> {
        let channel = batcher::channel(batches);
        self.next_channel = self.next_channel.wrapping_add(1);
        let pieces = self.rng.random_range(1..=3);
        let bytes = channel.len().div_ceil(pieces);
        let mut frames = batcher::frames(self.next_channel, &channel, bytes);
        match self.rng.random_range(0..12) {
            0 => frames.reverse(),
            1 => drop(frames.pop()),
            _ => {}
        }
        let transactions = frames.chunks(self.rng.random_range(1..=2));
        transactions
            .map(|frames| batcher::transaction(BATCHER, batcher::calldata(frames)))
            .collect()
    }
}

/// An L1 with the posts of such a batcher.
async fn random_world(seed: u64) -> World {
    let mut batcher = Batcher {
        rng: StdRng::seed_from_u64(seed),
        next_channel: 0,
    };
    let mut world = World::with(|config| config.seq_window_size = 8);
    let mut unposted: Vec<world::Sequenced> = Vec::new();
    let mut waiting: Vec<InboxTransaction> = Vec::new();
    for _ in 0..14 {
        let inbox = if batcher.rng.random_ratio(2, 3) {
            std::mem::take(&mut waiting)
        } else {
            Vec::new()
        };
        let logs = match batcher.rng.random_range(0..6) {
            0 => vec![config_update(6, batcher.rng.random_range(0..1000))],
            1 => vec![config_update(
                2,
                batcher.rng.random_range(20_000_000..60_000_000),
            )],
            _ => Vec::new(),
        };
        world.l1.push(inbox, logs);
        let time = world.l1.head().timestamp;
        while world.head().timestamp + 2 <= time {
            let number = world.head().number + 1;
            let count = batcher.rng.random_range(0..2);
            unposted.push(world.sequence(world::transactions(number, count)).await);
        }
        while unposted.len() > 3 && batcher.rng.random_ratio(3, 4) {
            let count = batcher.rng.random_range(1..=unposted.len());
            let blocks: Vec<_> = unposted.drain(..count).collect();
            let batches = batcher.batches(&blocks);
            waiting.extend(batcher.transactions(&batches));
        }
    }
    world
}

/// What a node derives that does one thing after the other and is never disturbed.
async fn undisturbed(world: &World) -> Vec<B256> {
    let mut driver = Driver::new(world);
    driver.run().await;
    driver.hashes()
}

#[tokio::test(start_paused = true)]
async fn the_same_l1_gives_the_same_chain_whenever_and_however_it_is_derived() {
    let mut lengths = 0;
    for seed in seeds() {
        let world = random_world(seed).await;
        let expected = undisturbed(&world).await;
        lengths += expected.len();
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let mut driver = Driver::new(&world);
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(
                steps < 20_000,
                "DERIVATION_SEED={seed} does not come to an end"
            );
            disturb(&mut rng, &world, &mut driver);
            let step = if rng.random_ratio(3, 4) || driver.is_ahead() {
                driver.step_ahead().await
            } else {
                driver.step().await
            };
            match step {
                Step::CaughtUp if !driver.is_ahead() => break,
                Step::CaughtUp | Step::NeedsParent => driver.settle(usize::MAX),
                Step::Attributes(_) if rng.random_ratio(1, 3) => {
                    driver.settle(rng.random_range(1..4));
                }
                Step::Attributes(_) | Step::Advanced(_) | Step::Again | Step::Retry(_) => {}
                step => panic!("DERIVATION_SEED={seed}: {step:?}"),
            }
        }
        assert_eq!(driver.hashes(), expected, "DERIVATION_SEED={seed}");
    }
    println!("{lengths} blocks");
}

/// Delays, outages, and now and then a restart from a point that the history of safe heads knows.
fn disturb(rng: &mut StdRng, world: &World, driver: &mut Driver) {
    if rng.random_ratio(1, 10) {
        let delay = Duration::from_millis(rng.random_range(0..3000));
        world.l1.set_delay(delay);
    }
    if rng.random_ratio(1, 15) {
        world.l1.fail_next(rng.random_range(1..3));
    }
    if rng.random_ratio(1, 15) {
        driver.el.fail_next(1);
    }
    if rng.random_ratio(1, 60) {
        let known = driver.history.choose(rng).copied();
        if let Some((used_up, safe)) = known {
            driver.restart_at(used_up, safe.number);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reorg_of_l1_leaves_no_trace() {
    for seed in seeds() {
        let world = random_world(seed).await;
        let mut rng = StdRng::seed_from_u64(seed ^ 0x0dd);
        let mut driver = Driver::new(&world);
        driver.run().await;
        let depth = rng.random_range(1..8);
        let kept = world.l1.head().number - depth;
        let taken: Vec<_> = (kept + 1..=world.l1.head().number)
            .map(|number| world.l1.data(number).unwrap())
            .collect();
        world.l1.reorg(depth as usize);
        for data in taken {
            // Some of what was on the old branch comes again on the new one.
            let comes_again = rng.random_ratio(2, 3);
            let inbox = if comes_again {
                data.inbox.clone()
            } else {
                Vec::new()
            };
            world.l1.push(inbox, Vec::new());
        }
        world.l1.push_empty(1);
        let step = driver.step().await;
        let Step::Reset(ResetCause::L1Reorg { .. }) = step else {
            panic!("DERIVATION_SEED={seed}: {step:?}");
        };
        let history = driver.history.iter().rev().find(|(l1, _)| *l1 <= kept);
        let (used_up, safe) = history.copied().unwrap();
        driver.restart_at(used_up, safe.number);
        driver.run().await;
        let expected = undisturbed(&world).await;
        assert_eq!(driver.hashes(), expected, "DERIVATION_SEED={seed}");
    }
}
