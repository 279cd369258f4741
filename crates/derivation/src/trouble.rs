//! What can be wrong while a node derives, by name: what L1, beacons, the execution layer and the rollup config are said to have
//! done where a start, a step or the engine fails.

use crate::{
    cause::{ResetCause, RetryCause},
    refusals::RefusedCounts,
    sync_start::StartError,
};
use core::fmt;
use light_node_actor::in_words;
use light_node_engine::{ResetError, ResetReason};
use light_node_l1::{BlobError, L1DataError};
use light_node_protocol::{BlockConfigError, BlockNumHash, Hardfork};

/// What says when blocks are.
const TIME_FIELDS: &str = "block_time and genesis.l2_time";
/// What says which form blocks and deposits have.
const FORK_FIELDS: &str = "the fork times (ecotone_time to jovian_time)";
/// What says which attributes a block has.
const ATTRIBUTE_FIELDS: &str =
    "the fork times (canyon_time to jovian_time), block_time and chain_op_config";

/// Why the node does not derive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DerivationTrouble {
    /// Derivation has not started yet, and nothing is known to be wrong.
    NotStarted,
    /// L1 could not be asked.
    L1Unreachable {
        /// The error in words.
        cause: String,
    },
    /// L1 answers, and what it says cannot be: it contradicts itself, or lacks a block below its head.
    L1Invalid {
        /// What it says, in words.
        cause: String,
    },
    /// Our L1 has not reached the origin of a head that the execution layer calls final.
    L1Behind {
        /// The origin.
        origin: BlockNumHash,
    },
    /// The origin of our finalized head is not on our L1.
    FinalizedNotOnL1 {
        /// The origin.
        origin: BlockNumHash,
    },
    /// No beacon gave the blobs that the batcher posted.
    BeaconUnreachable {
        /// Each beacon's error in words.
        cause: String,
    },
    /// Beacons answer, and none of them gives the blobs: they have not got them, or contradict L1 about the slot.
    BlobsMissing {
        /// What they say.
        cause: String,
    },
    /// Nobody keeps the blobs any more.
    BlobsExpired {
        /// Which.
        cause: String,
    },
    /// The next block activates a fork whose upgrade transactions were not given.
    MissingUpgradeBundle {
        /// The fork.
        fork: Hardfork,
    },
    /// The execution layer could not be asked.
    ElUnavailable {
        /// The error in words.
        cause: String,
    },
    /// The execution layer's blocks do not make a start: one is missing, or is not what it should be.
    ElUnusable {
        /// What is wrong.
        cause: String,
    },
    /// What the rollup config says and what the execution layer has or takes exclude each other.
    ConfigMismatch {
        /// What contradicts what.
        cause: String,
        /// The fields of the rollup config to look at.
        fields: &'static str,
    },
    /// Derivation starts over at one place again and again, which neither L1 nor the rollup config explains.
    Stuck {
        /// Where, and why it starts over.
        cause: String,
    },
    /// L1 is read, and nothing of what the batcher posts becomes a block.
    NoValidBatch {
        /// L1 blocks read since the last batch that became one, or since the start.
        l1_blocks: u64,
        /// What was refused since the node started.
        refused: RefusedCounts,
    },
    /// Derivation lies behind L1 and comes nearer.
    Behind {
        /// L1 blocks to read.
        blocks: u64,
    },
}

impl DerivationTrouble {
    /// What [`DerivationTrouble::name`] can say.
    pub const NAMES: [&'static str; 15] = [
        "derivation_not_started",
        "l1_unreachable",
        "l1_invalid",
        "l1_behind",
        "finalized_not_on_l1",
        "beacon_unreachable",
        "blobs_missing",
        "blobs_expired",
        "missing_upgrade_bundle",
        "el_unavailable",
        "el_unusable",
        "rollup_config_mismatch",
        "derivation_stuck",
        "no_valid_batch",
        "deriving",
    ];

