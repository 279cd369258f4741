//! The unsafe chain's way in and out: gossip over libp2p, discovery over discv5, and the peers of both. The actor gives
//! blocks that it accepted to the engine without waiting for it, and sends out those that a sequencer here has made.
//!
//! One task owns the swarm and one owns discovery; blocks are judged in a small pool beside them. The swarm's task awaits no
//! other actor. Who may sign blocks is read from the `watch` of the l1 crate.

#[allow(dead_code, unused_imports)] // until the swarm's task calls it
mod admission;
mod block_hash;
mod config;
#[allow(dead_code, unused_imports)] // until the swarm's task calls it
mod discovery;
#[allow(dead_code, unused_imports)] // until the swarm's task calls it
mod enr;
#[allow(dead_code, unused_imports)] // until the swarm's task calls it
mod enr_store;
#[allow(dead_code, unused_imports)] // until the swarm's task calls it
mod files;
#[allow(dead_code)] // until the swarm's task calls it
mod frame;
#[allow(dead_code, unused_imports)] // until the swarm's task calls it
mod gater;
mod handle;
mod key;
mod peer_info;
#[allow(dead_code, unused_imports)] // until the swarm's task calls it
mod peers;
mod request;
#[allow(dead_code, unused_imports)] // until the swarm's task calls it
mod scores;
mod seen;
#[allow(dead_code)] // until the swarm's task calls it
mod signature;
mod signers;
#[allow(dead_code)] // until the swarm's task calls it
mod snappy;
mod ssz;
#[cfg(test)]
mod test_chain;
#[cfg(any(test, feature = "test-utils"))]
pub mod testing;
#[allow(dead_code)] // until the swarm's task calls it
mod topics;
#[allow(dead_code)] // until the swarm's task calls it
mod verdict;

pub use config::{
    Advertise, BanConfig, BlockSigner, DiscoveryConfig, GossipConfig, Listen, NetworkConfig,
    PeerLimits, RemoteSigner, Timeouts,
};
pub use discovery::DiscoveryError;
pub use enr::BootnodeError;
pub use gater::GaterError;
pub use handle::{NetworkHandle, NetworkRequestError, PublishError};
pub use key::{
    NodeKeyError, NodeKeyFileError, load_or_create_node_key, node_key_from_hex,
};
pub use peer_info::{
    Connectedness, Direction, GossipScores, LocalNode, PeerDump, PeerInfo, PeerScores, PeerStats,
    ReqRespScores,
};
