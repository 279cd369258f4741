//! A peer that keeps no rules: gossipsub without compression, judgement or filter, under a test's command.

use super::world::{Host, listening, soon};
use crate::{test_chain, topics::BlockVersion};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    gossipsub::{
        self, AllowAllSubscriptionFilter, IdentTopic, IdentityTransform, MessageAuthenticity,
        MessageId, TopicHash, ValidationMode,
    },
    identify,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle};

#[derive(NetworkBehaviour)]
struct RawBehaviour {
    identify: identify::Behaviour,
    gossip: gossipsub::Behaviour<IdentityTransform, AllowAllSubscriptionFilter>,
}

/// What a raw peer is made of.
pub(super) struct RawConfig {
    pub(super) key: Keypair,
    pub(super) authenticity: MessageAuthenticity,
    pub(super) chain_id: u64,
    /// Whether it lets itself be in a mesh; if not, it gets blocks only by asking for them.
    pub(super) has_mesh: bool,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            key: Keypair::generate_secp256k1(),
            authenticity: MessageAuthenticity::Anonymous,
            chain_id: test_chain::CHAIN_ID,
            has_mesh: true,
        }
    }
}

enum Command {
    Dial(Multiaddr),
    Publish(TopicHash, Vec<u8>),
    Subscribe(String),
    Unsubscribe(String),
}

/// What a raw peer sees.
#[derive(Debug)]
pub(super) enum Seen {
    Connected,
    Closed,
    DialFailed,
    Subscribed(TopicHash),
    Message(Vec<u8>),
    PublishFailed,
}

