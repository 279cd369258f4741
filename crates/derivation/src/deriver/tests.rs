#![allow(clippy::unwrap_used)]

mod holocene;
mod malformed;
mod property;
mod stock;
mod stock_parts;

use super::*;
use crate::testing::{
    batcher,
    driver::Driver,
    world::{self, BATCHER, World, singles, span},
};
use alloy_primitives::{B256, Bytes};
use light_node_l1::{Blob, BlobError, InboxData, InboxTransaction};

/// A world whose first L1 blocks are there, and so many blocks of its sequencer.
async fn sequenced(count: u64) -> (World, Vec<world::Sequenced>) {
    let mut world = World::new();
    world.l1.push_empty(6);
    let blocks = world.sequence_many(count).await;
    (world, blocks)
}

#[tokio::test]
async fn batches_of_one_block_and_spans_make_the_sequencers_chain() {
    let (world, blocks) = sequenced(30).await;
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks[..7]))]);
    world.post(vec![batcher::post(
        BATCHER,
        2,
        &[span(&blocks[7..19]), span(&blocks[19..])],
    )]);
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert_eq!(driver.hashes(), world.el.hashes());
    assert_eq!(driver.el.reads(), 0, "nothing is read of the l2");
    let derived_from: Vec<_> = driver
        .derived
        .iter()
        .map(|it| it.derived_from.number)
        .collect();
    assert_eq!(derived_from[..7], [8; 7]);
    assert_eq!(derived_from[7..], [9; 23]);
}

#[tokio::test]
async fn a_channel_may_come_in_frames_over_several_transactions_and_l1_blocks() {
    let (world, blocks) = sequenced(24).await;
    let channel = batcher::brotli(&batcher::rlp(&span(&blocks)));
    let frames = batcher::frames(5, &channel, channel.len() / 5);
    for frame in &frames {
        let calldata = batcher::calldata(std::slice::from_ref(frame));
        world.post(vec![batcher::transaction(BATCHER, calldata)]);
    }
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert!(frames.len() > 4);
    assert_eq!(driver.hashes(), world.el.hashes());
}

#[tokio::test]
async fn a_large_channel_is_read_off_the_async_threads_to_the_same_end() {
    let mut world = World::new();
    world.l1.push_empty(6);
    let mut blocks = Vec::new();
    for number in 1..5 {
        blocks.push(world.sequence(world::transactions(number, 90)).await);
    }
    for (id, compress) in [
        (1, batcher::zlib as fn(&[u8]) -> Vec<u8>),
        (2, batcher::brotli),
    ] {
        let at = 2 * (usize::from(id) - 1);
        let channel = compress(&batcher::rlp(&span(&blocks[at..at + 2])));
        let padded = compress(&[batcher::rlp(&span(&blocks[at..at + 2])), noise()].concat());
        assert!(channel.len() < padded.len() && padded.len() > 32 << 10);
        let frames = batcher::frames(id, &padded, 100_000);
        world.post(vec![batcher::transaction(
            BATCHER,
            batcher::calldata(&frames),
        )]);
    }
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert_eq!(driver.hashes(), world.el.hashes());
}

/// Bytes that cannot be compressed.
fn noise() -> Vec<u8> {
    let blocks = (0..2000_u32).map(|number| alloy_primitives::keccak256(number.to_be_bytes()));
    blocks.flat_map(|hash| hash.0).collect()
}

/// A blob with this data, which is shorter than one field element.
fn blob(data: &[u8]) -> Blob {
    assert!(data.len() <= 27);
    let mut blob = Blob::ZERO;
    blob[4] = data.len() as u8;
    blob[5..5 + data.len()].copy_from_slice(data);
    blob
}

/// Blobs with these data, one after the other, as many as it takes.
fn blobs(world: &World, channel: &[u8]) -> Vec<B256> {
    // One byte of version and 23 of a frame leave little room: three bytes of data a blob.
    let frames = batcher::frames(1, channel, 3);
    let data = frames.iter().map(|frame| frame.encode_alone());
    data.map(|data| world.l1.push_blob(blob(&data))).collect()
}

fn with_blobs(hashes: &[B256]) -> InboxTransaction {
    InboxTransaction {
        sender: BATCHER,
        data: InboxData::Blobs {
            hashes: hashes.to_vec(),
            input: Bytes::new(),
        },
    }
}

#[tokio::test]
async fn blobs_and_calldata_are_read_in_the_order_of_the_block() {
    let (world, blocks) = sequenced(6).await;
    let hashes = blobs(&world, &batcher::channel(&singles(&blocks[..3])));
    let second = batcher::post(BATCHER, 2, &singles(&blocks[3..]));
    world.post(vec![with_blobs(&hashes), second]);
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert_eq!(driver.hashes(), world.el.hashes());
}

