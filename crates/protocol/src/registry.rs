//! The chains that are known by name or chain id, so that an operator need not bring a `rollup.json`.

mod chains;
#[cfg(test)]
mod tests;

use crate::{ChainGenesis, ChainOpConfig, RollupConfig, SystemConfig};
use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, U256};
use chains::CHAINS;
use thiserror::Error;

/// Channel timeout of every chain here in L1 blocks, which the registry leaves out. From Granite on the protocol has 50.
const CHANNEL_TIMEOUT: u64 = 300;

/// How alike (0 to 1) a known name must be to be offered instead of an unknown one.
const LEAST_SIMILARITY: f64 = 0.6;

/// No chain has this name or id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown network {name}{}; known are {}", suggestion(*.nearest), known_names())]
pub struct UnknownNetwork {
    /// What was asked for.
    pub name: String,
    /// The known name that is most like it, if any is.
    pub nearest: Option<&'static str>,
}

/// The names of the known chains, one spelling each.
pub fn network_names() -> impl Iterator<Item = &'static str> {
    CHAINS.iter().map(|chain| chain.name)
}

/// The name of a known chain.
pub fn network_name(l2_chain_id: u64) -> Option<&'static str> {
    CHAINS
        .iter()
        .find(|chain| chain.l2_chain_id == l2_chain_id)
        .map(|chain| chain.name)
}

impl RollupConfig {
    /// The built-in config of a network by its name (op-node's spelling, or a usual short one; case, `_` and spaces do not
    /// matter) or by its decimal chain id.
    ///
    /// # Errors
    /// No such network; the error offers the most similar name.
    pub fn by_network(name: &str) -> Result<Self, UnknownNetwork> {
        let wanted = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        if let Ok(chain_id) = wanted.parse()
            && let Some(config) = Self::by_chain_id(chain_id)
        {
            return Ok(config);
        }
        CHAINS
            .iter()
            .find(|chain| chain.names().any(|known| known == wanted))
            .map(Chain::rollup_config)
            .ok_or_else(|| UnknownNetwork {
                name: name.to_owned(),
                nearest: nearest(&wanted),
            })
    }

    /// The built-in config of the network with this L2 chain id.
    pub fn by_chain_id(l2_chain_id: u64) -> Option<Self> {
        CHAINS
            .iter()
            .find(|chain| chain.l2_chain_id == l2_chain_id)
            .map(Chain::rollup_config)
    }
}

fn nearest(wanted: &str) -> Option<&'static str> {
    CHAINS
        .iter()
        .flat_map(|chain| {
            chain
                .names()
                .map(|known| (strsim::jaro_winkler(wanted, known), chain.name))
        })
        .filter(|(similarity, _)| *similarity >= LEAST_SIMILARITY)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

fn suggestion(nearest: Option<&'static str>) -> String {
    nearest
        .map(|name| format!(" (did you mean {name}?)"))
        .unwrap_or_default()
}

fn known_names() -> String {
    network_names().collect::<Vec<_>>().join(", ")
}

/// What differs between the known chains.
struct Chain {
    /// The name that op-node has for it: the registry's file name and network.
    name: &'static str,
    /// Other spellings in use.
    aliases: &'static [&'static str],
    l1_chain_id: u64,
    l2_chain_id: u64,
    block_time: u64,
    max_sequencer_drift: u64,
    seq_window_size: u64,
    forks: Forks,
    keep_karst_upgrade_gas: bool,
    eip1559_elasticity: u64,
    eip1559_denominator: u64,
    eip1559_denominator_canyon: u64,
    l1_genesis: BlockNumHash,
    l2_genesis: BlockNumHash,
    l2_time: u64,
    batcher: Address,
    overhead: u64,
    scalar: B256,
    gas_limit: u64,
    batch_inbox: Address,
    /// The registry's `OptimismPortalProxy`, which `rollup.json` calls the deposit contract.
    optimism_portal: Address,
    system_config: Address,
}

/// Activation times in seconds. Regolith is missing: every chain here has it from genesis.
struct Forks {
    canyon: Option<u64>,
    delta: Option<u64>,
    ecotone: Option<u64>,
    fjord: Option<u64>,
    granite: Option<u64>,
    holocene: Option<u64>,
    isthmus: Option<u64>,
    jovian: Option<u64>,
    karst: Option<u64>,
    pectra_blob_schedule: Option<u64>,
}

impl Chain {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        core::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    fn rollup_config(&self) -> RollupConfig {
        RollupConfig {
            genesis: ChainGenesis {
                l1: self.l1_genesis,
                l2: self.l2_genesis,
                l2_time: self.l2_time,
                system_config: SystemConfig {
                    batcher_address: self.batcher,
                    overhead: U256::from(self.overhead).into(),
                    scalar: self.scalar,
                    gas_limit: self.gas_limit,
                    ..SystemConfig::default()
                },
            },
            block_time: self.block_time,
            max_sequencer_drift: self.max_sequencer_drift,
            seq_window_size: self.seq_window_size,
            channel_timeout: CHANNEL_TIMEOUT,
            l1_chain_id: self.l1_chain_id,
            l2_chain_id: self.l2_chain_id,
            regolith_time: Some(0),
            canyon_time: self.forks.canyon,
            delta_time: self.forks.delta,
            ecotone_time: self.forks.ecotone,
            fjord_time: self.forks.fjord,
            granite_time: self.forks.granite,
            holocene_time: self.forks.holocene,
            isthmus_time: self.forks.isthmus,
            jovian_time: self.forks.jovian,
            karst_time: self.forks.karst,
            lagoon_time: None,
            batch_inbox_address: self.batch_inbox,
            deposit_contract_address: self.optimism_portal,
            l1_system_config_address: self.system_config,
            chain_op_config: Some(ChainOpConfig {
                eip1559_elasticity: self.eip1559_elasticity,
                eip1559_denominator: self.eip1559_denominator,
                eip1559_denominator_canyon: Some(self.eip1559_denominator_canyon),
            }),
            alt_da: None,
            pectra_blob_schedule_time: self.forks.pectra_blob_schedule,
            keep_karst_upgrade_gas: self.keep_karst_upgrade_gas,
        }
    }
}
