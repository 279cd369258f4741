//! Judges gossiped blocks: what is relayed and given to the engine, what is dropped, and what counts against the peer that sent it.
//! The order of the rules and the set of accepted blocks are op-node's, because a node that takes less drops blocks that its peers
//! relay and one that takes more is blamed for what it relays. Where op-node refuses what an honest peer may have relayed in good
//! faith, such as a block that was late, we drop it without blame: our scores punish refusals, op-node's do not.

use crate::{
    block_hash::{block_hash, is_hashed_apart},
    frame::{Frame, FrameError},
    seen::{Admission, SeenBlocks},
    signature::{self, SignatureError, SoundSignature},
    signers::{NoSigner, SignerRole, Signers},
    topics::BlockVersion,
};
use alloy_primitives::{Address, Bytes};
use light_node_protocol::{Hardfork, RollupConfig};
use op_alloy_rpc_types_engine::{OpExecutionPayload, OpExecutionPayloadEnvelope};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How far a block may be ahead of our clock, in seconds.
const AHEAD_SECONDS_MAX: u64 = 5;

/// A point in time on both clocks: the one that blocks are dated by, and the one that never goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Seconds since 1970, rounded down.
    pub(crate) unix_seconds: u64,
    /// The same point for measuring spans.
    pub(crate) instant: Instant,
}

impl Moment {
    /// By the clocks of this machine.
    pub(crate) fn now() -> Self {
        Self {
            unix_seconds: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            instant: Instant::now(),
        }
    }
}

/// What becomes of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is relayed, and the engine gets it.
    Accept(Box<OpExecutionPayloadEnvelope>),
    /// It is dropped, without blame.
    Ignore(IgnoreReason),
    /// It is dropped, and the peer that sent it is to blame.
    Reject(RejectReason),
}

/// Why a block is dropped without blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IgnoreReason {
    /// The signer was not read from L1 yet.
    SignerNotRead,
    /// L1 names no signer.
    SignerNotConfigured,
    /// Another has signed, while L1 is being asked whether the signer has changed, or is too old to be asked.
    SignerUndecided,
    /// It is too old.
    TooOld,
    /// It is too far in the future.
    TooNew,
    /// It is too old or too far in the future, but our clock is not trusted.
    ClockNotTrusted,
    /// As many blocks as are accepted were accepted at its height.
    TooManyAtHeight,
    /// It was accepted before.
    Seen,
    /// No execution layer can take it, but op-node, which computes another hash of it, may relay it.
    Unusable,
}

/// Why a block is dropped and its sender blamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RejectReason {
    /// It is too short to be a block, or too long.
    Length,
    /// The recovery id is none.
    RecoveryId,
    /// No key fits the signature.
    Signature,
    /// Another has signed.
    Signer,
    /// It is not encoded as its topic wants.
    Encoding,
    /// Its hash is not the hash of its content.
    BlockHash,
    /// It has withdrawals.
    Withdrawals,
    /// It uses blob gas, before this number got another meaning.
    BlobGasUsed,
    /// It has excess blob gas.
    ExcessBlobGas,
}

impl IgnoreReason {
    /// All of them, for metrics.
    pub(crate) const ALL: [Self; 9] = [
        Self::SignerNotRead,
        Self::SignerNotConfigured,
        Self::SignerUndecided,
        Self::TooOld,
        Self::TooNew,
        Self::ClockNotTrusted,
        Self::TooManyAtHeight,
        Self::Seen,
        Self::Unusable,
    ];

    /// Its name in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SignerNotRead => "signer_not_read",
            Self::SignerNotConfigured => "signer_not_configured",
            Self::SignerUndecided => "signer_undecided",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
            Self::ClockNotTrusted => "clock_not_trusted",
            Self::TooManyAtHeight => "too_many_at_height",
            Self::Seen => "seen",
            Self::Unusable => "unusable",
        }
    }
}

impl RejectReason {
    /// All of them, for metrics.
    pub(crate) const ALL: [Self; 9] = [
        Self::Length,
        Self::RecoveryId,
        Self::Signature,
        Self::Signer,
        Self::Encoding,
        Self::BlockHash,
        Self::Withdrawals,
        Self::BlobGasUsed,
        Self::ExcessBlobGas,
    ];

