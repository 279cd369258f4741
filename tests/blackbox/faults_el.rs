//! The execution layer fails while the node follows, beside op-reth's ways and op-geth's: the node says what is wrong, its heads
//! hold, and it leads the execution layer back without help.

use crate::helpers::{
    beside_both,
    chain::Settings,
    followed::{Followed, LIMIT, in_step},
    secret::ChangingSecret,
    wait::until,
};
use light_node_devnet::ElBehaviour;
use light_node_devnet_el::{ElFault, ElFaultKind};
use light_node_protocol::SyncStatus;
use serde_json::{Value, json};

beside_both!(
    a_killed_and_restarted_one_is_led_back,
    one_that_was_away_for_a_hundred_blocks_is_led_back,
    a_wiped_one_is_led_back,
    one_that_does_not_answer_is_waited_for,
    one_that_is_slow_is_followed,
    one_that_syncs_for_long_is_waited_for,
    one_that_calls_every_block_invalid_is_asked_again,
    one_that_refuses_every_forkchoice_is_asked_again,
    one_that_moves_and_then_refuses_is_believed_where_it_stands,
    one_whose_head_does_not_move_is_asked_again,
    one_that_finds_no_blocks_is_asked_again,
    one_that_finds_the_wrong_blocks_is_not_believed,
    one_of_another_chain_at_the_same_url_is_named_and_not_driven,
    one_of_the_same_chain_id_and_another_genesis_is_named,
    a_secret_that_changes_is_named_and_read_again,
    one_without_a_peer_gets_to_a_far_target_once_it_has_one,
    one_that_is_killed_in_the_middle_of_an_l1_reorg_reaches_the_new_branch,
);

/// Sets a fault, lets the source go on, and asserts that the node's heads do not follow it and that it says why.
async fn fails(it: &Followed, kind: ElFaultKind, reason: &str) {
    let before = it.status().await;
    it.chain.spare_el().set_fault(ElFault::until_cleared(kind));
    it.source_goes_on().await;
    it.until_unready(reason).await;
    heads_hold(it, &before).await;
}

/// L1 is seen without the execution layer; all else stands.
async fn heads_hold(it: &Followed, before: &SyncStatus) {
    let now = it.status().await;
    assert_eq!(now.unsafe_l2, before.unsafe_l2);
    assert_eq!(now.safe_l2, before.safe_l2);
    assert_eq!(now.local_safe_l2, before.local_safe_l2);
    assert_eq!(now.finalized_l2, before.finalized_l2);
    assert_eq!(now.current_l1, before.current_l1);
}

/// The fault is over.
async fn heals(it: Followed) {
    it.chain.spare_el().clear_fault();
    it.follows_again().await;
    it.finish().await;
}

async fn a_killed_and_restarted_one_is_led_back(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    it.chain.spare_el().kill();
    it.source_goes_on().await;
    it.until_unready("el_unreachable").await;
    heads_hold(&it, &before).await;
    it.chain.spare_el().restart(None);
    let left = it.chain.spare_el().view().head().number();
    let lost = behaviour.blocks_lost_at_kill();
    assert_eq!(left, before.unsafe_l2.number - lost);
    it.in_step().await;
    it.follows_again().await;
    it.finish().await;
}

/// Farther than op-reth goes where it knows the finalized block of the forkchoice.
async fn one_that_was_away_for_a_hundred_blocks_is_led_back(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    it.chain.spare_el().kill();
    let last = it.chain.source().status().unsafe_l2.number + 100;
    it.chain.build_up_to(last).await;
    it.chain
        .step_until(|status| status.safe_l2.number >= last)
        .await;
    it.until_unready("el_unreachable").await;
    it.chain.spare_el().restart(None);
    it.in_step().await;
    it.follows_again().await;
    it.finish().await;
}

async fn a_wiped_one_is_led_back(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    it.chain.spare_el().wipe().unwrap();
    it.in_step().await;
    it.follows_again().await;
    it.finish().await;
}

async fn one_that_does_not_answer_is_waited_for(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    for kind in [ElFaultKind::Refuse, ElFaultKind::Http503, ElFaultKind::Html] {
        let before = it.status().await;
        it.chain.spare_el().set_fault(ElFault::until_cleared(kind));
        it.source_goes_on().await;
        until_failing(&it).await;
        heads_hold(&it, &before).await;
        it.chain.spare_el().clear_fault();
        it.in_step().await;
    }
    // The last one lasts until it makes the node unready.
    fails(&it, ElFaultKind::Hang, "el_unreachable").await;
    heals(it).await;
}

async fn one_that_is_slow_is_followed(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let skipped = it.polls("skipped").await;
    let slow = ElFault::until_cleared(ElFaultKind::Slow).by(200);
    it.chain.spare_el().set_fault(slow);
    for _ in 0..2 {
        it.source_goes_on().await;
        it.in_step().await;
    }
    assert_eq!(it.polls("skipped").await, skipped);
    heals(it).await;
}

async fn one_that_syncs_for_long_is_waited_for(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    fails(&it, ElFaultKind::Syncing, "el_syncing").await;
    let (_, page) = it.rpc().page("/status").await;
    assert_eq!(page["execution_layer"]["state"], "syncing", "{page:#}");
    assert!(page["execution_layer"]["target"].is_object(), "{page:#}");
    heals(it).await;
}

async fn one_that_calls_every_block_invalid_is_asked_again(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    fails(&it, ElFaultKind::Invalid, "refused").await;
    heals(it).await;
}

async fn one_that_refuses_every_forkchoice_is_asked_again(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    fails(&it, ElFaultKind::InvalidForkchoice, "el_declined").await;
    heals(it).await;
}

