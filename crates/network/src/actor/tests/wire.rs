//! A peer without a gossip library: it writes RPCs byte by byte, and so can say what no library would.

use super::world::soon;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    identify,
    identity::Keypair,
    noise,
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, SubstreamProtocol, SwarmEvent, THandlerInEvent, THandlerOutEvent,
        ToSwarm,
        dial_opts::DialOpts,
        handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
    tcp, yamux,
};
use std::{
    collections::VecDeque,
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle};

const MESHSUB: StreamProtocol = StreamProtocol::new("/meshsub/1.2.0");

pub(super) type Tell = mpsc::UnboundedSender<Stream>;

/// Opens one stream of gossip on each connection, and reads what comes on those of the other side.
pub(super) struct WireBehaviour {
    /// Gets the streams; without it none is opened.
    pub(super) tell: Option<Tell>,
    /// What it calls gossip.
    pub(super) speaks: StreamProtocol,
}

pub(super) struct WireHandler {
    tell: Option<Tell>,
    speaks: StreamProtocol,
    is_opened: bool,
}

impl ConnectionHandler for WireHandler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.speaks.clone()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if self.is_opened || self.tell.is_none() {
            return Poll::Pending;
        }
        self.is_opened = true;
        let protocol = SubstreamProtocol::new(ReadyUpgrade::new(self.speaks.clone()), ());
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: mut stream,
                ..
            }) => drop(tokio::spawn(async move {
                let mut part = [0; 4096];
                while stream.read(&mut part).await.is_ok_and(|read| read > 0) {}
            })),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => {
                if let Some(tell) = &self.tell {
                    let _ = tell.send(protocol);
                }
            }
            _ => {}
        }
    }
}

impl NetworkBehaviour for WireBehaviour {
    type ConnectionHandler = WireHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<WireHandler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<WireHandler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

impl WireBehaviour {
    fn handler(&self) -> WireHandler {
        WireHandler {
            tell: self.tell.clone(),
            speaks: self.speaks.clone(),
            is_opened: false,
        }
    }
}

/// What such a peer speaks.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    identify: identify::Behaviour,
    wire: WireBehaviour,
}

/// A peer that is connected, and its stream of gossip.
pub(super) struct WirePeer {
    pub(super) peer_id: PeerId,
    stream: Stream,
    task: JoinHandle<()>,
}

impl Drop for WirePeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A new peer, connected to `address`; `None` if it is not let in.
pub(super) async fn wire_peer(address: Multiaddr) -> Option<WirePeer> {
    wire_peer_of(Keypair::generate_secp256k1(), address).await
}

/// A swarm that says who it is and has no gossip but `wire`.
pub(super) fn swarm(key: Keypair, agent: &str, wire: WireBehaviour) -> Swarm<Behaviour> {
    SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|key| Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(
                agent.to_owned(),
                key.public(),
            )),
            wire,
        })
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build()
}

/// The same for the peer of a key.
pub(super) async fn wire_peer_of(key: Keypair, address: Multiaddr) -> Option<WirePeer> {
    let (tell, mut streams) = mpsc::unbounded_channel();
    let wire = WireBehaviour {
        tell: Some(tell),
        speaks: MESHSUB,
    };
    let mut swarm = swarm(key, "wire", wire);
    let peer_id = *swarm.local_peer_id();
    let dial = DialOpts::unknown_peer_id()
        .address(address)
        .allocate_new_port()
        .build();
    swarm.dial(dial).unwrap();
    let (closed, mut is_closed) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionClosed { .. }
                | SwarmEvent::OutgoingConnectionError { .. } => {
                    let _ = closed.try_send(());
                }
                _ => {}
            }
        }
    });
    let opened = async {
        tokio::select! {
            stream = streams.recv() => stream,
            _ = is_closed.recv() => None,
        }
    };
    let stream = soon("a stream or the end", opened).await?;
    Some(WirePeer {
        peer_id,
        stream,
        task,
    })
}

impl WirePeer {
    /// Writes an RPC; false if the other side takes no more.
    pub(super) async fn send(&mut self, rpc: &[u8]) -> bool {
        self.begin(rpc.len(), rpc).await
    }

    /// Writes the beginning of an RPC of so many bytes.
    pub(super) async fn begin(&mut self, bytes: usize, beginning: &[u8]) -> bool {
        let mut framed = Vec::with_capacity(beginning.len() + 5);
        varint(bytes, &mut framed);
        framed.extend_from_slice(beginning);
        self.write(&framed).await
    }

    /// Writes bytes as they are.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        soon("a write", written).await.is_ok()
    }
}

/// An RPC with these messages on a topic.
pub(super) fn publish(topic: &str, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut rpc = Vec::new();
    for data in messages {
        let mut message = Vec::with_capacity(data.len() + topic.len() + 16);
        field(2, data, &mut message);
        field(4, topic.as_bytes(), &mut message);
        field(2, &message, &mut rpc);
    }
    rpc
}

/// An RPC that says of messages that they are not wanted.
pub(super) fn idontwant(ids: &[Vec<u8>]) -> Vec<u8> {
    let mut list = Vec::new();
    for id in ids {
        field(1, id, &mut list);
    }
    let (mut control, mut rpc) = (Vec::new(), Vec::new());
    field(5, &list, &mut control);
    field(3, &control, &mut rpc);
    rpc
}

/// The same data in other bytes: literals of a length of one's choice, none of it compressed.
pub(super) fn recompressed(data: &[u8], literal: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / literal * 3 + 16);
    varint(data.len(), &mut out);
    let mut parts: VecDeque<&[u8]> = data.chunks(literal).collect();
    while let Some(part) = parts.pop_front() {
        // The tag of a literal whose length stands in the two bytes behind it.
        out.push(61 << 2);
        let less_one = u16::try_from(part.len() - 1).unwrap();
        out.extend_from_slice(&less_one.to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

fn field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    varint(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn varint(number: usize, out: &mut Vec<u8>) {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    out.extend_from_slice(unsigned_varint::encode::usize(number, &mut buffer));
}