    /// Its name in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::RecoveryId => "recovery_id",
            Self::Signature => "signature",
            Self::Signer => "signer",
            Self::Encoding => "encoding",
            Self::BlockHash => "block_hash",
            Self::Withdrawals => "withdrawals",
            Self::BlobGasUsed => "blob_gas_used",
            Self::ExcessBlobGas => "excess_blob_gas",
        }
    }
}

impl Verdict {
    /// Its name and its reason in logs and metrics; an accepted block has no reason.
    pub(crate) const fn as_strs(&self) -> (&'static str, &'static str) {
        match self {
            Self::Accept(_) => ("accept", ""),
            Self::Ignore(reason) => ("ignore", reason.as_str()),
            Self::Reject(reason) => ("reject", reason.as_str()),
        }
    }
}

/// A verdict, and what else was seen on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// What becomes of the block.
    pub(crate) verdict: Verdict,
    /// A sound signature, but by none whom we expect: reason to ask L1 again.
    pub(crate) signer_mismatch: bool,
}

/// Judges blocks. Many may be judged at a time.
#[derive(Debug)]
pub(crate) struct Judge {
    config: Arc<RollupConfig>,
    age_max: Duration,
    signers: Mutex<Signers>,
    is_clock_trusted: AtomicBool,
    /// By [`BlockVersion::index`].
    seen: [Mutex<SeenBlocks>; 4],
}

impl Judge {
    /// A judge who knows no signer yet and trusts the clock. Blocks older than `age_max` are dropped.
    pub(crate) fn new(config: Arc<RollupConfig>, age_max: Duration) -> Self {
        Self {
            config,
            age_max,
            signers: Mutex::new(Signers::default()),
            is_clock_trusted: AtomicBool::new(true),
            seen: [(); 4].map(|()| Mutex::new(SeenBlocks::new())),
        }
    }

    /// Takes what was read from L1; see [`Signers::observe`].
    pub(crate) fn observe_signer(&self, address: Option<Address>, is_pending: bool, now: Instant) {
        lock(&self.signers).observe(address, is_pending, now);
    }

    /// The account that L1 names, if it names one and has been read.
    pub(crate) fn signer(&self) -> Option<Address> {
        lock(&self.signers).current().ok()
    }

    /// Says whether our clock and our view of L1 are right as far as we can tell. If not, a block out of time is dropped for that,
    /// and a foreign signer, of whose rotation L1 may not have told us, is nobody's fault. Other blocks go on while L1 is away.
    pub(crate) fn trust_clock(&self, is_trusted: bool) {
        self.is_clock_trusted.store(is_trusted, Ordering::Relaxed);
    }

    /// Judges the decompressed `data` of a message on the topic of `version`. Takes as long as hashing it three times.
    pub(crate) fn judge(&self, version: BlockVersion, data: Bytes, now: Moment) -> Judgement {
        match self.examine(version, data, now) {
            Ok(envelope) => Judgement {
                verdict: Verdict::Accept(Box::new(envelope)),
                signer_mismatch: false,
            },
            Err(Refusal::Ignore(reason)) => Judgement {
                verdict: Verdict::Ignore(reason),
                signer_mismatch: reason == IgnoreReason::SignerUndecided,
            },
            Err(Refusal::Reject(reason)) => Judgement {
                verdict: Verdict::Reject(reason),
                signer_mismatch: reason == RejectReason::Signer,
            },
        }
    }

