//! Origins, deposits, config changes and reorgs, on a real execution layer and an L1 that moves by command.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    accounts::{DEV_ACCOUNTS, SYSTEM_CONFIG_OWNER},
    testing::{FORKS, GENESIS_TIME, Rig, config, l1_call, l1_transaction},
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Bytes, U256};
use light_node_devnet_l1::contracts::{
    abi::ISystemConfig::{setEIP1559ParamsCall, setGasLimitCall, setMinBaseFeeCall},
    deposit_calldata,
};
use light_node_protocol::Hardfork;

#[tokio::test]
async fn blocks_stand_on_the_latest_origin_that_is_not_later_than_they_are() {
    for fork in FORKS {
        let mut rig = Rig::new(fork).await;
        let first = rig.sequencer.build_next().await.unwrap();
        assert_eq!((first.number, first.timestamp), (1, GENESIS_TIME + 2));
        assert_eq!((first.l1_origin.number, first.sequence_number), (0, 1));
        // L1 blocks at 3 and 6 seconds, L2 blocks at 4, 6 and 8.
        rig.l1.mine(2).unwrap();
        let mut origins = Vec::new();
        for _ in 0..3 {
            let block = rig.sequencer.build_next().await.unwrap();
            origins.push((block.l1_origin.number, block.sequence_number));
        }
        assert_eq!(origins, [(1, 0), (2, 0), (2, 1)]);
        assert_eq!(rig.l2.view().head().number(), 4);
    }
}

#[tokio::test]
async fn a_deposit_on_l1_is_in_the_first_block_of_its_epoch() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    let (sender, recipient) = (&DEV_ACCOUNTS[0], DEV_ACCOUNTS[1].address);
    let amount = U256::from(5);
    let call = deposit_calldata(recipient, amount, 100_000, Bytes::new());
    let portal = rig.l2.config().deposit_contract_address;
    rig.l1
        .submit(&sender.sign(l1_transaction(0, portal, amount, call)))
        .unwrap();
    let before = rig.l2.view().head_state().balance(&recipient);
    rig.l1.mine(1).unwrap();
    let transactions = |rig: &Rig| rig.l2.view().head().block.body.transactions.len();
    rig.sequencer.build_next().await.unwrap();
    assert_eq!(transactions(&rig), 1);
    rig.sequencer.build_next().await.unwrap();
    assert_eq!(transactions(&rig), 2);
    assert_eq!(
        rig.l2.view().head_state().balance(&recipient),
        before + amount
    );
    rig.sequencer.build_next().await.unwrap();
    assert_eq!(transactions(&rig), 1);
}

#[tokio::test]
async fn config_changes_hold_from_the_epoch_of_their_block_on() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    let to = rig.l2.config().l1_system_config_address;
    let owner = &SYSTEM_CONFIG_OWNER;
    let params = setEIP1559ParamsCall {
        denominator: 100,
        elasticity: 4,
    };
    for call in [
        l1_call(
            owner,
            0,
            to,
            &setGasLimitCall {
                gasLimit: 40_000_000,
            },
        ),
        l1_call(owner, 1, to, &params),
        l1_call(owner, 2, to, &setMinBaseFeeCall { minBaseFee: 7 }),
    ] {
        rig.l1.submit(&call).unwrap();
    }
    rig.l1.mine(1).unwrap();
    rig.sequencer.build_next().await.unwrap();
    let header = rig.l2.view().head().header().clone();
    assert_eq!(header.gas_limit, 60_000_000);
    rig.sequencer.build_next().await.unwrap();
    let header = rig.l2.view().head().header().clone();
    assert_eq!(header.gas_limit, 40_000_000);
    assert_eq!(
        header.extra_data[..],
        [&[1, 0, 0, 0, 100, 0, 0, 0, 4][..], &7_u64.to_be_bytes()].concat()
    );
}

#[tokio::test]
async fn after_an_l1_reorg_the_chain_goes_on_from_the_last_block_with_a_canonical_origin() {
    for (fork, depth) in FORKS.into_iter().zip([1, 3, 10]) {
        let mut rig = Rig::new(fork).await;
        rig.advance(12).await;
        let old_head = rig.sequencer.head;
        let reorg = rig.l1.reorg(depth, None, false).unwrap();
        let new_head = rig.sequencer.build_next().await.unwrap();
        let parent = rig
            .l2
            .view()
            .block_by_hash(&new_head.parent_hash)
            .cloned()
            .unwrap();
        let parent = rig.l2.reference(&parent).unwrap();
        assert!(parent.number < old_head.number);
        assert!(parent.l1_origin.number <= reorg.common_ancestor.number);
        assert_eq!(new_head.l1_origin.number, reorg.common_ancestor.number + 1);
        assert_eq!(rig.l2.view().head().hash, new_head.hash);
        rig.advance(1).await;
        rig.assert_coherent();
        assert!(rig.sequencer.head.number >= old_head.number);
    }
}

#[tokio::test]
async fn beyond_the_drift_there_is_no_block_before_the_l1_moves() {
    let minute = std::time::Duration::from_secs(60);
    let mut rig = Rig::with(crate::DevnetConfig {
        block_time: minute,
        ..config(Hardfork::Ecotone)
    })
    .await;
    for number in 1..=10 {
        assert_eq!(rig.sequencer.build_next().await.unwrap().number, number);
    }
    let error = rig.sequencer.build_next().await.unwrap_err();
    assert!(matches!(error, SequencerError::NoOrigin { .. }), "{error}");
    rig.l1.mine(1).unwrap();
    let block = rig.sequencer.build_next().await.unwrap();
    assert_eq!((block.l1_origin.number, block.sequence_number), (1, 0));
    // The block at 660 s is more than 600 s ahead of its origin at 3 s: deposits only.
    let transaction = DEV_ACCOUNTS[0].sign(TxEip1559 {
        chain_id: rig.l2.config().l2_chain_id,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        to: alloy_primitives::TxKind::Call(DEV_ACCOUNTS[1].address),
        ..TxEip1559::default()
    });
    rig.l2.el().submit_transaction(&transaction).unwrap();
    rig.l1.mine(1).unwrap();
    rig.sequencer.build_next().await.unwrap();
    assert_eq!(rig.l2.view().head().block.body.transactions.len(), 1);
}

#[tokio::test]
async fn commands_build_blocks_while_the_clock_is_off() {
    let rig = Rig::new(Hardfork::Jovian).await;
    let engine = rig.sequencer.engine.clone();
    let (config, status) = (rig.l2.config().clone(), rig.source.subscribe());
    let (sequencer, handle) = Sequencer::new(config, engine, rig.l1.clone(), status, false);
    let token = CancellationToken::new();
    let running = tokio::spawn(sequencer.run(token.clone()));
    assert_eq!(handle.build().await.unwrap().number, 1);
    assert_eq!(handle.build().await.unwrap().number, 2);
    token.cancel();
    running.await.unwrap().unwrap();
    assert!(matches!(handle.build().await, Err(SequencerError::Ended)));
}
