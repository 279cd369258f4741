#![allow(clippy::unwrap_used)]

use super::*;
use alloy_primitives::{B256, keccak256};
use proptest::prelude::*;

const GENESIS_TIME: u64 = 1_000_000;

pub(crate) fn config() -> RollupConfig {
    let mut config = RollupConfig {
        block_time: 2,
        ..RollupConfig::default()
    };
    config.genesis.l2_time = GENESIS_TIME;
    config.genesis.l2 = BlockNumHash::new(0, hash(0, 0));
    config
}

fn hash(number: u64, branch: u8) -> B256 {
    keccak256([&number.to_be_bytes()[..], &[branch]].concat())
}

fn block(number: u64) -> L2BlockRef {
    L2BlockRef {
        hash: hash(number, 0),
        number,
        parent_hash: hash(number.wrapping_sub(1), 0),
        timestamp: GENESIS_TIME + 2 * number,
        l1_origin: BlockNumHash::new(number / 6, hash(number / 6, 1)),
        sequence_number: number % 6,
    }
}

fn status(finalized: u64, safe: u64, local_safe: u64) -> SyncStatus {
    SyncStatus {
        safe_l2: block(safe),
        local_safe_l2: block(local_safe),
        finalized_l2: block(finalized),
        ..SyncStatus::default()
    }
}

#[test]
fn an_honest_answer_passes_also_at_genesis_and_without_finalized() {
    for (finalized, safe, local_safe) in [(0, 0, 0), (3, 5, 9), (5, 5, 5), (4, 5, 6)] {
        let state = check_shape(&status(finalized, safe, local_safe), &config()).unwrap();
        assert_eq!(state.finalized, block(finalized));
        assert_eq!(state.local_safe, block(local_safe));
    }
    let mut unknown = status(0, 5, 6);
    unknown.finalized_l2 = L2BlockRef::default();
    assert!(
        check_shape(&unknown, &config())
            .unwrap()
            .finalized
            .is_zero()
    );
}

#[test]
fn zero_heads_are_missing() {
    let missing = |status: &SyncStatus| check_shape(status, &config()).unwrap_err();
    let mut zero_safe = status(1, 2, 3);
    zero_safe.safe_l2 = L2BlockRef::default();
    assert_eq!(
        missing(&zero_safe),
        ShapeError::MissingHead { head: "safe" }
    );
    let mut zero_local = status(1, 2, 3);
    zero_local.local_safe_l2 = L2BlockRef::default();
    assert_eq!(
        missing(&zero_local),
        ShapeError::MissingHead { head: "local_safe" }
    );
}

#[test]
fn a_head_with_a_number_and_no_hash_is_no_missing_one() {
    for (number, head) in (1..).zip(["finalized", "safe", "local_safe"]) {
        let mut status = status(1, 2, 3);
        let block = match head {
            "finalized" => &mut status.finalized_l2,
            "safe" => &mut status.safe_l2,
            _ => &mut status.local_safe_l2,
        };
        block.hash = B256::ZERO;
        assert_eq!(
            check_shape(&status, &config()),
            Err(ShapeError::NoHash { head, number })
        );
    }
}