async fn one_that_moves_and_then_refuses_is_believed_where_it_stands(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let mut met = it.chain.spare_el().faults_met();
    let met_before = *met.borrow_and_update();
    let fault = ElFault::until_cleared(ElFaultKind::AppliedInvalidForkchoice);
    it.chain.spare_el().set_fault(fault);
    it.source_goes_on().await;
    let forkchoices = met.wait_for(|met| *met >= met_before + 2);
    tokio::time::timeout(LIMIT, forkchoices)
        .await
        .expect("a forkchoice is tried again")
        .unwrap();
    heals(it).await;
}

async fn one_whose_head_does_not_move_is_asked_again(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    // Named `el_no_progress` when it has lasted for a minute.
    fails(&it, ElFaultKind::ForkchoiceStuck, "el_syncing").await;
    heals(it).await;
}

async fn one_that_finds_no_blocks_is_asked_again(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    let fault = ElFault::until_cleared(ElFaultKind::NullBlock);
    it.chain.spare_el().set_fault(fault);
    it.source_goes_on().await;
    until("a named trouble", LIMIT, || async {
        let (code, page) = it.rpc().page("/readyz").await;
        if code == 503 { Ok(()) } else { Err(page) }
    })
    .await;
    heads_hold(&it, &before).await;
    heals(it).await;
}

async fn one_that_finds_the_wrong_blocks_is_not_believed(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let mut met = it.chain.spare_el().faults_met();
    let met_before = *met.borrow_and_update();
    let fault = ElFault::until_cleared(ElFaultKind::WrongBlock);
    it.chain.spare_el().set_fault(fault);
    it.source_goes_on().await;
    let reads = met.wait_for(|met| *met >= met_before + 3);
    tokio::time::timeout(LIMIT, reads)
        .await
        .expect("reads go on")
        .unwrap();
    heals(it).await;
}

async fn one_of_another_chain_at_the_same_url_is_named_and_not_driven(behaviour: ElBehaviour) {
    is_another(behaviour, Some(999)).await;
}

async fn one_of_the_same_chain_id_and_another_genesis_is_named(behaviour: ElBehaviour) {
    is_another(behaviour, None).await;
}

async fn is_another(behaviour: ElBehaviour, chain_id: Option<u64>) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    let genesis = it.chain.spare_el().swap_chain(chain_id).unwrap();
    it.source_goes_on().await;
    let detail = it.until_unready("el_wrong_chain").await;
    // Whichever of the two was found first; without another chain id it is the genesis block.
    let by_id = chain_id.is_some_and(|id| detail.contains(&format!("runs chain {id},")));
    assert!(
        by_id || detail.contains(&genesis.to_string()),
        "{genesis}: {detail}"
    );
    heads_hold(&it, &before).await;
    let view = it.chain.spare_el().view();
    assert_eq!(view.head().hash, genesis, "a foreign chain is left alone");
    it.chain.spare_el().return_to_own_chain();
    it.follows_again().await;
    it.finish().await;
}

async fn a_secret_that_changes_is_named_and_read_again(behaviour: ElBehaviour) {
    let mut secret = None;
    let it = Followed::start_with(behaviour, |chain, flags| {
        secret.insert(ChangingSecret::of(chain)).flags(flags)
    })
    .await;
    let before = it.status().await;
    let mut secret = secret.unwrap();
    let other = secret.change(&it.chain);
    it.source_goes_on().await;
    let detail = it.until_unready("el_unreachable").await;
    assert!(detail.to_lowercase().contains("jwt"), "{detail}");
    heads_hold(&it, &before).await;

    other.tell_the_node();
    it.follows_again().await;
    it.finish().await;
    other.stop().await;
}

async fn one_without_a_peer_gets_to_a_far_target_once_it_has_one(behaviour: ElBehaviour) {
    let it = Followed::start(behaviour).await;
    let before = it.status().await;
    let el = it.chain.spare_el();
    el.set_peer_connected(false);
    let last = before.safe_l2.number + 40;
    it.chain.build_up_to(last).await;
    it.chain
        .step_until(|status| status.safe_l2.number >= last)
        .await;
    it.until_unready("el_syncing").await;
    heads_hold(&it, &before).await;
    // Restarted meanwhile it has forgotten its target, and nobody but the node can tell it again.
    el.restart(Some(0));
    el.set_peer_connected(true);
    it.follows_again().await;
    it.finish().await;
}

async fn one_that_is_killed_in_the_middle_of_an_l1_reorg_reaches_the_new_branch(
    behaviour: ElBehaviour,
) {
    let settings = Settings {
        el_behaviour: behaviour,
        finalized_lag: 12,
        ..Settings::on_command()
    };
    let it = Followed::start_on(settings, |_, flags| flags).await;
    // The node has gone back, or does not know yet.
    for is_seen_going_back in [true, false] {
        it.expect_reorg();
        let old = it.chain.source().status();
        let above_origin = it.chain.l1().heads().latest.number - old.safe_l2.l1_origin.number;
        it.chain.l1().reorg(above_origin + 2, None, false).unwrap();
        let back = it.chain.source_at_l1_head().await;
        assert!(back.safe_l2.number < old.safe_l2.number, "{back:#?}");
        if is_seen_going_back {
            in_step(&it.rpc(), &back).await;
        }
        it.chain.spare_el().kill();
        it.source_goes_on().await;
        until_failing(&it).await;
        it.chain.spare_el().restart(None);
        it.follows_again().await;
    }
    it.finish().await;
}

/// Waits until the node has noticed that the execution layer is away.
async fn until_failing(it: &Followed) {
    until("an execution layer that fails", LIMIT, || async {
        let (_, page): (u16, Value) = it.rpc().page("/status").await;
        let el = &page["execution_layer"];
        if el["answering"] == json!(false) {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
}
