//! Published config updates of every kind, applied, and every way to get one wrong.

#![allow(clippy::unwrap_used)]

use super::*;
use alloy_consensus::{Receipt, ReceiptEnvelope, TxType};
use alloy_primitives::Bytes;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vectors {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
struct Valid {
    kind: u8,
    name: String,
    #[serde(default)]
    ecotone: bool,
    data: Bytes,
    expected: Value,
}

#[derive(Deserialize)]
struct Invalid {
    kind: Option<u8>,
    name: String,
    topics: Option<Vec<B256>>,
    data: Bytes,
    error: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../testdata/config-updates.json")).unwrap()
}

fn log(kind: u8, data: &Bytes) -> LogData {
    let topics = vec![CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(kind)];
    LogData::new_unchecked(topics, data.clone())
}

/// A config in which no field is zero, so that a change to zero shows.
fn before() -> SystemConfig {
    SystemConfig {
        batcher_address: Address::repeat_byte(1),
        overhead: B256::with_last_byte(2),
        scalar: B256::with_last_byte(3),
        gas_limit: 4,
        eip1559_params: FixedBytes([5; 8]),
        operator_fee_params: B256::with_last_byte(6),
        min_base_fee: 7,
        da_footprint_gas_scalar: 8,
    }
}

/// The same with what a vector says has changed.
fn after(expected: &Value) -> SystemConfig {
    let mut config = before();
    let number = |key: &str| expected[key].as_u64();
    let word = |key: &str| {
        expected[key]
            .as_str()
            .map(|word| word.parse::<B256>().unwrap())
    };
    if let Some(batcher) = expected["batcher"].as_str() {
        config.batcher_address = batcher.parse().unwrap();
    }
    if let Some(overhead) = word("overhead") {
        config.overhead = overhead;
    }
    if let Some(scalar) = word("scalar") {
        config.scalar = scalar;
    }
    if let Some(gas_limit) = number("gasLimit") {
        config.gas_limit = gas_limit;
    }
    if let (Some(denominator), Some(elasticity)) = (number("denominator"), number("elasticity")) {
        config.eip1559_params = FixedBytes(((denominator << 32) | elasticity).to_be_bytes());
    }
    if let (Some(scalar), Some(constant)) =
        (number("operatorFeeScalar"), number("operatorFeeConstant"))
    {
        let params = (u128::from(scalar) << 64) | u128::from(constant);
        config.operator_fee_params = B256::left_padding_from(&params.to_be_bytes());
    }
    if let Some(params) = word("operatorFeeParams") {
        assert_eq!(config.operator_fee_params, params);
    }
    if let Some(min_base_fee) = number("minBaseFee") {
        config.min_base_fee = min_base_fee;
    }
    if let Some(scalar) = number("daFootprintGasScalar") {
        config.da_footprint_gas_scalar = scalar.try_into().unwrap();
    }
    config
}

fn is_of(error: ConfigUpdateError, reason: &str) -> bool {
    use ConfigUpdateError as E;
    match reason {
        "total length" => matches!(error, E::Data(LogDataError::TooShort { .. })),
        "offset" => matches!(error, E::Data(LogDataError::Offset)),
        "content length" => {
            matches!(
                error,
                E::Data(LogDataError::Length { .. }) | E::Length { .. }
            )
        }
        "value" => matches!(error, E::Value { .. }),
        "invalid parameters" => matches!(error, E::Eip1559Params { .. }),
        "topics" => matches!(error, E::Topics { .. }),
        other => panic!("unknown reason {other}"),
    }
}

#[test]
fn every_published_update_changes_what_it_says_and_nothing_else() {
    for vector in vectors().valid {
        let mut config = before();
        let update = ConfigUpdate::decode(&log(vector.kind, &vector.data)).unwrap();
        config.apply(update, vector.ecotone);
        assert_eq!(config, after(&vector.expected), "{}", vector.name);
        if let Some(signer) = vector.expected["unsafeBlockSigner"].as_str() {
            let signer = signer.parse().unwrap();
            assert_eq!(update, ConfigUpdate::UnsafeBlockSigner(signer));
        }
    }
}

/// Words that another implementation refuses for the bytes above the parameters. The reference node does not look at them.
fn has_ignored_bytes(vector: &Invalid) -> bool {
    matches!(vector.kind, Some(4 | 5)) && vector.error == "value"
}

#[test]
fn every_malformed_update_is_refused_for_its_reason() {
    for vector in vectors().invalid {
        if has_ignored_bytes(&vector) {
            continue;
        }
        let log = match (vector.topics, vector.kind) {
            (Some(topics), _) => LogData::new_unchecked(topics, vector.data),
            (None, Some(kind)) => log(kind, &vector.data),
            (None, None) => panic!("{} has neither topics nor kind", vector.name),
        };
        let error = ConfigUpdate::decode(&log).unwrap_err();
        let (name, reason) = (&vector.name, &vector.error);
        assert!(is_of(error, reason), "{name}: {error:?} is not {reason}");
    }
}

#[test]
fn bytes_above_packed_parameters_do_not_matter() {
    let vectors = vectors();
    let published = vectors.invalid.iter().find(|one| has_ignored_bytes(one));
    let update = ConfigUpdate::decode(&log(4, &published.unwrap().data)).unwrap();
    assert_eq!(update, ConfigUpdate::Eip1559Params(FixedBytes([0xff; 8])));
    for kind in [4, 5] {
        let mut words = [
            B256::with_last_byte(32),
            B256::with_last_byte(32),
            B256::ZERO,
        ];
        words[2][24..].copy_from_slice(&[0, 0, 0, 250, 0, 0, 0, 6]);
        let clean = ConfigUpdate::decode(&log(kind, &words.concat().into())).unwrap();
        words[2][..20].fill(0xee);
        let dirty = ConfigUpdate::decode(&log(kind, &words.concat().into())).unwrap();
        let applied = |update| {
            let mut config = before();
            config.apply(update, true);
            (config.eip1559_params, config.operator_fee())
        };
        assert_eq!(applied(dirty), applied(clean), "kind {kind}");
    }
}

#[test]
fn an_unknown_kind_or_version_is_refused() {
    let data = &vectors().valid[0].data;
    let error = ConfigUpdate::decode(&log(8, data)).unwrap_err();
    assert!(matches!(error, ConfigUpdateError::Kind { .. }));
    let mut newer = log(0, data);
    newer.topics_mut_unchecked()[1] = B256::with_last_byte(1);
    let error = ConfigUpdate::decode(&newer).unwrap_err();
    assert!(matches!(error, ConfigUpdateError::Version { .. }));
}

#[test]
fn an_unclean_scalar_is_ignored_from_ecotone_on() {
    for (first, at) in [(0, 20), (1, 20), (2, 31)] {
        let mut scalar = B256::ZERO;
        (scalar[0], scalar[at]) = (first, 1);
        let mut config = before();
        let update = ConfigUpdate::FeeScalars {
            overhead: B256::ZERO,
            scalar,
        };
        config.apply(update, true);
        assert_eq!(config, before());
    }
}

#[test]
fn a_malformed_log_is_skipped_and_the_others_apply() {
    let system_config = Address::repeat_byte(0xc0);
    let rollup = RollupConfig {
        l1_system_config_address: system_config,
        ..RollupConfig::default()
    };
    let gas_limit = vectors()
        .valid
        .into_iter()
        .find(|one| one.kind == 2)
        .unwrap();
    let at = |address, data| Log { address, data };
    let receipt = |succeeded: bool, logs| {
        let receipt = Receipt {
            status: succeeded.into(),
            cumulative_gas_used: 0,
            logs,
        };
        ReceiptEnvelope::from_typed(TxType::Legacy, receipt)
    };
    let ok = log(2, &gas_limit.data);
    let broken = log(2, &Bytes::new());
    let receipts = [
        receipt(
            true,
            vec![at(system_config, broken), at(system_config, ok.clone())],
        ),
        receipt(false, vec![at(system_config, log(6, &gas_limit.data))]),
        receipt(
            true,
            vec![at(Address::repeat_byte(1), log(7, &gas_limit.data))],
        ),
    ];
    let mut config = before();
    let skipped = config.apply_receipts(&rollup, &receipts, 0);
    assert_eq!(skipped.len(), 1);
    assert_eq!(config, after(&gas_limit.expected));
}
