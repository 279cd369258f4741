//! What the source says while batches go out, are mined, vanish in reorgs and come back. The batcher is tested with it:
//! one is nothing without the other.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    DevnetConfig,
    accounts::{BATCHER, DEV_ACCOUNTS, SYSTEM_CONFIG_OWNER},
    batcher::{BatchKind, BatcherError, DataAvailability},
    testing::{self, FORKS, Rig, config, l1_call},
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, keccak256};
use light_node_devnet_l1::contracts::abi::ISystemConfig::setBatcherHashCall;
use light_node_protocol::Hardfork;

#[tokio::test]
async fn before_anything_happens_every_l2_head_is_genesis() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    rig.source.update();
    let status = rig.status();
    let genesis = genesis_ref(rig.l2.config());
    for head in [status.unsafe_l2, status.safe_l2, status.finalized_l2] {
        assert_eq!(head, genesis);
    }
    assert_eq!(status.current_l1, status.head_l1);
    assert_eq!(status.head_l1.id(), rig.l2.config().genesis.l1);
    assert!(status.safe_l1.is_zero() && status.finalized_l1.is_zero());
}

#[tokio::test]
async fn safe_follows_unsafe_by_way_of_l1_and_finality_follows_safe() {
    for fork in FORKS {
        let mut rig = Rig::new(fork).await;
        rig.advance(5).await;
        rig.assert_coherent();
        let status = rig.status();
        assert!(status.safe_l2.number > 0);
        assert!(status.safe_l2.number < status.unsafe_l2.number);
        rig.settle();
        let status = rig.status();
        assert_eq!(status.safe_l2, status.unsafe_l2);
        assert_eq!(status.unsafe_l2.hash, rig.l2.view().head().hash);
        assert_eq!(status.finalized_l2.number, 0);

        rig.advance(20).await;
        rig.assert_coherent();
        let status = rig.status();
        assert!(status.finalized_l2.number > 0);
        assert_eq!(
            Some(status.finalized_l2),
            rig.source.record.safe_at(status.finalized_l1.number)
        );
    }
}

#[tokio::test]
async fn safe_goes_back_with_an_l1_reorg_and_recovers() {
    for depth in [1, 3, 10] {
        for drop_transactions in [false, true] {
            let mut rig = Rig::new(Hardfork::Jovian).await;
            rig.advance(15).await;
            let before = rig.status();
            // The shortened branch shows what the reorg takes; its blocks come one by one afterwards.
            rig.l1.reorg(depth, Some(0), drop_transactions).unwrap();
            rig.source.update();
            rig.assert_coherent();
            let after = rig.status();
            assert_eq!(after.current_l1.number, before.current_l1.number - depth);
            assert!(
                after.safe_l2.number < before.safe_l2.number,
                "depth {depth}"
            );
            assert!(after.unsafe_l2.number <= before.unsafe_l2.number);
            assert_eq!(after.finalized_l2, before.finalized_l2);
            for _ in 0..depth + 2 {
                rig.advance(1).await;
                rig.assert_coherent();
            }
            rig.settle();
            rig.assert_coherent();
            let recovered = rig.status();
            assert!(
                recovered.safe_l2.number > before.unsafe_l2.number,
                "depth {depth}"
            );
            assert_eq!(recovered.safe_l2, recovered.unsafe_l2);
        }
    }
}

#[tokio::test]
async fn a_reorg_in_one_step_is_coherent_too() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    rig.advance(8).await;
    for depth in [3, 1, 5] {
        rig.l1.reorg(depth, None, false).unwrap();
        rig.source.update();
        rig.assert_coherent();
        rig.batcher.submit(&rig.status()).unwrap();
        rig.advance(2).await;
        rig.assert_coherent();
    }
    rig.advance(1).await;
    rig.settle();
    assert_eq!(rig.status().safe_l2, rig.status().unsafe_l2);
}

/// Sends the L2 blocks of three L1 blocks as one channel, which is mined with the fourth. Returns the number of blocks.
async fn send_together(rig: &mut Rig) -> u64 {
    for _ in 0..3 {
        rig.grow().await;
    }
    let sent = rig.batcher.submit(&rig.status()).unwrap() as u64;
    rig.l1.mine(1).unwrap();
    rig.source.update();
    assert_eq!(rig.status().safe_l2.number, sent);
    sent
}

