//! Transactions, contracts and a beacon for the tests of feed and beacon client.
#![allow(clippy::unwrap_used)]

use super::decode::Addresses;
use crate::{
    BeaconTransport, Blob, HttpError,
    test_utils::{MemoryReceipt, MemoryTransaction},
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip4844::kzg_to_versioned_hash;
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use async_trait::async_trait;
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

pub(crate) const ADDRESSES: Addresses = Addresses {
    inbox: Address::repeat_byte(0xff),
    portal: Address::repeat_byte(0xaa),
    system_config: Address::repeat_byte(0xbb),
};

pub(crate) fn batcher() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).unwrap()
}

fn signed<T>(tx: T) -> MemoryTransaction
where
    T: SignableTransaction<alloy_primitives::Signature>,
    alloy_consensus::EthereumTxEnvelope<TxEip4844>: From<alloy_consensus::Signed<T>>,
{
    let signature = batcher().sign_hash_sync(&tx.signature_hash()).unwrap();
    MemoryTransaction::Known(Box::new(tx.into_signed(signature).into()))
}

/// A transaction of the batcher of a type from 0 to 4. Blobs of type 3 have the hashes 01...
pub(crate) fn transaction(tx_type: u8, to: Address, input: &[u8]) -> MemoryTransaction {
    let input = Bytes::copy_from_slice(input);
    match tx_type {
        0 => signed(TxLegacy {
            to: TxKind::Call(to),
            input,
            ..TxLegacy::default()
        }),
        1 => signed(TxEip2930 {
            to: TxKind::Call(to),
            input,
            ..TxEip2930::default()
        }),
        2 => signed(TxEip1559 {
            to: TxKind::Call(to),
            input,
            ..TxEip1559::default()
        }),
        3 => signed(TxEip4844 {
            to,
            input,
            blob_versioned_hashes: vec![B256::with_last_byte(1), B256::with_last_byte(2)],
            ..TxEip4844::default()
        }),
        _ => signed(TxEip7702 {
            to,
            input,
            ..TxEip7702::default()
        }),
    }
}

/// A blob transaction of the batcher.
pub(crate) fn blobs(to: Address, blob_versioned_hashes: Vec<B256>) -> MemoryTransaction {
    signed(TxEip4844 {
        to,
        blob_versioned_hashes,
        ..TxEip4844::default()
    })
}

pub(crate) fn receipt(successful: bool, addresses: &[Address]) -> MemoryReceipt {
    let log = |(index, address): (usize, &Address)| {
        let topics = vec![B256::with_last_byte(9)];
        Log::new_unchecked(*address, topics, Bytes::from(vec![index as u8; 3]))
    };
    MemoryReceipt {
        successful,
        logs: addresses.iter().enumerate().map(log).collect(),
    }
}

/// A blob, and its true versioned hash.
pub(crate) fn blob(byte: u8) -> (Blob, B256) {
    let mut blob = Blob::ZERO;
    blob[1] = byte;
    let given = c_kzg::Blob::from_bytes(blob.as_slice()).unwrap();
    let commitment = c_kzg::ethereum_kzg_settings(0)
        .blob_to_kzg_commitment(&given)
        .unwrap();
    (blob, kzg_to_versioned_hash(commitment.as_slice()))
}

/// A beacon in memory. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBeacon {
    state: Arc<Mutex<BeaconState>>,
    name: String,
}

