#![allow(clippy::unwrap_used)]

mod swarms;

use super::*;
use libp2p::identity::Keypair;
use proptest::prelude::*;
use std::{fs, sync::atomic::AtomicU64};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

fn peer() -> PeerId {
    Keypair::generate_secp256k1().public().to_peer_id()
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// A gater in memory whose clock a test moves.
fn timed(path: Option<PathBuf>) -> (Arc<Gater>, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(1_700_000_000));
    let read = Arc::clone(&seconds);
    let clock = move || UNIX_EPOCH + Duration::from_secs(read.load(Ordering::Relaxed));
    let gater = Gater::with_clock(Vec::new(), path, Box::new(clock)).unwrap();
    (gater, seconds)
}

fn gater() -> Arc<Gater> {
    Gater::new(Vec::new(), None).unwrap()
}

fn kept(folder: &TempDir) -> PathBuf {
    folder.path().join("gater.json")
}

#[test]
fn a_blocked_peer_is_out_until_it_is_unblocked() {
    let (gater, blocked, other) = (gater(), peer(), peer());
    gater.block_peer(blocked).unwrap();
    assert_eq!(gater.may_have(&blocked), Err(Refusal::BlockedPeer));
    assert_eq!(gater.may_have(&other), Ok(()));
    let address = format!("/ip4/8.8.8.8/tcp/1/p2p/{blocked}").parse().unwrap();
    assert_eq!(gater.may_dial(&address), Err(Refusal::BlockedPeer));
    assert_eq!(gater.listed_peers(), [blocked]);
    gater.unblock_peer(&blocked).unwrap();
    assert_eq!(gater.may_have(&blocked), Ok(()));
    assert!(gater.listed_peers().is_empty());
}

#[test]
fn a_blocked_address_is_out_in_both_its_spellings() {
    let gater = gater();
    gater.block_addr(addr("8.8.8.8")).unwrap();
    assert_eq!(gater.may_accept(addr("8.8.8.8")), Err(Refusal::BlockedAddr));
    let mapped = addr("::ffff:8.8.8.8");
    assert_eq!(gater.may_accept(mapped), Err(Refusal::BlockedAddr));
    assert_eq!(gater.may_accept(addr("8.8.8.9")), Ok(()));
    let address = "/ip4/8.8.8.8/tcp/9222".parse().unwrap();
    assert_eq!(gater.may_dial(&address), Err(Refusal::BlockedAddr));
    gater.unblock_addr(mapped).unwrap();
    assert_eq!(gater.may_accept(addr("8.8.8.8")), Ok(()));
}

#[test]
fn a_blocked_subnet_is_out_however_it_was_written() {
    let gater = gater();
    gater.block_subnet(net("10.1.2.3/16")).unwrap();
    gater.block_subnet(net("2001:db8::1/32")).unwrap();
    assert_eq!(
        gater.may_accept(addr("10.1.255.1")),
        Err(Refusal::BlockedSubnet)
    );
    assert_eq!(
        gater.may_accept(addr("2001:db8:5::1")),
        Err(Refusal::BlockedSubnet)
    );
    assert_eq!(gater.may_accept(addr("10.2.0.1")), Ok(()));
    assert_eq!(
        gater.listed_subnets(),
        [net("10.1.0.0/16"), net("2001:db8::/32")]
    );
    gater.unblock_subnet(net("10.1.9.9/16")).unwrap();
    assert_eq!(gater.may_accept(addr("10.1.255.1")), Ok(()));
}

#[test]
fn a_node_that_is_restricted_to_networks_sees_nobody_else() {
    let allowed = vec![net("10.0.0.0/8"), net("fd00::/8")];
    let gater = Gater::new(allowed, None).unwrap();
    assert_eq!(gater.may_accept(addr("10.9.9.9")), Ok(()));
    assert_eq!(gater.may_accept(addr("fd00::1")), Ok(()));
    assert_eq!(gater.may_accept(addr("8.8.8.8")), Err(Refusal::Restricted));
    let address = "/ip6/2001:db8::1/tcp/1".parse().unwrap();
    assert_eq!(gater.may_dial(&address), Err(Refusal::Restricted));
}

#[test]
fn a_ban_ends_by_itself_and_is_not_listed_as_blocked() {
    let (gater, seconds) = timed(None);
    let banned = peer();
    gater.ban_peer(banned, HOUR);
    assert_eq!(gater.may_have(&banned), Err(Refusal::BannedPeer));
    assert_eq!((gater.listed_peers().len(), gater.peers_out()), (0, 1));
    seconds.fetch_add(3599, Ordering::Relaxed);
    assert_eq!(gater.may_have(&banned), Err(Refusal::BannedPeer));
    seconds.fetch_add(1, Ordering::Relaxed);
    assert_eq!(gater.may_have(&banned), Ok(()));
    assert_eq!(gater.peers_out(), 0);
}

#[test]
fn unblocking_lifts_a_ban_too() {
    let (gater, banned) = (gater(), peer());
    gater.ban_peer(banned, HOUR);
    gater.unblock_peer(&banned).unwrap();
    assert_eq!(gater.may_have(&banned), Ok(()));
}

