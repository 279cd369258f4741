//! Everything malformed that a batcher can put on L1, in front of good batches: what the reference node skips is skipped, and what
//! it drops is dropped, no more and no less.

use super::*;
use crate::kona::{Batch, SingleBatch};

/// Posts `bad` in one L1 block and `good` in the next, and derives both.
async fn derive_behind(world: &World, bad: Vec<InboxTransaction>, good: Vec<Batch>) -> Driver {
    world.post(bad);
    world.post(vec![batcher::post(BATCHER, 99, &good)]);
    let mut driver = Driver::new(world);
    driver.run().await;
    driver
}

/// The L1 blocks from which the blocks were derived.
fn derived_from(driver: &Driver) -> Vec<u64> {
    let derived = driver.derived.iter();
    derived.map(|it| it.derived_from.number).collect()
}

fn edited(block: &world::Sequenced, edit: impl FnOnce(&mut SingleBatch)) -> Batch {
    let mut batch = block.batch.clone();
    edit(&mut batch);
    Batch::Single(batch)
}

/// A span batch of these blocks that names another parent.
fn foreign(blocks: &[world::Sequenced]) -> Batch {
    let Batch::Span(mut foreign) = span(blocks) else {
        panic!("a span");
    };
    foreign.parent_check = Default::default();
    Batch::Span(foreign)
}

#[tokio::test]
async fn data_that_is_no_channel_is_skipped() {
    let good = batcher::calldata(&batcher::frames(7, b"not compressed", 100));
    let nonsense = batcher::frames(8, &batcher::zlib(b"nonsense"), 100);
    let bomb = batcher::frames(9, &batcher::brotli(&vec![0; 20_000_000]), usize::MAX);
    let mut bad_flag = batcher::frames(6, b"x", 9)[0].encode_alone().to_vec();
    *bad_flag.last_mut().unwrap() = 7;
    for (index, calldata) in [
        Vec::new(),
        vec![0],
        good.to_vec(),
        batcher::calldata(&nonsense).to_vec(),
        batcher::calldata(&bomb).to_vec(),
        bad_flag,
        good[..good.len() - 3].to_vec(),
        [&good[..], &[0]].concat(),
        [&[1], &good[1..]].concat(),
    ]
    .into_iter()
    .enumerate()
    {
        let (world, blocks) = sequenced(3).await;
        let bad = vec![batcher::transaction(BATCHER, calldata)];
        let driver = derive_behind(&world, bad, singles(&blocks)).await;
        assert_eq!(driver.hashes(), world.el.hashes(), "case {index}");
    }
}

#[tokio::test]
async fn one_bad_frame_refuses_its_transaction_and_no_other() {
    let (world, blocks) = sequenced(4).await;
    let first = batcher::frames(1, &batcher::channel(&singles(&blocks[..2])), usize::MAX);
    let second = batcher::frames(2, &batcher::channel(&singles(&blocks[2..])), usize::MAX);
    let mut spoiled = batcher::calldata(&first).to_vec();
    spoiled.extend_from_slice(&batcher::calldata(&second)[1..]);
    *spoiled.last_mut().unwrap() = 2;
    let first = batcher::transaction(BATCHER, batcher::calldata(&first));
    let bad = vec![batcher::transaction(BATCHER, spoiled), first];
    let driver = derive_behind(&world, bad, singles(&blocks[2..])).await;
    assert_eq!(driver.hashes(), world.el.hashes());
    assert_eq!(derived_from(&driver), [8, 8, 9, 9]);
}

#[tokio::test]
async fn strangers_are_not_heard() {
    let (world, blocks) = sequenced(3).await;
    let stranger = alloy_primitives::Address::repeat_byte(1);
    let bad = vec![batcher::post(stranger, 1, &singles(&blocks))];
    let driver = derive_behind(&world, bad, singles(&blocks)).await;
    assert_eq!(derived_from(&driver), [9; 3]);
}