    /// What it means that L1 cannot be read.
    fn of_l1(error: &L1DataError) -> Self {
        let cause = in_words(error);
        match error {
            L1DataError::Failed { source } if source.is_contradiction() => {
                Self::L1Invalid { cause }
            }
            L1DataError::Failed { .. } | L1DataError::Stopped => Self::L1Unreachable { cause },
        }
    }

    /// What it means that blobs are not there.
    fn of_blobs(error: &BlobError) -> Self {
        let cause = error.to_string();
        match error {
            BlobError::Reorged { .. } | BlobError::Missed { .. } | BlobError::Absent { .. } => {
                Self::BlobsMissing { cause }
            }
            BlobError::Expired { .. } => Self::BlobsExpired { cause },
            BlobError::Unavailable { .. } => Self::BeaconUnreachable { cause },
        }
    }

    /// What it means that a step has to be tried again.
    pub(crate) fn of_retry(cause: &RetryCause) -> Self {
        match cause {
            RetryCause::L1(error) => Self::of_l1(error),
            RetryCause::Blobs(error) => Self::of_blobs(error),
            RetryCause::L2(error) => Self::ElUnavailable {
                cause: in_words(error),
            },
            RetryCause::L2BlockMissing { .. } => Self::ElUnusable {
                cause: cause.to_string(),
            },
        }
    }

    /// What it means that no start is found.
    pub(crate) fn of_start(error: &StartError) -> Self {
        let cause = || in_words(error);
        match error {
            StartError::L1(error) => Self::of_l1(error),
            StartError::L1Moved => Self::L1Invalid { cause: cause() },
            StartError::BlockTime { .. } => Self::ConfigMismatch {
                cause: cause(),
                fields: TIME_FIELDS,
            },
            StartError::SystemConfig { source, .. } if is_of_another_fork(source) => {
                Self::ConfigMismatch {
                    cause: cause(),
                    fields: FORK_FIELDS,
                }
            }
            StartError::Engine(ResetError::Refused(_))
            | StartError::MissingBlock { .. }
            | StartError::SystemConfig { .. } => Self::ElUnusable { cause: cause() },
            StartError::El(_) | StartError::Engine(_) => Self::ElUnavailable { cause: cause() },
            StartError::L1Behind { origin } => Self::L1Behind { origin: *origin },
            StartError::FinalizedNotOnL1 { origin } => Self::FinalizedNotOnL1 { origin: *origin },
        }
    }

    /// What it means that the pipeline asks for a new start again and again, and comes no further than the L1 block `here`.
    pub(crate) fn of_reset(cause: &ResetCause, here: u64) -> Self {
        let words = no_further(here, &in_words(cause));
        match cause {
            ResetCause::L1Reorg { .. }
            | ResetCause::L1BlockGone { .. }
            | ResetCause::OriginMismatch { .. }
            | ResetCause::Deposit { .. } => Self::L1Invalid { cause: words },
            ResetCause::BeforeOrigin { .. } => Self::ConfigMismatch {
                cause: words,
                fields: TIME_FIELDS,
            },
            ResetCause::Scalar(_) => Self::ConfigMismatch {
                cause: words,
                fields: FORK_FIELDS,
            },
            ResetCause::NoPosition
            | ResetCause::UnknownParent { .. }
            | ResetCause::Pipeline { .. } => Self::Stuck { cause: words },
        }
    }

    /// What it means that the engine asks for a new start again and again, about a block derived from the L1 block `here`. `None`
    /// for what a new start is the cure of.
    pub(crate) fn of_engine(reason: &ResetReason, here: u64) -> Option<Self> {
        let cause = no_further(here, &reason.to_string());
        match reason {
            ResetReason::NoStart | ResetReason::ElLostBlocks => None,
            ResetReason::DepositsOnlyRefused { .. } => Some(Self::ConfigMismatch {
                cause,
                fields: ATTRIBUTE_FIELDS,
            }),
            ResetReason::ParentRefused { .. } => Some(Self::ElUnusable { cause }),
            ResetReason::Contradicted(_) => Some(Self::Stuck { cause }),
        }
    }

