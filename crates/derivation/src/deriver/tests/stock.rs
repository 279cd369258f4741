//! Kona's own pipeline on the same L1: equal where nothing is amiss, and the faults for which stages of ours stand in its place.

use super::*;
use crate::kona::{Batch, PipelineErrorKind, stock};

/// Blocks that kona's pipeline and ours derive of the same L1.
pub(super) async fn both(world: &World) -> (stock::StockRun, Driver) {
    let stock = stock::run(world).await;
    let mut ours = Driver::new(world);
    ours.run().await;
    (stock, ours)
}

fn words(derived: &DerivedAttributes) -> String {
    let attributes = &derived.attributes;
    let payload = &attributes.payload_attributes;
    format!(
        "{} {} {} {:?} {:?} {:?} {:?}",
        payload.timestamp,
        payload.prev_randao,
        payload.suggested_fee_recipient,
        payload.withdrawals.as_ref().map(Vec::len),
        payload.parent_beacon_block_root,
        attributes.gas_limit,
        attributes.eip_1559_params,
    )
}

/// Configs of honest chains before Jovian: forks at genesis up to this many.
pub(super) fn before_jovian(forks: usize) -> World {
    World::with(|config| {
        config.channel_timeout = 20;
        config.jovian_time = None;
        let times = [
            &mut config.canyon_time,
            &mut config.delta_time,
            &mut config.ecotone_time,
            &mut config.fjord_time,
            &mut config.granite_time,
            &mut config.holocene_time,
            &mut config.isthmus_time,
        ];
        for time in times.into_iter().skip(forks) {
            *time = None;
        }
    })
}

/// Asserts that kona's pipeline derived what ours did.
pub(super) fn assert_same(stock: &stock::StockRun, ours: &Driver, case: &str) {
    assert!(stock.stopped.is_none(), "{case}: {:?}", stock.stopped);
    assert_eq!(stock.derived.len(), ours.derived.len(), "{case}");
    for ((number, transactions, rest), derived) in stock.derived.iter().zip(&ours.derived) {
        let attributes = &derived.attributes;
        assert_eq!(*number, derived.number);
        assert_eq!(
            Some(transactions),
            attributes.transactions.as_ref(),
            "{case}: block {number}"
        );
        assert_eq!(*rest, words(derived), "{case}: block {number}");
    }
}

#[tokio::test]
async fn attributes_are_those_of_the_stock_pipeline_across_each_fork_before_jovian() {
    for fork in 0..7 {
        let mut world = World::with(|config| {
            config.jovian_time = None;
            config.max_sequencer_drift = 100;
            let times = [
                &mut config.canyon_time,
                &mut config.delta_time,
                &mut config.ecotone_time,
                &mut config.fjord_time,
                &mut config.granite_time,
                &mut config.holocene_time,
                &mut config.isthmus_time,
            ];
            for (index, time) in times.into_iter().enumerate() {
                if index == fork {
                    *time = Some(world::GENESIS_TIME + 60);
                } else if index > fork {
                    *time = None;
                }
            }
        });
        let mut unposted = Vec::new();
        for round in 0..24_u8 {
            let inbox = if unposted.len() > 8 {
                let blocks: Vec<world::Sequenced> = std::mem::take(&mut unposted);
                let takes_spans = fork > 1 || (fork == 1 && round > 12);
                let batches = if takes_spans && round % 2 == 0 {
                    vec![span(&blocks)]
                } else {
                    singles(&blocks)
                };
                vec![batcher::post(BATCHER, round, &batches)]
            } else {
                Vec::new()
            };
            world.l1.push(inbox, vec![deposit_log(round)]);
            let time = world.l1.head().timestamp;
            while world.head().timestamp + 2 <= time {
                let number = world.head().number + 1;
                unposted.push(world.sequence(world::transactions(number, 1)).await);
            }
        }
        let (stock, ours) = both(&world).await;
        assert!(ours.derived.len() > 100, "{fork}: {}", ours.derived.len());
        assert_same(&stock, &ours, &format!("fork {fork}"));
        assert_eq!(ours.hashes(), world.el.hashes()[..=ours.derived.len()]);
    }
}

#[tokio::test]
async fn attributes_are_those_of_the_stock_pipeline_on_honest_chains_of_every_fork_before_jovian() {
    for forks in [1, 2, 3, 4, 5, 6, 7] {
        let mut world = before_jovian(forks);
        world.l1.push_empty(2);
        world.l1.push(
            Vec::new(),
            vec![config_update(2, 40_000_000), deposit_log(5)],
        );
        world
            .l1
            .push(Vec::new(), vec![deposit_log(6), deposit_log(7)]);
        world.l1.push_empty(2);
        let blocks = world.sequence_many(40).await;
        let first = if forks >= 2 {
            vec![span(&blocks[..11])]
        } else {
            singles(&blocks[..11])
        };
        world.post(vec![batcher::post(BATCHER, 1, &first)]);
        world.post(vec![batcher::post(BATCHER, 2, &singles(&blocks[11..23]))]);
        // The rest is never posted, so that the sequencing window passes.
        world.l1.push_empty(40);
        let (stock, ours) = both(&world).await;
        assert!(ours.derived.len() > 60, "{forks}: {}", ours.derived.len());
        assert_same(&stock, &ours, &format!("{forks} forks"));
    }
}