#[tokio::test]
async fn an_invalid_batch_takes_the_rest_of_its_channel_with_it() {
    let wrong = B256::repeat_byte(0xde);
    for index in 0..8 {
        let (world, blocks) = sequenced(4).await;
        let invalid = edited(&blocks[1], |batch| match index {
            0 => batch.parent_hash = wrong,
            1 => batch.epoch_hash = wrong,
            2 => batch.epoch_num += 1,
            3 => batch.epoch_num = u64::MAX,
            4 => batch.timestamp += 2,
            5 => batch.timestamp = u64::MAX,
            6 => batch.transactions.push(Bytes::from_static(&[0x7e, 1])),
            _ => batch.transactions.push(Bytes::from_static(&[0x7d, 1])),
        });
        let mut batches = singles(&blocks);
        batches.insert(1, invalid);
        let bad = vec![batcher::post(BATCHER, 1, &batches)];
        let driver = derive_behind(&world, bad, singles(&blocks[1..3])).await;
        assert_eq!(driver.hashes(), world.el.hashes()[..4], "case {index}");
        assert_eq!(derived_from(&driver), [8, 9, 9], "case {index}");
    }
}

#[tokio::test]
async fn batches_of_the_past_do_not_disturb_their_channel() {
    let (world, blocks) = sequenced(5).await;
    let mut batches = singles(&blocks[..3]);
    batches.extend(singles(&blocks[1..3]));
    batches.push(span(&blocks[..2]));
    batches.push(edited(&blocks[0], |batch| batch.timestamp = 0));
    batches.extend(singles(&blocks[3..]));
    let bad = vec![batcher::post(BATCHER, 1, &batches)];
    let driver = derive_behind(&world, bad, Vec::new()).await;
    assert_eq!(driver.hashes(), world.el.hashes());
    assert_eq!(derived_from(&driver), [8; 5]);
}

#[tokio::test]
async fn a_span_that_cannot_be_decoded_costs_itself_and_one_that_is_invalid_its_channel() {
    let (world, blocks) = sequenced(4).await;
    // Its transaction is of a type that does not exist.
    let mut undecodable = vec![1, 5, 7];
    undecodable.extend_from_slice(&[1; 40]);
    undecodable.extend_from_slice(&[1, 1, 1, 0, 0]);
    undecodable.extend_from_slice(&[3; 84]);
    undecodable.extend_from_slice(&[0x7d, 0xc0, 1, 1]);
    let rlp = [
        batcher::rlp(&singles(&blocks)[0]),
        batcher::rlp_string(&undecodable),
        batcher::rlp(&singles(&blocks)[1]),
        batcher::rlp(&foreign(&blocks[2..])),
        batcher::rlp(&singles(&blocks)[2]),
    ];
    let frames = batcher::frames(1, &batcher::zlib(&rlp.concat()), usize::MAX);
    let bad = vec![batcher::transaction(BATCHER, batcher::calldata(&frames))];
    let driver = derive_behind(&world, bad, singles(&blocks[2..])).await;
    assert_eq!(driver.hashes(), world.el.hashes());
    assert_eq!(derived_from(&driver), [8, 8, 9, 9]);
}

#[tokio::test]
async fn dropped_spans_do_not_cost_the_rest_of_their_l1_block() {
    let (world, blocks) = sequenced(4).await;
    let foreign = foreign(&blocks);
    let mut inbox: Vec<_> = (1..4)
        .map(|id| batcher::post(BATCHER, id, std::slice::from_ref(&foreign)))
        .collect();
    inbox.push(batcher::post(BATCHER, 5, &singles(&blocks)));
    let driver = derive_behind(&world, inbox, Vec::new()).await;
    assert_eq!(driver.hashes(), world.el.hashes());
    assert_eq!(derived_from(&driver), [8; 4]);
}

