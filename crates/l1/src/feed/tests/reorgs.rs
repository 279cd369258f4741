//! L1 reorgs, seen by the watcher first or by a block that does not link.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_reorg_drops_what_was_fetched_ahead_and_nothing_else() {
    let l1 = MemoryL1::new(CHAIN_ID, 100);
    l1.set_tags(Some(60), Some(50));
    let world = World::start(&[&l1], Setup::default()).await;
    world.advance(80);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(requests(&l1), [19, 1, 0]);
    let old = world.block(95).await;
    l1.reorg(6, 1);
    world.watcher.head_is(100).await;
    sleep(Duration::from_secs(1)).await;
    let [fetched, ..] = requests(&l1);
    assert!((19 + 7..=19 + 20).contains(&fetched), "{fetched}");
    let mut parent = l1.id(80).hash;
    for number in 81..=100 {
        let data = world.block(number).await;
        assert_eq!(
            (data.hash, data.header.parent_hash),
            (l1.id(number).hash, parent)
        );
        parent = data.hash;
    }
    assert_ne!(old.hash, l1.id(95).hash);
    let gone = world.feed.block_by_hash(old.id()).await;
    assert_eq!(gone, Ok(None), "ahead of the cursor, and gone from l1");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_below_the_cursor_is_seen_by_who_goes_back() {
    let l1 = MemoryL1::new(CHAIN_ID, 100);
    l1.set_tags(Some(60), Some(50));
    let world = World::start(&[&l1], Setup::default()).await;
    for number in 60..=99 {
        world.block(number).await;
        world.advance(number);
    }
    let old = world.block(97).await;
    l1.reorg(20, 1);
    world.watcher.head_is(100).await;
    sleep(Duration::from_secs(1)).await;
    let next = world.block(100).await;
    assert_ne!(next.header.parent_hash, old.header.parent_hash);
    for number in (70..=99).rev() {
        assert_eq!(
            world.block(number).await.hash,
            l1.id(number).hash,
            "{number}"
        );
    }
    let known = world.feed.block_by_hash(old.id()).await.unwrap();
    assert_eq!(
        known.unwrap().hash,
        old.hash,
        "a fact, though not canonical"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_among_blocks_that_nobody_fetched_makes_what_is_remembered_doubtful() {
    let l1 = MemoryL1::new(CHAIN_ID, 100);
    let world = World::start(&[&l1], Setup::default()).await;
    let old = world.block(94).await;
    // Neither the new head nor its parent is of a height that the feed knows.
    l1.reorg(8, 2);
    world.watcher.head_is(101).await;
    let new = world.block(94).await;
    assert_ne!(new.hash, old.hash);
    assert_eq!(new.hash, l1.id(94).hash);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_between_a_block_and_its_receipts_is_an_error_and_then_the_new_block() {
    let l1 = MemoryL1::new(CHAIN_ID, 10);
    let deposit = || {
        let transactions = vec![transaction(2, ADDRESSES.portal, b"")];
        l1.mine_with(transactions, vec![receipt(true, &[ADDRESSES.portal])]);
    };
    deposit();
    l1.mine(5);
    let world = World::start(&[&l1], Setup::default()).await;
    let feed = world.feed.clone();
    let asked = tokio::spawn(async move { feed.block(10).await });
    // The block is on its way.
    sleep(Duration::from_millis(10)).await;
    assert_eq!(requests(&l1), [1, 0, 0]);
    l1.roll_back(6);
    deposit();
    l1.mine(6);
    let refused = asked.await.unwrap();
    assert!(
        matches!(refused, Err(L1DataError::Failed { .. })),
        "{refused:?}"
    );
    world.watcher.head_is(16).await;
    let data = world.block(10).await;
    assert_eq!((data.hash, data.logs.len()), (l1.id(10).hash, 1));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorg_within_a_range_of_a_trusted_endpoint_mixes_nothing() {
    let l1 = MemoryL1::new(CHAIN_ID, 40);
    let setup = Setup {
        trust_rpc: true,
        ..Setup::default()
    };
    let world = World::start(&[&l1], setup).await;
    world.advance(5);
    sleep(Duration::from_millis(30)).await;
    l1.reorg(34, 1);
    world.watcher.head_is(40).await;
    sleep(Duration::from_secs(5)).await;
    for number in 6..=40 {
        assert_eq!(
            world.block(number).await.hash,
            l1.id(number).hash,
            "{number}"
        );
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_was_rolled_back_has_no_block_beyond_its_head() {
    let l1 = MemoryL1::new(CHAIN_ID, 100);
    let world = World::start(&[&l1], Setup::default()).await;
    world.advance(90);
    sleep(Duration::from_secs(1)).await;
    l1.roll_back(4);
    world.watcher.head_is(95).await;
    assert_eq!(world.feed.block(97).await, Ok(None));
    assert!(world.feed.block(95).await.unwrap().is_some());
    world.stop().await;
}
