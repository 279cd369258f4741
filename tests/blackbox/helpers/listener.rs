//! A peer that hears all blocks that are gossiped, so that tests can hold sequencers to what they send. It says nothing but what a
//! test has it say.

use super::wait::until;
use alloy_primitives::{B256, keccak256};
use futures::StreamExt;
use libp2p::{
    Multiaddr, Swarm, SwarmBuilder,
    gossipsub::{
        self, AllowAllSubscriptionFilter, IdentTopic, IdentityTransform, MessageAuthenticity,
        MessageId, ValidationMode,
    },
    identify,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Time between two tries to say something.
const SAY_EVERY: Duration = Duration::from_millis(50);

/// Bytes before the SSZ of a block: the signature, and since Ecotone the parent's beacon block root.
const BEFORE_BLOCK: usize = 65 + 32;

/// Where number and hash are in the fixed part of an execution payload.
const NUMBER_AT: usize = BEFORE_BLOCK + 404;
const HASH_AT: usize = BEFORE_BLOCK + 472;

#[derive(NetworkBehaviour)]
struct Ears {
    identify: identify::Behaviour,
    gossip: gossipsub::Behaviour<IdentityTransform, AllowAllSubscriptionFilter>,
}

/// A block as it was gossiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) number: u64,
    pub(crate) hash: B256,
}

/// The peer. It is gone with the test.
#[derive(Debug)]
pub(crate) struct Listener {
    address: Multiaddr,
    heard: watch::Receiver<Vec<Heard>>,
    say: mpsc::UnboundedSender<Vec<u8>>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// A peer of the chain with this id, which others dial.
    pub(crate) async fn start(l2_chain_id: u64) -> Self {
        let key = Keypair::generate_secp256k1();
        let peer_id = key.public().to_peer_id();
        let mut swarm = swarm(key, l2_chain_id);
        let any_port = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        swarm.listen_on(any_port).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address.with_p2p(peer_id).unwrap();
            }
        };
        let (tell, heard) = watch::channel(Vec::new());
        let (say, said) = mpsc::unbounded_channel();
        let topic = topic(l2_chain_id, 3);
        let task = tokio::spawn(listen(swarm, topic, tell, said));
        Self {
            address,
            heard,
            say,
            task,
        }
    }

    /// Gossips these bytes, compressed, as if they were a block, as soon as a peer wants any.
    pub(crate) fn say(&self, frame: &[u8]) {
        let data = snap::raw::Encoder::new().compress_vec(frame).unwrap();
        self.say.send(data).unwrap();
    }

    /// Where it is, for `--p2p.static`.
    pub(crate) const fn address(&self) -> &Multiaddr {
        &self.address
    }

    /// All that it has heard, in the order of coming.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.borrow().clone()
    }

    /// The highest block that it has heard; genesis before that.
    pub(crate) fn highest(&self) -> u64 {
        let heard = self.heard.borrow();
        let numbers = heard.iter().map(|block| block.number);
        numbers.max().unwrap_or_default()
    }

    /// Waits until a block of this number or a higher one is gossiped.
    pub(crate) async fn until_block(&self, number: u64, limit: Duration) {
        until("a gossiped block", limit, || async {
            let highest = self.highest();
            if highest >= number {
                Ok(())
            } else {
                Err((highest, number))
            }
        })
        .await;
    }

    /// Asserts that at no height two blocks were gossiped.
    pub(crate) fn assert_one_block_a_height(&self) {
        let mut by_height = BTreeMap::new();
        for Heard { number, hash } in self.heard() {
            let first = *by_height.entry(number).or_insert(hash);
            assert_eq!(first, hash, "two blocks {number} were gossiped");
        }
    }
}

fn topic(l2_chain_id: u64, version: u8) -> IdentTopic {
    IdentTopic::new(format!("/optimism/{l2_chain_id}/{version}/blocks"))
}

/// Hears, and says on `topic` what it is told to, until it is dropped.
async fn listen(
    mut swarm: Swarm<Ears>,
    topic: IdentTopic,
    tell: watch::Sender<Vec<Heard>>,
    mut said: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let mut waiting = VecDeque::new();
    let mut tries = tokio::time::interval(SAY_EVERY);
    loop {
        let event = tokio::select! {
            event = swarm.select_next_some() => event,
            Some(data) = said.recv() => {
                waiting.push_back(data);
                continue;
            }
            _ = tries.tick(), if !waiting.is_empty() => {
                let gossip = &mut swarm.behaviour_mut().gossip;
                // Until a peer is subscribed nobody can be told.
                if gossip.publish(topic.clone(), waiting[0].clone()).is_ok() {
                    waiting.pop_front();
                }
                continue;
            }
        };
        if let SwarmEvent::Behaviour(EarsEvent::Gossip(gossipsub::Event::Message {
            message, ..
        })) = event
        {
            tell.send_modify(|all: &mut Vec<Heard>| all.push(block_in(&message.data)));
        }
    }
}

fn swarm(key: Keypair, l2_chain_id: u64) -> Swarm<Ears> {
    let settings = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(Duration::from_millis(200))
        .heartbeat_initial_delay(Duration::from_millis(50))
        .max_transmit_size(64 << 20)
        .validation_mode(ValidationMode::Anonymous)
        // By default all messages without an author are one.
        .message_id_fn(|message| MessageId::from(keccak256(&message.data).to_vec()))
        // What is never found valid is never sent on, and what nobody has asked for is not offered.
        .validate_messages()
        .gossip_lazy(0)
        .gossip_factor(0.0)
        .build()
        .unwrap();
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, settings).unwrap();
    for version in 0..4 {
        gossip.subscribe(&topic(l2_chain_id, version)).unwrap();
    }
    let identify = identify::Config::new("listener".to_owned(), key.public());
    let behaviour = Ears {
        identify: identify::Behaviour::new(identify),
        gossip,
    };
    SwarmBuilder::with_existing_identity(key)
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

fn block_in(compressed: &[u8]) -> Heard {
    let frame = snap::raw::Decoder::new()
        .decompress_vec(compressed)
        .unwrap();
    let number = frame[NUMBER_AT..NUMBER_AT + 8].try_into().unwrap();
    Heard {
        number: u64::from_le_bytes(number),
        hash: B256::from_slice(&frame[HASH_AT..HASH_AT + 32]),
    }
}
