//! The contracts that an OP Stack chain cannot do without, assembled here from their public interface so that no third
//! party's bytecode is needed: `L1Block`, which tells the EVM the L1 fees, and `L2ToL1MessagePasser`, whose storage holds
//! the withdrawals. Both keep the storage layout, events and return values of the real ones; gas differs.

mod assembler;
mod l1_block;
mod message_passer;

pub(crate) use l1_block::l1_block;
pub(crate) use message_passer::message_passer;

use alloy_primitives::{Address, FixedBytes, address, keccak256};

/// The sequencer fee vault, which is the fee recipient of every block.
pub const SEQUENCER_FEE_VAULT: Address = address!("4200000000000000000000000000000000000011");

/// The four bytes by which a call names a function.
pub(crate) fn selector(signature: &str) -> FixedBytes<4> {
    FixedBytes::from_slice(&keccak256(signature)[..4])
}

#[cfg(test)]
mod tests;