    /// The reason as one word, for `/readyz`, metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotStarted => "derivation_not_started",
            Self::L1Unreachable { .. } => "l1_unreachable",
            Self::L1Invalid { .. } => "l1_invalid",
            Self::L1Behind { .. } => "l1_behind",
            Self::FinalizedNotOnL1 { .. } => "finalized_not_on_l1",
            Self::BeaconUnreachable { .. } => "beacon_unreachable",
            Self::BlobsMissing { .. } => "blobs_missing",
            Self::BlobsExpired { .. } => "blobs_expired",
            Self::MissingUpgradeBundle { .. } => "missing_upgrade_bundle",
            Self::ElUnavailable { .. } => "el_unavailable",
            Self::ElUnusable { .. } => "el_unusable",
            Self::ConfigMismatch { .. } => "rollup_config_mismatch",
            Self::Stuck { .. } => "derivation_stuck",
            Self::NoValidBatch { .. } => "no_valid_batch",
            Self::Behind { .. } => "deriving",
        }
    }

    /// True if somebody has to look at it: it does not pass by itself.
    pub const fn is_alarm(&self) -> bool {
        matches!(
            self,
            Self::FinalizedNotOnL1 { .. }
                | Self::BlobsExpired { .. }
                | Self::MissingUpgradeBundle { .. }
                | Self::ElUnusable { .. }
                | Self::ConfigMismatch { .. }
        )
    }

    /// True if the reason makes us unready at once; the others may pass by themselves and get their time first.
    pub const fn is_immediate(&self) -> bool {
        self.is_alarm()
            || matches!(
                self,
                Self::NotStarted | Self::Behind { .. } | Self::NoValidBatch { .. }
            )
    }
}

impl fmt::Display for DerivationTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("derivation has not started yet"),
            Self::L1Unreachable { cause } => write!(f, "l1 could not be read: {cause}"),
            Self::L1Invalid { cause } => {
                write!(f, "l1 answers, and what it says cannot be: {cause}")
            }
            Self::L1Behind { origin } => {
                write!(
                    f,
                    "our l1 has not reached block {}, the origin of our finalized head",
                    origin.number
                )
            }
            Self::FinalizedNotOnL1 { origin } => write!(
                f,
                "l1 block {}:{}, the origin of our finalized head, is not on our l1: the l1 endpoint or the execution layer is of \
                 another chain",
                origin.number, origin.hash
            ),
            Self::BeaconUnreachable { cause } | Self::BlobsMissing { cause } => f.write_str(cause),
            Self::BlobsExpired { cause } => write!(
                f,
                "{cause}: give --l1.beacon one that archives blobs, or start the execution layer from a newer snapshot"
            ),
            Self::MissingUpgradeBundle { fork } => write!(
                f,
                "the next block activates {fork}, and its upgrade transactions are not known: give --rollup.upgrade-bundle=FILE"
            ),
            Self::ElUnavailable { cause } => {
                write!(f, "the execution layer could not be asked: {cause}")
            }
            Self::ElUnusable { cause } => {
                write!(
                    f,
                    "the execution layer's blocks cannot be derived from: {cause}"
                )
            }
            Self::ConfigMismatch { cause, fields } => write!(
                f,
                "the rollup config does not fit the chain: {cause}; compare {fields} in it with the chain's"
            ),
            Self::Stuck { cause } => f.write_str(cause),
            Self::NoValidBatch { l1_blocks, refused } => write!(
                f,
                "no batch has become a block in the last {l1_blocks} l1 blocks; refused since the node started: {refused}"
            ),
            Self::Behind { blocks } => write!(f, "{blocks} l1 blocks are still to be read"),
        }
    }
}

fn no_further(here: u64, cause: &str) -> String {
    format!("derivation comes no further than block {here}: {cause}")
}

/// The block says what it says, but in the form of another fork than its time makes us expect.
const fn is_of_another_fork(error: &BlockConfigError) -> bool {
    match error {
        BlockConfigError::NotL1Info(_) | BlockConfigError::ExtraData(_) => true,
        BlockConfigError::NoTransactions | BlockConfigError::NotADeposit(_) => false,
    }
}
