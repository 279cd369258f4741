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

#[cfg(test)]
mod tests {
    use super::*;
    use SignerRole::{Expected, Foreign, Undecided};

    const OLD: Address = Address::repeat_byte(1);
    const NEW: Address = Address::repeat_byte(2);
    const NEXT: Address = Address::repeat_byte(3);
    const SECOND: Duration = Duration::from_secs(1);

    fn rotated(now: Instant) -> Signers {
        let mut signers = Signers::default();
        signers.observe(Some(OLD), false, now);
        signers.observe(Some(NEW), false, now);
        signers
    }

    #[test]
    fn before_the_first_read_there_is_no_signer() {
        let now = Instant::now();
        let mut signers = Signers::default();
        assert_eq!(signers.current(), Err(NoSigner::NotRead));
        signers.observe(None, true, now);
        assert_eq!(signers.current(), Err(NoSigner::NotRead));
        signers.observe(Some(Address::ZERO), false, now);
        assert_eq!(signers.current(), Err(NoSigner::NotConfigured));
        signers.observe(Some(OLD), false, now);
        assert_eq!(signers.current(), Ok(OLD));
        signers.observe(None, true, now);
        assert_eq!(signers.current(), Ok(OLD));
    }

    #[test]
    fn the_former_signer_is_expected_for_three_hours_and_no_longer() {
        let now = Instant::now();
        let mut signers = rotated(now);
        assert_eq!(signers.role(OLD, now), Expected);
        assert_eq!(signers.role(OLD, now + SIGNER_GRACE), Expected);
        assert_eq!(signers.role(OLD, now + SIGNER_GRACE + SECOND), Foreign);
        assert_eq!(signers.role(NEW, now + SIGNER_GRACE + SECOND), Expected);
    }

    #[test]
    fn the_first_block_of_the_new_signer_ends_the_grace() {
        let now = Instant::now();
        let mut signers = rotated(now);
        assert_eq!(signers.role(NEW, now), Expected);
        assert_eq!(signers.role(OLD, now), Foreign);
    }

    #[test]
    fn reading_the_same_signer_again_does_not_end_or_renew_the_grace() {
        let now = Instant::now();
        let mut signers = rotated(now);
        signers.observe(Some(NEW), false, now + SIGNER_GRACE / 2);
        assert_eq!(signers.role(OLD, now + SIGNER_GRACE), Expected);
        assert_eq!(signers.role(OLD, now + SIGNER_GRACE + SECOND), Foreign);
    }

    #[test]
    fn only_the_latest_former_signer_is_expected() {
        let now = Instant::now();
        let mut signers = rotated(now);
        signers.observe(Some(NEXT), false, now);
        assert_eq!(signers.role(OLD, now), Foreign);
        assert_eq!(signers.role(NEW, now), Expected);
        assert_eq!(signers.role(NEXT, now), Expected);
    }

    #[test]
    fn a_signer_that_was_not_configured_has_no_grace() {
        let now = Instant::now();
        let mut signers = Signers::default();
        signers.observe(Some(Address::ZERO), false, now);
        signers.observe(Some(NEW), false, now);
        assert_eq!(signers.role(Address::ZERO, now), Foreign);
    }

    #[test]
    fn a_foreign_signer_is_undecided_while_l1_is_asked() {
        let now = Instant::now();
        let mut signers = rotated(now);
        signers.observe(Some(NEW), true, now);
        assert_eq!(signers.role(NEXT, now), Undecided);
        assert_eq!(signers.role(NEW, now), Expected);
        signers.observe(Some(NEW), false, now);
        assert_eq!(signers.role(NEXT, now), Foreign);
    }
}
