//! The suite over an EL of somebody else, see the head of `main.rs`.

use crate::{
    builds,
    chain::{Chain, fixture, http_door},
    sync, versions,
};
use alloy_genesis::Genesis;
use alloy_rpc_types_engine::JwtSecret;
use light_node_protocol::Hardfork;
use std::{env, fs, path::Path};
use url::Url;

const AUTHRPC: &str = "LIGHT_NODE_TEST_EL_AUTHRPC";
const JWT: &str = "LIGHT_NODE_TEST_EL_JWT";
const HTTP: &str = "LIGHT_NODE_TEST_EL_HTTP";
const GENESIS: &str = "LIGHT_NODE_TEST_EL_GENESIS";
const FORK: &str = "LIGHT_NODE_TEST_EL_FORK";

fn fork() -> Hardfork {
    match env::var(FORK).as_deref() {
        Ok("isthmus") => Hardfork::Isthmus,
        Ok("karst") => Hardfork::Karst,
        Ok("jovian") | Err(_) => Hardfork::Jovian,
        Ok(other) => panic!("{FORK} is isthmus, jovian or karst, not {other}"),
    }
}

#[tokio::test]
async fn a_real_execution_layer_conforms() {
    let chain = Chain::new(fork());
    if let Ok(path) = env::var(GENESIS) {
        write_or_compare(&chain, Path::new(&path));
    }
    let (Ok(url), Ok(jwt)) = (env::var(AUTHRPC), env::var(JWT)) else {
        println!("skipped: {AUTHRPC} and {JWT} name no execution layer");
        return;
    };
    let url: Url = url.parse().unwrap();
    let jwt = JwtSecret::from_file(Path::new(&jwt)).unwrap();
    let fixture = fixture(&chain, http_door(&chain, &url, &jwt));
    println!("{:?}", fixture.subject.client_version().await);
    versions::check_all(&fixture, &url, &jwt).await;
    builds::check_all(&fixture, &chain).await;
    match env::var(HTTP) {
        Ok(url) => sync::check_all(&chain, &url.parse().unwrap()).await,
        Err(_) => println!("skipped: {HTTP} names no port to sync from"),
    }
    fixture.check_all().await;
}

/// Writes the genesis file; one that is there must be the same.
fn write_or_compare(chain: &Chain, path: &Path) {
    if path.exists() {
        let present: Genesis = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(
            present,
            chain.genesis,
            "{} is another genesis",
            path.display()
        );
        return;
    }
    fs::write(path, serde_json::to_vec_pretty(&chain.genesis).unwrap()).unwrap();
    println!(
        "wrote {}, whose block is {}",
        path.display(),
        chain.config.genesis.l2.hash
    );
}
