#![allow(clippy::unwrap_used)]

use super::*;
use std::time::Duration;

fn link() -> Arc<Link> {
    let rpcs = LargeRpcs::new(Standing::new());
    rpcs.bound(PeerId::random(), ()).link
}

fn is_ousted(link: &Link) -> bool {
    link.is_ousted.load(Ordering::Acquire)
}

#[test]
fn who_began_a_large_rpc_the_longest_ago_makes_room_for_who_begins_one() {
    let (rpcs, now) = (LargeRpcs::new(Standing::new()), Instant::now());
    let links: Vec<_> = (0..PLACES).map(|_| link()).collect();
    let later = |seconds: usize| now + Duration::from_secs(seconds as u64);
    for (second, link) in links.iter().enumerate() {
        rpcs.take(link, later(second));
    }
    // The first one again: now the second is the oldest.
    rpcs.take(&links[0], later(PLACES));
    assert!(links.iter().all(|link| !is_ousted(link)));
    let newcomer = link();
    rpcs.take(&newcomer, later(PLACES + 1));
    let ousted: Vec<bool> = links.iter().map(|link| is_ousted(link)).collect();
    assert!(ousted[1] && ousted.iter().filter(|ousted| **ousted).count() == 1);
    assert!(!is_ousted(&newcomer));
}

#[test]
fn those_in_good_standing_lose_their_place_last() {
    let standing = Standing::new();
    let (rpcs, now) = (LargeRpcs::new(standing.clone()), Instant::now());
    let proven: Vec<_> = (0..PLACES).map(|_| link()).collect();
    for link in &proven {
        standing.prove(link.peer, now);
        rpcs.take(link, now);
    }
    let stranger = link();
    rpcs.take(&stranger, now + Duration::from_secs(1));
    assert!(is_ousted(&stranger) && proven.iter().all(|link| !is_ousted(link)));
    let another = link();
    standing.prove(another.peer, now);
    rpcs.take(&another, now + Duration::from_secs(2));
    assert!(!is_ousted(&another));
    assert_eq!(proven.iter().filter(|link| is_ousted(link)).count(), 1);
}

#[test]
fn a_connection_that_has_ended_leaves_its_place() {
    let (rpcs, now) = (LargeRpcs::new(Standing::new()), Instant::now());
    let first = link();
    rpcs.take(&first, now);
    for _ in 0..3 * PLACES {
        rpcs.take(&link(), now + Duration::from_secs(1));
    }
    assert!(!is_ousted(&first));
    assert!(rpcs.holders().len() <= 2);
}
