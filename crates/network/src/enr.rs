//! Node records of this network: what ours says, how others are read, and the words in which operators name bootnodes.

use alloy_primitives::{B256, Bytes, hex, keccak256};
use discv5::Enr;
use enr::{CombinedKey, CombinedPublicKey, EnrPublicKey};
use libp2p::{
    Multiaddr, PeerId,
    identity::{PublicKey, secp256k1},
    multiaddr::Protocol,
};
use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};
use thiserror::Error;
use unsigned_varint::{decode, encode};
use url::{Host, Url};
use zeroize::Zeroizing;

/// The record's key that says which chain a node is of.
pub(crate) const OPSTACK_KEY: &str = "opstack";

/// What the record says of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpStack {
    /// Chain id of the L2.
    pub(crate) chain_id: u64,
    /// Always 0 until somebody defines another.
    pub(crate) version: u64,
}

impl OpStack {
    /// The bytes of the value: two unsigned varints. In the record they stand as an RLP byte string.
    pub(crate) fn to_bytes(self) -> Bytes {
        let (mut chain_id, mut version) = (encode::u64_buffer(), encode::u64_buffer());
        let chain_id = encode::u64(self.chain_id, &mut chain_id);
        let version = encode::u64(self.version, &mut version);
        [chain_id, version].concat().into()
    }

    /// Reads the bytes of a value; `None` if they are something else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chain_id, rest) = decode::u64(bytes).ok()?;
        let (version, _) = decode::u64(rest).ok()?;
        Some(Self { chain_id, version })
    }
}

/// What a record says of its chain; `None` if it is of no OP Stack chain.
pub(crate) fn opstack_of(enr: &Enr) -> Option<OpStack> {
    let value: Bytes = enr.get_decodable(OPSTACK_KEY)?.ok()?;
    OpStack::from_bytes(&value)
}

/// Whether a record is of a node of the chain, in the version that everybody speaks.
pub(crate) fn is_of_chain(enr: &Enr, chain_id: u64) -> bool {
    let ours = OpStack {
        chain_id,
        version: 0,
    };
    opstack_of(enr) == Some(ours)
}

/// What our own record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalRecord {
    /// Chain id of the L2.
    pub(crate) chain_id: u64,
    /// Our address, if known. Never an unspecified one.
    pub(crate) ip: Option<IpAddr>,
    /// Whether ports stand under the keys of IPv6 while there is no address.
    pub(crate) is_v6: bool,
    /// TCP port of libp2p.
    pub(crate) tcp_port: u16,
    /// UDP port of discv5.
    pub(crate) udp_port: u16,
    /// Sequence number: a record with a lower one than they have is not taken by others.
    pub(crate) seq: u64,
}

impl LocalRecord {
    /// The signed record.
    ///
    /// # Errors
    /// The key does not sign.
    pub(crate) fn sign(&self, key: &CombinedKey) -> Result<Enr, enr::Error> {
        let mut builder = Enr::builder();
        builder.seq(self.seq);
        match self.ip.filter(|ip| !ip.is_unspecified()) {
            Some(IpAddr::V4(ip)) => builder.ip4(ip),
            Some(IpAddr::V6(ip)) => builder.ip6(ip),
            None => &mut builder,
        };
        if self.ip.map_or(self.is_v6, |ip| ip.is_ipv6()) {
            builder.tcp6(self.tcp_port).udp6(self.udp_port);
        } else {
            builder.tcp4(self.tcp_port).udp4(self.udp_port);
        }
        let opstack = OpStack {
            chain_id: self.chain_id,
            version: 0,
        };
        builder.add_value(OPSTACK_KEY, &opstack.to_bytes());
        builder.build(key)
    }
}

/// The node's key as discv5 wants it: the same 32 bytes, another library.
pub(crate) fn discovery_key(key: &secp256k1::Keypair) -> CombinedKey {
    let mut bytes = Zeroizing::new(key.secret().to_bytes());
    // A keypair exists only of a number between zero and the order of the curve, and that is all that is asked for here.
    CombinedKey::secp256k1_from_bytes(bytes.as_mut_slice())
        .expect("a secret key of one library is one of the other")
}

/// The peer of a record; `None` if its key is of another kind than libp2p peers of this network have.
pub(crate) fn peer_id_of(enr: &Enr) -> Option<PeerId> {
    match enr.public_key() {
        CombinedPublicKey::Secp256k1(key) => peer_id(&key.encode()),
        CombinedPublicKey::Ed25519(_) => None,
    }
}

