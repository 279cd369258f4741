//! What is wrong with batches of one block: their bytes, and what they say.

use super::{FAR_SECONDS, Malformed};
use crate::{SINGULAR_BATCH_TYPE, SingularBatch};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, Signature, TxKind};
use alloy_rlp::{EMPTY_LIST_CODE, Encodable, Header};

/// A chain that no rollup of ours has.
const FOREIGN_CHAIN_ID: u64 = 1;

impl Malformed {
    /// The batch of the kind; the honest one for what is wrong elsewhere.
    pub(super) fn bad_batch(self, honest: &SingularBatch) -> Bytes {
        let mut batch = honest.clone();
        match self {
            Self::WrongParent => batch.parent_hash = !batch.parent_hash,
            Self::WrongEpochHash => batch.epoch_hash = !batch.epoch_hash,
            Self::FutureEpoch => {
                batch.epoch_number = batch.epoch_number.saturating_add(FAR_SECONDS)
            }
            // Before the first epoch there is none; what wraps around is not the batch's own either.
            Self::PastEpoch => batch.epoch_number = batch.epoch_number.wrapping_sub(2),
            Self::FutureBatch => batch.timestamp = batch.timestamp.saturating_add(FAR_SECONDS),
            Self::PastBatch => batch.timestamp = batch.timestamp.saturating_sub(FAR_SECONDS),
            Self::DepositTransaction => batch.transactions.push(vec![0x7e, 0xc0].into()),
            Self::PostExecTransaction => batch.transactions.push(vec![0x7d, 0xc0].into()),
            Self::EmptyTransaction => batch.transactions.push(Bytes::new()),
            Self::ForeignChainId => batch.transactions.push(foreign_transaction()),
            Self::NoiseTransaction => batch.transactions.push(vec![0x02, 0x01, 0x02].into()),
            _ => return self.bad_bytes(honest),
        }
        batch.encoded()
    }

    fn bad_bytes(self, honest: &SingularBatch) -> Bytes {
        let whole = honest.encoded();
        let of_noise = [SINGULAR_BATCH_TYPE, 0x83, 1, 2, 3];
        let mut fields = fields(honest);
        match self {
            Self::EmptyBatch => return Bytes::new(),
            Self::BatchOfNoise => return of_noise.to_vec().into(),
            Self::UnknownBatchType => return [&[7], &whole[1..]].concat().into(),
            Self::BatchWithSurplusField => fields.push(vec![EMPTY_LIST_CODE]),
            Self::BatchWithMissingField => drop(fields.pop()),
            Self::PaddedNumber => {
                let number = [&[0][..], &honest.timestamp.to_be_bytes()].concat();
                fields[3] = encoded(&number[..]);
            }
            Self::ShortHash => fields[0] = encoded(&honest.parent_hash[1..]),
            // A list of a list.
            Self::TransactionAsList => fields[4] = vec![EMPTY_LIST_CODE + 1, EMPTY_LIST_CODE],
            _ => return whole,
        }
        let fields = fields.concat();
        let mut out = vec![SINGULAR_BATCH_TYPE];
        let head = Header {
            list: true,
            payload_length: fields.len(),
        };
        head.encode(&mut out);
        out.extend(fields);
        out.into()
    }
}

/// The batch's fields, each in RLP.
fn fields(batch: &SingularBatch) -> Vec<Vec<u8>> {
    vec![
        encoded(batch.parent_hash),
        encoded(batch.epoch_number),
        encoded(batch.epoch_hash),
        encoded(batch.timestamp),
        encoded(&batch.transactions),
    ]
}

fn encoded(field: impl Encodable) -> Vec<u8> {
    alloy_rlp::encode(field)
}

/// A transaction with some signature; nobody has an account for it.
fn foreign_transaction() -> Bytes {
    let tx = TxEip1559 {
        chain_id: FOREIGN_CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(1)),
        ..TxEip1559::default()
    };
    TxEnvelope::from(tx.into_signed(Signature::test_signature()))
        .encoded_2718()
        .into()
}
