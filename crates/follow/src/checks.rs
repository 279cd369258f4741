//! The checks that need nothing but the answer and our configuration.

use thiserror::Error;

/// Check 1: the answer contradicts itself or the chain's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShapeError {
    /// A head is the zero object.
    #[error("{head} head is missing")]
    MissingHead {
        /// Which head.
        head: &'static str,
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
    /// Two heads of one height have different hashes.
    #[error("{lower} and {upper} head differ at block {number}")]
    Fork {
        /// One head.
        lower: &'static str,
        /// The other.
        upper: &'static str,
        /// Their common number.
        number: u64,
    },
    /// A head's time does not follow from its number.
    #[error("{head} head {number} has timestamp {timestamp}, the chain's rules say {expected:?}")]
    WrongTimestamp {
        /// Which head.
        head: &'static str,
        /// Its number.
        number: u64,
        /// Its timestamp in seconds.
        timestamp: u64,
        /// What the chain's configuration says; `None` below genesis.
        expected: Option<u64>,
    },
}

/// Check 2: the source must not be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// A fact of the chain differs.
    #[error("its {fact} is {theirs}, ours is {ours}")]
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

impl IdentityError {
    /// The reason as one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongChain { .. } => "wrong_chain",
            Self::Ourselves | Self::Cycle { .. } => "cycle",
        }
    }
}
