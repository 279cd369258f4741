//! A peer that hears all blocks that are gossiped and says nothing, so that tests can hold sequencers to what they send.

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
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

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
        let task = tokio::spawn(async move {
            loop {
                if let SwarmEvent::Behaviour(EarsEvent::Gossip(gossipsub::Event::Message {
                    message,
                    ..
                })) = swarm.select_next_some().await
                {
                    tell.send_modify(|all: &mut Vec<Heard>| all.push(block_in(&message.data)));
                }
            }
        });
        Self {
            address,
            heard,
            task,
        }
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
        let topic = format!("/optimism/{l2_chain_id}/{version}/blocks");
        gossip.subscribe(&IdentTopic::new(topic)).unwrap();
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
