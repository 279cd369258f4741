//! The transactions by which a fork upgrades the contracts on L2: the first block of the fork carries them behind its deposits.
//! Those of Ecotone, Fjord and Isthmus come with kona. Those of Jovian and Karst are data of the protocol that nobody publishes as
//! a library: an operator whose node derives across such a fork gives it the file. It is checked against a digest, so it may come
//! from anywhere.

use crate::kona;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, b256};
use light_node_protocol::{Hardfork, RollupConfig};
use op_alloy_consensus::{TxDeposit, UpgradeDepositSource};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Most bytes of a bundle file. Karst's has 327 KB.
const MAX_FILE_BYTES: usize = 16 << 20;

/// The version of the bundle format that is known.
const BUNDLE_VERSION: &str = "1.0.0";

/// SHA-256 over the transactions, as they stand in the block, one after the other.
const JOVIAN_DIGEST: B256 =
    b256!("0x9f7c2c819941619d2f920da1daac9c9a0833e156710392cdd45b58c0c45fc1c5");
const KARST_DIGEST: B256 =
    b256!("0xaf70320abb67ffad9518b75df78467aa7e71a72e93d8b75a9d0b099187f869de");

/// The forks with upgrade transactions, in order.
const UPGRADING: [Hardfork; 6] = [
    Hardfork::Ecotone,
    Hardfork::Fjord,
    Hardfork::Isthmus,
    Hardfork::Jovian,
    Hardfork::Karst,
    Hardfork::Lagoon,
];

/// The upgrade transactions of one fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    /// As they stand in the block.
    pub(crate) transactions: Vec<Bytes>,
    /// What the block's gas limit has on top for them.
    pub(crate) gas: u64,
}

/// The upgrade transactions that were read from files.
#[derive(Clone, Debug, Default)]
pub struct UpgradeBundles {
    jovian: Option<Arc<Upgrade>>,
    karst: Option<Arc<Upgrade>>,
}

/// Why a file is no upgrade bundle.
#[derive(Debug, Error)]
pub enum UpgradeBundleError {
    /// No bundle is so large.
    #[error("the file has {actual} bytes, more than any bundle")]
    TooLarge {
        /// Its size.
        actual: usize,
    },
    /// Not JSON, or a field is missing or of another type.
    #[error("not an upgrade bundle")]
    Json(#[from] serde_json::Error),
    /// The format is another one.
    #[error("version {version} of the bundle format is unknown, {BUNDLE_VERSION} is known")]
    Version {
        /// The file's version.
        version: String,
    },
    /// A transaction does not say what it is for.
    #[error("transaction {index} has no intent")]
    MissingIntent {
        /// Its place in the file.
        index: usize,
    },
    /// What is in it is not what the protocol has.
    #[error("its transactions have sha-256 {actual}, which is of no fork that is known")]
    UnknownDigest {
        /// SHA-256 over the transactions.
        actual: B256,
    },
}

/// A file: either the bundle format, whose transactions are to be made of intents, or a list of transactions as they are.
#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Bundle {
        metadata: Metadata,
        transactions: Vec<BundleTransaction>,
    },
    Raw {
        transactions: Vec<RawTransaction>,
    },
}

