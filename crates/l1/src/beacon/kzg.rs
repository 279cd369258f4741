//! Blobs against their versioned hashes: the KZG commitment of each is computed again, on threads that may take their time, as
//! many at once as there are cores. One takes some ten milliseconds.

use super::{
    Blobs,
    api::{Claimed, Source},
};
use crate::Blob;
use alloy_eips::eip4844::kzg_to_versioned_hash;
use alloy_primitives::B256;
use std::{sync::Arc, thread::available_parallelism};
use tokio::{sync::Semaphore, task::JoinSet};

/// Verifies on a bounded number of threads.
#[derive(Debug)]
pub(super) struct Verifier {
    cores: Arc<Semaphore>,
}

impl Default for Verifier {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            cores: Arc::new(Semaphore::new(cores)),
        }
    }
}

impl Verifier {
    /// Reads the trusted setup, which takes seconds on a busy machine, before the first blob needs it.
    pub(super) fn prepare() {
        // Whoever needs it sooner waits for the same.
        drop(tokio::task::spawn_blocking(|| {
            c_kzg::ethereum_kzg_settings(0);
        }));
    }

    /// The wanted blobs of an answer; `None` if some are not in it.
    ///
    /// # Errors
    /// The body does not decode, or has blobs that are not what it says they are.
    pub(super) async fn verified(
        &self,
        source: Source,
        body: Vec<u8>,
        wanted: &[B256],
    ) -> Result<Option<Blobs>, String> {
        let given = blocking(move || source.decode(&body)).await??;
        let count = given.len();
        let mut tasks = JoinSet::new();
        for Claimed { blob, commitment } in given {
            let claimed = commitment.map(|commitment| kzg_to_versioned_hash(&commitment));
            if claimed.is_some_and(|claimed| !wanted.contains(&claimed)) {
                continue;
            }
            let cores = self.cores.clone();
            tasks.spawn(async move {
                // The semaphore is never closed.
                let _core = cores.acquire_owned().await;
                let verified = blocking(move || (versioned_hash(&blob), blob)).await;
                verified.map(|(hash, blob)| (claimed, hash, blob))
            });
        }
        let mut found = Blobs::new();
        while let Some(task) = tasks.join_next().await {
            let (claimed, hash, blob) = task.map_err(|_| "the verifier failed".to_owned())??;
            let hash = hash.filter(|hash| wanted.contains(hash));
            let is_new = |hash: &B256| found.iter().all(|(known, _)| known != hash);
            match hash {
                Some(hash) if is_new(&hash) => found.push((hash, Arc::from(blob))),
                None if claimed.is_some() => {
                    return Err("a blob does not match its commitment".to_owned());
                }
                Some(_) | None => {}
            }
        }
        if found.len() == wanted.len() {
            Ok(Some(found))
        } else if source == Source::Blobs && count >= wanted.len() {
            Err(format!(
                "of {count} blobs only {} are among the {} that were asked for",
                found.len(),
                wanted.len()
            ))
        } else {
            Ok(None)
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.map_err(|_| "the decoder failed".to_owned())
}

/// `None` if it is not a blob at all: a field element is not canonical.
fn versioned_hash(blob: &Blob) -> Option<B256> {
    let blob = c_kzg::Blob::from_bytes(blob.as_slice()).ok()?;
    let settings = c_kzg::ethereum_kzg_settings(0);
    let commitment = settings.blob_to_kzg_commitment(&blob).ok()?;
    Some(kzg_to_versioned_hash(commitment.as_slice()))
}
