//! This node as others see it: its addresses, its record, what it speaks.

use crate::{
    config::NetworkConfig,
    discovery::DiscoveryHandle,
    enr,
    peer_info::{Connectedness, Direction, LocalNode, PeerInfo, PeerScores},
};
use alloy_primitives::B256;
use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// What the swarm speaks, as identify tells it to peers.
const PROTOCOLS: [&str; 8] = [
    "/floodsub/1.0.0",
    "/ipfs/id/1.0.0",
    "/ipfs/id/push/1.0.0",
    "/ipfs/ping/1.0.0",
    "/meshsub/1.0.0",
    "/meshsub/1.1.0",
    "/meshsub/1.2.0",
    "/meshsub/1.3.0",
];

/// Who we are and where we are reached.
#[derive(Debug)]
pub(crate) struct Local {
    peer_id: PeerId,
    node_id: B256,
    user_agent: String,
    is_pinging: bool,
    chain_id: u64,
    tcp_port: u16,
    advertised: Option<Multiaddr>,
    /// Where the transport says that it listens; what the configuration says until then.
    listened: Vec<Multiaddr>,
}

impl Local {
    /// The node of a configuration, which listens on `tcp_port`.
    pub(crate) fn new(config: &NetworkConfig, tcp_port: u16) -> Self {
        let peer_id = Keypair::from(config.key.clone()).public().to_peer_id();
        let advertised = config.advertise.ip.map(|ip| {
            let port = config.advertise.tcp_port.unwrap_or(tcp_port);
            Multiaddr::from(ip).with(Protocol::Tcp(port))
        });
        let listened = Multiaddr::from(reachable(config.listen.ip)).with(Protocol::Tcp(tcp_port));
        Self {
            peer_id,
            node_id: enr::node_id_of(&peer_id).unwrap_or_default(),
            user_agent: config.user_agent.clone(),
            is_pinging: config.is_pinging,
            chain_id: config.rollup_config.l2_chain_id,
            tcp_port,
            advertised,
            listened: vec![listened],
        }
    }

    /// Our identity in libp2p.
    pub(crate) const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The port that we really have.
    pub(crate) const fn tcp_port(&self) -> u16 {
        self.tcp_port
    }

    /// Takes over where the transport listens.
    pub(crate) fn listens(&mut self, addresses: impl Iterator<Item = Multiaddr>) {
        let mut addresses: Vec<_> = addresses.collect();
        // Peers on other machines have no use for our loopback; those on ours take what comes.
        addresses.sort_by_key(is_loopback);
        if !addresses.is_empty() {
            self.listened = addresses;
        }
    }

    /// What is told of us.
    pub(crate) fn node(&self, discovery: Option<&DiscoveryHandle>) -> LocalNode {
        LocalNode {
            peer_id: self.peer_id,
            node_id: self.node_id,
            enr: discovery
                .map(|discovery| discovery.local_enr().to_base64())
                .unwrap_or_default(),
            addresses: self.addresses(),
            discovery: discovery.map(DiscoveryHandle::address),
        }
    }

    /// The same in the words of a peer.
    pub(crate) fn info(&self, discovery: Option<&DiscoveryHandle>) -> PeerInfo {
        let node = self.node(discovery);
        let spoken = PROTOCOLS
            .iter()
            .filter(|name| self.is_pinging || !name.contains("/ping/"));
        PeerInfo {
            peer_id: node.peer_id,
            node_id: node.node_id,
            user_agent: self.user_agent.clone(),
            protocol_version: String::new(),
            enr: node.enr,
            addresses: node.addresses,
            protocols: Some(spoken.map(|name| (*name).to_owned()).collect()),
            connectedness: Connectedness::NotConnected,
            direction: Direction::Unknown,
            is_protected: false,
            chain_id: self.chain_id,
            latency: Duration::ZERO,
            gossips_blocks: true,
            scores: PeerScores::default(),
        }
    }

    fn addresses(&self) -> Vec<Multiaddr> {
        let advertised = self.advertised.as_ref();
        // Often the node listens where it says that it is reached.
        let others = self
            .listened
            .iter()
            .filter(|address| Some(*address) != advertised);
        advertised
            .into_iter()
            .chain(others)
            .map(|address| address.clone().with(Protocol::P2p(self.peer_id)))
            .collect()
    }
}

/// Where one is reached on this machine who listens everywhere.
const fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}

fn is_loopback(address: &Multiaddr) -> bool {
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{key::node_key_from_hex, test_chain};

    fn local(advertised: &str) -> Local {
        let key = node_key_from_hex(&"11".repeat(32)).unwrap();
        let mut config = NetworkConfig::new(test_chain::config(), key);
        config.advertise.ip = Some(advertised.parse().unwrap());
        Local::new(&config, 9222)
    }

    fn addresses(local: &Local) -> Vec<String> {
        let of = |address: Multiaddr| address.to_string();
        let all = local.addresses().into_iter().map(of);
        all.map(|address| address.split("/p2p/").next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn an_address_that_is_advertised_and_listened_at_is_told_once() {
        let mut local = local("127.0.0.1");
        assert_eq!(addresses(&local), ["/ip4/127.0.0.1/tcp/9222"]);
        let listened = ["/ip4/127.0.0.1/tcp/9222", "/ip4/10.0.0.1/tcp/9222"];
        local.listens(listened.map(|it| it.parse().unwrap()).into_iter());
        assert_eq!(
            addresses(&local),
            ["/ip4/127.0.0.1/tcp/9222", "/ip4/10.0.0.1/tcp/9222"]
        );
    }

    #[test]
    fn what_is_advertised_is_told_first() {
        let local = local("203.0.113.7");
        assert_eq!(
            addresses(&local),
            ["/ip4/203.0.113.7/tcp/9222", "/ip4/127.0.0.1/tcp/9222"]
        );
    }
}
