//! One suite over every door to an execution layer: the embedded one in process, the same over HTTP, and a real one.
//!
//! To run it over a real EL:
//!
//! 1. `LIGHT_NODE_TEST_EL_GENESIS=genesis.json LIGHT_NODE_TEST_EL_FORK=jovian cargo test -p light-node-devnet-el --test
//!    conformance` writes a genesis file (`isthmus`, `jovian` or `karst`).
//! 2. Start the EL on it, with an empty data directory, as an archive node without peers.
//! 3. The same command with `LIGHT_NODE_TEST_EL_AUTHRPC` (the URL of its authenticated port) and `LIGHT_NODE_TEST_EL_JWT`
//!    (the file of its secret) besides runs the suite over it. With `LIGHT_NODE_TEST_EL_HTTP` (the URL of its plain port) the
//!    embedded EL syncs from it, too, and their answers are compared.
#![allow(missing_docs, clippy::unwrap_used)]

mod behaviour;
mod builds;
mod chain;
mod real;
mod sync;
mod versions;

use alloy_rpc_types_engine::JwtSecret;
use chain::{fixture, http_door};
use light_node_devnet_el::{ElServer, ElServerConfig, InProcessEngine};
use light_node_protocol::Hardfork;
use std::{net::SocketAddr, sync::Arc};
use tokio_util::sync::CancellationToken;

const FORKS: [Hardfork; 3] = [Hardfork::Isthmus, Hardfork::Jovian, Hardfork::Karst];

#[tokio::test]
async fn the_embedded_execution_layer_conforms_in_process() {
    for fork in FORKS {
        let chain = chain::Chain::new(fork);
        let door = InProcessEngine::new(chain.embedded(), chain.config.clone());
        let fixture = fixture(&chain, Arc::new(door));
        builds::check_all(&fixture, &chain).await;
        fixture.check_all().await;
    }
}

#[tokio::test]
async fn the_embedded_execution_layer_conforms_over_http() {
    for fork in FORKS {
        let chain = chain::Chain::new(fork);
        let (jwt, token) = (JwtSecret::random(), CancellationToken::new());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ElServerConfig {
            authrpc: any,
            http: any,
            jwt,
        };
        let server = ElServer::start(chain.embedded(), config, token.clone()).unwrap();
        let url = format!("http://{}", server.authrpc_addr()).parse().unwrap();
        let door = http_door(&chain, &url, &jwt);
        let fixture = fixture(&chain, door);
        versions::check_all(&fixture, &url, &jwt).await;
        builds::check_all(&fixture, &chain).await;
        fixture.check_all().await;
        token.cancel();
        server.stopped().await;
    }
}
