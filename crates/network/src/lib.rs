//! The unsafe chain's way in and out: gossip over libp2p, discovery over discv5, and the peers of both. The actor gives
//! blocks that it accepted to the engine without waiting for it, and sends out those that a sequencer here has made.
//!
//! One task owns the swarm and one owns discovery; blocks are judged in a small pool beside them. The swarm's task awaits no
//! other actor. Who may sign blocks is read from the `watch` of the l1 crate.

mod actor;
mod admission;
mod behaviour;
#[cfg(any(test, feature = "test-utils"))]
pub mod bench_door;
mod block_hash;
mod bootnodes;
mod budget;
mod config;
mod discovery;
mod enr;
mod enr_store;
mod frame;
mod gater;
mod handle;
mod key;
mod local;
mod metered;
mod metrics;
mod peer_info;
mod peers;
mod pool;
mod publish;
mod receiving;
mod remote_signer;
mod request;
mod scores;
mod seen;
mod session;
mod signature;
mod signers;
mod snappy;
mod ssz;
mod standing;
#[cfg(any(test, feature = "test-utils"))]
#[allow(dead_code)] // some of it is for tests here alone
mod test_chain;
#[cfg(any(test, feature = "test-utils"))]
pub mod testing;
mod topics;
mod verdict;

pub use actor::{NetworkActor, NetworkConfigError};
pub use behaviour::SwarmError;
pub use bootnodes::built_in_bootnodes;
pub use config::{
    Advertise, BanConfig, BlockSigner, DiscoveryConfig, GossipConfig, Listen, NetworkConfig,
    PeerLimits, RemoteSigner, Timeouts,
};
pub use discovery::{DiscoveryError, check_bootnode};
pub use enr::BootnodeError;
pub use gater::GaterError;
pub use handle::{NetworkHandle, NetworkRequestError, PublishError};
pub use key::{NodeKeyError, NodeKeyFileError, load_or_create_node_key, node_key_from_hex};
pub use metrics::NetworkMetrics;
pub use peer_info::{
    Connectedness, Direction, GossipScores, LocalNode, PeerDump, PeerInfo, PeerScores, PeerStats,
    ReqRespScores,
};
pub use remote_signer::RemoteSignerConfigError;
