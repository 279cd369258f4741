//! The checks that look at one answer alone: shape (1), identity (2), the verdict on L1 origins (3) and freshness (4). All
//! are pure; check 5, which has a memory, is in [`crate::regression`].

use crate::source::ChainIdentity;
use light_node_engine::DerivationState;
use light_node_l1::Canonicality;
use light_node_protocol::{BlockNumHash, L1BlockRef, L2BlockRef, RollupConfig, SyncStatus};
use std::time::Duration;
use thiserror::Error;

/// Check 1: the answer contradicts itself or the chain's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShapeError {
    /// The safe or the local-safe head is the zero object: the node starts, or has reset itself.
    #[error("{head} head is missing")]
    MissingHead {
        /// Which head.
        head: &'static str,
    },
    /// A head has a number and no hash.
    #[error("{head} head {number} has no hash")]
    NoHash {
        /// Which head.
        head: &'static str,
        /// Its number.
        number: u64,
    },
    /// Heads are in the wrong order.
    #[error("{lower} head {lower_number} is above {upper} head {upper_number}")]
    WrongOrder {
        /// The head that must not be higher.
        lower: &'static str,
        /// Its number.
        lower_number: u64,
        /// The head that must not be lower.
        upper: &'static str,
        /// Its number.
        upper_number: u64,
    },
    /// Two heads cannot be of one chain: different hashes at one height, or a child of another parent.
    #[error("{upper} head {number} is not on the chain of the {lower} head")]
    Fork {
        /// The lower head.
        lower: &'static str,
        /// The upper head.
        upper: &'static str,
        /// The upper head's number.
        number: u64,
    },
    /// A head's time does not follow from its number.
    #[error("{head} head {number} has timestamp {timestamp}, {}", rule(*expected))]
    WrongTimestamp {
        /// Which head.
        head: &'static str,
        /// Its number.
        number: u64,
        /// Its timestamp in seconds.
        timestamp: u64,
        /// What the chain's configuration says; `None` for a number that no block can have.
        expected: Option<u64>,
    },
}

fn rule(expected: Option<u64>) -> String {
    expected.map_or_else(
        || "and no block of the chain can have that number".to_owned(),
        |timestamp| format!("the chain's rules say {timestamp}"),
    )
}

/// Check 2: the source must not be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// A fact of the chain differs.
    #[error("its {fact} is {theirs}, ours is {ours}{}", hint_at_new_chain(fact))]
    WrongChain {
        /// The field of the rollup config.
        fact: &'static str,
        /// Our value.
        ours: String,
        /// The source's value.
        theirs: String,
    },
    /// The source is this very process.
    #[error("it is this node itself")]
    Ourselves,
    /// The source follows us, directly or through others.
    #[error("it follows this node, through {through} node(s)")]
    Cycle {
        /// How many nodes stand between us and ourselves.
        through: usize,
    },
}

/// Chain ids come before the genesis blocks among the facts: where only a genesis differs, the ids are ours.
fn hint_at_new_chain(fact: &str) -> &'static str {
    if fact.starts_with("genesis") {
        "; the chain ids are ours, so this is a chain that was started anew, or another deployment of it"
    } else {
        ""
    }
}

impl IdentityError {
    /// The reason as one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongChain { .. } => "wrong_chain",
            Self::Ourselves | Self::Cycle { .. } => "cycle",
        }
    }
}

/// Check 3: an L1 origin of the source's heads does not stand on our L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OriginError {
    /// Our L1 has another block at its height.
    #[error("l1 origin {} is {} there and {ours} on our l1", origin.number, origin.hash)]
    Mismatch {
        /// The origin as claimed.
        origin: BlockNumHash,
        /// Our block's hash.
        ours: alloy_primitives::B256,
    },
    /// Our L1 has not reached its height.
    #[error("our l1 has not reached origin {}", origin.number)]
    Behind {
        /// The origin as claimed.
        origin: BlockNumHash,
    },
}

/// Check 4: the source's view of L1 is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the source's l1 head is {} s older than ours", age.as_secs())]
pub struct StaleError {
    /// Our L1 head's time minus the source's; the whole Unix time if the source knows no L1 head.
    pub age: Duration,
}

/// Check 1. On success the heads are in order and of the chain's rhythm; a zero finalized head means "unknown".
///
/// # Errors
/// The first rule that the answer breaks.
pub fn check_shape(
    status: &SyncStatus,
    config: &RollupConfig,
) -> Result<DerivationState, ShapeError> {
    let safe = Named {
        name: "safe",
        block: status.safe_l2,
    };
    let local_safe = Named {
        name: "local_safe",
        block: status.local_safe_l2,
    };
    let finalized = Named {
        name: "finalized",
        block: status.finalized_l2,
    };
    for head in [safe, local_safe] {
        head.check_present()?;
        head.check_time(config)?;
    }
    if finalized.block.is_zero() {
        if finalized.block.number != 0 {
            return Err(finalized.no_hash());
        }
    } else {
        finalized.check_time(config)?;
        finalized.check_below(safe)?;
    }
    safe.check_below(local_safe)?;
    let finalized = if finalized.block.is_zero() {
        L2BlockRef::default()
    } else {
        finalized.block
    };
    Ok(DerivationState {
        safe: safe.block,
        local_safe: local_safe.block,
        finalized,
        current_l1: status.current_l1,
    })
}

