//! Our own genesis: two predeploys, two system contracts, and accounts with money.

use super::chain_config::chain_config;
use crate::{
    execution::MESSAGE_PASSER,
    predeploys::{SEQUENCER_FEE_VAULT, l1_block, message_passer},
    spec::OptimismSection,
};
use alloy_eips::{
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_op_hardforks::OpHardfork;
use alloy_primitives::{Address, B256, Bytes, U256, address, b256};
use light_node_protocol::{Hardfork, l1_info::L1_BLOCK_ADDRESS};
use op_alloy_consensus::{encode_holocene_extra_data, encode_jovian_extra_data};
use std::collections::BTreeMap;

/// Describes the L2 genesis of a devnet. Execution layers that read the file which [`DevnetGenesis::build`] makes agree on
/// the hash of its block.
#[derive(Clone, Debug)]
pub struct DevnetGenesis {
    /// Chain id of the L2.
    pub chain_id: u64,
    /// The latest fork that is active, from genesis on; Ecotone to Karst.
    pub fork: Hardfork,
    /// Unix time of the genesis block in seconds.
    pub timestamp: u64,
    /// Gas limit of the genesis block.
    pub gas_limit: u64,
    /// Base fee of the genesis block in wei.
    pub base_fee: u64,
    /// EIP-1559 elasticity of the chain.
    pub elasticity: u32,
    /// EIP-1559 denominator of the chain.
    pub denominator: u32,
    /// Minimum base fee in wei, from Jovian on.
    pub min_base_fee: u64,
    /// Accounts and their balances in wei.
    pub funded: Vec<(Address, U256)>,
}

/// The EIP-1967 slot in which a proxy keeps its admin.
const PROXY_ADMIN_SLOT: B256 =
    b256!("b53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103");

/// The `ProxyAdmin` predeploy, which is the admin of every predeploy on a real chain.
const PROXY_ADMIN: Address = address!("4200000000000000000000000000000000000018");

impl DevnetGenesis {
    /// A genesis with the parameters that OP Stack chains usually have.
    pub const fn new(chain_id: u64, fork: Hardfork, timestamp: u64) -> Self {
        Self {
            chain_id,
            fork,
            timestamp,
            gas_limit: 60_000_000,
            base_fee: 1_000_000_000,
            elasticity: 6,
            denominator: 250,
            min_base_fee: 0,
            funded: Vec::new(),
        }
    }

    /// Gives each account this balance in wei.
    #[must_use]
    pub fn with_funded(mut self, accounts: impl IntoIterator<Item = Address>, wei: U256) -> Self {
        self.funded
            .extend(accounts.into_iter().map(|account| (account, wei)));
        self
    }

    /// The genesis in geth's form; serialized it is the `genesis.json` of op-geth and op-reth.
    pub fn build(&self) -> Genesis {
        let contract = |code: Bytes| GenesisAccount {
            nonce: Some(1),
            code: Some(code),
            ..GenesisAccount::default()
        };
        // On a real chain the message passer is a proxy, so its storage is never empty, and op-geth relies on that: it leaves
        // `withdrawalsRoot` out of a payload when it is the empty root, which no client accepts from Isthmus on.
        let message_passer = GenesisAccount {
            storage: Some(BTreeMap::from([(
                PROXY_ADMIN_SLOT,
                PROXY_ADMIN.into_word(),
            )])),
            ..contract(message_passer())
        };
        let mut alloc = BTreeMap::from([
            (L1_BLOCK_ADDRESS, contract(l1_block())),
            (MESSAGE_PASSER, message_passer),
            (BEACON_ROOTS_ADDRESS, contract(BEACON_ROOTS_CODE.clone())),
            (
                HISTORY_STORAGE_ADDRESS,
                contract(HISTORY_STORAGE_CODE.clone()),
            ),
        ]);
        for (address, balance) in &self.funded {
            alloc.entry(*address).or_default().balance = *balance;
        }
        Genesis {
            config: chain_config(
                self.chain_id,
                execution_fork(self.fork),
                self.optimism_section(),
            ),
            timestamp: self.timestamp,
            extra_data: self.extra_data(),
            gas_limit: self.gas_limit,
            coinbase: SEQUENCER_FEE_VAULT,
            alloc,
            base_fee_per_gas: Some(self.base_fee.into()),
            ..Genesis::default()
        }
    }

    fn optimism_section(&self) -> OptimismSection {
        OptimismSection {
            eip1559_elasticity: self.elasticity.into(),
            eip1559_denominator: self.denominator.into(),
            eip1559_denominator_canyon: Some(self.denominator.into()),
        }
    }

    /// Empty before Holocene; then version, denominator, elasticity; from Jovian on also the minimum base fee.
    fn extra_data(&self) -> Bytes {
        let mut params = [0; 8];
        params[..4].copy_from_slice(&self.denominator.to_be_bytes());
        params[4..].copy_from_slice(&self.elasticity.to_be_bytes());
        // Not used: the parameters are given. (All zero would mean "the chain's default".)
        let defaults = alloy_eips::eip1559::BaseFeeParams::new(
            self.denominator.into(),
            self.elasticity.into(),
        );
        let encoded = if self.fork >= Hardfork::Jovian {
            encode_jovian_extra_data(params.into(), defaults, self.min_base_fee)
        } else if self.fork >= Hardfork::Holocene {
            encode_holocene_extra_data(params.into(), defaults)
        } else {
            Ok(Bytes::new())
        };
        encoded.expect("parameters of 32 bits fit into 32 bits")
    }
}

/// The execution layer's name for a fork. Delta changes nothing for it.
const fn execution_fork(fork: Hardfork) -> OpHardfork {
    match fork {
        Hardfork::Bedrock => OpHardfork::Bedrock,
        Hardfork::Regolith => OpHardfork::Regolith,
        Hardfork::Canyon | Hardfork::Delta => OpHardfork::Canyon,
        Hardfork::Ecotone => OpHardfork::Ecotone,
        Hardfork::Fjord => OpHardfork::Fjord,
        Hardfork::Granite => OpHardfork::Granite,
        Hardfork::Holocene => OpHardfork::Holocene,
        Hardfork::Isthmus => OpHardfork::Isthmus,
        Hardfork::Jovian => OpHardfork::Jovian,
        Hardfork::Karst => OpHardfork::Karst,
        Hardfork::Lagoon => OpHardfork::Interop,
    }
}
