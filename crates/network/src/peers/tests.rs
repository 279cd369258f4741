#![allow(clippy::unwrap_used)]

mod limits;

use super::*;
use crate::{
    config::{BanConfig, NetworkConfig},
    enr::{LocalRecord, addresses_of, discovery_key, peer_id_of},
    peer_info::{Connectedness, Direction, GossipScores},
    test_chain,
};
use libp2p::{
    Multiaddr, PeerId,
    identity::{Keypair, secp256k1},
    multiaddr::Protocol,
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn peer() -> PeerId {
    Keypair::generate_secp256k1().public().to_peer_id()
}

fn address() -> Multiaddr {
    "/ip4/8.8.8.8/tcp/9222".parse().unwrap()
}

fn config() -> NetworkConfig {
    let key = secp256k1::Keypair::generate();
    let mut config = NetworkConfig::new(test_chain::config(), key);
    (config.peers.low, config.peers.high) = (2, 4);
    // None of these is a default.
    config.peers.grace = 20 * SECOND;
    config.bans = Some(BanConfig {
        threshold: -50.0,
        duration: 7 * MINUTE,
    });
    config
}

/// A book with a clock.
struct Desk {
    book: PeerBook,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        Self::of(&config())
    }

    fn of(config: &NetworkConfig) -> Self {
        Self {
            book: PeerBook::new(config),
            now: Instant::now(),
        }
    }

    fn wait(&mut self, duration: Duration) {
        self.now += duration;
    }

    fn connect(&mut self, peer: PeerId) {
        self.book
            .connected(peer, Direction::Inbound, &address(), self.now);
    }

    /// A connected peer that is subscribed to a topic and has a score.
    fn guest(&mut self, score: f64) -> PeerId {
        let guest = peer();
        self.connect(guest);
        self.book.subscribed(&guest, 3, true, self.now);
        self.score(guest, score);
        guest
    }

    fn score(&mut self, peer: PeerId, total: f64) {
        let scores = GossipScores {
            total,
            ..GossipScores::default()
        };
        self.book.scored(peer, scores);
    }

    fn pruned(&self) -> BTreeSet<PeerId> {
        self.book.prune(self.now).into_iter().collect()
    }
}

fn with_static() -> (Desk, PeerId, Multiaddr) {
    let (mut config, peer) = (config(), peer());
    let address = address().with(Protocol::P2p(peer));
    config.static_peers = vec![address.clone()];
    (Desk::of(&config), peer, address)
}

#[test]
fn too_many_peers_are_cut_to_the_limit_worst_first() {
    let mut desk = Desk::new();
    let guests = [5.0, -1.0, 3.0, -7.0, 0.0, 9.0].map(|score| desk.guest(score));
    desk.wait(30 * SECOND);
    assert_eq!(desk.pruned(), [guests[1], guests[3]].into());
}

#[test]
fn of_equal_scores_the_one_that_came_last_goes() {
    let mut desk = Desk::new();
    for _ in 0..4 {
        desk.guest(0.0);
        desk.wait(SECOND);
    }
    let last = desk.guest(0.0);
    desk.wait(30 * SECOND);
    assert_eq!(desk.pruned(), [last].into());
}

#[test]
fn a_new_peer_has_its_grace() {
    let mut desk = Desk::new();
    let old = [0.0; 4].map(|score| desk.guest(score));
    desk.wait(19 * SECOND);
    desk.guest(-5.0);
    assert!(desk.pruned().is_empty(), "the old ones have a second left");
    desk.wait(SECOND);
    let pruned = desk.pruned();
    assert_eq!(pruned.len(), 1);
    assert!(
        old.contains(pruned.first().unwrap()),
        "the new one has its grace"
    );
}

#[test]
fn up_to_the_limit_nobody_is_let_go() {
    let mut desk = Desk::new();
    for _ in 0..4 {
        desk.guest(-50.0);
    }
    desk.wait(10 * MINUTE);
    assert!(desk.pruned().is_empty());
}

