//! Who may sign blocks: the signer that L1 names, and for a while the one before. A rotation reaches sequencer and verifiers at
//! different times, so the former signer's blocks are taken until the new one has signed or the grace is over.

use alloy_primitives::Address;
use std::time::{Duration, Instant};

/// For so long the former signer's blocks are taken after a rotation, unless the new one signs before.
pub(crate) const SIGNER_GRACE: Duration = Duration::from_secs(3 * 60 * 60);

/// What the signer of a block is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignerRole {
    /// The one that L1 names, or the one before in its grace.
    Expected,
    /// Another; the blame is the peer's that sent the block.
    Foreign,
    /// Another, while L1 is being asked whether the signer has changed.
    Undecided,
}

/// Why no block can be judged by its signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSigner {
    /// It was not read from L1 yet.
    NotRead,
    /// L1 names the zero address.
    NotConfigured,
}

/// The current signer and the former one.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    current: Option<Address>,
    former: Option<Former>,
    is_pending: bool,
}

#[derive(Clone, Copy, Debug)]
struct Former {
    address: Address,
    replaced_at: Instant,
}

impl Signers {
    /// Takes what was read from L1. `None` says that nothing was read yet and changes nothing; `is_pending`, that L1 is being asked
    /// right now.
    pub(crate) fn observe(&mut self, address: Option<Address>, is_pending: bool, now: Instant) {
        self.is_pending = is_pending;
        let Some(address) = address else { return };
        let known = self.current.replace(address);
        if let Some(known) = known
            && known != address
            && known != Address::ZERO
        {
            self.former = Some(Former {
                address: known,
                replaced_at: now,
            });
        }
    }

    /// The signer that L1 names.
    ///
    /// # Errors
    /// [`NoSigner`].
    pub(crate) fn current(&self) -> Result<Address, NoSigner> {
        match self.current {
            None => Err(NoSigner::NotRead),
            Some(Address::ZERO) => Err(NoSigner::NotConfigured),
            Some(address) => Ok(address),
        }
    }

    /// What the account that signed a block is to us. The first block by the current signer ends the former one's grace.
    pub(crate) fn role(&mut self, signer: Address, now: Instant) -> SignerRole {
        if self.current == Some(signer) {
            self.former = None;
            return SignerRole::Expected;
        }
        if self.former.is_some_and(|former| {
            former.address == signer
                && now.saturating_duration_since(former.replaced_at) <= SIGNER_GRACE
        }) {
            return SignerRole::Expected;
        }
        if self.is_pending {
            SignerRole::Undecided
        } else {
            SignerRole::Foreign
        }
    }
}