    /// The rules in their order.
    fn examine(
        &self,
        version: BlockVersion,
        data: Bytes,
        now: Moment,
    ) -> Result<OpExecutionPayloadEnvelope, Refusal> {
        let frame = Frame::parse(version, data)?;
        self.check_signer(&frame, now.instant)?;
        let envelope = frame.decode()?;
        self.check_time(envelope.execution_payload.timestamp(), now.unix_seconds)?;
        if is_hashed_apart(&envelope.execution_payload) {
            return Err(IgnoreReason::Unusable.into());
        }
        if block_hash(&envelope) != envelope.execution_payload.block_hash() {
            return Err(RejectReason::BlockHash.into());
        }
        self.check_fields(&envelope.execution_payload)?;
        let payload = &envelope.execution_payload;
        match lock(&self.seen[version.index()]).admit(payload.block_number(), payload.block_hash())
        {
            Admission::New => Ok(envelope),
            Admission::Seen => Err(IgnoreReason::Seen.into()),
            Admission::TooMany => Err(IgnoreReason::TooManyAtHeight.into()),
        }
    }

    fn check_signer(&self, frame: &Frame, now: Instant) -> Result<(), Refusal> {
        // Before the hashing: without a signer there is nothing to compare with.
        lock(&self.signers).current()?;
        let signature = SoundSignature::parse(frame.signature())?;
        let digest = signature::digest(self.config.l2_chain_id, frame.payload_hash());
        let signer = signature.signer(digest)?;
        match lock(&self.signers).role(signer, now) {
            SignerRole::Expected => Ok(()),
            SignerRole::Foreign if self.is_clock_trusted() => Err(RejectReason::Signer.into()),
            SignerRole::Foreign | SignerRole::Undecided => {
                Err(IgnoreReason::SignerUndecided.into())
            }
        }
    }

    fn check_time(&self, timestamp: u64, now: u64) -> Result<(), Refusal> {
        let reason = if timestamp < now.saturating_sub(self.age_max.as_secs()) {
            IgnoreReason::TooOld
        } else if timestamp > now.saturating_add(AHEAD_SECONDS_MAX) {
            IgnoreReason::TooNew
        } else {
            return Ok(());
        };
        if self.is_clock_trusted() {
            Err(reason.into())
        } else {
            Err(IgnoreReason::ClockNotTrusted.into())
        }
    }

    fn is_clock_trusted(&self) -> bool {
        self.is_clock_trusted.load(Ordering::Relaxed)
    }

    /// What a payload of its version may not have. That it has the fields of its version, and no others, its type says.
    fn check_fields(&self, payload: &OpExecutionPayload) -> Result<(), Refusal> {
        if payload.as_v2().is_some_and(|v2| !v2.withdrawals.is_empty()) {
            return Err(RejectReason::Withdrawals.into());
        }
        let Some(v3) = payload.as_v3() else {
            return Ok(());
        };
        // From Jovian on it is the footprint of data availability, which the execution layer checks.
        let is_footprint = self.config.is_active(Hardfork::Jovian, payload.timestamp());
        if v3.blob_gas_used != 0 && !is_footprint {
            return Err(RejectReason::BlobGasUsed.into());
        }
        if v3.excess_blob_gas != 0 {
            return Err(RejectReason::ExcessBlobGas.into());
        }
        Ok(())
    }
}

/// A panic in one judgement, which its caller catches, leaves the tables whole: each is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Refusal {
    Ignore(IgnoreReason),
    Reject(RejectReason),
}

impl From<IgnoreReason> for Refusal {
    fn from(reason: IgnoreReason) -> Self {
        Self::Ignore(reason)
    }
}

impl From<RejectReason> for Refusal {
    fn from(reason: RejectReason) -> Self {
        Self::Reject(reason)
    }
}

impl From<NoSigner> for Refusal {
    fn from(why: NoSigner) -> Self {
        Self::Ignore(match why {
            NoSigner::NotRead => IgnoreReason::SignerNotRead,
            NoSigner::NotConfigured => IgnoreReason::SignerNotConfigured,
        })
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        Self::Reject(match error {
            SignatureError::RecoveryId { .. } => RejectReason::RecoveryId,
            SignatureError::NoKey => RejectReason::Signature,
        })
    }
}

impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Self {
        Self::Reject(match error {
            FrameError::Length { .. } => RejectReason::Length,
            FrameError::NoParentBeaconBlockRoot
            | FrameError::OtherVersion
            | FrameError::Payload(_) => RejectReason::Encoding,
        })
    }
}

#[cfg(test)]
mod tests;