#[test]
fn a_peer_without_a_topic_of_ours_goes_after_a_minute() {
    let mut desk = Desk::new();
    let guest = desk.guest(0.0);
    let foreign = peer();
    desk.connect(foreign);
    desk.wait(59 * SECOND);
    assert!(desk.pruned().is_empty());
    desk.wait(SECOND);
    assert_eq!(desk.pruned(), [foreign].into());
    // From now on the guest shares nothing either, and has its own minute.
    desk.book.subscribed(&guest, 3, false, desk.now);
    desk.wait(59 * SECOND);
    assert!(!desk.pruned().contains(&guest));
    desk.wait(SECOND);
    assert!(desk.pruned().contains(&guest));
}

#[test]
fn a_peer_without_a_topic_makes_room_for_no_other_to_be_cut() {
    let mut desk = Desk::new();
    let foreign = peer();
    desk.connect(foreign);
    for _ in 0..4 {
        desk.guest(0.0);
    }
    desk.wait(MINUTE);
    assert_eq!(desk.pruned(), [foreign].into());
}

#[test]
fn static_and_protected_peers_are_never_pruned_or_banned() {
    let (mut desk, fixed, _) = with_static();
    desk.connect(fixed);
    desk.score(fixed, -1000.0);
    let protected = desk.guest(-1000.0);
    desk.book.protect(protected);
    for _ in 0..4 {
        desk.guest(1.0);
    }
    desk.wait(2 * MINUTE);
    let pruned = desk.pruned();
    assert_eq!(pruned.len(), 2);
    assert!(!pruned.contains(&fixed) && !pruned.contains(&protected));
    assert!(desk.book.to_ban().is_empty());
    desk.book.unprotect(&protected);
    assert!(desk.pruned().contains(&protected));
    assert_eq!(desk.book.to_ban(), [(protected, 7 * MINUTE)]);
    desk.book.unprotect(&fixed);
    assert!(desk.book.is_kept(&fixed), "a static peer stays one");
}

#[test]
fn a_score_below_the_threshold_bans_for_the_duration() {
    let mut desk = Desk::new();
    let guest = desk.guest(-50.0);
    assert!(
        desk.book.to_ban().is_empty(),
        "the threshold itself does not"
    );
    desk.score(guest, -50.1);
    assert_eq!(desk.book.to_ban(), [(guest, 7 * MINUTE)]);
    desk.book.disconnected(&guest);
    assert!(desk.book.to_ban().is_empty(), "it is gone");
}

#[test]
fn without_bans_nobody_is_banned() {
    let mut config = config();
    config.bans = None;
    let mut desk = Desk::of(&config);
    desk.guest(-1e9);
    assert!(desk.book.to_ban().is_empty());
}

#[test]
fn static_peers_are_dialled_at_once_and_after_longer_and_longer_up_to_a_minute() {
    let (mut desk, fixed, address) = with_static();
    let addresses = std::slice::from_ref(&address);
    assert_eq!(desk.book.redial(desk.now), addresses);
    for pause in [2, 4, 8, 16, 32, 60, 60] {
        desk.wait((pause - 1) * SECOND);
        assert!(desk.book.redial(desk.now).is_empty(), "before {pause}");
        desk.wait(SECOND);
        assert_eq!(desk.book.redial(desk.now), addresses, "after {pause}");
    }
    // One that comes and goes at once is no better than one that is gone.
    desk.connect(fixed);
    desk.book.disconnected(&fixed);
    desk.wait(59 * SECOND);
    assert!(desk.book.redial(desk.now).is_empty());
    desk.wait(SECOND);
    assert_eq!(desk.book.redial(desk.now), addresses);
    // One that was there for a while begins anew.
    desk.connect(fixed);
    desk.wait(10 * MINUTE);
    assert!(desk.book.redial(desk.now).is_empty(), "it is there");
    desk.book.disconnected(&fixed);
    assert_eq!(desk.book.redial(desk.now), addresses);
    desk.wait(2 * SECOND);
    assert_eq!(desk.book.redial(desk.now), addresses);
}

#[test]
fn a_peer_that_was_sent_away_is_not_dialled_until_it_is_called() {
    let (mut desk, fixed, address) = with_static();
    desk.connect(fixed);
    desk.book.disconnect(fixed);
    desk.book.disconnected(&fixed);
    desk.wait(10 * MINUTE);
    assert!(desk.book.redial(desk.now).is_empty());
    assert!(!desk.book.may_dial(fixed, desk.now));
    desk.book.connect(fixed, desk.now);
    desk.connect(fixed);
    desk.book.disconnected(&fixed);
    assert_eq!(desk.book.redial(desk.now), [address]);
}