#[tokio::test]
async fn a_span_that_a_reorg_robbed_of_an_origin_is_mined_in_vain_and_sent_anew() {
    for batches in [BatchKind::Span, BatchKind::Singular] {
        let mut config = config(Hardfork::Jovian);
        config.batcher.batches = batches;
        let mut rig = Rig::with(config).await;
        let sent = send_together(&mut rig).await;
        // The last origin goes, too; the transaction stands on the new branch.
        rig.l1.reorg(3, None, false).unwrap();
        rig.source.update();
        rig.assert_coherent();
        let status = rig.status();
        let kept = status.unsafe_l2.number;
        assert!((1..sent).contains(&kept), "{kept} of {sent}");
        let (is_span, safe) = (batches == BatchKind::Span, status.safe_l2.number);
        assert_eq!(safe, if is_span { 0 } else { kept }, "{batches:?}");
        let anew = rig.batcher.submit(&status).unwrap() as u64;
        assert_eq!(anew, if is_span { kept } else { 0 }, "{batches:?}");
        rig.advance(1).await;
        rig.settle();
        let status = rig.status();
        assert_eq!(status.safe_l2, status.unsafe_l2, "{batches:?}");
        assert!(status.safe_l2.number > sent);
    }
}

#[tokio::test]
async fn what_is_mined_and_not_safe_is_sent_again_and_what_waits_is_not() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    rig.source.update();
    rig.sequencer.build_next().await.unwrap();
    rig.source.update();
    let before = rig.status();
    assert_eq!(rig.batcher.submit(&before).unwrap(), 1);
    assert_eq!(rig.batcher.submit(&before).unwrap(), 0, "it waits");
    rig.l1.mine(1).unwrap();
    assert_eq!(
        rig.batcher.submit(&before).unwrap(),
        0,
        "nobody has read it yet"
    );
    rig.source.update();
    // As if its channel had been dropped.
    let dropped = SyncStatus {
        safe_l2: before.safe_l2,
        ..rig.status()
    };
    assert_eq!(rig.batcher.submit(&dropped).unwrap(), 1);
    assert_eq!(rig.batcher.submit(&dropped).unwrap(), 0, "it waits again");
}

#[tokio::test]
async fn what_l1_has_lost_is_sent_again_when_the_source_has_seen_it() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    let sent = send_together(&mut rig).await;
    let before = rig.status();
    rig.l1.reorg(1, Some(1), true).unwrap();
    let too_early = rig.batcher.submit(&before).unwrap();
    assert_eq!(too_early, 0, "the source speaks of another branch");
    rig.source.update();
    assert_eq!(rig.status().safe_l2.number, 0);
    assert_eq!(rig.batcher.submit(&rig.status()).unwrap() as u64, sent);
}

#[tokio::test]
async fn without_batches_safe_stands_and_unsafe_grows() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    rig.advance(3).await;
    rig.settle();
    let before = rig.status();
    for _ in 0..20 {
        rig.l1.mine(1).unwrap();
        rig.sequencer.build_next().await.unwrap();
        rig.source.update();
    }
    let paused = rig.status();
    assert_eq!(paused.safe_l2, before.safe_l2);
    assert_eq!(paused.unsafe_l2.number, before.unsafe_l2.number + 20);
    assert!(paused.current_l1.number > before.current_l1.number);
    rig.batcher.submit(&paused).unwrap();
    rig.settle();
    assert_eq!(rig.status().safe_l2, paused.unsafe_l2);
}

#[tokio::test]
async fn a_channel_that_does_not_fit_into_one_transaction_goes_in_several() {
    for (da, transactions) in [
        (DataAvailability::Calldata, 3),
        (DataAvailability::Blobs, 1),
    ] {
        let mut config = config(Hardfork::Jovian);
        config.batcher.da = da;
        let mut rig = Rig::with(config).await;
        send_noise(&mut rig).await;
        // Two blocks of 96 KB each, and one of 48 KB.
        assert_eq!(rig.batcher.submit(&rig.status()).unwrap(), 3);
        let pending = rig.l1.with_chain(|chain| chain.pending_count());
        assert_eq!(pending, transactions, "{da:?}");
        rig.settle();
        assert_eq!(rig.status().safe_l2.number, 3);
    }
}

