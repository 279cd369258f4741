//! Behaviour of the real binary: each file is one behaviour, seen from outside, on a chain that the test itself runs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod auth;
mod cli;
mod devnet;
mod docs;
mod follow;
mod helpers;
mod migrate;
mod packaging;
mod reorg;
mod rpc;
mod shutdown;
mod wrong_peer;
