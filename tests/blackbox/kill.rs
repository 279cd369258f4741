//! The node is killed at random moments, five hundred times, while blocks come and L1 reorganises under it: what its execution layer has is
//! all that it knows, and each time it must get from there to the source's heads.
//!
//! `KILLS` says how often each of the four chains kills (125), `KILL_SEED` at which moments; a failing run prints its seed.

use crate::helpers::{
    chain::{Chain, Settings},
    process::{NodeProcess, Process, command},
    wait::until,
};
use light_node_devnet::ElBehaviour;
use light_node_protocol::Hardfork;
use nix::sys::signal::Signal;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::{os::unix::process::ExitStatusExt, time::Duration};

/// The longest life of a node that is killed: it is up after some tens of milliseconds and polls ten times a second.
const LIFE_MAX: Duration = Duration::from_millis(900);

/// Kills between two looks at where the node gets if it is left alone.
const KILLS_PER_LOOK: u64 = 25;

/// How long that may take. An L1 reorg is found within a block time, and the source needs two to be safe again.
const LIMIT: Duration = Duration::from_secs(60);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |typed| typed.parse().expect("a number"))
}

async fn converges_however_often_it_is_killed(stream: u64, el_behaviour: ElBehaviour) {
    let seed = setting("KILL_SEED", 1) + stream;
    let kills = setting("KILLS", 125);
    println!("seed {seed}: KILL_SEED={} KILLS={kills}", seed - stream);
    let mut random = StdRng::seed_from_u64(seed);
    let chain = Chain::start(Settings {
        finalized_lag: 6,
        el_behaviour,
        ..Settings::by_clock(Hardfork::Jovian)
    })
    .await;
    let flags = chain.flags();
    let mut finalized = 0;
    for kill in 1..=kills {
        let life = LIFE_MAX.mul_f64(random.random());
        let process = Process::spawn(command(&flags.args()));
        let reorg_depth = (kill % KILLS_PER_LOOK == 0).then(|| random.random_range(1..=3));
        // Every second one has done something before its time begins: on a busy machine the others may die while they start.
        if kill % 2 == 0 {
            tokio::task::block_in_place(|| {
                process.wait_for("a new safe head", LIMIT, |line| {
                    line.contains("new safe head").then_some(())
                })
            });
        }
        // The moment is what is tested: there is nothing to wait for.
        tokio::time::sleep(life / 2).await;
        if let Some(depth) = reorg_depth {
            chain.l1().reorg(depth, Some(depth), false).unwrap();
        }
        tokio::time::sleep(life / 2).await;
        let (status, _) = process.stop(Signal::SIGKILL);
        assert_eq!(
            status.signal(),
            Some(Signal::SIGKILL as i32),
            "the node ended by itself before kill {kill}: {status}"
        );
        if reorg_depth.is_none() {
            continue;
        }
        let reached = gets_to_the_source(&chain, &NodeProcess::start(&flags)).await;
        assert!(
            reached >= finalized,
            "finalized went from {finalized} to {reached}"
        );
        finalized = reached;
    }
    gets_to_the_source(&chain, &NodeProcess::start(&flags)).await;
}

/// Waits until the node shows all that the source shows, and returns the finalized number.
async fn gets_to_the_source(chain: &Chain, node: &NodeProcess) -> u64 {
    let rpc = node.rpc();
    until("the source's heads", LIMIT, || async {
        let theirs = chain.source().status();
        let ours = rpc.sync_status().await?;
        let is_equal = ours.local_safe_l2 == theirs.local_safe_l2
            && ours.safe_l2 == theirs.safe_l2
            && ours.finalized_l2 == theirs.finalized_l2
            && ours.current_l1 == theirs.current_l1;
        if is_equal && theirs.finalized_l2.number > 0 {
            let on_el = chain.hash_on_spare_el(theirs.safe_l2.number);
            assert_eq!(on_el, Some(theirs.safe_l2.hash));
            Ok(ours.finalized_l2.number)
        } else {
            Err(json!({ "ours": ours, "theirs": theirs }))
        }
    })
    .await
}

/// Two chains at once: most of the time is the life of a node that is to be killed.
async fn two_converge(first_stream: u64, el_behaviour: ElBehaviour) {
    let mut chains = tokio::task::JoinSet::new();
    for stream in [first_stream, first_stream + 1] {
        chains.spawn(converges_however_often_it_is_killed(stream, el_behaviour));
    }
    chains.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beside_op_reth_a_node_that_is_killed_at_any_moment_converges() {
    two_converge(0, ElBehaviour::OpReth).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beside_op_geth_a_node_that_is_killed_at_any_moment_converges() {
    two_converge(2, ElBehaviour::OpGeth).await;
}