/// Identity in discv5 of a peer: keccak-256 of the public key in its peer id. `None` if that key is of another kind.
pub(crate) fn node_id_of(peer: &PeerId) -> Option<B256> {
    // An identity multihash: the bytes behind its two of head are the key itself.
    let bytes = peer.to_bytes();
    let [0x00, _, key @ ..] = bytes.as_slice() else {
        return None;
    };
    let key = PublicKey::try_decode_protobuf(key).ok()?;
    let key = key.try_into_secp256k1().ok()?;
    let uncompressed = key.to_bytes_uncompressed();
    Some(keccak256(&uncompressed[1..]))
}

/// Where a record's node listens with libp2p, each with `/p2p/<peer id>`. Addresses that nobody can dial are left out.
pub(crate) fn addresses_of(enr: &Enr) -> Vec<Multiaddr> {
    let Some(peer) = peer_id_of(enr) else {
        return Vec::new();
    };
    let sockets = [
        enr.tcp4_socket().map(SocketAddr::from),
        enr.tcp6_socket().map(SocketAddr::from),
    ];
    let dialable = sockets.into_iter().flatten().filter(|socket| {
        let ip = socket.ip();
        !ip.is_unspecified() && !ip.is_multicast() && socket.port() != 0
    });
    dialable
        .map(|socket| {
            Multiaddr::from(socket.ip())
                .with(Protocol::Tcp(socket.port()))
                .with(Protocol::P2p(peer))
        })
        .collect()
}

/// Whether an address is of this machine or of its link only. A stranger's record that names one would have us knock at our own doors.
pub(crate) const fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// All addresses that a record names.
pub(crate) fn ips_of(enr: &Enr) -> impl Iterator<Item = IpAddr> {
    let v4 = enr.ip4().map(IpAddr::from);
    v4.into_iter().chain(enr.ip6().map(IpAddr::from))
}

/// The addresses in one of libp2p.
pub(crate) fn ips_in(address: &Multiaddr) -> impl Iterator<Item = IpAddr> {
    address.iter().filter_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}

fn peer_id(compressed: &[u8]) -> Option<PeerId> {
    let key = secp256k1::PublicKey::try_from_bytes(compressed).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// A way into the network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bootnode {
    /// By its record.
    Record(Box<Enr>),
    /// By key and address; its record is asked for.
    Enode(Enode),
}

/// The key and address of an `enode://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enode {
    /// The peer of the key.
    pub(crate) peer: PeerId,
    /// Address, or a name of it.
    pub(crate) host: Host<String>,
    /// UDP port.
    pub(crate) udp_port: u16,
}

/// Why a text names no bootnode.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BootnodeError {
    /// It begins like neither.
    #[error("neither a node record (enr:...) nor an enode:// URL")]
    Unknown,
    /// The record does not decode, or its signature is wrong.
    #[error("not a whole node record ({reason}): copy it anew, from enr: to its last character")]
    Record {
        /// What is wrong.
        reason: String,
    },
    /// The URL is broken.
    #[error("broken enode URL: {reason}")]
    Enode {
        /// What is wrong.
        reason: &'static str,
    },
}

impl FromStr for Bootnode {
    type Err = BootnodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.starts_with("enr:") {
            let record = text
                .parse()
                .map_err(|reason| BootnodeError::Record { reason })?;
            return Ok(Self::Record(Box::new(record)));
        }
        if text.starts_with("enode://") {
            return Enode::parse(text)
                .map(Self::Enode)
                .map_err(|reason| BootnodeError::Enode { reason });
        }
        Err(BootnodeError::Unknown)
    }
}

impl Enode {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "not a URL")?;
        // The key stands where a user's name does: 64 bytes without the byte that says that it is not compressed.
        let mut key = [4; 65];
        hex::decode_to_slice(url.username(), &mut key[1..])
            .map_err(|_| "the key is not 128 hex digits")?;
        let peer = peer_id(&key).ok_or("the key is not a point of the curve")?;
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or("no host")?;
        let host = Host::parse(host).map_err(|_| "the host is neither an address nor a name")?;
        let tcp_port = url.port().ok_or("no port")?;
        let discovery = url.query_pairs().find(|(name, _)| name == "discport");
        let udp_port = match discovery {
            Some((_, port)) => port.parse().map_err(|_| "discport is not a port")?,
            None => tcp_port,
        };
        if udp_port == 0 {
            return Err("the UDP port is 0");
        }
        Ok(Self {
            peer,
            host,
            udp_port,
        })
    }
}

#[cfg(test)]
mod tests;
