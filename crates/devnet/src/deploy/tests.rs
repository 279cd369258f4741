//! The files and the running chains must tell the same chain, on every fork.

#![allow(clippy::unwrap_used)]

use super::*;
use alloy_primitives::U256;
use light_node_devnet_l1::Chain;

const GENESIS_TIME: u64 = 1_750_000_000;

fn deployment(fork: Hardfork) -> Deployment {
    let config = DevnetConfig {
        fork,
        ..DevnetConfig::new(std::path::PathBuf::new())
    };
    Deployment::new(&config, GENESIS_TIME).unwrap()
}

#[test]
fn files_read_back_are_the_chains_that_run() {
    for fork in [
        Hardfork::Ecotone,
        Hardfork::Granite,
        Hardfork::Holocene,
        Hardfork::Isthmus,
        Hardfork::Jovian,
        Hardfork::Karst,
    ] {
        let deployment = deployment(fork);
        let directory = tempfile::tempdir().unwrap();
        let files = DeployedFiles::in_directory(directory.path());
        files.write(&deployment).unwrap();

        let text = std::fs::read_to_string(&files.rollup).unwrap();
        let rollup = RollupConfig::from_json(&text).unwrap();
        assert_eq!(rollup, *deployment.rollup_config, "{fork}");
        assert_eq!(rollup.hardfork_at(GENESIS_TIME), fork);

        let genesis: Genesis =
            serde_json::from_slice(&std::fs::read(&files.genesis).unwrap()).unwrap();
        let el = EmbeddedEl::new(ElConfig::new(genesis)).unwrap();
        let block = el.view().genesis().clone();
        assert_eq!(block.hash, rollup.genesis.l2.hash, "{fork}");
        assert_eq!(block.header().timestamp, rollup.genesis.l2_time);
        assert_eq!(
            block.header().gas_limit,
            rollup.genesis.system_config.gas_limit
        );
        let balance = el.view().head_state().balance(&DEV_ACCOUNTS[0].address);
        assert_eq!(balance, U256::from(10).pow(U256::from(22)));

        let l1 = Chain::new(deployment.l1.clone());
        assert_eq!(l1.head().hash(), rollup.genesis.l1.hash);
        assert_eq!(l1.head().header().timestamp, GENESIS_TIME);
    }
}

#[test]
fn parameters_of_later_forks_are_zero() {
    let params = |fork| {
        deployment(fork)
            .rollup_config
            .genesis
            .system_config
            .eip1559_params
    };
    assert_eq!(params(Hardfork::Granite), FixedBytes::ZERO);
    assert_eq!(
        params(Hardfork::Holocene),
        FixedBytes([0, 0, 0, 250, 0, 0, 0, 6])
    );
}

#[test]
fn the_header_carries_the_parameters_of_the_system_config() {
    let deployment = deployment(Hardfork::Jovian);
    let params = deployment
        .rollup_config
        .genesis
        .system_config
        .eip1559_params;
    let extra_data = &deployment.l2_genesis.extra_data;
    assert_eq!(extra_data[0], 1);
    assert_eq!(extra_data[1..9], params[..]);
    assert_eq!(extra_data[9..], [0; 8]);
}

#[test]
fn the_secret_is_for_the_owner_alone_and_new_each_time() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let files = DeployedFiles::in_directory(directory.path());
    let deployment = deployment(Hardfork::Jovian);
    let secrets = [(); 2].map(|()| {
        files.write(&deployment).unwrap();
        std::fs::read_to_string(&files.jwt).unwrap()
    });
    assert_ne!(secrets[0], secrets[1]);
    assert_eq!(secrets[0].len(), 64);
    let mode = std::fs::metadata(&files.jwt).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn other_forks_and_times_are_refused() {
    let config = DevnetConfig::new(std::path::PathBuf::new());
    for fork in [Hardfork::Delta, Hardfork::Lagoon] {
        let config = DevnetConfig {
            fork,
            ..config.clone()
        };
        let error = Deployment::new(&config, GENESIS_TIME).unwrap_err();
        assert!(matches!(error, DeployError::Fork { .. }));
    }
    let refused = |change: &dyn Fn(&mut DevnetConfig)| {
        let mut config = config.clone();
        change(&mut config);
        Deployment::new(&config, GENESIS_TIME).unwrap_err()
    };
    let days = Duration::from_secs(100_000 * 86_400);
    for time in [
        Duration::ZERO,
        Duration::from_millis(1_500),
        Duration::from_secs(61),
        days,
        Duration::MAX,
    ] {
        let error = refused(&|config| config.block_time = time);
        assert!(matches!(error, DeployError::BlockTime { given } if given == time));
        let error = refused(&|config| config.l1_block_time = time);
        assert!(matches!(error, DeployError::L1(_)), "{error:?}");
    }
    let error = refused(&|config| config.el_sync_delay = days);
    assert!(matches!(error, DeployError::ElSyncDelay { .. }));
}
