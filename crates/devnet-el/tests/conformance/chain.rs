//! The chain under test: our devnet genesis with funded accounts, and a rollup configuration that fits it.

use alloy_eips::BlockNumHash;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_engine::JwtSecret;
use alloy_signer_local::PrivateKeySigner;
use light_node_devnet_el::{DevnetGenesis, ElBehaviour, ElConfig, EmbeddedEl, InProcessEngine};
use light_node_engine_api::{
    ElDeadlines, EngineApi, HttpEngine, HttpEngineConfig, JwtSource, conformance::Fixture,
};
use light_node_protocol::{ChainGenesis, Hardfork, RollupConfig, SystemConfig};
use std::sync::Arc;
use url::Url;

pub(crate) const CHAIN_ID: u64 = 901;
const GENESIS_TIME: u64 = 1_760_000_000;
const GAS_LIMIT: u64 = 60_000_000;

/// An account with money.
pub(crate) fn wallet(index: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(index + 1)).unwrap()
}

pub(crate) struct Chain {
    pub(crate) genesis: Genesis,
    pub(crate) config: Arc<RollupConfig>,
}

impl Chain {
    /// Every fork up to `fork` is active from genesis on.
    pub(crate) fn new(fork: Hardfork) -> Self {
        let genesis = DevnetGenesis::new(CHAIN_ID, fork, GENESIS_TIME)
            .with_funded(
                (0..4).map(|index| wallet(index).address()),
                U256::from(10).pow(U256::from(22)),
            )
            .build();
        let el = EmbeddedEl::new(ElConfig::new(genesis.clone())).unwrap();
        let config = Arc::new(rollup_config(fork, el.view().genesis().hash));
        Self { genesis, config }
    }

    /// A fresh embedded EL of this chain.
    pub(crate) fn embedded(&self) -> Arc<EmbeddedEl> {
        self.embedded_as(ElBehaviour::default())
    }

    /// A fresh embedded EL of this chain that behaves like another one.
    pub(crate) fn embedded_as(&self, behaviour: ElBehaviour) -> Arc<EmbeddedEl> {
        let config = ElConfig {
            behaviour,
            ..ElConfig::new(self.genesis.clone())
        };
        EmbeddedEl::new(config).unwrap()
    }
}

/// `subject` under test, blocks for it built by an embedded EL of its own.
pub(crate) fn fixture(chain: &Chain, subject: Arc<dyn EngineApi>) -> Fixture {
    let builder = InProcessEngine::new(chain.embedded(), chain.config.clone());
    Fixture::new(subject, Arc::new(builder), chain.config.clone())
}

/// The door to the authenticated port at `url`.
pub(crate) fn http_door(chain: &Chain, url: &Url, jwt: &JwtSecret) -> Arc<dyn EngineApi> {
    let secret = light_node_engine_api::JwtSecret::from_bytes(jwt.as_bytes().try_into().unwrap());
    let engine = HttpEngine::new(HttpEngineConfig {
        url: url.clone(),
        jwt: JwtSource::Secret(secret),
        rollup_config: chain.config.clone(),
        deadlines: ElDeadlines::default(),
    });
    Arc::new(engine.unwrap())
}

fn rollup_config(fork: Hardfork, genesis: B256) -> RollupConfig {
    // Version 1, blob base fee scalar 810949, base fee scalar 1368.
    let mut scalar = B256::ZERO;
    scalar[0] = 1;
    scalar[24..28].copy_from_slice(&810_949u32.to_be_bytes());
    scalar[28..].copy_from_slice(&1_368u32.to_be_bytes());
    // Scalar 5000, constant 70000.
    let mut operator_fee_params = B256::ZERO;
    operator_fee_params[20..24].copy_from_slice(&5_000u32.to_be_bytes());
    operator_fee_params[24..].copy_from_slice(&70_000u64.to_be_bytes());
    let active = |since: Hardfork| (fork >= since).then_some(0);
    RollupConfig {
        genesis: ChainGenesis {
            l1: BlockNumHash::new(100, B256::repeat_byte(0x11)),
            l2: BlockNumHash::new(0, genesis),
            l2_time: GENESIS_TIME,
            system_config: SystemConfig {
                batcher_address: Address::repeat_byte(7),
                scalar,
                gas_limit: GAS_LIMIT,
                eip1559_params: "0x000000fa00000006".parse().unwrap(),
                operator_fee_params,
                min_base_fee: 1_000,
                da_footprint_gas_scalar: 400,
                ..SystemConfig::default()
            },
        },
        block_time: 2,
        l2_chain_id: CHAIN_ID,
        regolith_time: Some(0),
        canyon_time: Some(0),
        delta_time: Some(0),
        ecotone_time: Some(0),
        fjord_time: Some(0),
        granite_time: Some(0),
        holocene_time: Some(0),
        isthmus_time: Some(0),
        jovian_time: active(Hardfork::Jovian),
        karst_time: active(Hardfork::Karst),
        ..RollupConfig::default()
    }
}