#[test]
fn blocks_and_bans_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (blocked, banned) = (peer(), peer());
    let (gater, seconds) = timed(Some(kept(&folder)));
    gater.block_peer(blocked).unwrap();
    gater.block_addr(addr("8.8.8.8")).unwrap();
    gater.block_subnet(net("10.0.0.0/8")).unwrap();
    gater.ban_peer(banned, HOUR);
    drop(gater);

    let (gater, later) = timed(Some(kept(&folder)));
    later.store(seconds.load(Ordering::Relaxed) + 1800, Ordering::Relaxed);
    assert_eq!(gater.may_have(&blocked), Err(Refusal::BlockedPeer));
    assert_eq!(gater.may_have(&banned), Err(Refusal::BannedPeer));
    assert_eq!(gater.may_accept(addr("8.8.8.8")), Err(Refusal::BlockedAddr));
    assert_eq!(
        gater.may_accept(addr("10.0.0.1")),
        Err(Refusal::BlockedSubnet)
    );
    later.fetch_add(1800, Ordering::Relaxed);
    assert_eq!(gater.may_have(&banned), Ok(()));
    gater.unblock_peer(&blocked).unwrap();
    drop(gater);
    assert_eq!(timed(Some(kept(&folder))).0.may_have(&blocked), Ok(()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_ban_within_a_runtime_is_kept_without_the_caller_waiting_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let gater = Gater::new(Vec::new(), Some(kept(&folder))).unwrap();
    let banned = (0..20).map(|_| peer()).collect::<Vec<_>>();
    for peer in &banned {
        gater.ban_peer(*peer, HOUR);
    }
    // Whichever write comes last has all of them, and this one waits for those before.
    gater.block_addr(addr("8.8.8.8")).unwrap();
    let again = Gater::new(Vec::new(), Some(kept(&folder))).unwrap();
    for peer in &banned {
        assert_eq!(again.may_have(peer), Err(Refusal::BannedPeer));
    }
}

#[tokio::test]
async fn bans_that_come_while_the_disk_is_stuck_wait_for_one_write() {
    let folder = tempfile::tempdir().unwrap();
    let gater = Gater::new(Vec::new(), Some(kept(&folder))).unwrap();
    let stuck = gater.inner.writing.lock().unwrap();
    let banned = (0..1000).map(|_| peer()).collect::<Vec<_>>();
    for peer in &banned {
        gater.ban_peer(*peer, HOUR);
    }
    // Each write that is on its way holds the lists: one that is stuck, and one that is due.
    assert!(Arc::strong_count(&gater.inner) <= 3);
    drop(stuck);
    gater.block_addr(addr("8.8.8.8")).unwrap();
    let again = Gater::new(Vec::new(), Some(kept(&folder))).unwrap();
    assert_eq!(again.peers_out(), banned.len());
}

#[test]
fn a_broken_list_ends_the_start_and_is_not_overwritten() {
    for content in [
        "{",
        "7",
        r#"{"peers":["nobody"]}"#,
        r#"{"adrs":["8.8.8.8"]}"#,
        r#"{"subnets":["10.0.0.0/33"]}"#,
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(kept(&folder), content).unwrap();
        let refused = Gater::new(Vec::new(), Some(kept(&folder))).err().unwrap();
        assert!(
            matches!(refused, GaterError::Broken { .. }),
            "{content}: {refused}"
        );
        assert_eq!(fs::read_to_string(kept(&folder)).unwrap(), content);
    }
}

#[test]
fn a_block_that_cannot_be_kept_is_told_and_holds_until_the_restart() {
    let (gater, blocked) = (timed(Some("/proc/light-node/gater.json".into())).0, peer());
    let told = gater.block_peer(blocked).unwrap_err();
    assert!(matches!(told, GaterError::Write { .. }), "{told}");
    assert_eq!(gater.may_have(&blocked), Err(Refusal::BlockedPeer));
}

#[test]
fn a_list_is_bounded_and_bans_never_push_out_what_was_blocked() {
    let gater = gater();
    let blocked = (0..LIST_LENGTH_MAX)
        .map(|_| PeerId::random())
        .collect::<Vec<_>>();
    for peer in &blocked {
        gater.block_peer(*peer).unwrap();
    }
    gater.block_peer(blocked[0]).unwrap();
    assert!(matches!(
        gater.block_peer(PeerId::random()),
        Err(GaterError::Full)
    ));
    let banned = (0..=LIST_LENGTH_MAX)
        .map(|_| PeerId::random())
        .collect::<Vec<_>>();
    for peer in &banned {
        gater.ban_peer(*peer, HOUR);
    }
    assert_eq!(gater.may_have(&blocked[0]), Err(Refusal::BlockedPeer));
    assert_eq!(gater.listed_peers().len(), LIST_LENGTH_MAX);
    assert_eq!(
        gater.may_have(&banned[0]),
        Ok(()),
        "the oldest ban made room"
    );
    let newest = &banned[LIST_LENGTH_MAX];
    assert_eq!(gater.may_have(newest), Err(Refusal::BannedPeer));
    assert_eq!(gater.peers_out(), 2 * LIST_LENGTH_MAX);
}

proptest! {
    #[test]
    fn no_file_panics(content: Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(kept(&folder), content).unwrap();
        let _ = Gater::new(Vec::new(), Some(kept(&folder)));
    }
}
