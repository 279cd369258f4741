//! A peer that says that it gossips and does not: no version of gossip that it names is one of ours.

use super::{wire::WireBehaviour, world::soon};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use std::time::Duration;
use tokio::{sync::mpsc, task::JoinHandle};

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    wire: WireBehaviour,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

/// The peer. It is gone with the test.
pub(super) struct Deaf {
    pub(super) peer_id: PeerId,
    pub(super) address: Multiaddr,
    links: mpsc::UnboundedReceiver<Link>,
    dials: mpsc::UnboundedSender<Multiaddr>,
    task: JoinHandle<()>,
}

impl Drop for Deaf {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A deaf peer that listens.
pub(super) async fn deaf_peer() -> Deaf {
    let mut swarm = swarm();
    let peer_id = *swarm.local_peer_id();
    let any_port = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    swarm.listen_on(any_port).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address.with_p2p(peer_id).unwrap();
        }
    };
    let (tell, links) = mpsc::unbounded_channel();
    let (dials, wanted) = mpsc::unbounded_channel();
    Deaf {
        peer_id,
        address,
        links,
        dials,
        task: tokio::spawn(drive(swarm, tell, wanted)),
    }
}

fn swarm() -> Swarm<Behaviour> {
    SwarmBuilder::with_existing_identity(Keypair::generate_secp256k1())
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|key| Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(
                "deaf".to_owned(),
                key.public(),
            )),
            wire: WireBehaviour {
                tell: None,
                speaks: StreamProtocol::new("/meshsub/9.9.9"),
            },
        })
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build()
}

async fn drive(
    mut swarm: Swarm<Behaviour>,
    tell: mpsc::UnboundedSender<Link>,
    mut wanted: mpsc::UnboundedReceiver<Multiaddr>,
) {
    loop {
        let event = tokio::select! {
            Some(address) = wanted.recv() => {
                let dial = DialOpts::unknown_peer_id().address(address).allocate_new_port();
                swarm.dial(dial.build()).unwrap();
                continue;
            }
            event = swarm.select_next_some() => event,
        };
        let link = match event {
            SwarmEvent::ConnectionEstablished { .. } => Link::Up,
            SwarmEvent::ConnectionClosed { .. } => Link::Down,
            _ => continue,
        };
        let _ = tell.send(link);
    }
}

impl Deaf {
    pub(super) fn dial(&self, address: Multiaddr) {
        self.dials.send(address).unwrap();
    }

    /// Waits for the next connection, which must come before the end of another.
    pub(super) async fn is_connected(&mut self) {
        assert_eq!(
            soon("a connection", self.links.recv()).await,
            Some(Link::Up)
        );
    }

    /// Waits for the end of one.
    pub(super) async fn is_closed(&mut self) {
        assert_eq!(soon("an end", self.links.recv()).await, Some(Link::Down));
    }
}