#[test]
fn heads_out_of_order_are_refused() {
    for (finalized, safe, local_safe) in [(6, 5, 9), (1, 9, 5)] {
        let refused = check_shape(&status(finalized, safe, local_safe), &config());
        assert!(
            matches!(refused, Err(ShapeError::WrongOrder { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn heads_of_different_chains_are_refused() {
    let mut same_height = status(3, 5, 5);
    same_height.local_safe_l2.hash = hash(5, 7);
    let mut child = status(3, 5, 6);
    child.local_safe_l2.parent_hash = hash(5, 7);
    for forked in [same_height, child] {
        let refused = check_shape(&forked, &config());
        assert!(
            matches!(refused, Err(ShapeError::Fork { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_timestamp_off_the_chain_s_rhythm_is_refused() {
    let mut late = status(3, 5, 9);
    late.safe_l2.timestamp += 1;
    let refused = check_shape(&late, &config());
    assert!(matches!(
        refused,
        Err(ShapeError::WrongTimestamp { head: "safe", .. })
    ));
    let words = refused.unwrap_err().to_string();
    assert!(!words.contains("Some"), "{words}");
    let mut absurd = status(3, 5, 9);
    absurd.local_safe_l2.number = u64::MAX;
    let refused = check_shape(&absurd, &config());
    assert!(matches!(
        refused,
        Err(ShapeError::WrongTimestamp { expected: None, .. })
    ));
}

#[test]
fn each_differing_fact_of_the_chain_is_named() {
    let ours = ChainIdentity::from(&config());
    assert_eq!(check_chain(&ours, &ours), Ok(()));
    let others = [
        (
            "l1_chain_id",
            ChainIdentity {
                l1_chain_id: 7,
                ..ours
            },
        ),
        (
            "l2_chain_id",
            ChainIdentity {
                l2_chain_id: 7,
                ..ours
            },
        ),
        (
            "genesis.l1.hash",
            ChainIdentity {
                genesis_l1: hash(9, 9),
                ..ours
            },
        ),
        (
            "genesis.l2.hash",
            ChainIdentity {
                genesis_l2: hash(9, 9),
                ..ours
            },
        ),
    ];
    for (name, theirs) in others {
        let Err(IdentityError::WrongChain { fact, .. }) = check_chain(&ours, &theirs) else {
            panic!("{name} passed");
        };
        assert_eq!(fact, name);
    }
}

#[test]
fn our_id_in_the_path_is_ourselves_or_a_cycle() {
    let path = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(check_path("me", &path(&[])), Ok(()));
    assert_eq!(check_path("me", &path(&["a", "b"])), Ok(()));
    assert_eq!(
        check_path("me", &path(&["me", "a"])),
        Err(IdentityError::Ourselves)
    );
    assert_eq!(
        check_path("me", &path(&["a", "me"])),
        Err(IdentityError::Cycle { through: 1 })
    );
}

#[test]
fn a_foreign_origin_outweighs_one_that_is_ahead() {
    let origins = [
        BlockNumHash::new(9, hash(9, 1)),
        BlockNumHash::new(8, hash(8, 1)),
    ];
    let ours = hash(8, 2);
    let behind = check_origins(&origins, &[Canonicality::Ahead, Canonicality::Canonical]);
    assert_eq!(behind, Err(OriginError::Behind { origin: origins[0] }));
    let foreign = check_origins(
        &origins,
        &[Canonicality::Ahead, Canonicality::Mismatch { ours }],
    );
    assert_eq!(
        foreign,
        Err(OriginError::Mismatch {
            origin: origins[1],
            ours
        })
    );
    assert_eq!(
        check_origins(&origins, &[Canonicality::Canonical; 2]),
        Ok(())
    );
}

#[test]
fn the_source_s_age_is_measured_in_l1_time() {
    let at = |timestamp| L1BlockRef {
        hash: hash(1, 1),
        timestamp,
        ..L1BlockRef::default()
    };
    let max_age = Duration::from_secs(120);
    assert_eq!(source_lag(&L1BlockRef::default(), &at(5)), None);
    assert_eq!(source_lag(&at(1000), &at(1012)), Some(Duration::ZERO));
    let judge = |theirs| check_freshness(source_lag(&at(1000), &at(theirs)), max_age);
    assert_eq!(judge(880), Ok(()));
    assert_eq!(
        judge(879),
        Err(StaleError {
            age: Duration::from_secs(121)
        })
    );
    assert_eq!(
        judge(0),
        Err(StaleError {
            age: Duration::from_secs(1000)
        })
    );
}

prop_compose! {
    fn any_block()(
        number in prop_oneof![0..20_u64, any::<u64>()],
        timestamp in prop_oneof![Just(None), any::<u64>().prop_map(Some)],
        zero_hash in prop::bool::weighted(0.1),
        branch in 0..2_u8,
    ) -> L2BlockRef {
        L2BlockRef {
            hash: if zero_hash { B256::ZERO } else { hash(number, branch) },
            number,
            parent_hash: hash(number.wrapping_sub(1), branch),
            timestamp: timestamp.unwrap_or_else(|| GENESIS_TIME.wrapping_add(number.wrapping_mul(2))),
            l1_origin: BlockNumHash::new(number / 6, hash(number / 6, 1)),
            sequence_number: 0,
        }
    }
}

proptest! {
    #[test]
    fn whatever_passes_is_in_order_and_in_rhythm(
        finalized in any_block(), safe in any_block(), local_safe in any_block(),
    ) {
        let status = SyncStatus {
            safe_l2: safe, local_safe_l2: local_safe, finalized_l2: finalized, ..SyncStatus::default()
        };
        if let Ok(state) = check_shape(&status, &config()) {
            prop_assert!(state.finalized.number <= state.safe.number);
            prop_assert!(state.safe.number <= state.local_safe.number);
            prop_assert!(!state.safe.is_zero() && !state.local_safe.is_zero());
            prop_assert_eq!(config().block_timestamp(safe.number), Some(safe.timestamp));
            prop_assert!(!state.finalized.is_zero() || state.finalized == L2BlockRef::default());
        }
    }
}
