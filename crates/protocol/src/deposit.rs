//! Deposits of users: from the `TransactionDeposited` logs of the portal on L1 to the transactions that the first block
//! of the epoch must contain, bit for bit (`specs/protocol/deposits.md#user-deposited-transactions`).

use crate::log_data::{LogDataError, abi_bytes, be_u64};
use alloy_consensus::TxReceipt;
use alloy_primitives::{Address, B256, Bytes, Log, LogData, TxKind, U256, b256};
use op_alloy_consensus::{TxDeposit, UserDepositSource};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// First topic of a deposit: hash of `TransactionDeposited(address,address,uint256,bytes)`.
pub const TRANSACTION_DEPOSITED_TOPIC: B256 =
    b256!("0xb3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32");

/// Bytes of the opaque data before the calldata: mint, value, gas limit, creation flag.
const FIXED_BYTES: usize = 32 + 32 + 8 + 1;

/// Why a log of the portal is no deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DepositError {
    /// A deposit has four topics: event, sender, recipient, version.
    #[error("{actual} topics instead of 4")]
    Topics {
        /// How many the log has.
        actual: usize,
    },
    /// The log is of another event.
    #[error("{topic} is another event")]
    Event {
        /// The first topic.
        topic: B256,
    },
    /// Only version 0 exists.
    #[error("unknown version {version}")]
    Version {
        /// The version topic.
        version: B256,
    },
    /// The data is not one ABI-encoded `bytes`.
    #[error("malformed data")]
    Data(#[from] LogDataError),
    /// The opaque data is shorter than its fixed part.
    #[error("opaque data of {actual} bytes is too short")]
    TooShort {
        /// Length of the opaque data.
        actual: usize,
    },
    /// More than all ether there is.
    #[error("mint does not fit into 128 bits")]
    Mint,
}

/// The deposits in the receipts of the L1 block `l1_block_hash`, in the order in which the first L2 block of its epoch must
/// contain them after the L1-info deposit. Logs of failed transactions do not count.
///
/// `receipts` are all receipts of the block, in order: a deposit's source hash depends on the log's index in the block.
///
/// # Errors
/// The first log of the portal that is of the deposit event and malformed. A deposit may never be left out, so no block can
/// be built on such an L1 block (the portal cannot make one).
pub fn user_deposits<'a, R>(
    receipts: impl IntoIterator<Item = &'a R>,
    portal: Address,
    l1_block_hash: B256,
) -> Result<Vec<TxDeposit>, DepositError>
where
    R: TxReceipt<Log = Log> + 'a,
{
    let mut deposits = Vec::new();
    let mut log_index = 0;
    for receipt in receipts {
        for log in receipt.logs() {
            let is_deposit = receipt.status()
                && log.address == portal
                && log.topics().first() == Some(&TRANSACTION_DEPOSITED_TOPIC);
            if is_deposit {
                deposits.push(user_deposit(log, l1_block_hash, log_index)?);
            }
            log_index += 1;
        }
    }
    Ok(deposits)
}

/// The deposit that a `TransactionDeposited` log stands for. `log_index` counts all logs of the L1 block.
///
/// The portal pads with zeros and has flags of one bit. Where a log does not, it is read as the reference node reads it: only the
/// last bytes of a topic count, nothing behind the content does, and any flag but zero means a creation.
///
/// # Errors
/// What is wrong with the log.
pub fn user_deposit(
    log: &LogData,
    l1_block_hash: B256,
    log_index: u64,
) -> Result<TxDeposit, DepositError> {
    let [event, from, to, version] = log.topics() else {
        let actual = log.topics().len();
        return Err(DepositError::Topics { actual });
    };
    if *event != TRANSACTION_DEPOSITED_TOPIC {
        return Err(DepositError::Event { topic: *event });
    }
    let (from, to) = (Address::from_word(*from), Address::from_word(*to));
    if !version.is_zero() {
        return Err(DepositError::Version { version: *version });
    }
    let opaque = abi_bytes(&log.data)?;
    let actual = opaque.len();
    let (fixed, input) = opaque
        .split_at_checked(FIXED_BYTES)
        .ok_or(DepositError::TooShort { actual })?;
    let mint = U256::from_be_slice(&fixed[..32]);
    Ok(TxDeposit {
        source_hash: UserDepositSource::new(l1_block_hash, log_index).source_hash(),
        from,
        to: match fixed[72] {
            0 => TxKind::Call(to),
            _ => TxKind::Create,
        },
        mint: mint.try_into().map_err(|_| DepositError::Mint)?,
        value: U256::from_be_slice(&fixed[32..64]),
        gas_limit: be_u64(&fixed[64..72]).expect("8 bytes fit into 64 bits"),
        is_system_transaction: false,
        input: Bytes::copy_from_slice(input),
    })
}