fn deposit_log(seed: u8) -> alloy_primitives::Log {
    let mut data = vec![0; 160];
    (data[31], data[63], data[64 + 31], data[64 + 71]) = (32, 73, seed, 99);
    let topic = B256::with_last_byte;
    let topics = vec![
        light_node_protocol::TRANSACTION_DEPOSITED_TOPIC,
        topic(seed),
        topic(2),
        B256::ZERO,
    ];
    alloy_primitives::Log {
        address: world::PORTAL,
        data: alloy_primitives::LogData::new_unchecked(topics, data.into()),
    }
}

#[tokio::test]
async fn a_config_update_of_jovian_does_not_stop_us_as_it_stops_the_stock_pipeline() {
    let (world, blocks) = sequenced(3).await;
    world.l1.push(Vec::new(), vec![config_update(6, 1)]);
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks))]);
    let (stock, ours) = both(&world).await;
    assert!(matches!(
        stock.stopped,
        Some(PipelineErrorKind::Critical(_))
    ));
    assert_eq!(ours.hashes(), world.el.hashes());
}

/// A chain of Isthmus with some blocks, on which the stock pipeline can derive.
pub(super) async fn isthmus(count: u64) -> (World, Vec<world::Sequenced>) {
    let mut world = before_jovian(7);
    world.l1.push_empty(6);
    let blocks = world.sequence_many(count).await;
    (world, blocks)
}

#[tokio::test]
async fn dropped_spans_do_not_cost_the_next_l1_block_as_with_the_stock_pipeline() {
    let (world, blocks) = isthmus(4).await;
    let Batch::Span(mut foreign) = span(&blocks) else {
        panic!("a span");
    };
    foreign.parent_check = Default::default();
    let foreign = [Batch::Span(foreign)];
    let inbox = (1..4).map(|id| batcher::post(BATCHER, id, &foreign));
    world.post(inbox.collect());
    world.post(vec![batcher::post(BATCHER, 9, &singles(&blocks))]);
    let (stock, ours) = both(&world).await;
    assert!(
        stock.derived.is_empty(),
        "the stock pipeline skips the block"
    );
    assert_eq!(ours.hashes(), world.el.hashes());
}

#[tokio::test]
async fn the_parent_that_a_batch_names_counts_which_the_stock_pipeline_overwrites() {
    let (world, mut blocks) = isthmus(1).await;
    blocks[0].batch.parent_hash = B256::repeat_byte(0xde);
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks))]);
    let (stock, ours) = both(&world).await;
    assert_eq!((stock.derived.len(), ours.derived.len()), (1, 0));
}

#[tokio::test]
async fn an_unfinished_zlib_stream_counts_of_which_the_stock_pipeline_takes_nothing() {
    let (world, blocks) = isthmus(4).await;
    let channel = batcher::channel(&singles(&blocks));
    let unfinished = &channel[..channel.len() - 4];
    let frames = batcher::frames(1, unfinished, usize::MAX);
    world.post(vec![batcher::transaction(
        BATCHER,
        batcher::calldata(&frames),
    )]);
    let (stock, ours) = both(&world).await;
    assert!(stock.derived.is_empty());
    assert_eq!(ours.hashes(), world.el.hashes());
}

#[tokio::test]
async fn a_channel_whose_name_is_used_again_survives_which_the_stock_pipeline_drains() {
    let (world, blocks) = isthmus(3).await;
    let channel = |id, index: usize| {
        let channel = batcher::channel(&singles(&blocks[index..=index]));
        batcher::frames(id, &channel, usize::MAX).remove(0)
    };
    let mut unfinished = channel(1, 2);
    unfinished.is_last = false;
    let frames = [channel(1, 0), channel(2, 1), unfinished, channel(3, 2)];
    world.post(vec![batcher::transaction(
        BATCHER,
        batcher::calldata(&frames),
    )]);
    let (stock, ours) = both(&world).await;
    assert!(stock.derived.len() < 3, "{}", stock.derived.len());
    assert_eq!(ours.hashes(), world.el.hashes());
}

