//! The `config` section of a genesis file as geth and reth based execution layers read it.

use crate::spec::{FORK_FIELDS, OptimismSection};
use alloy_genesis::ChainConfig;
use alloy_op_hardforks::OpHardfork;
use alloy_primitives::U256;
use alloy_serde::OtherFields;
use serde_json::json;
use std::collections::BTreeMap;

/// The configuration of a chain on which every fork up to `latest` is active from the start.
///
/// There is no `blobSchedule`: op-geth refuses an OP Stack chain that has one.
pub(super) fn chain_config(
    chain_id: u64,
    latest: OpHardfork,
    optimism: OptimismSection,
) -> ChainConfig {
    let active_from = |fork: OpHardfork| (latest >= fork).then_some(0);
    let mut extra = BTreeMap::from([
        ("bedrockBlock".to_owned(), json!(0)),
        ("optimism".to_owned(), json!(optimism)),
    ]);
    for (fork, field) in FORK_FIELDS {
        if latest >= fork {
            extra.insert(field.to_owned(), json!(0));
        }
    }
    ChainConfig {
        chain_id,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        muir_glacier_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        arrow_glacier_block: Some(0),
        gray_glacier_block: Some(0),
        merge_netsplit_block: Some(0),
        shanghai_time: active_from(OpHardfork::Canyon),
        cancun_time: active_from(OpHardfork::Ecotone),
        prague_time: active_from(OpHardfork::Isthmus),
        osaka_time: active_from(OpHardfork::Karst),
        terminal_total_difficulty: Some(U256::ZERO),
        terminal_total_difficulty_passed: true,
        extra_fields: OtherFields::new(extra),
        ..ChainConfig::default()
    }
}