#[test]
fn a_static_peer_that_was_sent_away_and_came_back_by_itself_is_dialled_when_it_is_gone() {
    let (mut desk, fixed, address) = with_static();
    let guest = peer();
    for peer in [fixed, guest] {
        desk.connect(peer);
        desk.book.disconnect(peer);
        desk.book.disconnected(&peer);
        desk.wait(10 * MINUTE);
        desk.connect(peer);
        desk.book.disconnected(&peer);
    }
    assert_eq!(desk.book.redial(desk.now), [address]);
    assert!(!desk.book.may_dial(guest, desk.now), "it is nobody's wish");
}

#[test]
fn a_dial_that_was_under_way_does_not_call_back_a_static_peer_that_was_sent_away() {
    let (mut desk, fixed, _) = with_static();
    desk.book.disconnect(fixed);
    desk.book
        .connected(fixed, Direction::Outbound, &address(), desk.now);
    desk.book.disconnected(&fixed);
    desk.wait(10 * MINUTE);
    assert!(desk.book.redial(desk.now).is_empty());
}

#[test]
fn candidates_are_dialled_while_there_are_too_few_peers() {
    let mut desk = Desk::new();
    assert!(desk.book.wants_peers());
    assert!(desk.book.may_dial(peer(), desk.now));
    desk.guest(0.0);
    assert!(desk.book.wants_peers());
    assert!(!desk.book.may_dial(peer(), desk.now), "one is on its way");
    desk.guest(0.0);
    assert!(!desk.book.wants_peers());
}

#[test]
fn a_candidate_is_dialled_once_a_minute_and_not_while_it_is_there() {
    let mut desk = Desk::new();
    let candidate = peer();
    assert!(desk.book.may_dial(candidate, desk.now));
    desk.book.dial_failed(&candidate);
    desk.wait(59 * SECOND);
    assert!(!desk.book.may_dial(candidate, desk.now));
    desk.wait(SECOND);
    assert!(desk.book.may_dial(candidate, desk.now));
    desk.connect(candidate);
    desk.wait(10 * MINUTE);
    assert!(!desk.book.may_dial(candidate, desk.now));
}

#[test]
fn four_candidates_are_dialled_at_a_time() {
    let mut config = config();
    (config.peers.low, config.peers.high) = (20, 30);
    let mut desk = Desk::of(&config);
    let candidates = std::array::from_fn::<_, 5, _>(|_| peer());
    for candidate in &candidates[..4] {
        assert!(desk.book.may_dial(*candidate, desk.now));
    }
    assert!(!desk.book.may_dial(candidates[4], desk.now));
    desk.book.dial_failed(&candidates[0]);
    assert!(desk.book.may_dial(candidates[4], desk.now));
    // Dials of which nothing is ever heard do not block for ever.
    desk.wait(MINUTE);
    assert!(desk.book.may_dial(candidates[0], desk.now));
}

