//! What others ask of the network.

use super::Session;
use crate::{
    discovery::Discovered,
    gater::{Gater, GaterError},
    peer_info::PeerDump,
    request::{NetworkRequest, Reply},
};
use libp2p::PeerId;
use light_node_actor::in_words;
use std::sync::Arc;

impl Session<'_> {
    /// Does what is asked, or begins it.
    pub(super) fn on_request(&mut self, request: NetworkRequest) {
        match request {
            NetworkRequest::This { reply } => {
                let info = self.network.local.info(self.network.discovery.as_ref());
                let _ = reply.send(info);
            }
            NetworkRequest::Peers {
                connected_only,
                reply,
            } => {
                let _ = reply.send(self.dump(connected_only));
            }
            NetworkRequest::DiscoveryTable { reply } => {
                let table = self
                    .network
                    .discovery
                    .as_ref()
                    .map(|discovery| discovery.table());
                let table = table.unwrap_or_default();
                let _ = reply.send(table.iter().map(discv5::Enr::to_base64).collect());
            }
            NetworkRequest::Connect { address, reply } => self.on_connect(address, reply),
            NetworkRequest::Disconnect { peer, reply } => self.on_disconnect(peer, reply),
            NetworkRequest::ProtectPeer { peer, reply } => {
                self.book.protect(peer);
                self.keep(peer);
                let _ = reply.send(Ok(()));
            }
            NetworkRequest::UnprotectPeer { peer, reply } => {
                self.book.unprotect(&peer);
                if !self.book.is_kept(&peer) {
                    let behaviour = self.swarm.behaviour_mut();
                    behaviour.limits.remove_peer_id(&peer);
                    behaviour.gater.unexempt(&peer);
                }
                let _ = reply.send(Ok(()));
            }
            listing => self.on_listing(listing),
        }
    }

    /// Changes of the gater's lists, which are kept on disk beside this task.
    fn on_listing(&mut self, request: NetworkRequest) {
        match request {
            NetworkRequest::BlockPeer { peer, reply } => {
                self.change(reply, move |gater| gater.block_peer(peer));
            }
            NetworkRequest::UnblockPeer { peer, reply } => {
                self.lift(Discovered::Peer(peer));
                self.change(reply, move |gater| gater.unblock_peer(&peer));
            }
            NetworkRequest::BlockAddr { addr, reply } => {
                self.change(reply, move |gater| gater.block_addr(addr));
            }
            NetworkRequest::UnblockAddr { addr, reply } => {
                self.lift(Discovered::Addr(addr));
                self.change(reply, move |gater| gater.unblock_addr(addr));
            }
            NetworkRequest::BlockSubnet { subnet, reply } => {
                self.change(reply, move |gater| gater.block_subnet(subnet));
            }
            NetworkRequest::UnblockSubnet { subnet, reply } => {
                self.change(reply, move |gater| gater.unblock_subnet(subnet));
            }
            _ => {}
        }
    }

    fn change(
        &self,
        reply: Reply,
        change: impl FnOnce(&Gater) -> Result<(), GaterError> + Send + 'static,
    ) {
        let gater = Arc::clone(&self.network.gater);
        let stats = self.network.stats.clone();
        tokio::task::spawn_blocking(move || {
            let done = change(&gater).map_err(|error| in_words(&error));
            // Who commands this may ask for the numbers next. Counted under the watch's lock, so that the last change counts.
            stats.send_if_modified(|stats| {
                let banned = gater.peers_out();
                std::mem::replace(&mut stats.banned, banned) != banned
            });
            let _ = reply.send(done);
        });
    }

    fn lift(&self, who: Discovered) {
        if let Some(discovery) = &self.network.discovery {
            discovery.unban(who);
        }
    }

    /// Lets a peer go for good. Done when it is gone.
    fn on_disconnect(&mut self, peer: PeerId, reply: Reply) {
        self.book.disconnect(peer);
        self.again.remove(&peer);
        let reason = "the peer was disconnected meanwhile".to_owned();
        self.connects.settle(&peer, &Err(reason));
        if self.swarm.disconnect_peer_id(peer).is_ok() {
            self.leaving.entry(peer).or_default().push(reply);
        } else {
            let _ = reply.send(Ok(()));
        }
    }

    fn dump(&mut self, connected_only: bool) -> PeerDump {
        self.observe_scores();
        let gater = &self.network.gater;
        PeerDump {
            total_connected: self.book.connected_peers().count(),
            peers: self.book.infos(connected_only),
            banned_peers: gater.listed_peers(),
            banned_ips: gater.listed_addrs(),
            banned_subnets: gater.listed_subnets(),
        }
    }
}
