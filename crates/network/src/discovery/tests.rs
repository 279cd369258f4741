#![allow(clippy::unwrap_used)]

use super::*;
use crate::{enr::peer_id_of, test_chain};
use discv5::Enr;
use libp2p::PeerId;
use std::{collections::BTreeSet, path::Path};
use tokio::task::JoinHandle;

/// Far beyond what any of this takes.
const PATIENCE: Duration = Duration::from_secs(60);
const ROUTERS_CHAIN: u64 = 10;
const CHAIN: u64 = test_chain::CHAIN_ID;

fn config(chain_id: u64, bootnodes: &[String]) -> NetworkConfig {
    let rollup = light_node_protocol::RollupConfig {
        l2_chain_id: chain_id,
        ..Default::default()
    };
    let mut config = NetworkConfig::new(Arc::new(rollup), secp256k1::Keypair::generate());
    config.listen.ip = [127, 0, 0, 1].into();
    config.listen.tcp_port = 0;
    config.discovery = Some(DiscoveryConfig {
        bootnodes: bootnodes.to_vec(),
        store_path: None,
        interval: Duration::from_millis(100),
    });
    config
}

fn stored_at(mut config: NetworkConfig, path: &Path) -> NetworkConfig {
    let discovery = config.discovery.as_mut().unwrap();
    discovery.store_path = Some(path.to_owned());
    config
}

/// Stands in the records; these nodes have no libp2p. UDP takes it or any other.
const TCP_PORT: u16 = 41_999;

struct Node {
    handle: DiscoveryHandle,
    gater: Arc<Gater>,
    token: CancellationToken,
    task: JoinHandle<()>,
}

impl Node {
    fn start(config: &NetworkConfig) -> Self {
        let gater = Gater::new(config.netrestrict.clone(), None).unwrap();
        Self::gated(config, gater)
    }

    fn gated(config: &NetworkConfig, gater: Arc<Gater>) -> Self {
        let settings = config.discovery.as_ref().unwrap();
        let (discovery, handle) =
            Discovery::new(config, settings, TCP_PORT, Arc::clone(&gater)).unwrap();
        let token = CancellationToken::new();
        let task = tokio::spawn(discovery.run(token.clone()));
        Self {
            handle,
            gater,
            token,
            task,
        }
    }

    fn of(chain_id: u64, bootnodes: &[String]) -> Self {
        Self::start(&config(chain_id, bootnodes))
    }

    fn enr(&self) -> Enr {
        self.handle.local_enr()
    }

    fn text(&self) -> String {
        self.enr().to_base64()
    }

    fn peer(&self) -> PeerId {
        peer_id_of(&self.enr()).unwrap()
    }

