// Fields of calls are named as in Solidity.
#![allow(clippy::unwrap_used, non_snake_case)]

use super::{
    abi::{IOptimismPortal as Portal, ISystemConfig as Config},
    *,
};
use crate::{config::ecotone_scalar, genesis, testing};
use alloy_primitives::{B256, address};
use alloy_sol_types::{SolCall, SolEvent};
use serde_json::Value;

fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["valid"].as_array().unwrap().clone()
}

fn field<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn decimal(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn deposits_leave_the_logs_of_the_real_portal() {
    let mut seen = 0;
    for vector in vectors(include_str!("../../testdata/deposit-logs.json")) {
        let expected = &vector["expected"];
        let contracts = L1Contracts {
            portal: field(&vector["log"]["address"]),
            ..L1Contracts::default()
        };
        let deposit = Portal::depositTransactionCall {
            to: field::<Option<Address>>(&expected["to"]).unwrap_or_default(),
            value: decimal(&expected["value"]),
            gasLimit: field(&expected["gasLimit"]),
            isCreation: field(&expected["isCreation"]),
            data: field(&expected["input"]),
        };
        let call = Call {
            from: field(&expected["from"]),
            to: contracts.portal,
            value: decimal(&expected["mint"]),
            input: &deposit.abi_encode(),
        };
        let logs = execute(&contracts, &mut State::default(), &mut 0, &call);
        if deposit.gasLimit < minimum_deposit_gas(deposit.data.len() as u64) {
            assert_eq!(
                logs,
                Err(Reverted::new("OptimismPortal: gas limit too small"))
            );
            continue;
        }
        let log = &logs.unwrap()[0];
        assert_eq!(log.address, contracts.portal, "{}", vector["name"]);
        assert_eq!(
            log.data.topics(),
            field::<Vec<B256>>(&vector["log"]["topics"])
        );
        assert_eq!(
            log.data.data,
            field::<Bytes>(&vector["log"]["data"]),
            "{}",
            vector["name"]
        );
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} vectors could be deposited");
}

#[test]
fn plain_ether_sent_to_the_portal_is_a_deposit_to_the_sender() {
    // The second vector is such a transaction of a real portal.
    let vector = &vectors(include_str!("../../testdata/deposit-logs.json"))[1];
    let contracts = L1Contracts {
        portal: field(&vector["log"]["address"]),
        ..L1Contracts::default()
    };
    let call = Call {
        from: field(&vector["expected"]["from"]),
        to: contracts.portal,
        value: decimal(&vector["expected"]["mint"]),
        input: &[],
    };
    let logs = execute(&contracts, &mut State::default(), &mut 0, &call).unwrap();
    assert_eq!(
        logs[0].data.topics(),
        field::<Vec<B256>>(&vector["log"]["topics"])
    );
    assert_eq!(logs[0].data.data, field::<Bytes>(&vector["log"]["data"]));
}

#[test]
fn deposits_that_break_a_rule_revert() {
    let contracts = L1Contracts::default();
    let valid = Portal::depositTransactionCall {
        to: Address::repeat_byte(1),
        value: U256::ZERO,
        gasLimit: 100_000,
        isCreation: false,
        data: Bytes::new(),
    };
    let run = |deposit: &Portal::depositTransactionCall, deposit_gas: &mut u64| {
        let call = Call {
            from: Address::repeat_byte(2),
            to: contracts.portal,
            value: U256::ZERO,
            input: &deposit.abi_encode(),
        };
        execute(&contracts, &mut State::default(), deposit_gas, &call)
    };
    assert!(run(&valid, &mut 0).is_ok());
    let creation = Portal::depositTransactionCall {
        isCreation: true,
        ..valid.clone()
    };
    assert_eq!(
        run(&creation, &mut 0).unwrap_err().reason,
        "OptimismPortal: bad target"
    );
    let starved = Portal::depositTransactionCall {
        gasLimit: 20_999,
        ..valid.clone()
    };
    assert_eq!(
        run(&starved, &mut 0).unwrap_err().reason,
        "OptimismPortal: gas limit too small"
    );
    let long = vec![0; 120_001].into();
    let long = Portal::depositTransactionCall {
        data: long,
        gasLimit: 10_000_000,
        ..valid.clone()
    };
    assert_eq!(
        run(&long, &mut 0).unwrap_err().reason,
        "OptimismPortal: data too large"
    );

    let mut bought = MAX_DEPOSIT_GAS_PER_BLOCK - 100_000;
    assert!(run(&valid, &mut bought).is_ok());
    assert!(run(&valid, &mut bought).is_err());
    assert_eq!(bought, MAX_DEPOSIT_GAS_PER_BLOCK);
}

/// Calls the system config as its owner, on a state that keeps what earlier calls wrote.
fn configure(state: &mut State, call: &impl SolCall) -> Result<Log, Reverted> {
    let contracts = testing::config().contracts;
    let call = Call {
        from: contracts.owner,
        to: contracts.system_config,
        value: U256::ZERO,
        input: &call.abi_encode(),
    };
    Ok(execute(&contracts, state, &mut 0, &call)?.remove(0))
}

/// The setter that would leave a vector's log, and whether the contract's rules allow it.
fn replay(state: &mut State, vector: &Value) -> Result<Log, Reverted> {
    let expected = &vector["expected"];
    let number = |name: &str| expected[name].as_u64().unwrap();
    let word = |name: &str| U256::from_be_bytes(field::<B256>(&expected[name]).0);
    match vector["kind"].as_u64().unwrap() {
        0 => {
            let batcherHash = field::<Address>(&expected["batcher"]).into_word();
            configure(state, &Config::setBatcherHashCall { batcherHash })
        }
        1 => {
            let (overhead, scalar) = (word("overhead"), word("scalar"));
            configure(state, &Config::setGasConfigCall { overhead, scalar })
        }
        2 => configure(
            state,
            &Config::setGasLimitCall {
                gasLimit: number("gasLimit"),
            },
        ),
        3 => {
            let unsafeBlockSigner = field(&expected["unsafeBlockSigner"]);
            configure(
                state,
                &Config::setUnsafeBlockSignerCall { unsafeBlockSigner },
            )
        }
        4 => {
            let (denominator, elasticity) =
                (number("denominator") as u32, number("elasticity") as u32);
            configure(
                state,
                &Config::setEIP1559ParamsCall {
                    denominator,
                    elasticity,
                },
            )
        }
        5 => configure(
            state,
            &Config::setOperatorFeeScalarsCall {
                operatorFeeScalar: number("operatorFeeScalar") as u32,
                operatorFeeConstant: number("operatorFeeConstant"),
            },
        ),
        6 => configure(
            state,
            &Config::setMinBaseFeeCall {
                minBaseFee: number("minBaseFee"),
            },
        ),
        7 => {
            let daFootprintGasScalar = number("daFootprintGasScalar") as u16;
            configure(
                state,
                &Config::setDAFootprintGasScalarCall {
                    daFootprintGasScalar,
                },
            )
        }
        kind => panic!("unknown kind {kind}"),
    }
}

#[test]
fn setters_leave_the_logs_of_the_real_system_config() {
    let mut kinds = Vec::new();
    for vector in vectors(include_str!("../../testdata/config-updates.json")) {
        let mut state = genesis::state(&testing::config());
        let Ok(log) = replay(&mut state, &vector) else {
            continue;
        };
        let kind = vector["kind"].as_u64().unwrap();
        let topics = [
            Config::ConfigUpdate::SIGNATURE_HASH,
            B256::ZERO,
            B256::from(U256::from(kind)),
        ];
        assert_eq!(log.data.topics(), topics);
        assert_eq!(
            log.data.data,
            field::<Bytes>(&vector["data"]),
            "{}",
            vector["name"]
        );
        kinds.push(kind);
    }
    kinds.dedup();
    // The vectors of the gas limit (kind 2) are below the contract's minimum and revert; see the next tests.
    for kind in [0, 1, 3, 4, 5, 6, 7] {
        assert!(
            kinds.contains(&kind),
            "no vector of kind {kind} was replayed"
        );
    }
}

#[test]
fn ecotone_scalars_are_packed_and_keep_the_overhead() {
    let mut state = genesis::state(&testing::config());
    let overhead = U256::from(0xff);
    configure(
        &mut state,
        &Config::setGasConfigCall {
            overhead,
            scalar: U256::ZERO,
        },
    )
    .unwrap();
    let scalars = Config::setGasConfigEcotoneCall {
        basefeeScalar: 0xbb,
        blobbasefeeScalar: 0xb3,
    };
    let log = configure(&mut state, &scalars).unwrap();
    let vectors = vectors(include_str!("../../testdata/config-updates.json"));
    let ecotone = vectors
        .iter()
        .find(|v| v["name"].as_str().unwrap().contains("Ecotone active"))
        .unwrap();
    assert_eq!(log.data.data, field::<Bytes>(&ecotone["data"]));
    assert_eq!(
        ecotone_scalar(0xbb, 0xb3),
        field::<B256>(&ecotone["expected"]["scalar"])
    );
}

#[test]
fn the_l2_gas_limit_has_bounds() {
    let mut state = genesis::state(&testing::config());
    let mut set = |gas_limit| {
        configure(
            &mut state,
            &Config::setGasLimitCall {
                gasLimit: gas_limit,
            },
        )
    };
    assert_eq!(
        set(20_999_999).unwrap_err().reason,
        "SystemConfig: gas limit too low"
    );
    assert_eq!(
        set(500_000_001).unwrap_err().reason,
        "SystemConfig: gas limit too high"
    );
    let log = set(30_000_000).unwrap();
    assert_eq!(
        U256::from_be_slice(&log.data.data[64..]),
        U256::from(30_000_000)
    );
}

#[test]
fn only_the_owner_may_call_setters() {
    let contracts = testing::config().contracts;
    let input = Config::setMinBaseFeeCall { minBaseFee: 1 }.abi_encode();
    let from = address!("0x00000000000000000000000000000000000000aa");
    let call = Call {
        from,
        to: contracts.system_config,
        value: U256::ZERO,
        input: &input,
    };
    let mut state = genesis::state(&testing::config());
    let reverted = execute(&contracts, &mut state, &mut 0, &call).unwrap_err();
    assert_eq!(reverted.reason, "Ownable: caller is not the owner");
    assert_eq!(
        Revert::abi_decode(&reverted.data()).unwrap().reason,
        reverted.reason
    );
}

#[test]
fn the_signer_lives_in_the_slot_that_nodes_read_and_getters_follow_setters() {
    let contracts = testing::config().contracts;
    let mut state = genesis::state(&testing::config());
    let unsafeBlockSigner = Address::repeat_byte(0x77);
    configure(
        &mut state,
        &Config::setUnsafeBlockSignerCall { unsafeBlockSigner },
    )
    .unwrap();
    let word = state.storage(&contracts.system_config, &UNSAFE_BLOCK_SIGNER_SLOT);
    assert_eq!(Address::from_word(word.into()), unsafeBlockSigner);

    let getter = Config::unsafeBlockSignerCall {}.abi_encode();
    let answer = view(&contracts, &state, contracts.system_config, &getter).unwrap();
    let signer = Config::unsafeBlockSignerCall::abi_decode_returns(&answer).unwrap();
    assert_eq!(signer, unsafeBlockSigner);
    let scalar = view(
        &contracts,
        &state,
        contracts.system_config,
        &Config::blobbasefeeScalarCall {}.abi_encode(),
    );
    assert_eq!(U256::from_be_slice(&scalar.unwrap()), U256::from(810_949));
}