#[tokio::test]
async fn a_blob_that_holds_no_data_is_skipped_where_a_missing_one_is_waited_for() {
    let (world, blocks) = sequenced(3).await;
    let mut hashes = blobs(&world, &batcher::channel(&singles(&blocks)));
    hashes.insert(0, world.l1.push_blob(Blob::ZERO));
    hashes.insert(0, world.l1.push_blob(Blob::repeat_byte(0xff)));
    world.post(vec![with_blobs(&hashes)]);
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert_eq!(driver.hashes(), world.el.hashes());

    let (world, blocks) = sequenced(3).await;
    let hashes = blobs(&world, &batcher::channel(&singles(&blocks)));
    let block = world.post(vec![with_blobs(&hashes)]);
    let gone = world.l1.blobs(block.id(), 0, None, &hashes[1..2]).await;
    let gone = *gone.unwrap()[0];
    world.l1.remove_blob(hashes[1]);
    let mut driver = Driver::new(&world);
    let mut retries = 0;
    loop {
        match driver.step().await {
            Step::Retry(RetryCause::Blobs(BlobError::Missed { .. })) if retries < 3 => retries += 1,
            Step::Retry(RetryCause::Blobs(_)) => world.l1.insert_blob(hashes[1], gone),
            Step::CaughtUp => break,
            Step::Attributes(_) | Step::Advanced(_) | Step::Again => {}
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(retries, 3);
    assert_eq!(driver.hashes(), world.el.hashes());
}

#[tokio::test]
async fn within_a_span_attributes_come_ahead_of_the_execution_layer() {
    let (world, blocks) = sequenced(20).await;
    world.post(vec![batcher::post(BATCHER, 1, &[span(&blocks[..12])])]);
    world.post(vec![batcher::post(BATCHER, 2, &singles(&blocks[12..]))]);
    let mut driver = Driver::new(&world);
    let mut ahead = 0;
    loop {
        match driver.step_ahead().await {
            Step::Attributes(derived) => ahead += usize::from(derived.parent.is_none()),
            Step::NeedsParent => driver.settle(usize::MAX),
            Step::CaughtUp => break,
            Step::Advanced(_) | Step::Again => {}
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(driver.hashes(), world.el.hashes());
    assert_eq!(ahead, 11, "all but the first of the span");
}

#[tokio::test]
async fn a_refused_block_of_a_span_flushes_the_rest_of_it_also_when_it_was_run_ahead() {
    let (world, blocks) = sequenced(10).await;
    let mut blocks = blocks;
    blocks[4].batch.transactions = vec![world::refused_transaction()];
    world.post(vec![batcher::post(BATCHER, 1, &[span(&blocks)])]);
    let mut lockstep = Driver::new(&world);
    lockstep.run().await;
    assert_eq!(lockstep.safe.number, 5);
    assert_eq!(lockstep.hashes()[..5], world.el.hashes()[..5]);
    assert_ne!(lockstep.hashes()[5], world.el.hashes()[5]);

    let mut ahead = Driver::new(&world);
    loop {
        match ahead.step_ahead().await {
            Step::NeedsParent => ahead.settle(usize::MAX),
            Step::CaughtUp => break,
            Step::Attributes(_) | Step::Advanced(_) | Step::Again => {}
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(ahead.hashes(), lockstep.hashes());
}

#[tokio::test]
async fn before_holocene_a_dropped_span_leads_back_to_the_block_before_it() {
    // Six blocks stand on one L1 block: the span is of one epoch, or of two.
    for first in [1, 5] {
        let mut world = World::with(|config| {
            config.holocene_time = None;
            config.isthmus_time = None;
            config.jovian_time = None;
        });
        world.l1.push_empty(6);
        let blocks = world.sequence_many(9).await;
        let (before, spanned) = blocks.split_at(first);
        world.post(vec![batcher::post(BATCHER, 1, &singles(before))]);
        world.post(vec![batcher::post(BATCHER, 2, &[span(spanned)])]);
        let mut driver = Driver::new(&world);
        let mut safe = driver.safe;
        while driver.derived.len() < first + 3 {
            driver.step().await;
            if driver.safe.number <= first as u64 {
                safe = driver.safe;
            }
        }
        // The next one is refused: what was built of its span goes, too.
        driver.el.rewind(safe.number);
        driver.safe = safe;
        driver.derived.truncate(first);
        driver.run().await;
        assert_eq!(driver.safe, safe, "the rest of the span is not read");
    }
}

#[tokio::test]
async fn blocks_without_batches_are_made_when_the_sequencing_window_is_over() {
    let world = World::with(|config| config.seq_window_size = 4);
    world.l1.push_empty(12);
    let mut driver = Driver::new(&world);
    driver.run().await;
    let origin = driver.safe.l1_origin.number;
    assert_eq!(origin, world.l1.head().number - 4);
    for derived in &driver.derived {
        let transactions = derived.attributes.transactions.as_ref().unwrap();
        assert_eq!(transactions.len(), 1, "deposits alone");
    }
    // Every epoch has its blocks: one each two seconds.
    let next = world.l1.data(origin + 1).unwrap().header.timestamp;
    assert_eq!(driver.safe.timestamp, next - 2);
}

#[tokio::test]
async fn another_batcher_is_heard_once_the_system_config_names_it() {
    let (world, blocks) = sequenced(6).await;
    let other = alloy_primitives::Address::repeat_byte(0xcc);
    let posted = batcher::post(other, 1, &singles(&blocks));
    world.post(vec![posted.clone()]);
    let mut update = config_update(0, 0);
    let mut data = update.data.data.to_vec();
    data[76..].copy_from_slice(other.as_slice());
    update.data = alloy_primitives::LogData::new_unchecked(update.topics().to_vec(), data.into());
    world.l1.push(Vec::new(), vec![update]);
    world.post(vec![posted]);
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert_eq!(driver.safe.number, 6);
    assert_eq!(driver.derived[0].derived_from.number, 10);
}

fn config_update(kind: u8, value: u64) -> alloy_primitives::Log {
    crate::attributes::tests::config_update(kind, value)
}

#[tokio::test]
async fn a_reorg_of_l1_is_a_reset_and_the_new_branch_is_derived_after_it() {
    let (world, blocks) = sequenced(12).await;
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks[..4]))]);
    world.post(vec![batcher::post(BATCHER, 2, &singles(&blocks[4..]))]);
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert_eq!(driver.safe.number, 12);
    world.l1.reorg(1);
    world.l1.push_empty(1);
    world.post(vec![batcher::post(BATCHER, 3, &singles(&blocks[4..8]))]);
    let step = driver.step().await;
    let Step::Reset(ResetCause::L1Reorg { block, .. }) = step else {
        panic!("{step:?}");
    };
    assert_eq!(block.number, 9);
    driver.reset_to(4, Some(8));
    driver.run().await;
    assert_eq!(driver.safe.number, 8);
    assert_eq!(driver.hashes(), world.el.hashes()[..9]);
}

/// L1 may leave the branch between the look for a start and the first look at what follows it.
#[tokio::test]
async fn a_start_that_l1_no_longer_bears_out_is_a_reset() {
    let (world, blocks) = sequenced(12).await;
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks[..4]))]);
    world.post(vec![batcher::post(BATCHER, 2, &singles(&blocks[4..]))]);
    let mut driver = Driver::new(&world);
    driver.run().await;
    let used_up = world.l1.head();
    driver.reset_to(12, Some(used_up.number));
    world.l1.reorg(1);
    world.l1.push_empty(2);
    let (number, hash) = loop {
        match driver.step().await {
            Step::Advanced(_) | Step::Again => {}
            Step::Reset(ResetCause::L1BlockGone { number, hash }) => break (number, hash),
            step => panic!("{step:?}"),
        }
    };
    assert_eq!((number, hash), (used_up.number, used_up.hash));
}

