//! The gater in real swarms on loopback.

use super::*;
use crate::admission::InboundLimits;
use futures::StreamExt;
use libp2p::{
    Swarm, Transport,
    core::{ConnectedPoint, upgrade::Version},
    dns, noise,
    swarm::{
        ConnectionId, DialError, ListenError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use std::{collections::BTreeMap, convert::Infallible};

/// Far beyond what any of this takes.
const PATIENCE: Duration = Duration::from_secs(30);

type Event = SwarmEvent<Infallible>;

struct Node {
    swarm: Swarm<GaterBehaviour>,
    gater: Arc<Gater>,
    /// What is established, and whether this node dialled it.
    connections: BTreeMap<ConnectionId, bool>,
    /// How many dials have come to their end.
    dialled: usize,
}

impl Node {
    fn new(limits: InboundLimits) -> Self {
        Self::restricted(Vec::new(), limits)
    }

    fn restricted(networks: Vec<IpNet>, limits: InboundLimits) -> Self {
        let key = Keypair::generate_secp256k1();
        let local = key.public().to_peer_id();
        let gater = Gater::new(networks, None).unwrap();
        let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
        let gated = GatedTransport::new(tcp, Arc::clone(&gater));
        let transport = dns::tokio::Transport::system(gated)
            .unwrap()
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        let behaviour = GaterBehaviour::new(Arc::clone(&gater), local, limits);
        let config = libp2p::swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(Duration::from_secs(3600));
        Self {
            swarm: Swarm::new(transport, behaviour, local, config),
            gater,
            connections: BTreeMap::new(),
            dialled: 0,
        }
    }

    async fn listening(limits: InboundLimits) -> (Self, Multiaddr) {
        let mut node = Self::new(limits);
        let any = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        node.swarm.listen_on(any).unwrap();
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = node.next().await {
                return (node, address);
            }
        }
    }

    fn peer(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    async fn next(&mut self) -> Event {
        let event = self.swarm.select_next_some().await;
        match &event {
            SwarmEvent::ConnectionEstablished {
                connection_id,
                endpoint,
                ..
            } => {
                let is_dialler = matches!(endpoint, ConnectedPoint::Dialer { .. });
                self.dialled += usize::from(is_dialler);
                self.connections.insert(*connection_id, is_dialler);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.connections.remove(connection_id);
            }
            SwarmEvent::OutgoingConnectionError { .. } => self.dialled += 1,
            _ => {}
        }
        event
    }

    fn is_pending(&self) -> bool {
        self.swarm
            .network_info()
            .connection_counters()
            .num_pending()
            > 0
    }
}

/// Runs both until the second says what is waited for.
async fn until(one: &mut Node, other: &mut Node, is_it: impl Fn(&Event) -> bool) -> Event {
    let run = async {
        loop {
            tokio::select! {
                _ = one.next() => {}
                event = other.next() => if is_it(&event) {
                    return event;
                },
            }
        }
    };
    tokio::time::timeout(PATIENCE, run).await.unwrap()
}

/// Runs both until they look as is waited for.
async fn until_both(one: &mut Node, other: &mut Node, is_it: impl Fn(&Node, &Node) -> bool) {
    let run = async {
        while !is_it(one, other) {
            tokio::select! {
                _ = one.next() => {}
                _ = other.next() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, run).await.unwrap();
}

fn is_denied(event: &Event) -> bool {
    matches!(
        event,
        SwarmEvent::IncomingConnectionError {
            error: ListenError::Denied { .. },
            ..
        }
    )
}

fn is_connected(event: &Event) -> bool {
    matches!(event, SwarmEvent::ConnectionEstablished { .. })
}

fn strict() -> InboundLimits {
    InboundLimits {
        is_private_exempt: false,
        ..InboundLimits::default()
    }
}

async fn pair() -> (Node, Node, Multiaddr) {
    let (listener, address) = Node::listening(InboundLimits::default()).await;
    (Node::new(InboundLimits::default()), listener, address)
}

#[tokio::test]
async fn a_blocked_or_banned_peer_is_not_let_in_and_is_after_it_was_unblocked() {
    let (mut dialler, mut listener, address) = pair().await;
    listener.gater.block_peer(dialler.peer()).unwrap();
    dialler.swarm.dial(address.clone()).unwrap();
    until(&mut dialler, &mut listener, is_denied).await;
    assert!(!listener.swarm.is_connected(&dialler.peer()));
    listener.gater.unblock_peer(&dialler.peer()).unwrap();
    listener.gater.ban_peer(dialler.peer(), HOUR);
    dialler.swarm.dial(address.clone()).unwrap();
    until(&mut dialler, &mut listener, is_denied).await;
    listener.gater.unblock_peer(&dialler.peer()).unwrap();
    dialler.swarm.dial(address).unwrap();
    until(&mut dialler, &mut listener, is_connected).await;
    assert!(listener.swarm.is_connected(&dialler.peer()));
}

#[tokio::test]
async fn a_blocked_or_foreign_address_is_not_let_in() {
    let block_addr = |gater: &Gater| gater.block_addr([127, 0, 0, 1].into()).unwrap();
    let block_subnet = |gater: &Gater| gater.block_subnet(net("127.0.0.0/8")).unwrap();
    let blocks: [&dyn Fn(&Gater); 2] = [&block_addr, &block_subnet];
    for block in blocks {
        let (mut dialler, mut listener, address) = pair().await;
        block(&listener.gater);
        dialler.swarm.dial(address).unwrap();
        until(&mut dialler, &mut listener, is_denied).await;
        assert!(!listener.swarm.is_connected(&dialler.peer()));
    }
    let mut listener = Node::restricted(vec![net("10.0.0.0/8")], InboundLimits::default());
    listener
        .swarm
        .listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap())
        .unwrap();
    let SwarmEvent::NewListenAddr { address, .. } = listener.next().await else {
        panic!("it listens");
    };
    let mut dialler = Node::new(InboundLimits::default());
    dialler.swarm.dial(address).unwrap();
    until(&mut dialler, &mut listener, is_denied).await;
}

#[tokio::test]
async fn who_is_blocked_is_not_dialled() {
    let (mut dialler, listener, address) = pair().await;
    let peer = listener.peer();
    let dial = |dialler: &mut Node| {
        let options = DialOpts::peer_id(peer).addresses(vec![address.clone()]);
        dialler.swarm.dial(options.build())
    };
    dialler.gater.block_peer(peer).unwrap();
    assert!(matches!(dial(&mut dialler), Err(DialError::Denied { .. })));
    dialler.gater.unblock_peer(&peer).unwrap();
    dialler.gater.ban_peer(peer, HOUR);
    assert!(matches!(dial(&mut dialler), Err(DialError::Denied { .. })));
    dialler.gater.unblock_peer(&peer).unwrap();
    dialler.gater.block_subnet(net("127.0.0.0/8")).unwrap();
    assert!(matches!(dial(&mut dialler), Err(DialError::Denied { .. })));
    dialler.gater.unblock_subnet(net("127.0.0.0/8")).unwrap();
    assert!(dial(&mut dialler).is_ok());
    let mut restricted = Node::restricted(vec![net("10.0.0.0/8")], InboundLimits::default());
    assert!(matches!(
        dial(&mut restricted),
        Err(DialError::Denied { .. })
    ));
}

#[tokio::test]
async fn a_name_that_leads_to_a_blocked_address_is_not_dialled() {
    let (mut dialler, mut listener, address) = pair().await;
    let Some(Protocol::Tcp(port)) = address.iter().last() else {
        panic!("{address} ends in a port");
    };
    let named: Multiaddr = format!("/dns4/localhost/tcp/{port}").parse().unwrap();
    dialler.gater.block_addr([127, 0, 0, 1].into()).unwrap();
    dialler.swarm.dial(named.clone()).unwrap();
    let failed = until(&mut listener, &mut dialler, |event| {
        matches!(event, SwarmEvent::OutgoingConnectionError { .. })
    });
    let failed = format!("{:?}", failed.await);
    assert!(failed.contains("BlockedAddr"), "{failed}");
    assert!(!listener.swarm.is_connected(&dialler.peer()));
    dialler.gater.unblock_addr([127, 0, 0, 1].into()).unwrap();
    dialler.swarm.dial(named).unwrap();
    until(&mut listener, &mut dialler, is_connected).await;
}

#[tokio::test]
async fn of_several_addresses_the_blocked_one_is_left_out() {
    let (mut dialler, mut listener, address) = pair().await;
    let blocked: Multiaddr = "/ip4/127.0.0.9/tcp/9".parse().unwrap();
    dialler.gater.block_addr([127, 0, 0, 9].into()).unwrap();
    let options = DialOpts::peer_id(listener.peer()).addresses(vec![blocked, address.clone()]);
    dialler.swarm.dial(options.build()).unwrap();
    let connected = until(&mut listener, &mut dialler, is_connected).await;
    let SwarmEvent::ConnectionEstablished { endpoint, .. } = connected else {
        unreachable!("it is that event");
    };
    assert!(
        endpoint
            .get_remote_address()
            .to_string()
            .starts_with("/ip4/127.0.0.1/")
    );
}

#[tokio::test]
async fn a_second_connection_takes_the_place_of_the_first() {
    let (mut dialler, mut listener, address) = pair().await;
    dialler.swarm.dial(address.clone()).unwrap();
    until_both(&mut dialler, &mut listener, |one, other| {
        one.connections.len() == 1 && other.connections.len() == 1
    })
    .await;
    let (first, first_there) = (dialler.connections.clone(), listener.connections.clone());
    let again = DialOpts::peer_id(listener.peer())
        .condition(PeerCondition::Always)
        .addresses(vec![address]);
    dialler.swarm.dial(again.build()).unwrap();
    until_both(&mut dialler, &mut listener, |one, other| {
        let is_one = one.connections.len() == 1 && other.connections.len() == 1;
        is_one && one.connections != first && other.connections != first_there
    })
    .await;
}

#[tokio::test]
async fn a_simultaneous_dial_leaves_one_connection_on_both_sides() {
    for _ in 0..8 {
        let (mut one, one_at) = Node::listening(InboundLimits::default()).await;
        let (mut other, other_at) = Node::listening(InboundLimits::default()).await;
        let to = |node: &Node, address| DialOpts::peer_id(node.peer()).addresses(vec![address]);
        let (to_one, to_other) = (to(&one, one_at).build(), to(&other, other_at).build());
        one.swarm.dial(to_other).unwrap();
        other.swarm.dial(to_one).unwrap();
        until_both(&mut one, &mut other, |one, other| {
            let is_quiet = !one.is_pending() && !other.is_pending();
            let are_done = one.dialled == 1 && other.dialled == 1;
            let is_one = one.connections.len() == 1 && other.connections.len() == 1;
            let is_same = one.connections.values().ne(other.connections.values());
            is_quiet && are_done && is_one && is_same
        })
        .await;
        let is_by_one = one.connections.values().next() == Some(&true);
        assert_eq!(is_by_one, one.peer().to_bytes() < other.peer().to_bytes());
    }
}

#[tokio::test]
async fn an_address_that_comes_too_often_is_turned_away_before_the_handshake() {
    let (mut listener, address) = Node::listening(strict()).await;
    let mut diallers = Vec::new();
    for _ in 0..2 {
        let mut dialler = Node::new(InboundLimits::default());
        dialler.swarm.dial(address.clone()).unwrap();
        until(&mut dialler, &mut listener, is_connected).await;
        diallers.push(dialler);
    }
    let mut third = Node::new(InboundLimits::default());
    third.swarm.dial(address).unwrap();
    until(&mut third, &mut listener, is_denied).await;
    assert_eq!(listener.connections.len(), 2);
}

#[tokio::test]
async fn a_protected_peer_comes_in_where_its_address_has_all_it_may_have() {
    let limits = InboundLimits {
        per_address: 1,
        per_window: 10,
        ..strict()
    };
    // The limit is asked before the handshake for those that came in, and after it for those that we dial.
    let (mut dialler, mut first, mut second) = (Node::new(limits), None, None);
    for place in [&mut first, &mut second] {
        *place = Some(Node::listening(InboundLimits::default()).await);
    }
    let ((mut first, first_at), (mut second, second_at)) = (first.unwrap(), second.unwrap());
    dialler.swarm.dial(first_at).unwrap();
    until(&mut first, &mut dialler, is_connected).await;
    dialler.swarm.dial(second_at.clone()).unwrap();
    until(&mut second, &mut dialler, |event| {
        matches!(
            event,
            SwarmEvent::OutgoingConnectionError {
                error: DialError::Denied { .. },
                ..
            }
        )
    })
    .await;
    dialler.swarm.behaviour_mut().exempt(second.peer());
    dialler.swarm.dial(second_at).unwrap();
    until(&mut second, &mut dialler, is_connected).await;
    assert_eq!(dialler.connections.len(), 2);
}