/// Three blocks that do not compress.
async fn send_noise(rig: &mut Rig) {
    rig.source.update();
    for nonce in 0..5 {
        // Hashes do not compress.
        let noise: Vec<u8> = (0..1_500_u64)
            .flat_map(|n| keccak256((nonce * 1_500 + n).to_be_bytes()))
            .collect();
        let transaction = DEV_ACCOUNTS[0].sign(TxEip1559 {
            chain_id: rig.l2.config().l2_chain_id,
            nonce,
            gas_limit: 3_000_000,
            max_fee_per_gas: 10_000_000_000,
            to: TxKind::Call(DEV_ACCOUNTS[1].address),
            input: Bytes::from(noise),
            ..TxEip1559::default()
        });
        rig.l2.el().submit_transaction(&transaction).unwrap();
        if nonce % 2 == 1 {
            rig.sequencer.build_next().await.unwrap();
        }
    }
    rig.sequencer.build_next().await.unwrap();
    rig.source.update();
}

#[tokio::test]
async fn however_the_batcher_writes_the_chain_becomes_safe() {
    for batcher in testing::writers() {
        let mut rig = Rig::with(DevnetConfig {
            batcher,
            ..config(Hardfork::Jovian)
        })
        .await;
        rig.advance(3).await;
        rig.settle();
        let status = rig.status();
        assert_eq!(status.safe_l2, status.unsafe_l2, "{batcher:?}");
        assert!(status.safe_l2.number >= 3);
    }
}

fn set_batcher(rig: &Rig, nonce: u64, batcher: Address) {
    let to = rig.l2.config().l1_system_config_address;
    let call = setBatcherHashCall {
        batcherHash: batcher.into_word(),
    };
    let transaction = l1_call(&SYSTEM_CONFIG_OWNER, nonce, to, &call);
    rig.l1.submit(&transaction).unwrap();
}

#[tokio::test]
async fn the_batcher_goes_on_with_the_key_that_l1_asks_for() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    rig.advance(3).await;
    set_batcher(&rig, 0, DEV_ACCOUNTS[0].address);
    rig.advance(4).await;
    rig.settle();
    assert_eq!(rig.status().safe_l2, rig.status().unsafe_l2);
    let sent = rig
        .l1
        .with_chain(|chain| chain.pending_nonce(&DEV_ACCOUNTS[0].address));
    assert!(sent > 0);
}

#[tokio::test]
async fn batches_of_another_batcher_do_not_count() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    rig.advance(3).await;
    rig.settle();
    // What was sent with the old key after this does not count, and nobody has the new one.
    set_batcher(&rig, 0, Address::repeat_byte(9));
    rig.sequencer.build_next().await.unwrap();
    rig.source.update();
    rig.l1.mine(1).unwrap();
    rig.source.update();
    let before = rig.status();
    for _ in 0..4 {
        let refused = rig.batcher.submit(&rig.status());
        assert!(matches!(refused, Err(BatcherError::ForeignBatcher { .. })));
        rig.l1.mine(1).unwrap();
        rig.source.update();
    }
    assert_eq!(rig.status().safe_l2, before.safe_l2);
    assert!(before.safe_l2.number < rig.status().unsafe_l2.number);
    set_batcher(&rig, 1, BATCHER.address);
    rig.l1.mine(1).unwrap();
    rig.settle();
    assert_eq!(rig.status().safe_l2, rig.status().unsafe_l2);
}

#[tokio::test]
async fn finalized_stays_when_finality_is_lowered_by_command() {
    let mut rig = Rig::new(Hardfork::Jovian).await;
    rig.advance(25).await;
    let before = rig.status();
    assert!(before.finalized_l2.number > 0);
    rig.l1.set_finalized(Some(1)).unwrap();
    rig.source.update();
    let after = rig.status();
    assert_eq!(after.finalized_l1.number, 1);
    assert_eq!(after.finalized_l2, before.finalized_l2);
}
