//! What the L1 charges for blobs, and since when: the blob schedule of its forks (EIP-7840) and of the forks between them that
//! change blob parameters only (EIP-7892). L2 blocks repeat the L1's blob base fee, so a schedule that is behind makes wrong
//! blocks.

use crate::RollupConfig;
use alloy_eips::eip7840::BlobParams;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// The blob schedule of an L1 chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1ChainConfig {
    /// Since when (seconds) which parameters hold, in order of time.
    blob_schedule: Vec<(u64, BlobParams)>,
}

/// Why a text is no L1 chain config with a blob schedule.
#[derive(Debug, Error)]
pub enum L1ChainJsonError {
    /// Not JSON.
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    /// Neither a genesis file of an execution layer nor the chain config in one.
    #[error("no \"blobSchedule\" in it, nor in its \"config\"")]
    NoSchedule,
    /// The chain config of another L1.
    #[error("it is of chain {theirs}, and the rollup's L1 is chain {ours}")]
    OtherChain {
        /// The rollup's L1.
        ours: u64,
        /// The chain id in the file.
        theirs: u64,
    },
    /// The parameters of a fork are not as EIP-7840 writes them.
    #[error("blob parameters of {fork} are malformed")]
    Parameters {
        /// The fork's name in the file.
        fork: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// Blob parameters as EIP-7840 writes them into chain configs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonBlobParams {
    target: u64,
    max: u64,
    base_fee_update_fraction: u64,
}

/// Activation times in seconds of Cancun, Prague, Osaka, and of the first two changes of blob parameters alone.
struct BlobForks {
    l1_chain_id: u64,
    cancun: u64,
    prague: u64,
    osaka: u64,
    bpo1: u64,
    bpo2: u64,
}

const KNOWN: [BlobForks; 4] = [
    // Ethereum mainnet
    BlobForks {
        l1_chain_id: 1,
        cancun: 1_710_338_135,
        prague: 1_746_612_311,
        osaka: 1_764_798_551,
        bpo1: 1_765_290_071,
        bpo2: 1_767_747_671,
    },
    // Sepolia
    BlobForks {
        l1_chain_id: 11_155_111,
        cancun: 1_706_655_072,
        prague: 1_741_159_776,
        osaka: 1_760_427_360,
        bpo1: 1_761_017_184,
        bpo2: 1_761_607_008,
    },
    // Holesky
    BlobForks {
        l1_chain_id: 17_000,
        cancun: 1_707_305_664,
        prague: 1_740_434_112,
        osaka: 1_759_308_480,
        bpo1: 1_759_800_000,
        bpo2: 1_760_389_824,
    },
    // Hoodi
    BlobForks {
        l1_chain_id: 560_048,
        cancun: 0,
        prague: 1_742_999_832,
        osaka: 1_761_677_592,
        bpo1: 1_762_365_720,
        bpo2: 1_762_955_544,
    },
];

impl L1ChainConfig {
    /// A schedule of its own: since when (seconds) which parameters hold.
    pub fn new(mut blob_schedule: Vec<(u64, BlobParams)>) -> Self {
        blob_schedule.sort_by_key(|(time, _)| *time);
        Self { blob_schedule }
    }

    /// The schedule of a well-known L1: Ethereum mainnet, Sepolia, Holesky, Hoodi.
    pub fn by_chain_id(l1_chain_id: u64) -> Option<Self> {
        let forks = KNOWN
            .iter()
            .find(|forks| forks.l1_chain_id == l1_chain_id)?;
        Some(Self::new(vec![
            (forks.cancun, BlobParams::cancun()),
            (forks.prague, BlobParams::prague()),
            (forks.osaka, BlobParams::osaka()),
            (forks.bpo1, BlobParams::bpo1()),
            (forks.bpo2, BlobParams::bpo2()),
        ]))
    }

    /// Reads the schedule of a genesis file of an L1 execution layer, or of the chain config that is in one. Forks that have
    /// parameters but no time are not scheduled. A text without a chain id is believed to be of chain `l1_chain_id`.
    ///
    /// # Errors
    /// The text is not JSON, is of another chain, has no blob schedule, or one with malformed parameters.
    pub fn from_json(text: &str, l1_chain_id: u64) -> Result<Self, L1ChainJsonError> {
        let document: Value = serde_json::from_str(text)?;
        let config = document.get("config").unwrap_or(&document);
        match config.get("chainId").and_then(Value::as_u64) {
            Some(theirs) if theirs != l1_chain_id => {
                let ours = l1_chain_id;
                return Err(L1ChainJsonError::OtherChain { ours, theirs });
            }
            _ => {}
        }
        let schedule: BTreeMap<String, Value> = config
            .get("blobSchedule")
            .and_then(|schedule| serde_json::from_value(schedule.clone()).ok())
            .ok_or(L1ChainJsonError::NoSchedule)?;
        let mut blob_schedule = Vec::with_capacity(schedule.len());
        for (fork, parameters) in schedule {
            let parameters: JsonBlobParams =
                serde_json::from_value(parameters).map_err(|source| {
                    L1ChainJsonError::Parameters {
                        fork: fork.clone(),
                        source,
                    }
                })?;
            let time = config.get(format!("{fork}Time")).and_then(Value::as_u64);
            if let Some(time) = time {
                blob_schedule.push((time, parameters.into()));
            }
        }
        Ok(Self::new(blob_schedule))
    }

    /// The parameters that hold at an L1 block of `l1_time` (seconds): Cancun's before the first entry.
    pub fn blob_params(&self, l1_time: u64) -> BlobParams {
        self.blob_schedule
            .iter()
            .rev()
            .find(|(since, _)| l1_time >= *since)
            .map_or_else(BlobParams::cancun, |(_, parameters)| *parameters)
    }
}

impl RollupConfig {
    /// The parameters by which this chain computes the blob base fee of an L1 origin of `l1_time` (seconds): those of the L1,
    /// or Cancun's where the chain's history has it so (`specs/protocol/pectra-blob-schedule/derivation.md`).
    pub fn blob_params(&self, l1: &L1ChainConfig, l1_time: u64) -> BlobParams {
        match self.pectra_blob_schedule_time {
            Some(since) if l1_time < since => BlobParams::cancun(),
            _ => l1.blob_params(l1_time),
        }
    }
}

impl From<JsonBlobParams> for BlobParams {
    fn from(json: JsonBlobParams) -> Self {
        Self {
            target_blob_count: json.target,
            max_blob_count: json.max,
            update_fraction: json.base_fee_update_fraction.into(),
            // Only the fee is computed here, in which the rest has no part.
            ..Self::osaka()
        }
    }
}