#[test]
fn what_is_known_of_a_peer_is_told_of_it_and_outlives_its_connection() {
    let mut desk = Desk::new();
    let key = secp256k1::Keypair::generate();
    let record = LocalRecord {
        chain_id: 901,
        ip: Some([8, 8, 8, 8].into()),
        is_v6: false,
        tcp_port: 9222,
        udp_port: 9222,
        seq: 1,
    };
    let record = record.sign(&discovery_key(&key)).unwrap();
    let peer = peer_id_of(&record).unwrap();
    assert_eq!(desk.book.info(&peer), None);
    desk.book
        .found(peer, record.clone(), &addresses_of(&record));
    desk.book
        .connected(peer, Direction::Outbound, &address(), desk.now);
    desk.book.subscribed(&peer, 3, true, desk.now);
    desk.book.pinged(peer, Duration::from_millis(7));
    let identified = Identified {
        user_agent: "optimism".to_owned(),
        protocol_version: String::new(),
        protocols: vec!["/meshsub/1.1.0".to_owned()],
    };
    desk.book.identified(peer, identified);
    desk.score(peer, 3.5);
    let info = desk.book.info(&peer).unwrap();
    assert_eq!(info.node_id.0, record.node_id().raw());
    assert_eq!(info.enr, record.to_base64());
    assert_eq!(
        (info.chain_id, info.latency),
        (901, Duration::from_millis(7))
    );
    assert_eq!(
        (info.user_agent.as_str(), info.gossips_blocks),
        ("optimism", true)
    );
    assert_eq!(
        info.protocols.as_deref(),
        Some(&["/meshsub/1.1.0".to_owned()][..])
    );
    assert_eq!(
        (info.connectedness, info.direction),
        (Connectedness::Connected, Direction::Outbound)
    );
    assert_eq!(info.scores.gossip.total, 3.5);
    let expected = format!("/ip4/8.8.8.8/tcp/9222/p2p/{peer}").parse().unwrap();
    assert!(info.addresses.contains(&expected), "{:?}", info.addresses);
    desk.book.disconnected(&peer);
    let gone = desk.book.info(&peer).unwrap();
    assert_eq!(
        (gone.connectedness, gone.direction),
        (Connectedness::NotConnected, Direction::Unknown)
    );
    assert_eq!(
        (gone.user_agent.as_str(), gone.gossips_blocks),
        ("optimism", false)
    );
    assert!(desk.book.infos(true).is_empty());
    assert_eq!(desk.book.infos(false).len(), 1);
}

#[test]
fn the_numbers_are_those_of_the_list() {
    let (mut desk, _, _) = with_static();
    let guests = [0.0; 3].map(|score| desk.guest(score));
    desk.book.subscribed(&guests[0], 0, true, desk.now);
    desk.book.disconnected(&guests[2]);
    let stats = desk.book.stats();
    assert_eq!(stats.connected, desk.book.infos(true).len());
    assert_eq!(stats.known, desk.book.infos(false).len());
    assert_eq!((stats.connected, stats.known), (2, 4));
    assert_eq!(stats.block_topics, [1, 0, 0, 2]);
}

#[test]
fn a_second_connection_keeps_what_the_peer_subscribed_to() {
    let mut desk = Desk::new();
    let guest = desk.guest(0.0);
    desk.wait(2 * MINUTE);
    desk.book
        .connected(guest, Direction::Outbound, &address(), desk.now);
    assert!(desk.pruned().is_empty());
    let info = desk.book.info(&guest).unwrap();
    assert_eq!(
        (info.direction, info.gossips_blocks),
        (Direction::Outbound, true)
    );
    assert_eq!(desk.book.stats().connected, 1);
}

#[test]
fn what_a_peer_says_of_itself_is_cut() {
    let mut desk = Desk::new();
    let guest = desk.guest(0.0);
    let loud = Identified {
        user_agent: "ä".repeat(100_000),
        protocol_version: "v".repeat(100_000),
        protocols: vec!["p".repeat(10_000); 10_000],
    };
    desk.book.identified(guest, loud);
    let info = desk.book.info(&guest).unwrap();
    assert!(info.user_agent.len() <= 256 && info.protocol_version.len() <= 256);
    let protocols = info.protocols.unwrap();
    assert!(protocols.len() <= 64 && protocols.iter().all(|text| text.len() <= 256));
}

#[test]
fn a_peer_that_is_reached_at_ever_new_addresses_keeps_the_latest() {
    let mut desk = Desk::new();
    let guest = peer();
    for port in 1..100 {
        let address = format!("/ip4/8.8.8.8/tcp/{port}").parse().unwrap();
        desk.book
            .connected(guest, Direction::Outbound, &address, desk.now);
    }
    let info = desk.book.info(&guest).unwrap();
    assert_eq!(info.addresses.len(), 8);
    assert!(
        info.addresses[0]
            .to_string()
            .starts_with("/ip4/8.8.8.8/tcp/99/")
    );
}

#[test]
fn an_address_that_is_told_with_and_without_the_peer_is_told_once() {
    let mut desk = Desk::new();
    let guest = peer();
    let bare: Multiaddr = "/ip4/8.8.8.8/tcp/9222".parse().unwrap();
    let whole = bare.clone().with(Protocol::P2p(guest));
    for address in [&bare, &whole, &bare] {
        desk.book
            .connected(guest, Direction::Outbound, address, desk.now);
    }
    assert_eq!(desk.book.info(&guest).unwrap().addresses, [whole]);
}