#[tokio::test]
async fn a_bad_is_last_byte_refuses_its_data_which_the_stock_pipeline_takes() {
    let (world, blocks) = isthmus(2).await;
    let channel = batcher::channel(&singles(&blocks));
    let frames = batcher::frames(1, &channel, channel.len() - 1);
    let mut first = frames[0].encode_alone().to_vec();
    *first.last_mut().unwrap() = 2;
    let second = frames[1].encode_alone();
    let inbox = [first.into(), second].map(|data: Bytes| batcher::transaction(BATCHER, data));
    world.post(inbox.to_vec());
    let (stock, ours) = both(&world).await;
    assert_eq!((stock.derived.len(), ours.derived.len()), (2, 0));
}

#[tokio::test]
async fn a_span_that_contradicts_its_own_epochs_stops_the_stock_pipeline_and_not_us() {
    let mut world = before_jovian(7);
    world.l1.push_empty(6);
    let mut blocks = Vec::new();
    for index in 0..30_u64 {
        let epoch = 1 + index / 6;
        blocks.push(world.sequence_on(epoch, Vec::new()).await);
    }
    // From block 13 on it stays on the second origin, while the safe head is on the third, until its last block.
    let mut late = blocks[5..20].to_vec();
    for block in &mut late[7..14] {
        block.batch.epoch_num = 2;
    }
    let last = &mut late[14].batch;
    (last.epoch_num, last.epoch_hash) = (3, blocks[13].batch.epoch_hash);
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks[..14]))]);
    world.post(vec![batcher::post(BATCHER, 2, &[span(&late)])]);
    world.post(vec![batcher::post(BATCHER, 3, &singles(&blocks[14..]))]);
    let (stock, ours) = both(&world).await;
    assert!(matches!(
        stock.stopped,
        Some(PipelineErrorKind::Critical(_))
    ));
    assert_eq!(ours.hashes(), world.el.hashes());
}

#[tokio::test]
async fn a_set_code_or_deposit_type_in_a_batch_is_dropped_by_both() {
    let (world, mut blocks) = isthmus(2).await;
    blocks[1].batch.transactions = vec![Bytes::from_static(&[0x7e, 1])];
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks))]);
    let (stock, ours) = both(&world).await;
    assert_eq!((stock.derived.len(), ours.derived.len()), (1, 1));
}

#[tokio::test]
async fn a_post_exec_transaction_before_lagoon_is_dropped_which_the_stock_pipeline_hands_on() {
    let (world, mut blocks) = isthmus(1).await;
    blocks[0].batch.transactions = vec![Bytes::from_static(&[0x7d, 1])];
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks))]);
    let (stock, ours) = both(&world).await;
    assert_eq!((stock.derived.len(), ours.derived.len()), (1, 0));
}

#[tokio::test]
async fn nothing_of_before_a_reset_is_read_after_it_as_the_stock_retrieval_does() {
    let (world, blocks) = isthmus(2).await;
    let inbox = [0, 1].map(|index| {
        let batches = singles(&blocks[index..=index]);
        batcher::post(BATCHER, index as u8, &batches)
    });
    let block = world.post(inbox.to_vec());
    let stale = stock::first_data_after_reset(&world, block.number).await;
    assert!(stale.is_some(), "block 1 holds no data");
    let mut driver = Driver::new(&world);
    while driver.safe.number < 1 {
        driver.step().await;
    }
    driver.reset_to(0, None);
    driver.run().await;
    assert_eq!(driver.hashes(), world.el.hashes());
}

#[tokio::test]
async fn the_blob_base_fee_goes_by_the_l1s_schedule_where_the_stock_builder_stays_at_prague() {
    let mut world = before_jovian(7);
    world.l1.push_with(Vec::new(), Vec::new(), |header| {
        header.timestamp = world::GENESIS_TIME + 2;
        header.excess_blob_gas = Some(100_000_000);
        header.requests_hash = Some(B256::ZERO);
    });
    let blocks = world.sequence_many(2).await;
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks))]);
    let (stock, ours) = both(&world).await;
    let fee = |transaction: &Bytes| {
        use alloy_eips::eip2718::Decodable2718;
        let deposit = op_alloy_consensus::TxDeposit::decode_2718(&mut transaction.as_ref());
        let info = light_node_protocol::L1BlockInfo::decode(&deposit.unwrap().input);
        match info.unwrap().fees {
            light_node_protocol::l1_info::L1FeeParams::Isthmus(fees, _) => fees.blob_base_fee,
            fees => panic!("{fees:?}"),
        }
    };
    let ours = fee(&ours.derived[0].attributes.transactions.as_ref().unwrap()[0]);
    let stock = fee(&stock.derived[0].1[0]);
    let params = alloy_eips::eip7840::BlobParams::bpo2();
    assert_eq!(ours.to::<u128>(), params.calc_blob_fee(100_000_000));
    assert!(stock > ours, "{stock} {ours}");
}
