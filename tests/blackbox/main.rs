//! Behaviour of the real binary: each file is one behaviour, seen from outside, on a chain that the test itself runs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod auth;
mod cli;
mod cli_aliases;
mod cli_config;
mod crowd;
mod derive;
mod derive_catch_up;
mod derive_commands;
mod derive_faults;
mod derive_faults_el;
mod derive_malformed;
mod derive_rpc;
mod devnet;
mod docs;
mod doctor;
mod faults_el;
mod faults_l1;
mod faults_source;
mod flags;
mod follow;
mod healthcheck;
mod helpers;
mod jwt;
mod kill;
mod logs;
mod metrics;
mod migrate;
mod packaging;
mod reach;
mod real_el;
mod reorg;
mod rpc;
mod shutdown;
mod topologies;
mod wrong_peer;
