//! A peer that says that it gossips and does not: no version of gossip that it names is one of ours.

use super::{
    wire::{self, WireBehaviour},
    world::{listening, soon},
};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm,
    identity::Keypair,
    swarm::{SwarmEvent, dial_opts::DialOpts},
};
use tokio::{sync::mpsc, task::JoinHandle};

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
    let wire = WireBehaviour {
        tell: None,
        speaks: StreamProtocol::new("/meshsub/9.9.9"),
    };
    let mut swarm = wire::swarm(Keypair::generate_secp256k1(), "deaf", wire);
    let peer_id = *swarm.local_peer_id();
    let address = listening(&mut swarm).await;
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

async fn drive(
    mut swarm: Swarm<wire::Behaviour>,
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
