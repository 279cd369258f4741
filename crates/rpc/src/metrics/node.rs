//! What is known of the node as a whole: that it runs, which version, and whether it is ready.

use super::Labels;
use crate::{RpcPeers, readiness};
use light_node_metrics::{Catalogue, Family, Gauge};
use std::{collections::BTreeSet, sync::Mutex};

/// Takes the node's own state into the catalogue, read at each scrape.
pub fn register_node(peers: &RpcPeers, version: &str, catalogue: &mut Catalogue) {
    let up = Gauge::<i64>::default();
    up.set(1);
    catalogue.register("up", "1 while the node runs", &[], up);
    let info = Family::<[(&'static str, String); 1], Gauge>::default();
    info.get_or_create(&[("version", version.to_owned())])
        .set(1);
    catalogue.register(
        "version_info",
        "1, with the version of the program",
        &["version"],
        info,
    );
    let ready = Gauge::<i64>::default();
    catalogue.register(
        "ready",
        "1 while /readyz answers 200: the safe head is followed",
        &[],
        ready.clone(),
    );
    let reasons = Family::<Labels<1>, Gauge>::default();
    catalogue.register(
        "not_ready",
        "1 for each reason for which /readyz answers 503 now, 0 for those of before",
        &["reason"],
        reasons.clone(),
    );
    let (peers, seen) = (peers.clone(), Mutex::new(BTreeSet::new()));
    catalogue.on_scrape(move || {
        let now = readiness::not_ready(&peers);
        ready.set(i64::from(now.is_empty()));
        let mut seen = seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.extend(now.iter().map(|reason| reason.reason));
        for name in seen.iter() {
            let holds = now.iter().any(|reason| reason.reason == *name);
            reasons
                .get_or_create(&[("reason", *name)])
                .set(i64::from(holds));
        }
    });
}
