//! What this crate's tests share: keys, signed transactions, and a chain that funds them.

use crate::{Chain, L1SimConfig, pool::NetworkTransaction};
use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip4844, TxEip4844WithSidecar, TxEnvelope,
};
use alloy_eips::{
    eip2718::Encodable2718,
    eip4844::{Blob, BlobTransactionSidecar, Bytes48},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

/// Genesis time of the test chains.
pub(crate) const GENESIS_TIME: u64 = 1_700_000_000;

/// One ether in wei.
pub(crate) fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(10).pow(U256::from(18))
}

/// A key that every test chain funds; 1 to 4 exist.
pub(crate) fn key(index: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(index)).expect("small scalars are keys")
}

/// Two-second slots, four funded keys, and key 4 as owner of the system config.
pub(crate) fn config() -> L1SimConfig {
    let mut config = L1SimConfig::new(GENESIS_TIME);
    config.accounts = (1..=4)
        .map(|index| (key(index).address(), ether(1_000_000)))
        .collect();
    config.contracts.owner = key(4).address();
    config.contracts.unsafe_block_signer = Address::repeat_byte(0x51);
    config
}

/// A chain of [`config`].
pub(crate) fn chain() -> Chain {
    Chain::new(config())
}

/// A transaction with ample fees.
pub(crate) fn transaction(nonce: u64, to: Address) -> TxEip1559 {
    TxEip1559 {
        chain_id: 900,
        nonce,
        gas_limit: 1_000_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        ..TxEip1559::default()
    }
}

/// Signs and encodes for the network.
pub(crate) fn sign(key: &PrivateKeySigner, tx: TxEip1559) -> Bytes {
    let signature = key
        .sign_hash_sync(&tx.signature_hash())
        .expect("a local key signs");
    TxEnvelope::from(tx.into_signed(signature))
        .encoded_2718()
        .into()
}

/// A signed call from a key.
pub(crate) fn call(index: u8, nonce: u64, to: Address, value: U256, input: Bytes) -> Bytes {
    sign(
        &key(index),
        TxEip1559 {
            value,
            input,
            ..transaction(nonce, to)
        },
    )
}

/// A signed transaction with blobs, of which no two are the same. Their commitments are only hashed, never verified;
/// `spoil` lets the first versioned hash be another's.
pub(crate) fn blob_transaction(index: u8, nonce: u64, blobs: u8, spoil: bool) -> Bytes {
    let first = index.wrapping_mul(16);
    let bytes = (0..blobs).map(|blob| first.wrapping_add(blob));
    let sidecar = BlobTransactionSidecar::new(
        bytes.clone().map(Blob::repeat_byte).collect(),
        bytes.map(Bytes48::repeat_byte).collect(),
        vec![Bytes48::ZERO; blobs.into()],
    );
    let mut hashes = sidecar.versioned_hashes().collect::<Vec<_>>();
    if spoil {
        hashes[0] = B256::repeat_byte(1);
    }
    let tx = TxEip4844 {
        chain_id: 900,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: Address::repeat_byte(9),
        max_fee_per_blob_gas: 1_000,
        blob_versioned_hashes: hashes,
        ..TxEip4844::default()
    };
    let signature = key(index)
        .sign_hash_sync(&tx.signature_hash())
        .expect("a local key signs");
    let variant = BlobTransactionSidecarVariant::Eip4844(sidecar);
    let tx = TxEip4844WithSidecar::from_tx_and_sidecar(tx, variant);
    NetworkTransaction::from(tx.into_signed(signature))
        .encoded_2718()
        .into()
}
