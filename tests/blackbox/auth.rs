//! The secret shared with the execution layer.

use crate::helpers::{
    chain::{Chain, Settings},
    process::ends_saying,
};
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_jwt_ends_the_node_after_half_a_minute() {
    let chain = Chain::start(Settings::on_command()).await;
    let secret = chain.dir().join("foreign.hex");
    fs::write(&secret, "0x".to_owned() + &"ab".repeat(32)).unwrap();
    let flags = chain.flags().with("--l2.jwt-secret", secret.display());
    ends_saying(
        &flags,
        &[
            "refused our JWT",
            "401",
            "--l2.jwt-secret",
            "--authrpc.jwtsecret",
            "clock",
        ],
    );
}
