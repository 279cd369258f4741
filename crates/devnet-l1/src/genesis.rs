//! Block 0 and the geth-style `l1-genesis.json` that yields the same block, which rollup nodes read for the L1's chain
//! configuration.

use crate::{
    config::L1SimConfig,
    contracts::{EMULATED_CODE, initial_storage},
    state::{Account, State},
};
use alloy_consensus::Header;
use alloy_eips::{eip7685::EMPTY_REQUESTS_HASH, eip7840::BlobParams};
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, Bytes};
use alloy_trie::EMPTY_ROOT_HASH;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Base fee of block 0 in wei, as on every chain that starts with London.
const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// The accounts at block 0.
pub(crate) fn state(config: &L1SimConfig) -> State {
    let mut state = State::default();
    for (address, balance) in &config.accounts {
        state.update(*address, |account| account.balance = *balance);
    }
    for address in [config.contracts.portal, config.contracts.system_config] {
        state.update(address, |account| {
            account.nonce = 1;
            account.code = Bytes::from_static(&EMULATED_CODE);
        });
    }
    state.update(config.contracts.system_config, |account| {
        account.storage.extend(initial_storage(&config.contracts));
    });
    state
}

/// The header of block 0, with all forks up to Prague active.
pub(crate) fn header(config: &L1SimConfig, state: &State) -> Header {
    Header {
        timestamp: config.genesis_time,
        gas_limit: config.gas_limit,
        state_root: state.root(),
        base_fee_per_gas: Some(INITIAL_BASE_FEE),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

/// Hash of block 0, known before the L1 runs, because `rollup.json` names it.
pub fn l1_genesis_hash(config: &L1SimConfig) -> B256 {
    header(config, &state(config)).hash_slow()
}

/// The content of `l1-genesis.json`. It has exactly the keys that geth knows: op-node refuses any other.
pub fn l1_genesis_json(config: &L1SimConfig) -> Value {
    let state = state(config);
    let header = header(config, &state);
    let alloc = state
        .accounts()
        .map(|(address, account)| (*address, genesis_account(account)))
        .collect::<BTreeMap<Address, GenesisAccount>>();
    json!({
        "config": chain_config(config.chain_id),
        "nonce": "0x0",
        "timestamp": format!("{:#x}", header.timestamp),
        "extraData": "0x",
        "gasLimit": format!("{:#x}", header.gas_limit),
        "difficulty": "0x0",
        "mixHash": B256::ZERO,
        "coinbase": Address::ZERO,
        "alloc": alloc,
        "number": "0x0",
        "gasUsed": "0x0",
        "parentHash": B256::ZERO,
        "baseFeePerGas": format!("{INITIAL_BASE_FEE:#x}"),
        "excessBlobGas": "0x0",
        "blobGasUsed": "0x0",
    })
}

fn genesis_account(account: &Account) -> GenesisAccount {
    let storage = account
        .storage
        .iter()
        .map(|(slot, value)| (*slot, B256::from(*value)));
    let storage = storage.collect::<BTreeMap<_, _>>();
    GenesisAccount {
        nonce: (account.nonce > 0).then_some(account.nonce),
        balance: account.balance,
        code: (!account.code.is_empty()).then(|| account.code.clone()),
        storage: (!storage.is_empty()).then_some(storage),
        ..GenesisAccount::default()
    }
}

/// geth's `ChainConfig` with every fork up to Prague active from block 0.
fn chain_config(chain_id: u64) -> Value {
    let schedule = |params: BlobParams| {
        json!({
            "target": params.target_blob_count,
            "max": params.max_blob_count,
            "baseFeeUpdateFraction": u64::try_from(params.update_fraction).unwrap_or(u64::MAX),
        })
    };
    json!({
        "chainId": chain_id,
        "homesteadBlock": 0,
        "eip150Block": 0,
        "eip155Block": 0,
        "eip158Block": 0,
        "byzantiumBlock": 0,
        "constantinopleBlock": 0,
        "petersburgBlock": 0,
        "istanbulBlock": 0,
        "berlinBlock": 0,
        "londonBlock": 0,
        "mergeNetsplitBlock": 0,
        "terminalTotalDifficulty": 0,
        "shanghaiTime": 0,
        "cancunTime": 0,
        "pragueTime": 0,
        "blobSchedule": {
            "cancun": schedule(BlobParams::cancun()),
            "prague": schedule(BlobParams::prague()),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    #[test]
    fn the_genesis_file_yields_the_hash_of_block_zero() {
        let mut config = L1SimConfig::new(1_700_000_000);
        config
            .accounts
            .push((Address::repeat_byte(1), U256::from(10).pow(U256::from(22))));
        config.contracts.unsafe_block_signer = Address::repeat_byte(2);
        let text = l1_genesis_json(&config).to_string();
        let genesis: alloy_genesis::Genesis = serde_json::from_str(&text).unwrap();

        // geth's rule for a genesis block, out of nothing but the file.
        let accounts = genesis
            .alloc
            .iter()
            .map(|(address, account)| (*address, account.clone().into_trie_account()));
        let header = Header {
            timestamp: genesis.timestamp,
            gas_limit: genesis.gas_limit,
            extra_data: genesis.extra_data,
            difficulty: genesis.difficulty,
            state_root: alloy_trie::root::state_root_unhashed(accounts),
            base_fee_per_gas: genesis
                .base_fee_per_gas
                .map(|fee| u64::try_from(fee).unwrap()),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: genesis.blob_gas_used,
            excess_blob_gas: genesis.excess_blob_gas,
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        assert_eq!(header.hash_slow(), l1_genesis_hash(&config));
        assert_eq!(genesis.config.chain_id, 900);
        assert_eq!(genesis.config.prague_time, Some(0));
        assert_eq!(genesis.config.terminal_total_difficulty, Some(U256::ZERO));
        assert_eq!(genesis.config.blob_schedule["prague"].max_blob_count, 9);
    }
}
