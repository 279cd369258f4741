use super::*;
use crate::{
    ElFaultKind, ExecutedBlock, InProcessEngine,
    testing::{TestChain, data, forkchoice, transfer},
};
use alloy_eips::BlockId;
use alloy_rpc_types_engine::ForkchoiceState;
use light_node_devnet_fault::Fault;
use light_node_engine_api::{ElDeadlines, ElError, ElReader, EngineApi};
use light_node_protocol::Hardfork;
use std::{sync::Arc, time::Duration};

const FORK: Hardfork = Hardfork::Isthmus;

/// Blocks 1 to 5, of which 2 is finalized and 4 safe, and a sibling of block 5.
fn labelled(behaviour: ElBehaviour) -> (TestChain, Vec<Arc<ExecutedBlock>>, Arc<ExecutedBlock>) {
    let chain = TestChain::with_behaviour(FORK, behaviour);
    let mut blocks: Vec<_> = (0..4).map(|_| chain.extend()).collect();
    let side = chain.block_on(&blocks[3], 0x51);
    chain.insert(&side);
    blocks.push(chain.extend());
    let state = ForkchoiceState {
        head_block_hash: blocks[4].hash,
        safe_block_hash: blocks[3].hash,
        finalized_block_hash: blocks[1].hash,
    };
    chain.el.fork_choice_updated(state, None).unwrap();
    (chain, blocks, side)
}

fn labels(chain: &TestChain) -> [Option<u64>; 2] {
    let view = chain.el.view();
    [view.safe(), view.finalized()].map(|block| block.map(|block| block.number()))
}

fn door(chain: &TestChain) -> InProcessEngine {
    InProcessEngine::new(chain.el.clone(), Arc::new(chain.config.clone()))
}

#[test]
fn op_reth_loses_what_was_in_memory_alone_and_keeps_its_labels() {
    let (chain, blocks, side) = labelled(ElBehaviour::OpReth);
    assert_eq!(chain.el.restart(None), blocks[2].hash);
    let view = chain.el.view();
    assert_eq!(view.head().hash, blocks[2].hash);
    for lost in [&blocks[3], &blocks[4], &side] {
        assert!(view.block_by_hash(&lost.hash).is_none());
        assert!(view.block_by_number(lost.number()).is_none());
    }
    // The safe block is among the lost ones.
    assert_eq!(labels(&chain), [None, Some(2)]);
    // The chain goes on from there, with the same blocks.
    for block in &blocks[3..] {
        chain.insert(block);
        assert!(chain.choose(block.hash).is_valid());
    }
    assert_eq!(chain.head().hash, blocks[4].hash);
}

#[test]
fn op_geth_keeps_its_blocks_and_comes_back_with_safe_at_finalized() {
    for behaviour in [ElBehaviour::OpGeth, ElBehaviour::OpGethOld] {
        let (chain, blocks, side) = labelled(behaviour);
        assert_eq!(chain.el.restart(None), blocks[4].hash);
        assert_eq!(labels(&chain), [Some(2), Some(2)]);
        assert!(chain.el.view().block_by_hash(&side.hash).is_some());
        assert_eq!(chain.el.restart(Some(1)), blocks[3].hash);
        assert!(chain.el.view().block_by_hash(&side.hash).is_none());
    }
}

#[test]
fn a_restart_never_loses_genesis_and_forgets_pool_builds_and_target() {
    let (chain, blocks, _) = labelled(ElBehaviour::OpReth);
    chain.submit(&transfer(0, 0));
    let head = chain.head();
    let started = chain
        .el
        .fork_choice_updated(forkchoice(head.hash), Some(chain.attributes_on(&head)));
    let id = started.unwrap().payload_id.unwrap();
    let unknown = B256::repeat_byte(0xee);
    assert!(chain.choose(unknown).is_syncing());
    chain.el.restart(Some(100));
    assert_eq!(chain.head().number(), 0);
    assert!(chain.el.pool().is_empty());
    assert!(chain.el.sync_target().is_none());
    assert!(chain.el.get_payload(id).is_err());
    assert_eq!(labels(&chain), [None, None]);
    chain.insert(&blocks[0]);
}

#[test]
fn a_wiped_execution_layer_is_at_genesis_and_takes_the_chain_again() {
    let (chain, blocks, _) = labelled(ElBehaviour::OpReth);
    chain.el.wipe().unwrap();
    assert_eq!(chain.head().hash, chain.el.view().genesis().hash);
    assert!(chain.el.view().block_by_hash(&blocks[0].hash).is_none());
    chain.insert(&blocks[0]);
    assert!(chain.choose(blocks[0].hash).is_valid());
}

#[test]
fn another_chain_has_another_genesis_and_goes_again() {
    let (chain, blocks, _) = labelled(ElBehaviour::OpReth);
    let own = chain.el.view().genesis().hash;
    let foreign = chain.el.swap_chain(None).unwrap();
    assert_ne!(foreign, own);
    assert_eq!(chain.el.view().spec().chain_id(), 901);
    chain.el.swap_chain(Some(902)).unwrap();
    assert_eq!(chain.el.view().spec().chain_id(), 902);
    assert!(chain.el.new_payload(data(&blocks[0])).is_syncing());
    chain.el.return_to_own_chain();
    assert_eq!(chain.head().hash, blocks[4].hash);
    assert_eq!(labels(&chain), [Some(4), Some(2)]);
}

