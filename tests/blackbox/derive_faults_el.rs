//! The execution layer fails while the node derives, beside op-reth's ways and op-geth's: the node says what is wrong, builds nothing
//! but what L1 says, and leads the execution layer on without help.

use crate::helpers::{
    beside_both,
    chain::{Chain, Settings},
    derived::{Calm, Derived},
    deriving::LIMIT,
    rpc::Rpc,
    secret::ChangingSecret,
    wait::until,
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{TxKind, U256};
use light_node_devnet::{DEV_ACCOUNTS, ElBehaviour};
use light_node_devnet_el::{ElFault, ElFaultKind};
use light_node_protocol::SyncStatus;
use serde_json::json;

beside_both!(
    one_that_is_killed_while_it_builds_is_led_on,
    one_that_is_wiped_is_led_on,
    one_that_does_not_answer_is_named_and_waited_for,
    one_that_syncs_is_waited_for,
    attributes_that_are_refused_become_a_block_of_deposits,
    a_derived_block_that_is_invalid_becomes_a_block_of_deposits,
    a_secret_that_changes_is_named_and_read_again,
);

const fn settings(el_behaviour: ElBehaviour) -> Settings {
    Settings {
        el_behaviour,
        finalized_lag: 6,
        ..Settings::on_command()
    }
}

const fn lasting(kind: ElFaultKind) -> ElFault {
    ElFault::until_cleared(kind)
}

/// A chain of so many safe blocks, of which the spare execution layer has none.
async fn long_chain(el_behaviour: ElBehaviour, safe: u64) -> Chain {
    let chain = Chain::start(settings(el_behaviour)).await;
    chain.build_up_to(safe).await;
    chain
        .step_until(|status| status.safe_l2.number >= safe)
        .await;
    chain
}

async fn until_el_has(chain: &Chain, number: u64) {
    let mut views = chain.spare_el().subscribe();
    let is_there = views.wait_for(|view| view.head().number() >= number);
    let is_there = tokio::time::timeout(LIMIT, is_there).await;
    assert!(
        is_there.is_ok(),
        "the execution layer has no block {number}"
    );
}

async fn one_that_is_killed_while_it_builds_is_led_on(behaviour: ElBehaviour) {
    let it = Derived::begin(long_chain(behaviour, 90).await, |_, flags| flags);
    // A restart that no call has noticed makes derivation begin at the finalized block again.
    it.expect_reorg();
    for number in [10, 30, 60] {
        until_el_has(&it.chain, number).await;
        it.chain.spare_el().kill();
        it.chain.spare_el().restart(None);
    }
    it.in_step().await;
    // And once when all is derived, for long enough that it is named.
    it.chain.spare_el().kill();
    it.chain_goes_far().await;
    it.until_unready("el_unreachable").await;
    it.chain.spare_el().restart(None);
    it.in_step().await;
    it.goes_on().await;
    it.finish().await;
}

async fn one_that_is_wiped_is_led_on(behaviour: ElBehaviour) {
    let it = Derived::begin(long_chain(behaviour, 40).await, |_, flags| flags);
    until_el_has(&it.chain, 20).await;
    it.chain.spare_el().wipe().unwrap();
    it.in_step().await;
    it.chain.spare_el().wipe().unwrap();
    it.chain_goes_far().await;
    it.in_step().await;
    it.goes_on().await;
    it.finish().await;
}

async fn one_that_does_not_answer_is_named_and_waited_for(behaviour: ElBehaviour) {
    let it = Derived::begin(long_chain(behaviour, 6).await, |_, flags| flags);
    for kind in [ElFaultKind::Refuse, ElFaultKind::Http503, ElFaultKind::Html] {
        is_waited_for(&it, kind, "el_unreachable").await;
    }
    it.finish().await;
}

async fn one_that_syncs_is_waited_for(behaviour: ElBehaviour) {
    let it = Derived::begin(long_chain(behaviour, 6).await, |_, flags| flags);
    is_waited_for(&it, ElFaultKind::Syncing, "deriving").await;
    it.finish().await;
}

async fn is_waited_for(it: &Derived, kind: ElFaultKind, reason: &str) {
    let before = it.in_step().await;
    let mut calm = Calm::watch(it.chain.spare_el().faults_met());
    it.chain.spare_el().set_fault(lasting(kind));
    it.chain_goes_far().await;
    it.until_unready(reason).await;
    it.heads_hold(&before).await;
    let met = calm.count();
    calm.until_met(met + 2).await;
    calm.assert_calm();
    it.chain.spare_el().clear_fault();
    it.in_step().await;
    it.goes_on().await;
}

/// Lets the sequencer put a transfer into its next block, the `nonce`th of its sender.
async fn transfer(chain: &Chain, nonce: u64) {
    let rpc = Rpc::url(&chain.endpoints().sequencer.http);
    let id = rpc.call("eth_chainId", json!([])).await.unwrap();
    let id: U256 = serde_json::from_value(id).unwrap();
    let transfer = DEV_ACCOUNTS[0].sign(TxEip1559 {
        chain_id: id.to(),
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        to: TxKind::Call(DEV_ACCOUNTS[1].address),
        value: U256::from(1),
        ..TxEip1559::default()
    });
    rpc.call("eth_sendRawTransaction", json!([transfer]))
        .await
        .unwrap();
}

/// How many transactions a block of the spare execution layer has, deposits and others.
fn transactions(chain: &Chain, number: u64) -> (usize, usize) {
    let view = chain.spare_el().view();
    let block = view.block_by_number(number).unwrap();
    let all = &block.block.body.transactions;
    let deposits = all.iter().filter(|it| it.is_deposit()).count();
    (deposits, all.len() - deposits)
}

/// A block that the execution layer refuses stands without its transactions, as every node has it that meets such a block; and
/// what stood on it in its span is not derived.
async fn becomes_a_block_of_deposits(behaviour: ElBehaviour, kind: ElFaultKind) {
    let chain = Chain::start(settings(behaviour)).await;
    chain.step_until(|status| status.safe_l2.number >= 4).await;
    let theirs = chain.settle().await;
    chain.batcher().pause();
    let refused = theirs.unsafe_l2.number + 1;
    for nonce in 0..4 {
        transfer(&chain, nonce).await;
        chain.build_up_to(refused + nonce).await;
    }
    let it = Derived::begin(chain, |_, flags| flags);
    it.in_step().await;
    it.chain.spare_el().set_fault(lasting(kind).times(1));
    it.chain.batcher().resume();
    it.chain
        .step_until(|status| status.safe_l2.number >= refused + 3)
        .await;
    let head = it.chain.l1().heads().latest.number;
    let ours = until("all that L1 has", LIMIT, || async {
        let ours = it.status().await;
        if ours.current_l1.number >= head {
            Ok(ours)
        } else {
            Err(it.page().await)
        }
    })
    .await;
    let page = it.page().await;
    assert_eq!(page["deposits_only_blocks"], json!(1), "{page:#}");
    assert_eq!(ours.safe_l2.number, refused, "{page:#}");
    assert_eq!(transactions(&it.chain, refused), (1, 0));
    let before = it.chain.hash_on_sequencer_el(refused - 1);
    assert_eq!(Some(ours.safe_l2.parent_hash), before);
    let printed = it.node.printed();
    let words = "a derived block was refused and stands without its transactions";
    assert!(printed.iter().any(|line| line.contains(words)));
    it.finish().await;
}

async fn attributes_that_are_refused_become_a_block_of_deposits(behaviour: ElBehaviour) {
    becomes_a_block_of_deposits(behaviour, ElFaultKind::InvalidAttributes).await;
}

async fn a_derived_block_that_is_invalid_becomes_a_block_of_deposits(behaviour: ElBehaviour) {
    becomes_a_block_of_deposits(behaviour, ElFaultKind::PayloadInvalid).await;
}

async fn a_secret_that_changes_is_named_and_read_again(behaviour: ElBehaviour) {
    let mut secret = None;
    let it = Derived::start(settings(behaviour), |chain, flags| {
        secret.insert(ChangingSecret::of(chain)).flags(flags)
    })
    .await;
    let before: SyncStatus = it.in_step().await;
    let mut secret = secret.unwrap();
    let other = secret.change(&it.chain);
    it.chain_goes_far().await;
    let detail = it.until_unready("el_unreachable").await;
    assert!(detail.to_lowercase().contains("jwt"), "{detail}");
    it.heads_hold(&before).await;

    other.tell_the_node();
    it.in_step().await;
    it.goes_on().await;
    it.finish().await;
    other.stop().await;
}
