#![allow(clippy::unwrap_used)]

use super::*;
use alloy_primitives::U256;
use alloy_trie::{proof::verify_proof, root::storage_root};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A change of one key out of a few hundred, so that removals hit and paths collide. A value of zero is a removal.
fn change() -> impl Strategy<Value = (u16, u64)> {
    (0u16..300, prop_oneof![Just(0u64), 1u64..300, any::<u64>()])
}

fn apply(trie: &mut Trie, model: &mut BTreeMap<B256, U256>, (key, value): (u16, u64)) -> B256 {
    let key = keccak256(key.to_be_bytes());
    let value = U256::from(value);
    if value.is_zero() {
        trie.remove(key);
        model.remove(&key);
    } else {
        trie.insert(key, alloy_rlp::encode(value));
        model.insert(key, value);
    }
    key
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn roots_and_proofs_agree_with_alloy_trie(
        batches in prop::collection::vec(prop::collection::vec(change(), 1..60), 1..8)
    ) {
        let mut trie = Trie::default();
        let mut model = BTreeMap::new();
        let mut versions = Vec::new();
        for batch in batches {
            let mut touched = B256::ZERO;
            for one in batch {
                touched = apply(&mut trie, &mut model, one);
            }
            let root = storage_root(model.clone());
            prop_assert_eq!(trie.root(), root);
            let value = model.get(&touched).map(alloy_rlp::encode);
            verify_proof(root, Nibbles::unpack(touched), value, &trie.prove(touched))?;
            versions.push((trie.clone(), root));
        }
        // Later changes left the earlier versions alone.
        for (version, root) in versions {
            prop_assert_eq!(version.root(), root);
        }
    }

    #[test]
    fn the_order_of_insertion_does_not_matter(keys in prop::collection::btree_set(any::<u16>(), 0..80)) {
        let mut forward = Trie::default();
        let mut backward = Trie::default();
        for key in &keys {
            forward.insert(keccak256(key.to_be_bytes()), vec![1]);
        }
        for key in keys.iter().rev() {
            backward.insert(keccak256(key.to_be_bytes()), vec![1]);
        }
        prop_assert_eq!(forward.root(), backward.root());
    }
}

#[test]
fn an_empty_trie_has_the_empty_root_and_no_proof_nodes() {
    let mut trie = Trie::default();
    assert_eq!(trie.root(), EMPTY_ROOT_HASH);
    assert!(trie.prove(B256::ZERO).is_empty());
    trie.remove(B256::ZERO);
    trie.insert(B256::ZERO, vec![1]);
    trie.remove(B256::ZERO);
    assert_eq!(trie.root(), EMPTY_ROOT_HASH);
}

#[test]
fn keys_that_share_a_long_prefix_split_and_merge_again() {
    let near = |last: u8| B256::with_last_byte(last);
    let mut trie = Trie::default();
    trie.insert(near(1), vec![1]);
    let alone = trie.root();
    trie.insert(near(2), vec![2]);
    trie.insert(near(0x20), vec![3]);
    trie.insert(B256::repeat_byte(0xff), vec![4]);
    for key in [near(2), B256::repeat_byte(0xff), near(0x20)] {
        trie.remove(key);
    }
    assert_eq!(trie.root(), alone);
}