#[derive(Debug, Default)]
pub(crate) struct BeaconState {
    pub(crate) genesis_time: u64,
    pub(crate) slot_duration: u64,
    /// Blobs by slot, with their commitments.
    pub(crate) blobs: HashMap<u64, Vec<(Blob, Bytes)>>,
    /// Slots with a block, and the root of its parent.
    pub(crate) parents: HashMap<u64, B256>,
    pub(crate) head: u64,
    /// Statuses of paths that begin like this.
    pub(crate) refused: Vec<(&'static str, u16, Option<Duration>)>,
    /// All of the slot, whatever is asked for.
    pub(crate) ignores_filter: bool,
    pub(crate) is_silent: bool,
    pub(crate) delay: Duration,
    /// What is answered to paths that begin so, whatever is true.
    pub(crate) answers: Vec<(&'static str, String)>,
    pub(crate) requests: Vec<String>,
}

impl MemoryBeacon {
    pub(crate) fn new(name: &str, genesis_time: u64) -> Self {
        let state = BeaconState {
            genesis_time,
            slot_duration: 12,
            ..BeaconState::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            name: name.to_owned(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, BeaconState> {
        self.state.lock().unwrap()
    }

    /// Puts a block with a blob into a slot, and gives its versioned hash.
    pub(crate) fn put(&self, slot: u64, byte: u8, parent_root: B256) -> B256 {
        let (blob, hash) = blob(byte);
        let given = c_kzg::Blob::from_bytes(blob.as_slice()).unwrap();
        let commitment = c_kzg::ethereum_kzg_settings(0)
            .blob_to_kzg_commitment(&given)
            .unwrap();
        let commitment = Bytes::copy_from_slice(commitment.as_slice());
        let mut state = self.state();
        state
            .blobs
            .entry(slot)
            .or_default()
            .push((blob, commitment));
        state.parents.insert(slot, parent_root);
        state.head = state.head.max(slot);
        hash
    }

    pub(crate) fn requests(&self, path: &str) -> usize {
        let state = self.state();
        let found = state.requests.iter().filter(|one| one.contains(path));
        found.count()
    }

    fn answer(&self, path: &str) -> Result<String, HttpError> {
        let mut state = self.state();
        state.requests.push(path.to_owned());
        let status = |status, retry_after| HttpError::Status {
            status,
            retry_after,
        };
        for (refused, code, retry_after) in &state.refused {
            if path.starts_with(refused) {
                return Err(status(*code, *retry_after));
            }
        }
        for (begins, answer) in &state.answers {
            if path.starts_with(begins) {
                return Ok(answer.clone());
            }
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (route, id) = path.rsplit_once('/').unwrap();
        let not_found = || status(404, None);
        let data = match route {
            "/eth/v1/beacon" => json!({"genesis_time": state.genesis_time.to_string()}),
            "/eth/v1/config" => json!({"SECONDS_PER_SLOT": state.slot_duration.to_string()}),
            "/eth/v1/beacon/headers" => {
                let slot = id.parse().unwrap_or(state.head);
                let parent_root = state.parents.get(&slot).ok_or_else(not_found)?;
                let message = json!({"slot": slot.to_string(), "parent_root": parent_root});
                json!({"header": {"message": message}})
            }
            "/eth/v1/beacon/blobs" => {
                let blobs = state.blobs.get(&id.parse().unwrap());
                let blobs = blobs.ok_or_else(not_found)?.iter();
                let blobs = blobs.filter(|(_, commitment)| {
                    let hash = kzg_to_versioned_hash(commitment).to_string();
                    state.ignores_filter || query.contains(&hash)
                });
                blobs
                    .map(|(blob, _)| json!(hex::encode_prefixed(blob)))
                    .collect()
            }
            _ => {
                let blobs = state.blobs.get(&id.parse().unwrap());
                let blobs = blobs.ok_or_else(not_found)?.iter();
                let sidecar = |(blob, commitment): &(Blob, Bytes)| json!({"blob": hex::encode_prefixed(blob), "kzg_commitment": commitment});
                blobs.map(sidecar).collect()
            }
        };
        Ok(json!({"data": data}).to_string())
    }
}

#[async_trait]
impl BeaconTransport for MemoryBeacon {
    async fn get(&self, path: &str, limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let delay = self.state().delay.max(Duration::from_millis(20));
        tokio::time::sleep(delay).await;
        let is_silent = self.state().is_silent;
        if is_silent {
            std::future::pending::<()>().await;
        }
        let answer = self.answer(path)?.into_bytes();
        if answer.len() > limit_bytes {
            return Err(HttpError::TooLarge { limit_bytes });
        }
        Ok(answer)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A beacon root of a block's own.
pub(crate) fn root(byte: u8) -> B256 {
    keccak256([byte])
}
