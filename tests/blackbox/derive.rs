//! Deriving: without a source the node reads the safe chain from L1 itself, builds it where nobody brings the blocks, and finalizes it.
//!
//! `DERIVE_KILLS` says how often the node is killed (50), `KILL_SEED` at which moments; a failing run prints both.

use crate::helpers::{
    chain::{Chain, Settings},
    deriving::{self, derives_up_to},
    process::{NodeProcess, Process, command},
};
use light_node_protocol::{Hardfork, SyncStatus};
use nix::sys::signal::Signal;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{os::unix::process::ExitStatusExt, time::Duration};

/// The longest life of a node that is killed.
const LIFE_MAX: Duration = Duration::from_millis(900);

/// Kills between two looks at where the node gets if it is left alone, with an L1 reorg before each look.
const KILLS_PER_LOOK: u64 = 10;

async fn derives_and_finalizes(fork: Hardfork) {
    let chain = Chain::start(Settings::by_clock(fork)).await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    let status = derives_up_to(&chain, &node, 8, 3).await;
    chain.has_the_sequencers_blocks(chain.spare_el(), status.safe_l2.number);
    let (status, _) = node.stop(Signal::SIGTERM);
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isthmus_chain_is_derived() {
    derives_and_finalizes(Hardfork::Isthmus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jovian_chain_is_derived() {
    derives_and_finalizes(Hardfork::Jovian).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_karst_chain_is_derived() {
    derives_and_finalizes(Hardfork::Karst).await;
}

/// L1 reorgs of every depth, one after the other. What they take is sent anew, or mined again: then much of it means nothing on
/// the new branch, on which its origins are not.
async fn l1_reorgs_are_derived_anew(drop_transactions: bool) {
    let chain = Chain::start(Settings {
        l1_block_seconds: 1,
        finalized_lag: 12,
        ..Settings::by_clock(Hardfork::Jovian)
    })
    .await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    let mut before = derives_up_to(&chain, &node, 12, 1).await;
    for depth in [1, 3, 10] {
        chain.l1().reorg(depth, None, drop_transactions).unwrap();
        let beyond = before.safe_l2.number + 3;
        let after = derives_up_to(&chain, &node, beyond, before.finalized_l2.number).await;
        assert!(after.finalized_l2.number >= before.finalized_l2.number);
        before = after;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l1_reorgs_that_drop_the_batches_are_derived_anew() {
    l1_reorgs_are_derived_anew(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l1_reorgs_that_mine_the_batches_again_are_derived_anew() {
    l1_reorgs_are_derived_anew(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_killed_at_any_moment_derives_on() {
    let setting = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |typed| typed.parse().expect("a number"))
    };
    let (seed, kills) = (setting("KILL_SEED", 1), setting("DERIVE_KILLS", 50));
    println!("KILL_SEED={seed} DERIVE_KILLS={kills}");
    let mut random = StdRng::seed_from_u64(seed);
    let chain = Chain::start(Settings {
        finalized_lag: 6,
        ..Settings::by_clock(Hardfork::Jovian)
    })
    .await;
    let flags = deriving::flags(&chain);
    let mut before = SyncStatus::default();
    for kill in 1..=kills {
        let life = LIFE_MAX.mul_f64(random.random());
        let process = Process::spawn(command(&flags.args()));
        // Every other one gets to derive; the rest are killed wherever they are by then.
        if kill % 2 == 0 {
            let begins = |line: &str| line.contains("derivation begins").then_some(());
            process.wait_for("a start", deriving::LIMIT, begins);
        }
        // The moment is what is tested: there is nothing to wait for.
        tokio::time::sleep(life).await;
        let (status, _) = process.stop(Signal::SIGKILL);
        assert_eq!(
            status.signal(),
            Some(Signal::SIGKILL as i32),
            "the node ended by itself before kill {kill}: {status}"
        );
        if kill % KILLS_PER_LOOK != 0 {
            continue;
        }
        let depth = random.random_range(1..=3);
        chain.l1().reorg(depth, Some(depth), false).unwrap();
        let node = NodeProcess::start(&flags);
        // What the execution layer kept is not enough: the node has to come further than before.
        let (safe, finalized) = (before.safe_l2.number, before.finalized_l2.number);
        before = derives_up_to(&chain, &node, safe + 1, finalized + 1).await;
        chain.has_the_sequencers_blocks(chain.spare_el(), before.safe_l2.number);
    }
}