#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    block: L2BlockRef,
}

impl Named {
    fn check_present(self) -> Result<(), ShapeError> {
        if !self.block.is_zero() {
            Ok(())
        } else if self.block.number == 0 {
            Err(ShapeError::MissingHead { head: self.name })
        } else {
            Err(self.no_hash())
        }
    }

    const fn no_hash(self) -> ShapeError {
        ShapeError::NoHash {
            head: self.name,
            number: self.block.number,
        }
    }

    fn check_time(self, config: &RollupConfig) -> Result<(), ShapeError> {
        let L2BlockRef {
            number, timestamp, ..
        } = self.block;
        let expected = config.block_timestamp(number);
        if expected != Some(timestamp) {
            return Err(ShapeError::WrongTimestamp {
                head: self.name,
                number,
                timestamp,
                expected,
            });
        }
        Ok(())
    }

    fn check_below(self, upper: Self) -> Result<(), ShapeError> {
        let (lower, number) = (self.block, upper.block.number);
        if lower.number > number {
            return Err(ShapeError::WrongOrder {
                lower: self.name,
                lower_number: lower.number,
                upper: upper.name,
                upper_number: number,
            });
        }
        let same_height = lower.number == number && lower.hash != upper.block.hash;
        let child =
            lower.number.checked_add(1) == Some(number) && upper.block.parent_hash != lower.hash;
        if same_height || child {
            return Err(ShapeError::Fork {
                lower: self.name,
                upper: upper.name,
                number,
            });
        }
        Ok(())
    }
}

/// Check 2, first half: is the source of our chain?
///
/// # Errors
/// The first fact that differs.
pub fn check_chain(ours: &ChainIdentity, theirs: &ChainIdentity) -> Result<(), IdentityError> {
    let facts = [
        (
            "l2_chain_id",
            ours.l2_chain_id.to_string(),
            theirs.l2_chain_id.to_string(),
        ),
        (
            "l1_chain_id",
            ours.l1_chain_id.to_string(),
            theirs.l1_chain_id.to_string(),
        ),
        (
            "genesis.l2.hash",
            ours.genesis_l2.to_string(),
            theirs.genesis_l2.to_string(),
        ),
        (
            "genesis.l1.hash",
            ours.genesis_l1.to_string(),
            theirs.genesis_l1.to_string(),
        ),
    ];
    match facts.into_iter().find(|(_, ours, theirs)| ours != theirs) {
        Some((fact, ours, theirs)) => Err(IdentityError::WrongChain { fact, ours, theirs }),
        None => Ok(()),
    }
}

/// Check 2, second half: does the source follow us? `path` names the source first, then whom it follows.
///
/// # Errors
/// If our id is in the path.
pub fn check_path(own_id: &str, path: &[String]) -> Result<(), IdentityError> {
    match path.iter().position(|id| id == own_id) {
        Some(0) => Err(IdentityError::Ourselves),
        Some(through) => Err(IdentityError::Cycle { through }),
        None => Ok(()),
    }
}

/// Check 3: the verdict of L1 on the origins that gate an update. A block that is foreign outweighs one that may come.
///
/// # Errors
/// The first foreign origin, else the first that our L1 has not reached.
pub fn check_origins(
    origins: &[BlockNumHash],
    verdicts: &[Canonicality],
) -> Result<(), OriginError> {
    let mut behind = None;
    for (origin, verdict) in origins.iter().zip(verdicts) {
        match *verdict {
            Canonicality::Canonical => {}
            Canonicality::Mismatch { ours } => {
                return Err(OriginError::Mismatch {
                    origin: *origin,
                    ours,
                });
            }
            Canonicality::Ahead => {
                behind.get_or_insert(OriginError::Behind { origin: *origin });
            }
        }
    }
    behind.map_or(Ok(()), Err)
}

/// How far the source's L1 head lags behind ours; zero when it leads. No clock takes part, and no pause of the batcher.
/// `None` while we know no L1 head ourselves.
pub fn source_lag(ours: &L1BlockRef, theirs: &L1BlockRef) -> Option<Duration> {
    let lag = ours.timestamp.saturating_sub(theirs.timestamp);
    (!ours.is_zero()).then(|| Duration::from_secs(lag))
}

/// Check 4, on the answer of [`source_lag`].
///
/// # Errors
/// If the lag is greater than `max_age`.
pub fn check_freshness(lag: Option<Duration>, max_age: Duration) -> Result<(), StaleError> {
    match lag {
        Some(age) if age > max_age => Err(StaleError { age }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
