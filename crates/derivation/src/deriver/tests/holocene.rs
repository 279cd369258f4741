//! What Holocene changed for malformed data (`specs/protocol/holocene/derivation.md`): the same L1 is read before it and after it.

use super::*;
use crate::{frames::RawFrame, kona::Batch};

/// Transactions of one L1 block after the other.
type Posts = Vec<Vec<InboxTransaction>>;

/// Number of the last of four blocks that is derived from what `posts` makes of them.
async fn derived(is_holocene: bool, posts: impl Fn(&[world::Sequenced]) -> Posts) -> u64 {
    let mut world = World::with(|config| {
        if !is_holocene {
            config.holocene_time = None;
            config.isthmus_time = None;
            config.jovian_time = None;
        }
    });
    world.l1.push_empty(6);
    let blocks = world.sequence_many(4).await;
    for inbox in posts(&blocks) {
        world.post(inbox);
    }
    let mut driver = Driver::new(&world);
    driver.run().await;
    let last = driver.safe.number;
    assert_eq!(driver.hashes(), world.el.hashes()[..=last as usize]);
    last
}

/// Asserts up to which block this is derived before Holocene and after it.
async fn becomes(before: u64, after: u64, posts: impl Fn(&[world::Sequenced]) -> Posts) {
    assert_eq!(derived(false, &posts).await, before, "before holocene");
    assert_eq!(derived(true, &posts).await, after, "after holocene");
}

/// The channel of these batches in three frames.
fn thirds(id: u8, batches: &[Batch]) -> [RawFrame; 3] {
    let channel = batcher::channel(batches);
    let frames = batcher::frames(id, &channel, channel.len().div_ceil(3));
    frames.try_into().unwrap()
}

/// Each frame in a transaction of its own.
fn each(frames: &[&RawFrame]) -> Vec<InboxTransaction> {
    let one = |frame: &&RawFrame| {
        batcher::transaction(BATCHER, batcher::calldata(&[RawFrame::clone(frame)]))
    };
    frames.iter().map(one).collect()
}

#[tokio::test]
async fn frames_out_of_order_are_put_in_order_before_and_dropped_after() {
    becomes(4, 0, |blocks| {
        let [zero, one, two] = thirds(1, &singles(blocks));
        vec![each(&[&one, &zero, &two])]
    })
    .await;
    becomes(4, 0, |blocks| {
        let [zero, one, two] = thirds(1, &singles(blocks));
        vec![each(&[&zero, &two, &one])]
    })
    .await;
}

#[tokio::test]
async fn a_frame_that_comes_twice_counts_once_before_and_after() {
    becomes(4, 4, |blocks| {
        let [zero, one, two] = thirds(1, &singles(blocks));
        vec![each(&[&zero, &zero, &one, &one, &two, &two])]
    })
    .await;
}

#[tokio::test]
async fn a_first_frame_begins_a_channel_anew_after_and_not_before() {
    becomes(0, 4, |blocks| {
        let [zero, one, two] = thirds(1, &singles(blocks));
        let other = RawFrame {
            data: Bytes::from_static(b"something else"),
            ..zero.clone()
        };
        vec![each(&[&other]), each(&[&zero, &one, &two])]
    })
    .await;
}

#[tokio::test]
async fn mixed_channels_are_all_read_before_and_the_youngest_alone_after() {
    becomes(4, 2, |blocks| {
        let younger = thirds(1, &singles(&blocks[..2]));
        let older = thirds(2, &singles(&blocks[2..]));
        let mixed = older.iter().zip(&younger);
        let mixed: Vec<_> = mixed
            .flat_map(|(older, younger)| [older, younger])
            .collect();
        vec![each(&mixed)]
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_comes_too_early_waits_before_and_costs_its_channel_after() {
    becomes(4, 0, |blocks| {
        let mut batches = singles(blocks);
        batches.swap(0, 1);
        vec![vec![batcher::post(BATCHER, 1, &batches)]]
    })
    .await;
    becomes(4, 1, |blocks| {
        let early = batcher::post(BATCHER, 1, &[span(&blocks[1..])]);
        let next = batcher::post(BATCHER, 2, &singles(&blocks[..1]));
        vec![vec![early, next]]
    })
    .await;
}

#[tokio::test]
async fn an_invalid_batch_is_dropped_alone_before_and_with_its_channel_after() {
    becomes(4, 1, |blocks| {
        let mut invalid = blocks[1].batch.clone();
        invalid.parent_hash = B256::repeat_byte(0xde);
        let mut batches = singles(blocks);
        batches.insert(1, Batch::Single(invalid));
        vec![vec![batcher::post(BATCHER, 1, &batches)]]
    })
    .await;
}
