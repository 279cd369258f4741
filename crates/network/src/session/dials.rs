//! Dials, and those who wait for a peer to be there. A command to connect is done when the peer is connected and has said what it
//! speaks; then whoever asks next finds it so.

use super::Session;
use crate::{metrics::Dial, peers::peer_of, request::Reply};
use libp2p::{
    Multiaddr, PeerId,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use light_node_actor::in_words;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tracing::{debug, warn};

/// Time until a command to connect has failed.
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);
/// Commands to connect that are under way.
const CONNECTS_MAX: usize = 64;
/// Dials for one command: a connection may be lost to another one that comes up at the same moment.
const DIALS_MAX: u8 = 3;

/// The commands to connect that are under way.
#[derive(Default)]
pub(super) struct Connects {
    pending: HashMap<PeerId, Pending>,
}

struct Pending {
    address: Multiaddr,
    replies: Vec<Reply>,
    deadline: Instant,
    dials_left: u8,
    dial: Option<ConnectionId>,
}

impl Connects {
    /// The peer is there, or will not be.
    pub(super) fn settle(&mut self, peer: &PeerId, outcome: &Result<(), String>) {
        let pending = self.pending.remove(peer);
        for reply in pending.into_iter().flat_map(|pending| pending.replies) {
            // Who asked may have gone.
            let _ = reply.send(outcome.clone());
        }
    }

    fn overdue(&self, now: Instant) -> Vec<PeerId> {
        let overdue = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline <= now);
        overdue.map(|(peer, _)| *peer).collect()
    }
}

impl Session<'_> {
    /// Connects by command.
    pub(super) fn on_connect(&mut self, address: Multiaddr, reply: Reply) {
        if let Err(outcome) = self.begin_connect(address, reply) {
            let (reply, outcome) = *outcome;
            let _ = reply.send(outcome);
        }
    }

    /// The error is what is answered at once.
    #[expect(
        clippy::type_complexity,
        reason = "the reply comes back with its answer"
    )]
    fn begin_connect(
        &mut self,
        address: Multiaddr,
        reply: Reply,
    ) -> Result<(), Box<(Reply, Result<(), String>)>> {
        let refuse = |reply, reason: &str| Err(Box::new((reply, Err(reason.to_owned()))));
        let Some(peer) = peer_of(&address) else {
            return refuse(reply, "the address does not end in /p2p/<peer id>");
        };
        if peer == self.network.local.peer_id() {
            return refuse(reply, "the address is this node's");
        }
        let now = Instant::now();
        self.book.reached_at(peer, &address);
        let is_connected = self.book.is_connected(&peer);
        if is_connected {
            self.book.connect(peer, now);
            self.book.dial_failed(&peer);
        }
        if is_connected && self.identified.contains(&peer) {
            return Err(Box::new((reply, Ok(()))));
        }
        if let Err(refusal) = self.network.gater.may_dial(&address) {
            return refuse(reply, &refusal.to_string());
        }
        let pending = &mut self.connects.pending;
        if let Some(pending) = pending.get_mut(&peer) {
            pending.address = address;
            pending.replies.push(reply);
            return Ok(());
        }
        if pending.len() >= CONNECTS_MAX {
            return refuse(reply, "too many peers are being connected");
        }
        pending.insert(
            peer,
            Pending {
                address,
                replies: vec![reply],
                deadline: now + CONNECT_DEADLINE,
                dials_left: DIALS_MAX,
                dial: None,
            },
        );
        if !is_connected {
            self.book.connect(peer, now);
            self.dial_pending(peer);
        }
        Ok(())
    }

    /// Dials for a command that waits.
    fn dial_pending(&mut self, peer: PeerId) {
        let Some(pending) = self.connects.pending.get_mut(&peer) else {
            return;
        };
        pending.dials_left = pending.dials_left.saturating_sub(1);
        let address = pending.address.clone();
        match self.dial(peer, vec![address]) {
            Ok(dial) => {
                if let Some(pending) = self.connects.pending.get_mut(&peer) {
                    pending.dial = Some(dial);
                }
            }
            // It is on its way, here or there; its end is heard of.
            Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                self.book.dial_failed(&peer);
                self.connects.settle(&peer, &Err(in_one_line(&error)));
            }
        }
    }

    /// Dials a peer that is neither connected nor being dialled.
    pub(super) fn dial(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<ConnectionId, DialError> {
        // With a port of its own: two that dial each other from their listening ports would meet in one TCP connection, in which
        // both wait for the other to answer.
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .allocate_new_port()
            .build();
        let dial = options.connection_id();
        self.swarm.dial(options).map(|()| dial)
    }

    /// A dial came to nothing.
    pub(super) fn on_dial_failed(
        &mut self,
        peer: Option<PeerId>,
        dial: ConnectionId,
        error: &DialError,
    ) {
        self.network.metrics.dialled(match error {
            DialError::Denied { .. } => Dial::Denied,
            DialError::WrongPeerId { .. } | DialError::LocalPeerId { .. } => Dial::WrongPeer,
            _ => Dial::Failed,
        });
        let Some(peer) = peer else { return };
        self.book.dial_failed(&peer);
        debug!(%peer, cause = in_one_line(error), "A dial failed");
        // A second connection was let go for one that is there.
        if self.book.is_connected(&peer) {
            return;
        }
        self.tell_unreached(peer, error);
        match self.connects.pending.get(&peer) {
            // The dial was another's, perhaps to another address.
            Some(pending) if pending.dial != Some(dial) && pending.dials_left > 0 => {
                self.dial_pending(peer);
            }
            Some(_) => self.connects.settle(&peer, &Err(in_one_line(error))),
            None => {}
        }
    }

    /// An operator who named a peer should learn that it is not there.
    pub(super) fn tell_unreached(&mut self, peer: PeerId, error: &DialError) {
        if self.book.is_news(&peer, Instant::now()) {
            let cause = in_one_line(error);
            warn!(%peer, cause, "A static peer cannot be reached; it is dialled until it can");
        }
    }

    /// A peer that is waited for went before it said what it speaks.
    pub(super) fn on_lost(&mut self, peer: PeerId) {
        match self.connects.pending.get(&peer) {
            Some(pending) if pending.dials_left > 0 => self.dial_pending(peer),
            Some(_) => {
                let reason = "the peer closes the connection".to_owned();
                self.connects.settle(&peer, &Err(reason));
            }
            None => {}
        }
    }

    /// Ends the commands that waited too long.
    pub(super) fn expire_connects(&mut self, now: Instant) {
        for peer in self.connects.overdue(now) {
            let is_connected = self.book.is_connected(&peer);
            let reason = if is_connected {
                "the peer does not say what it speaks"
            } else {
                "the peer does not answer"
            };
            self.connects.settle(&peer, &Err(reason.to_owned()));
        }
    }
}

fn in_one_line(error: &DialError) -> String {
    let words = in_words(error);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
