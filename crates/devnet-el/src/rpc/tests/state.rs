use super::*;
use crate::{
    MESSAGE_PASSER,
    predeploys::message_passer,
    testing::{RECIPIENT, transfer, wallet, withdrawal},
};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};

/// Verifies the whole answer against a state root, values and absences.
fn verify(proof: &EIP1186AccountProofResponse, state_root: B256) {
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let expected = (!proof.is_empty()).then(|| alloy_rlp::encode(account));
    let key = Nibbles::unpack(keccak256(proof.address));
    verify_proof(state_root, key, expected, &proof.account_proof).unwrap();
    for slot in &proof.storage_proof {
        let expected = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
        let key = Nibbles::unpack(keccak256(slot.key.as_b256()));
        verify_proof(proof.storage_hash, key, expected, &slot.proof).unwrap();
    }
}

#[tokio::test]
async fn proofs_hold_for_accounts_slots_and_their_absence() {
    let served = Served::new(Hardfork::Jovian);
    for sender in 0..4 {
        served.chain.submit(&withdrawal(sender, 0));
    }
    let block = served.chain.extend();
    // Slot 1 counts the withdrawals; slot 2 is empty. One key is a word, the other a quantity.
    let slots = json!([B256::with_last_byte(1), "0x2"]);
    for (address, nonce) in [
        (MESSAGE_PASSER, 1),
        (wallet(0).address(), 1),
        (RECIPIENT, 0),
    ] {
        let params = json!([address, slots, block.hash]);
        let answer = served.call("eth_getProof", params).await;
        assert_eq!(answer["storageProof"][0]["key"], slots[0]);
        assert_eq!(answer["storageProof"][1]["key"], slots[1]);
        let proof: EIP1186AccountProofResponse = serde_json::from_value(answer).unwrap();
        assert_eq!(proof.nonce, nonce);
        verify(&proof, block.header().state_root);
    }
    let params = json!([MESSAGE_PASSER, [], "latest"]);
    let answer = served.call("eth_getProof", params).await;
    assert_eq!(
        answer["storageHash"],
        json!(block.header().withdrawals_root)
    );
    let many = json!([MESSAGE_PASSER, vec!["0x1"; 1025], "latest"]);
    assert_eq!(served.failure("eth_getProof", many).await.0, -32602);
}

#[tokio::test]
async fn accounts_are_read_at_any_kept_block() {
    let served = Served::new(Hardfork::Jovian);
    served.chain.submit(&transfer(0, 0));
    let first = served.chain.extend();
    served.chain.submit(&transfer(0, 1));
    served.chain.extend();
    let rows = [
        (json!("earliest"), 0),
        (json!("0x1"), 12_345),
        (json!({ "blockHash": first.hash }), 12_345),
        (json!("latest"), 24_690),
        (Value::Null, 24_690),
    ];
    for (id, wei) in rows {
        let balance = served.call("eth_getBalance", json!([RECIPIENT, id])).await;
        assert_eq!(balance, json!(U256::from(wei)), "{id}");
    }
    assert_eq!(
        served.call("eth_getBalance", json!([RECIPIENT])).await,
        hex(24_690)
    );
    let code = served
        .call("eth_getCode", json!([MESSAGE_PASSER, "latest"]))
        .await;
    assert_eq!(code, json!(message_passer()));
    assert_eq!(
        served
            .call("eth_getCode", json!([Address::ZERO, "latest"]))
            .await,
        json!("0x")
    );
    let slot = served
        .call("eth_getStorageAt", json!([MESSAGE_PASSER, "0x1", "latest"]))
        .await;
    assert_eq!(slot, json!(B256::ZERO));
    let unknown = served
        .failure("eth_getBalance", json!([RECIPIENT, "0x9"]))
        .await;
    assert_eq!(unknown.0, -39001);
    assert_eq!(
        served.failure("eth_getBalance", json!(["0x12"])).await.0,
        -32602
    );
}