#[test]
fn no_command_takes_blocks_from_the_only_copy() {
    let chain = TestChain::new(FORK);
    let config = crate::ElConfig {
        is_only_copy: true,
        ..chain.el.config.clone()
    };
    let el = EmbeddedEl::new(config).unwrap();
    assert!(matches!(el.wipe(), Err(ControlError::OnlyCopy)));
    assert!(matches!(el.swap_chain(None), Err(ControlError::OnlyCopy)));
    assert!(el.is_alive());
    assert_eq!(el.restart(Some(9)), el.view().head().hash);
}

#[tokio::test(start_paused = true)]
async fn calls_without_a_wire_fail_while_it_is_dead_and_hang_when_told_to() {
    let (chain, blocks, _) = labelled(ElBehaviour::OpReth);
    let door = door(&chain);
    chain.el.kill();
    assert!(!chain.el.is_alive());
    let dead = door.chain_id().await;
    assert!(matches!(dead, Err(ElError::Transport { .. })), "{dead:?}");
    chain.el.restart(Some(0));
    assert_eq!(door.chain_id().await, Ok(901));

    chain
        .el
        .set_fault(Fault::until_cleared(ElFaultKind::Hang).times(1));
    let started = tokio::time::Instant::now();
    let hung = door
        .fork_choice_updated(forkchoice(blocks[4].hash), None)
        .await;
    assert!(matches!(hung, Err(ElError::Timeout { .. })), "{hung:?}");
    assert_eq!(started.elapsed(), ElDeadlines::FORKCHOICE);
    assert_eq!(door.chain_id().await, Ok(901));

    let slow = Fault::until_cleared(ElFaultKind::Slow).by(1_500).times(1);
    chain.el.set_fault(slow);
    let started = tokio::time::Instant::now();
    assert_eq!(door.chain_id().await, Ok(901));
    assert_eq!(started.elapsed(), Duration::from_millis(1_500));
    assert_eq!(*chain.el.faults_met().borrow(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_with_the_process() {
    let (chain, _, _) = labelled(ElBehaviour::OpReth);
    let door = door(&chain);
    chain.el.set_fault(Fault::until_cleared(ElFaultKind::Hang));
    let mut met = chain.el.faults_met();
    let kill = async {
        met.changed().await.unwrap();
        chain.el.kill();
    };
    let (hung, ()) = tokio::join!(door.syncing(), kill);
    assert!(matches!(hung, Err(ElError::Transport { .. })), "{hung:?}");
}

#[tokio::test]
async fn prescribed_answers_change_nothing() {
    let (chain, blocks, side) = labelled(ElBehaviour::OpReth);
    let status = |kind| {
        chain.el.set_fault(Fault::until_cleared(kind));
        let payload = chain.el.new_payload(data(&blocks[0])).status.to_string();
        let state = forkchoice(side.hash);
        let forkchoice = chain.el.fork_choice_updated(state, None);
        let forkchoice = forkchoice.map(|updated| updated.payload_status.status.to_string());
        (payload, forkchoice.map_err(|error| error.code()))
    };
    let ok = |text: &str| Ok(text.to_owned());
    for (kind, payload, forkchoice) in [
        (ElFaultKind::Syncing, "SYNCING", ok("SYNCING")),
        (ElFaultKind::ForkchoiceSyncing, "VALID", ok("SYNCING")),
        (ElFaultKind::Invalid, "INVALID", ok("INVALID")),
        (ElFaultKind::ForkchoiceInvalid, "VALID", ok("INVALID")),
        (ElFaultKind::InvalidForkchoice, "VALID", Err(-38002)),
        (ElFaultKind::ForkchoiceStuck, "VALID", ok("VALID")),
    ] {
        let (actual, answered) = status(kind);
        assert!(actual.starts_with(payload), "{kind:?}: {actual}");
        match (answered, forkchoice) {
            (Ok(actual), Ok(expected)) => assert!(actual.starts_with(&expected), "{kind:?}"),
            (actual, expected) => assert_eq!(actual, expected, "{kind:?}"),
        }
        assert_eq!(chain.head().hash, blocks[4].hash);
    }
    let state = forkchoice(blocks[4].hash);
    let fault = Fault::until_cleared(ElFaultKind::InvalidAttributes).times(1);
    chain.el.set_fault(fault);
    assert!(chain.el.fork_choice_updated(state, None).is_ok());
    let attributes = || Some(chain.attributes_on(&chain.head()));
    let refused = chain.el.fork_choice_updated(state, attributes());
    assert_eq!(refused.unwrap_err().code(), -38003);
    assert!(chain.el.fork_choice_updated(state, attributes()).is_ok());
    chain
        .el
        .set_fault(Fault::until_cleared(ElFaultKind::PayloadSyncing));
    assert!(chain.el.new_payload(data(&blocks[0])).is_syncing());
    assert!(
        chain
            .el
            .fork_choice_updated(state, None)
            .unwrap()
            .is_valid()
    );

    let door = door(&chain);
    let latest = [BlockId::latest()];
    for (kind, expected) in [
        (ElFaultKind::NullBlock, None),
        (ElFaultKind::WrongBlock, Some(4)),
    ] {
        chain.el.set_fault(Fault::until_cleared(kind));
        let found = door.blocks(&latest).await.unwrap()[0];
        assert_eq!(found.map(|block| block.block_ref.number), expected);
    }
    chain.el.clear_fault();
    let found = door.blocks(&latest).await.unwrap()[0];
    assert_eq!(found.unwrap().block_ref.number, 5);
}