/// A raw peer and its task.
pub(super) struct RawPeer {
    pub(super) peer_id: PeerId,
    pub(super) address: Multiaddr,
    chain_id: u64,
    commands: mpsc::UnboundedSender<Command>,
    seen: mpsc::UnboundedReceiver<Seen>,
    task: JoinHandle<()>,
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A raw peer that listens and is subscribed to all block topics of its chain.
pub(super) async fn raw_peer(config: RawConfig) -> RawPeer {
    let peer_id = config.key.public().to_peer_id();
    let chain_id = config.chain_id;
    let mut swarm = raw_swarm(config);
    let address = listening(&mut swarm).await;
    let (commands, orders) = mpsc::unbounded_channel();
    let (tell, seen) = mpsc::unbounded_channel();
    RawPeer {
        peer_id,
        address,
        chain_id,
        commands,
        seen,
        task: tokio::spawn(drive(swarm, orders, tell)),
    }
}

/// A raw peer that gossips with `host`.
pub(super) async fn raw_peer_of(host: &Host, config: RawConfig) -> RawPeer {
    let mut raw = raw_peer(config).await;
    raw.dial(host.address());
    for _ in 0..4 {
        raw.subscribed().await;
    }
    raw
}

fn raw_swarm(config: RawConfig) -> Swarm<RawBehaviour> {
    let mut builder = gossipsub::ConfigBuilder::default();
    builder
        .heartbeat_interval(Duration::from_millis(200))
        .heartbeat_initial_delay(Duration::from_millis(50))
        .max_transmit_size(64 * 1024 * 1024)
        .flood_publish(config.has_mesh)
        .validation_mode(ValidationMode::None)
        .message_id_fn(|message| {
            let mut hasher = DefaultHasher::new();
            (message.topic.as_str(), &message.data).hash(&mut hasher);
            // As long as an id of others.
            let mut id = hasher.finish().to_le_bytes().to_vec();
            id.resize(20, 0);
            if let Ok(data) = crate::snappy::decompress(&message.data) {
                let domain = crate::topics::MessageDomain::ValidSnappy;
                id = crate::topics::id_of(domain, message.topic.as_str(), &data).to_vec();
            }
            MessageId::from(id)
        });
    if !config.has_mesh {
        builder
            .mesh_n(0)
            .mesh_n_low(0)
            .mesh_n_high(0)
            .mesh_outbound_min(0);
    }
    let settings = builder.build().unwrap();
    let mut gossip = gossipsub::Behaviour::new(config.authenticity, settings).unwrap();
    for version in BlockVersion::ALL {
        gossip.subscribe(&version.topic(config.chain_id)).unwrap();
    }
    let identify = identify::Config::new("raw".to_owned(), config.key.public());
    let behaviour = RawBehaviour {
        identify: identify::Behaviour::new(identify),
        gossip,
    };
    SwarmBuilder::with_existing_identity(config.key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build()
}

async fn drive(
    mut swarm: Swarm<RawBehaviour>,
    mut orders: mpsc::UnboundedReceiver<Command>,
    tell: mpsc::UnboundedSender<Seen>,
) {
    loop {
        let seen = tokio::select! {
            Some(order) = orders.recv() => obey(&mut swarm, order),
            event = swarm.select_next_some() => seen_in(event),
        };
        if let Some(seen) = seen {
            let _ = tell.send(seen);
        }
    }
}

fn obey(swarm: &mut Swarm<RawBehaviour>, order: Command) -> Option<Seen> {
    let gossip = &mut swarm.behaviour_mut().gossip;
    match order {
        Command::Dial(address) => {
            let dial = DialOpts::unknown_peer_id()
                .address(address)
                .allocate_new_port()
                .build();
            return swarm.dial(dial).is_err().then_some(Seen::DialFailed);
        }
        Command::Publish(topic, data) => {
            let published = gossip.publish(topic, data);
            return published.is_err().then_some(Seen::PublishFailed);
        }
        Command::Subscribe(topic) => drop(gossip.subscribe(&IdentTopic::new(topic))),
        Command::Unsubscribe(topic) => {
            gossip.unsubscribe(&IdentTopic::new(topic));
        }
    }
    None
}

fn seen_in(event: SwarmEvent<RawBehaviourEvent>) -> Option<Seen> {
    match event {
        SwarmEvent::ConnectionEstablished { .. } => Some(Seen::Connected),
        SwarmEvent::ConnectionClosed {
            num_established: 0, ..
        } => Some(Seen::Closed),
        SwarmEvent::OutgoingConnectionError { .. } => Some(Seen::DialFailed),
        SwarmEvent::Behaviour(RawBehaviourEvent::Gossip(gossipsub::Event::Subscribed {
            topic,
            ..
        })) => Some(Seen::Subscribed(topic)),
        SwarmEvent::Behaviour(RawBehaviourEvent::Gossip(gossipsub::Event::Message {
            message,
            ..
        })) => Some(Seen::Message(message.data)),
        _ => None,
    }
}

impl RawPeer {
    pub(super) fn dial(&self, address: Multiaddr) {
        self.commands.send(Command::Dial(address)).unwrap();
    }

    /// Sends bytes as they are on the topic of a version.
    pub(super) fn send(&self, version: BlockVersion, bytes: Vec<u8>) {
        let topic = version.topic(self.chain_id).hash();
        self.commands.send(Command::Publish(topic, bytes)).unwrap();
    }

    /// Sends the compressed form of a frame.
    pub(super) fn send_frame(&self, version: BlockVersion, frame: &[u8]) {
        let compressed = snap::raw::Encoder::new().compress_vec(frame).unwrap();
        self.send(version, compressed);
    }

    pub(super) fn subscribe(&self, topic: &str) {
        self.commands
            .send(Command::Subscribe(topic.to_owned()))
            .unwrap();
    }

    pub(super) fn unsubscribe(&self, topic: &str) {
        self.commands
            .send(Command::Unsubscribe(topic.to_owned()))
            .unwrap();
    }

    /// The next thing seen for which `pick` has an answer.
    pub(super) async fn sees<T>(&mut self, what: &str, pick: impl Fn(Seen) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let seen = self.seen.recv().await.expect("the raw peer runs");
                if let Some(picked) = pick(seen) {
                    break picked;
                }
            }
        })
        .await
    }

    pub(super) async fn subscribed(&mut self) -> TopicHash {
        let pick = |seen| match seen {
            Seen::Subscribed(topic) => Some(topic),
            Seen::DialFailed => panic!("the dial failed"),
            _ => None,
        };
        self.sees("a subscription", pick).await
    }

    pub(super) async fn message(&mut self) -> Vec<u8> {
        let pick = |seen| match seen {
            Seen::Message(data) => Some(data),
            _ => None,
        };
        self.sees("a message", pick).await
    }

    pub(super) async fn closed(&mut self) {
        let pick = |seen| matches!(seen, Seen::Closed | Seen::DialFailed).then_some(());
        self.sees("the end of a connection", pick).await;
    }
}