#[derive(Deserialize)]
struct Metadata {
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleTransaction {
    #[serde(default)]
    intent: String,
    from: Address,
    /// Missing or null: a contract is created.
    #[serde(default)]
    to: Option<Address>,
    data: Bytes,
    gas_limit: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTransaction {
    raw: Bytes,
    gas_limit: u64,
}

impl UpgradeBundles {
    /// Adds the bundle in a file. Which fork it is for shows in what it contains.
    ///
    /// # Errors
    /// The file is no bundle, or not one of a fork that is known, bit for bit.
    pub fn add(&mut self, file: &[u8]) -> Result<Hardfork, UpgradeBundleError> {
        let upgrade = Arc::new(read(file, Hardfork::Karst)?);
        let actual = digest(&upgrade.transactions);
        let (fork, place) = match actual {
            JOVIAN_DIGEST => (Hardfork::Jovian, &mut self.jovian),
            KARST_DIGEST => (Hardfork::Karst, &mut self.karst),
            actual => return Err(UpgradeBundleError::UnknownDigest { actual }),
        };
        *place = Some(upgrade);
        Ok(fork)
    }

    /// The next fork after `timestamp` (seconds) for which a bundle is needed and missing: derivation will stop before its first
    /// block.
    pub fn missing_after(&self, config: &RollupConfig, timestamp: u64) -> Option<Hardfork> {
        UPGRADING.into_iter().find(|fork| {
            let time = config.activation_time(*fork);
            let is_ahead = time.is_some_and(|time| time > timestamp.max(config.genesis.l2_time));
            is_ahead && self.of(*fork).is_none()
        })
    }

    /// The upgrade of the block at `timestamp` (seconds): of all forks whose first block it is.
    ///
    /// # Errors
    /// The fork whose bundle is missing.
    pub(crate) fn at(&self, config: &RollupConfig, timestamp: u64) -> Result<Upgrade, Hardfork> {
        let mut upgrade = Upgrade {
            transactions: Vec::new(),
            gas: 0,
        };
        for fork in UPGRADING {
            if config.is_first_block_of(fork, timestamp) {
                let of_fork = self.of(fork).ok_or(fork)?;
                upgrade.transactions.extend(of_fork.transactions);
                upgrade.gas += of_fork.gas;
            }
        }
        Ok(upgrade)
    }

    fn of(&self, fork: Hardfork) -> Option<Upgrade> {
        match fork {
            // Until Karst upgrades had to fit into the gas of deposits.
            Hardfork::Jovian => self.jovian.as_deref().map(|upgrade| Upgrade {
                gas: 0,
                ..upgrade.clone()
            }),
            Hardfork::Karst => self.karst.as_deref().cloned(),
            fork => kona::upgrade_transactions(fork).map(|transactions| Upgrade {
                transactions,
                gas: 0,
            }),
        }
    }
}

/// Reads a file. The bundle format does not say for which fork it is: that is a part of what its transactions hash.
fn read(file: &[u8], fork: Hardfork) -> Result<Upgrade, UpgradeBundleError> {
    if file.len() > MAX_FILE_BYTES {
        return Err(UpgradeBundleError::TooLarge { actual: file.len() });
    }
    match serde_json::from_slice(file)? {
        File::Bundle {
            metadata,
            transactions,
        } => {
            if metadata.version != BUNDLE_VERSION {
                let version = metadata.version;
                return Err(UpgradeBundleError::Version { version });
            }
            let name = capitalised(fork.name());
            let gas = transactions.iter().map(|one| one.gas_limit);
            let gas = gas.fold(0, u64::saturating_add);
            let transactions = transactions.into_iter().enumerate();
            let transactions = transactions
                .map(|(index, transaction)| transaction.deposit(&name, index))
                .collect::<Result<_, _>>()?;
            Ok(Upgrade { transactions, gas })
        }
        File::Raw { transactions } => Ok(Upgrade {
            gas: transactions
                .iter()
                .fold(0, |gas, one| gas.saturating_add(one.gas_limit)),
            transactions: transactions.into_iter().map(|one| one.raw).collect(),
        }),
    }
}

impl BundleTransaction {
    fn deposit(self, fork: &str, index: usize) -> Result<Bytes, UpgradeBundleError> {
        if self.intent.is_empty() {
            return Err(UpgradeBundleError::MissingIntent { index });
        }
        let intent = format!("{fork} {index}: {}", self.intent);
        let deposit = TxDeposit {
            source_hash: UpgradeDepositSource { intent }.source_hash(),
            from: self.from,
            to: self.to.map_or(TxKind::Create, TxKind::Call),
            mint: 0,
            value: U256::ZERO,
            gas_limit: self.gas_limit,
            is_system_transaction: false,
            input: self.data,
        };
        Ok(deposit.encoded_2718().into())
    }
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_ascii_uppercase() + rest
}

fn digest(transactions: &[Bytes]) -> B256 {
    let mut hasher = Sha256::new();
    for transaction in transactions {
        hasher.update(transaction);
    }
    B256::from_slice(&hasher.finalize())
}
