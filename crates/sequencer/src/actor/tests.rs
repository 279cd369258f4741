//! The actor between a real engine over an execution layer in memory, an L1 in memory, a network that a test plays and a scripted
//! conductor, under paused time.

mod blocks;
mod commands;
mod conductor;
mod el;
mod faults;
mod light;
mod random;
mod reorgs;
mod tampered;
mod world;

use super::*;
use crate::conductor::tests::{Answer, ScriptedConductor};
use light_node_engine::{
    DerivationState, EngineActor, EngineConfig, FollowOutcome, FollowUpdate, SafeSourceKind,
};
use light_node_engine_api::{
    EngineApi,
    memory::{ChainBuilder, MemoryBlock, MemoryEl},
};
use light_node_l1::MemoryL1Source;
use light_node_protocol::{L1BlockRef, L1ChainConfig};
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use std::{fmt, time::Duration};
use world::{Settings, World};

/// The time of L1 and L2 genesis, in seconds.
const GENESIS_TIME: u64 = 1_700_000_000;

/// A test that takes longer, by the paused clock, hangs.
const PATIENCE: Duration = Duration::from_secs(3_600);

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}
