//! What is remembered of the source's safe heads, and what it is asked for.

use super::*;
use light_node_protocol::BlockNumHash;

#[tokio::test(start_paused = true)]
async fn the_safe_head_of_an_l1_block_is_known_once_the_source_has_left_it() {
    let mut world = World::start().await;
    world.next_applied().await;
    let cursor = world.source.l1().block(95);
    world.source.advance(6);
    world.source.set_cursor(Some(cursor));
    let safe = world.next_applied().await.state.local_safe;
    assert_eq!(world.history.at(95).unwrap(), None);
    world.source.set_cursor(Some(world.source.l1().block(97)));
    world.next_applied().await;
    let found = loop {
        if let Some(found) = world.history.at(95).unwrap() {
            break found;
        }
        sleep(seconds(1)).await;
    };
    assert_eq!(found.safe_head, BlockNumHash::new(safe.number, safe.hash));
    assert_eq!(found.l1_block, cursor.id());
    assert_eq!(world.history.at(96).unwrap(), Some(found));
    assert_eq!(world.history.at(97).unwrap(), None);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_without_a_history_says_that_it_serves_none() {
    let world = World::start().await;
    let refused = world.follow.safe_head_at_l1_block(5).await.unwrap_err();
    assert!(matches!(refused, SourceError::Rpc { code: -32601, .. }));
    world.stop().await;
}