    async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap();
    }

    /// Takes candidates until one is `peer`; gives all that came before.
    async fn find(&mut self, peer: PeerId) -> BTreeSet<PeerId> {
        let mut before = BTreeSet::new();
        let search = async {
            loop {
                let candidate = self.handle.candidate().await.unwrap();
                if candidate.peer == peer {
                    return;
                }
                before.insert(candidate.peer);
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap();
        before
    }
}

fn enode(node: &Node) -> String {
    use ::enr::EnrPublicKey;
    let enr = node.enr();
    let point = alloy_primitives::hex::encode(enr.public_key().encode_uncompressed());
    format!("enode://{point}@127.0.0.1:{}", enr.udp4().unwrap())
}

#[tokio::test]
async fn two_nodes_find_each_other_through_a_router_of_another_chain() {
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let mut one = Node::of(CHAIN, &[router.text()]);
    let mut other = Node::of(CHAIN, &[router.text()]);
    let (one_peer, other_peer) = (one.peer(), other.peer());
    let (by_one, by_other) = tokio::join!(one.find(other_peer), other.find(one_peer));
    assert!(
        by_one.is_empty() && by_other.is_empty(),
        "the router is of another chain"
    );
    assert!(one.handle.table().contains(&router.enr()));
    assert_eq!(one.handle.table_len(), one.handle.table().len());
    for node in [router, one, other] {
        node.stop().await;
    }
}

#[tokio::test]
async fn a_bootnode_that_is_known_by_key_and_address_tells_its_record() {
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let mut one = Node::of(CHAIN, &[enode(&router)]);
    let named = enode(&router).replace("127.0.0.1", "localhost");
    let other = Node::of(CHAIN, &[named]);
    one.find(other.peer()).await;
    assert!(one.handle.table().contains(&router.enr()));
}

#[tokio::test]
async fn a_candidate_comes_with_the_addresses_of_its_record() {
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let mut one = Node::of(CHAIN, &[router.text()]);
    let other = Node::of(CHAIN, &[router.text()]);
    let candidate = tokio::time::timeout(PATIENCE, one.handle.candidate()).await;
    let candidate = candidate.unwrap().unwrap();
    let expected = format!("/ip4/127.0.0.1/tcp/{TCP_PORT}/p2p/{}", other.peer());
    assert_eq!(candidate.addresses, [expected.parse().unwrap()]);
    assert_eq!((candidate.peer, candidate.enr), (other.peer(), other.enr()));
}

#[tokio::test]
async fn nodes_of_other_chains_and_of_none_are_never_candidates() {
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let foreign = Node::of(ROUTERS_CHAIN, &[router.text()]);
    let near = Node::of(CHAIN + 1, &[router.text()]);
    let mut one = Node::of(CHAIN, &[router.text(), foreign.text(), near.text()]);
    let other = Node::of(CHAIN, &[router.text()]);
    let mut before = BTreeSet::new();
    for _ in 0..10 {
        before.append(&mut one.find(other.peer()).await);
    }
    assert!(before.is_empty(), "{before:?}");
    assert!(
        one.handle.table().contains(&foreign.enr()),
        "it routes all the same"
    );
}

#[tokio::test]
async fn who_is_blocked_or_banned_is_no_candidate_until_that_ends() {
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let blocked = Node::of(CHAIN, &[router.text()]);
    let banned = Node::of(CHAIN, &[router.text()]);
    let other = Node::of(CHAIN, &[router.text()]);
    let settings = config(CHAIN, &[router.text()]);
    let gater = Gater::new(Vec::new(), None).unwrap();
    gater.block_peer(blocked.peer()).unwrap();
    gater.ban_peer(banned.peer(), Duration::from_secs(3600));
    let mut one = Node::gated(&settings, gater);
    let mut before = BTreeSet::new();
    for _ in 0..10 {
        before.append(&mut one.find(other.peer()).await);
    }
    assert!(before.is_empty(), "{before:?}");
    let table = one.handle.table();
    assert!(!table.contains(&blocked.enr()) && !table.contains(&banned.enr()));
    one.gater.unblock_peer(&blocked.peer()).unwrap();
    one.gater.unblock_peer(&banned.peer()).unwrap();
    one.find(blocked.peer()).await;
    one.find(banned.peer()).await;
}

#[tokio::test]
async fn who_is_banned_leaves_the_table_of_this_node_alone() {
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let mut one = Node::of(CHAIN, &[router.text()]);
    let other = Node::of(CHAIN, &[router.text()]);
    one.find(other.peer()).await;
    one.gater.ban_peer(router.peer(), Duration::from_secs(3600));
    one.handle
        .ban(Discovered::Peer(router.peer()), Duration::from_secs(3600));
    let gone = async {
        while one.handle.table().contains(&router.enr()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    // The ban is of this node: others of the process still hear the router.
    let mut third = Node::of(CHAIN, &[router.text()]);
    third.find(other.peer()).await;
}

#[tokio::test]
async fn a_node_that_is_restricted_to_networks_names_nobody_outside() {
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let mut elsewhere = config(CHAIN, &[router.text()]);
    // Heard on loopback, and said to be elsewhere.
    elsewhere.advertise.ip = Some([192, 0, 2, 1].into());
    let elsewhere = Node::start(&elsewhere);
    let other = Node::of(CHAIN, &[router.text()]);
    let mut settings = config(CHAIN, &[router.text(), elsewhere.text()]);
    settings.netrestrict = vec!["127.0.0.0/8".parse().unwrap()];
    let mut one = Node::start(&settings);
    let mut before = BTreeSet::new();
    for _ in 0..5 {
        before.append(&mut one.find(other.peer()).await);
    }
    assert!(before.is_empty(), "{before:?}");
}

#[tokio::test]
async fn a_restart_finds_its_peers_without_the_bootnodes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let other = Node::of(CHAIN, &[router.text()]);
    let mut one = Node::start(&stored_at(config(CHAIN, &[router.text()]), &path));
    one.find(other.peer()).await;
    one.stop().await;
    router.stop().await;
    let mut again = Node::start(&stored_at(config(CHAIN, &[]), &path));
    again.find(other.peer()).await;
}

#[tokio::test]
async fn with_enough_peers_lookups_go_on_more_slowly() {
    let router = Node::of(ROUTERS_CHAIN, &[]);
    let mut one = Node::of(CHAIN, &[router.text()]);
    one.handle.want_peers(false);
    let other = Node::of(CHAIN, &[router.text()]);
    one.find(other.peer()).await;
}

#[tokio::test]
async fn the_record_says_what_is_advertised_and_nobodys_word_changes_it() {
    let mut settings = config(CHAIN, &[]);
    settings.advertise.ip = Some([192, 0, 2, 7].into());
    settings.advertise.tcp_port = Some(1111);
    settings.advertise.udp_port = Some(2222);
    let gater = Gater::new(Vec::new(), None).unwrap();
    let discovery = settings.discovery.clone().unwrap();
    let (node, handle) = Discovery::new(&settings, &discovery, TCP_PORT, gater).unwrap();
    let record = handle.local_enr();
    assert_eq!(
        record.tcp4_socket(),
        Some("192.0.2.7:1111".parse().unwrap())
    );
    assert_eq!(
        record.udp4_socket(),
        Some("192.0.2.7:2222".parse().unwrap())
    );
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let service = node.service_config(Arc::new(socket));
    assert!(!service.enr_update);
    assert_eq!(service.auto_nat_listen_duration, None);
}

#[tokio::test]
async fn a_node_that_listens_everywhere_learns_its_address_and_says_none_before() {
    let mut settings = config(CHAIN, &[]);
    settings.listen.ip = [0, 0, 0, 0].into();
    let gater = Gater::new(Vec::new(), None).unwrap();
    let discovery = settings.discovery.clone().unwrap();
    let (node, handle) = Discovery::new(&settings, &discovery, TCP_PORT, gater).unwrap();
    let record = handle.local_enr();
    assert_eq!((record.ip4(), record.ip6()), (None, None));
    assert_eq!(
        (record.tcp4(), record.udp4()),
        (Some(TCP_PORT), Some(handle.address().port()))
    );
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let service = node.service_config(Arc::new(socket));
    assert!(service.enr_update && service.enable_packet_filter && service.ip_limit);
}

#[tokio::test]
async fn the_next_start_has_a_newer_record() {
    let settings = config(CHAIN, &[]);
    let start = || {
        let gater = Gater::new(Vec::new(), None).unwrap();
        let discovery = settings.discovery.clone().unwrap();
        Discovery::new(&settings, &discovery, TCP_PORT, gater)
            .unwrap()
            .1
            .local_enr()
    };
    let first = start();
    let mut next = start();
    // Starts of one millisecond have one number; a process takes longer.
    while next.seq() == first.seq() {
        next = start();
    }
    assert!(next.seq() > first.seq() && next.node_id() == first.node_id());
}

#[test]
fn a_bootnode_that_cannot_be_read_ends_the_start() {
    let settings = config(CHAIN, &["enr:-nonsense".to_owned()]);
    let gater = Gater::new(Vec::new(), None).unwrap();
    let discovery = settings.discovery.clone().unwrap();
    let refused = Discovery::new(&settings, &discovery, TCP_PORT, gater)
        .err()
        .unwrap();
    assert!(
        matches!(refused, DiscoveryError::Bootnode { .. }),
        "{refused}"
    );
}

#[test]
fn a_udp_port_that_somebody_has_ends_the_start_if_it_was_asked_for() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let start = |udp_port, tcp_port, real_tcp_port| {
        let mut settings = config(CHAIN, &[]);
        (settings.listen.udp_port, settings.listen.tcp_port) = (udp_port, tcp_port);
        let gater = Gater::new(Vec::new(), None).unwrap();
        let discovery = settings.discovery.clone().unwrap();
        Discovery::new(&settings, &discovery, real_tcp_port, gater)
    };
    for refused in [start(port, 0, 1), start(0, port, port)] {
        let refused = refused.err().unwrap();
        assert!(matches!(refused, DiscoveryError::Bind { .. }), "{refused}");
    }
    let (_, handle) = start(0, 0, port).unwrap();
    assert_ne!(
        handle.address().port(),
        port,
        "with both left to us, any will do"
    );
}

#[tokio::test]
async fn a_node_of_the_internet_dials_no_stranger_on_its_own_machine() {
    let folder = tempfile::tempdir().unwrap();
    let record = |ip: [u8; 4]| {
        let record = LocalRecord {
            chain_id: CHAIN,
            ip: Some(ip.into()),
            is_v6: false,
            tcp_port: 6379,
            udp_port: 9222,
            seq: 1,
        };
        let key = secp256k1::Keypair::generate();
        record.sign(&enr::discovery_key(&key)).unwrap()
    };
    let (on_it, on_its_link, neighbour) = (
        record([127, 0, 0, 1]),
        record([169, 254, 169, 254]),
        record([10, 1, 2, 3]),
    );
    let path = folder.path().join("records");
    let records = [on_it.clone(), on_its_link, neighbour.clone()];
    EnrStore::new(path.clone()).save(&records).unwrap();
    let mut public = stored_at(config(CHAIN, &[]), &path);
    public.advertise.ip = Some([203, 0, 113, 7].into());
    let mut public = Node::start(&public);
    let before = public.find(peer_id_of(&neighbour).unwrap()).await;
    assert!(before.is_empty(), "{before:?}");
    public.stop().await;
    // One that is itself on loopback finds those on it.
    let mut local = Node::start(&stored_at(config(CHAIN, &[]), &path));
    local.find(peer_id_of(&on_it).unwrap()).await;
    local.stop().await;
}
