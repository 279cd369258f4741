//! Deriving beside a real execution layer: the chain that a real op-geth or op-reth builds from what the binary derives is the
//! sequencer's, hash by hash. `LIGHT_NODE_TEST_EL_OP_GETH` and `LIGHT_NODE_TEST_EL_OP_RETH` name the programs; without them nothing
//! is tested here.

use crate::helpers::{
    chain::{Chain, Settings},
    deriving::{self, derives_up_to},
    process::NodeProcess,
    real_el::{RealEl, RealElKind},
    wait::until,
};
use light_node_devnet::{Deposit, SystemConfigChange};
use light_node_protocol::Hardfork;
use nix::sys::signal::Signal;
use serde_json::json;

/// Makes of each `async fn(RealElKind)` a test beside each program.
macro_rules! beside_real {
    ($($name:ident),+ $(,)?) => {
        mod op_geth {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(super::RealElKind::OpGeth).await;
                }
            )+
        }

        mod op_reth {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(super::RealElKind::OpReth).await;
                }
            )+
        }
    };
}

beside_real!(
    an_isthmus_chain_is_derived,
    a_jovian_chain_is_derived,
    kills_wipes_and_reorgs_are_survived,
    an_empty_execution_layer_syncs_from_its_peer,
);

async fn an_isthmus_chain_is_derived(kind: RealElKind) {
    derives_through_changes(kind, Hardfork::Isthmus).await;
}

async fn a_jovian_chain_is_derived(kind: RealElKind) {
    derives_through_changes(kind, Hardfork::Jovian).await;
}

/// Deposits and every change of the system config are on the way.
async fn derives_through_changes(kind: RealElKind, fork: Hardfork) {
    let chain = Chain::start(Settings::by_clock(fork)).await;
    let Some(el) = RealEl::start(kind, &chain).await else {
        return;
    };
    let node = NodeProcess::start(&el.flags(deriving::flags(&chain)));
    derives_up_to(&chain, &node, 4, 0).await;
    let commands = chain.l1_commands();
    commands.deposit(Deposit::default()).unwrap();
    for change in changes(fork) {
        commands.change_system_config(change).unwrap();
    }
    let sent_at = chain.source_at_l1_head().await;
    let goal = sent_at.unsafe_l2.number + 6;
    let status = derives_up_to(&chain, &node, goal, 3).await;
    el.has_the_sequencers_blocks(&chain, status.safe_l2.number)
        .await;
}

fn changes(fork: Hardfork) -> Vec<SystemConfigChange> {
    let mut changes = vec![
        SystemConfigChange::GasLimit(40_000_000),
        SystemConfigChange::FeeScalars {
            base_fee: 2_000,
            blob_base_fee: 900_000,
        },
        SystemConfigChange::Eip1559 {
            denominator: 50,
            elasticity: 3,
        },
        SystemConfigChange::OperatorFee {
            scalar: 7,
            constant: 8,
        },
    ];
    if fork >= Hardfork::Jovian {
        changes.extend([
            SystemConfigChange::MinBaseFee(1_000_000),
            SystemConfigChange::DaFootprintGasScalar(500),
        ]);
    }
    changes
}

async fn kills_wipes_and_reorgs_are_survived(kind: RealElKind) {
    let chain = Chain::start(Settings {
        finalized_lag: 12,
        ..Settings::by_clock(Hardfork::Jovian)
    })
    .await;
    let Some(mut el) = RealEl::start(kind, &chain).await else {
        return;
    };
    let flags = el.flags(deriving::flags(&chain));
    let mut node = NodeProcess::start(&flags);
    let mut safe = derives_up_to(&chain, &node, 4, 0).await.safe_l2.number;
    for round in 0..4 {
        match round {
            0 => {
                el.kill();
                el.restart().await;
            }
            1 => {
                node.stop(Signal::SIGKILL);
                el.kill();
                el.restart().await;
                node = NodeProcess::start(&flags);
            }
            2 => el.wipe().await,
            _ => {
                chain.l1().reorg(10, Some(10), true).unwrap();
            }
        }
        let after = derives_up_to(&chain, &node, safe + 4, 0).await;
        safe = after.safe_l2.number;
        el.has_the_sequencers_blocks(&chain, safe).await;
    }
}

async fn an_empty_execution_layer_syncs_from_its_peer(kind: RealElKind) {
    let chain = Chain::start(Settings::by_clock(Hardfork::Jovian)).await;
    let Some(full) = RealEl::start(kind, &chain).await else {
        return;
    };
    let first = NodeProcess::start(&full.flags(deriving::flags(&chain)));
    let status = derives_up_to(&chain, &first, 20, 0).await;
    let Some(empty) = RealEl::start(kind, &chain).await else {
        return;
    };
    empty.peer_with(&full).await;
    let flags = empty
        .flags(deriving::flags(&chain))
        .with_switch("--rpc.enable-admin")
        .with("--syncmode", "execution-layer")
        .with("--safedb.path", chain.dir().join("second").display());
    let second = NodeProcess::start(&flags);
    // As it would come by gossip.
    let payload = chain.envelope(status.safe_l2.number);
    let rpc = second.rpc();
    until("the payload taken", deriving::LIMIT, || {
        rpc.call("admin_postUnsafePayload", json!([payload.clone()]))
    })
    .await;
    let status = derives_up_to(&chain, &second, status.safe_l2.number + 4, 3).await;
    empty
        .has_the_sequencers_blocks(&chain, status.safe_l2.number)
        .await;
}