#[tokio::test]
async fn a_span_may_overlap_the_safe_chain_only_if_it_agrees_with_it() {
    for agrees in [true, false] {
        let (world, blocks) = sequenced(8).await;
        let mut overlapping = blocks.clone();
        if !agrees {
            overlapping[2].batch.transactions = world::transactions(77, 1);
        }
        let first = batcher::post(BATCHER, 1, &singles(&blocks[..4]));
        let second = batcher::post(BATCHER, 2, &[span(&overlapping[1..])]);
        world.post(vec![first, second]);
        let mut driver = Driver::new(&world);
        let mut retries = 0;
        loop {
            // A failed read must not decide.
            if driver.safe.number == 4 && driver.el.reads() < 3 {
                driver.el.fail_next(1);
            }
            match driver.step().await {
                Step::CaughtUp => break,
                Step::Attributes(_) | Step::Advanced(_) | Step::Again => {}
                Step::Retry(RetryCause::L2(_)) => retries += 1,
                step => panic!("{step:?}"),
            }
        }
        assert!(retries > 0);
        let expected = if agrees { 8 } else { 4 };
        assert_eq!(driver.safe.number, expected);
        assert_eq!(driver.hashes(), world.el.hashes()[..=expected as usize]);
    }
}

#[tokio::test]
async fn frames_of_two_channels_may_not_be_mixed() {
    let (world, blocks) = sequenced(6).await;
    let channel = |id, blocks: &[world::Sequenced]| {
        let channel = batcher::channel(&singles(blocks));
        batcher::frames(id, &channel, channel.len().div_ceil(2))
    };
    let (first, second) = (channel(1, &blocks[..3]), channel(2, &blocks[..3]));
    let mixed = [&first[0], &second[0], &first[1], &second[1]];
    let inbox = mixed.map(|frame| {
        let calldata = batcher::calldata(std::slice::from_ref(frame));
        batcher::transaction(BATCHER, calldata)
    });
    let driver = derive_behind(&world, inbox.to_vec(), singles(&blocks[3..])).await;
    assert_eq!(driver.hashes(), world.el.hashes());
    assert_eq!(derived_from(&driver)[0], 8, "the younger one is read");
}

#[tokio::test]
async fn a_span_whose_ground_nobody_knows_yet_is_passed_over_and_its_channel_goes_on() {
    for begins_with_genesis in [false, true] {
        let (world, blocks) = sequenced(12).await;
        let mut unknown = blocks.clone();
        for (number, block) in (1..).zip(&mut unknown) {
            if begins_with_genesis {
                // It stands on a block before genesis.
                block.batch.timestamp -= world::L2_BLOCK_TIME;
            } else {
                // Its last block is on an L1 block that comes later.
                block.batch.epoch_num = number;
            }
        }
        let mut batches = vec![span(&unknown)];
        batches.extend(singles(&blocks));
        let bad = vec![batcher::post(BATCHER, 1, &batches)];
        let driver = derive_behind(&world, bad, Vec::new()).await;
        assert_eq!(driver.hashes(), world.el.hashes());
        assert_eq!(derived_from(&driver), [8; 12]);
    }
}

/// Kona's queue, which decides before Holocene, counts back from the safe head unchecked, and knows no post-exec transactions.
#[tokio::test]
async fn before_holocene_a_batch_that_begins_with_genesis_or_brings_later_transactions_is_dropped()
{
    for begins_with_genesis in [true, false] {
        let mut world = stock::before_jovian(5);
        world.l1.push_empty(6);
        let blocks = world.sequence_many(4).await;
        let bad = if begins_with_genesis {
            let mut early = blocks.clone();
            for block in &mut early {
                block.batch.timestamp -= world::L2_BLOCK_TIME;
            }
            span(&early)
        } else {
            edited(&blocks[0], |batch| {
                batch.transactions = vec![Bytes::from_static(&[0x7d, 1])];
            })
        };
        let bad = vec![batcher::post(BATCHER, 1, &[bad, span(&blocks)])];
        let driver = derive_behind(&world, bad, Vec::new()).await;
        assert_eq!(driver.hashes(), world.el.hashes());
    }
}
