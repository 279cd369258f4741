//! All metrics of one node in one catalogue: each room registers its own.

use crate::MetricsCompat;
use light_node_metrics::{Catalogue, ProcessMetrics, RequestMetrics};
use light_node_rpc::{
    RpcMetrics, RpcPeers, SafeSourceHandle, register_node, register_op_node_names,
};

/// The catalogue of a node whose actors are `peers`, and whose clients record their `requests`.
pub(crate) fn catalogue(
    peers: &RpcPeers,
    rpc: &RpcMetrics,
    requests: &[RequestMetrics],
    compat: MetricsCompat,
    version: &str,
) -> Catalogue {
    let with_op_node_names = compat == MetricsCompat::OpNode;
    let mut catalogue = Catalogue::new();
    register_node(peers, version, &mut catalogue);
    peers.engine.metrics().register(&mut catalogue);
    peers.l1.metrics().register(&mut catalogue);
    match &peers.safe_source {
        SafeSourceHandle::Follow(follow) => follow.metrics().register(&mut catalogue),
        SafeSourceHandle::Derive { derivation, .. } => {
            derivation.metrics().register(&mut catalogue)
        }
    }
    if let Some(history) = &peers.safe_db {
        history.metrics().register(&mut catalogue);
    }
    RequestMetrics::register_all(requests, &mut catalogue, with_op_node_names);
    rpc.register(&mut catalogue);
    ProcessMetrics::default().register(&mut catalogue);
    if with_op_node_names {
        register_op_node_names(peers, version, &mut catalogue);
    }
    catalogue
}