#[tokio::test]
async fn troubles_of_l1_are_waited_for_and_nothing_is_lost() {
    let (world, blocks) = sequenced(12).await;
    world.post(vec![batcher::post(BATCHER, 1, &[span(&blocks)])]);
    let mut driver = Driver::new(&world);
    let mut retries = 0;
    loop {
        if retries < 40 {
            world.l1.fail_next(1);
        }
        match driver.step().await {
            Step::Retry(RetryCause::L1(_)) => retries += 1,
            Step::CaughtUp => break,
            Step::Attributes(_) | Step::Advanced(_) | Step::Again => {}
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(retries, 40);
    assert_eq!(driver.hashes(), world.el.hashes());
}

#[tokio::test]
async fn a_parent_that_was_never_derived_is_a_reset() {
    let (world, _) = sequenced(1).await;
    let mut driver = Driver::new(&world);
    let mut stranger = driver.safe;
    stranger.number += 7;
    let step = driver.deriver.step(Parent::Known(stranger)).await;
    assert!(matches!(
        step,
        Step::Reset(ResetCause::UnknownParent { .. })
    ));
}

#[tokio::test]
async fn without_its_bundle_derivation_says_so_before_the_fork_and_stays_there() {
    let mut world = World::with(|config| config.karst_time = Some(world::GENESIS_TIME + 8));
    world.l1.push_empty(6);
    let blocks = world.sequence_many(3).await;
    let empty = crate::kona::SingleBatch {
        parent_hash: blocks[2].block.hash,
        timestamp: world::GENESIS_TIME + 8,
        transactions: Vec::new(),
        ..blocks[2].batch.clone()
    };
    let mut batches = singles(&blocks);
    batches.push(crate::kona::Batch::Single(empty));
    world.post(vec![batcher::post(BATCHER, 1, &batches)]);
    let mut driver = Driver::new(&world);
    let mut said = 0;
    while said < 3 {
        match driver.step().await {
            Step::MissingUpgradeBundle(Hardfork::Karst) => said += 1,
            Step::Attributes(_) | Step::Advanced(_) | Step::Again => {}
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(driver.safe.number, 3);
}
