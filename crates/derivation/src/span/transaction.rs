//! Transactions of a span batch: the parts that stand for themselves in the batch, and the rest, put together into the bytes that
//! the block holds.
//!
//! The rest is checked as strictly as an execution client of the reference node would decode it, and then copied: canonical RLP
//! of the same values is the same bytes.

use super::{
    SpanError, Transaction,
    reader::{Bits, Reader},
};
use alloy_primitives::U256;
use alloy_rlp::{Encodable, Header};

/// Most bytes of a transaction's data.
const MAX_DATA_BYTES: usize = 10_000_000;

const LEGACY: u8 = 0;
const ACCESS_LIST: u8 = 1;
const DYNAMIC_FEE: u8 = 2;
const SET_CODE: u8 = 4;

/// All parts of all transactions.
pub(super) struct Parts<'a> {
    pub(super) creations: Bits<'a>,
    pub(super) y_parities: Bits<'a>,
    /// `r` and `s`.
    pub(super) signatures: &'a [[u8; 64]],
    pub(super) recipients: &'a [[u8; 20]],
    pub(super) data: Vec<TxData<'a>>,
    pub(super) nonces: Vec<u64>,
    pub(super) gas_limits: Vec<u64>,
    /// Of legacy transactions only: whether the signature is for this chain (EIP-155).
    pub(super) protected: Bits<'a>,
}

/// The part of a transaction that has no place of its own in the batch: an RLP list behind the type, if it has one.
pub(super) struct TxData<'a> {
    /// Zero for a legacy transaction, and for a type byte of zero, which no transaction has.
    tx_type: u8,
    is_typed: bool,
    /// Content of the list.
    fields: &'a [u8],
}

impl<'a> TxData<'a> {
    /// Finds it in the batch. What is in the list is looked at later.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, SpanError> {
        const WHAT: &str = "transaction data";
        let first = *reader.rest().first().ok_or(SpanError::Structure(WHAT))?;
        let is_typed = first <= 0x7f;
        let tx_type = if is_typed { first } else { LEGACY };
        if is_typed {
            reader.take(1, WHAT)?;
        }
        let mut rest = reader.rest();
        let header = Header::decode(&mut rest).map_err(|_| SpanError::Structure(WHAT))?;
        let head = reader.len() - rest.len();
        if !header.list || head + header.payload_length > MAX_DATA_BYTES {
            return Err(SpanError::Structure(WHAT));
        }
        reader.take(head, WHAT)?;
        let fields = reader.take(header.payload_length, WHAT)?;
        Ok(Self {
            tx_type,
            is_typed,
            fields,
        })
    }

    /// True if a bit says whether the signature is for this chain.
    pub(super) const fn is_legacy(&self) -> bool {
        self.tx_type == LEGACY
    }

    /// The fields, each with its RLP head, checked.
    fn fields(&self) -> Result<Fields<'a>, SpanError> {
        const MALFORMED: SpanError = SpanError::Transactions("fields of a transaction");
        let mut rest = self.fields;
        let fees = match (self.tx_type, self.is_typed) {
            (LEGACY, false) | (ACCESS_LIST, true) => 1,
            (DYNAMIC_FEE | SET_CODE, true) => 2,
            _ => return Err(SpanError::Transactions("type of a transaction")),
        };
        let most_bytes = if self.tx_type == SET_CODE {
            32
        } else {
            usize::MAX
        };
        let value = integer(&mut rest, most_bytes).ok_or(MALFORMED)?;
        let start = rest;
        for _ in 0..fees {
            integer(&mut rest, most_bytes).ok_or(MALFORMED)?;
        }
        let fees = &start[..start.len() - rest.len()];
        let input = item(&mut rest)
            .filter(|item| !item.is_list)
            .ok_or(MALFORMED)?;
        let lists = rest;
        if self.tx_type != LEGACY {
            list(&mut rest, access_list_entry).ok_or(MALFORMED)?;
        }
        if self.tx_type == SET_CODE {
            list(&mut rest, authorization).ok_or(MALFORMED)?;
        }
        if !rest.is_empty() {
            return Err(MALFORMED);
        }
        Ok(Fields {
            value: value.raw,
            fees,
            input: input.raw,
            lists,
        })
    }
}

/// The fields of a transaction's data, with their RLP heads.
struct Fields<'a> {
    value: &'a [u8],
    /// Gas price, or priority fee and fee cap.
    fees: &'a [u8],
    input: &'a [u8],
    /// Access list and authorizations, as far as the type has them.
    lists: &'a [u8],
}

impl Parts<'_> {
    /// Puts the transactions together.
    pub(super) fn assemble(&self, chain_id: u64) -> Result<Vec<Transaction>, SpanError> {
        // A type that does not exist refuses the batch before any other transaction is looked at.
        for data in &self.data {
            if !matches!(data.tx_type, LEGACY | ACCESS_LIST | DYNAMIC_FEE | SET_CODE) {
                return Err(SpanError::Transactions("type of a transaction"));
            }
        }
        let mut recipients = self.recipients.iter();
        let mut legacy = 0;
        let mut transactions = Vec::with_capacity(self.data.len());
        for (index, data) in self.data.iter().enumerate() {
            let is_creation = self.creations.get(index);
            let recipient = if is_creation { None } else { recipients.next() };
            if recipient.is_none() && (!is_creation || data.tx_type == SET_CODE) {
                return Err(SpanError::Transactions("recipient of a transaction"));
            }
            let is_protected = data.is_legacy() && {
                legacy += 1;
                self.protected.get(legacy - 1)
            };
            let y_parity = u8::from(self.y_parities.get(index));
            let v = match (data.is_legacy(), is_protected) {
                (true, true) => u128::from(chain_id) * 2 + 35 + u128::from(y_parity),
                (true, false) => 27 + u128::from(y_parity),
                (false, _) => y_parity.into(),
            };
            let envelope = Envelope {
                chain_id,
                nonce: self.nonces[index],
                gas_limit: self.gas_limits[index],
                recipient,
                v,
                signature: &self.signatures[index],
            };
            transactions.push(envelope.encode(data)?);
        }
        Ok(transactions)
    }
}

/// The parts of one transaction that the batch keeps apart.
struct Envelope<'a> {
    chain_id: u64,
    nonce: u64,
    gas_limit: u64,
    recipient: Option<&'a [u8; 20]>,
    v: u128,
    signature: &'a [u8; 64],
}

impl Envelope<'_> {
    fn encode(&self, data: &TxData<'_>) -> Result<Transaction, SpanError> {
        let fields = data.fields()?;
        let mut out = Vec::with_capacity(data.fields.len() + 160);
        if !data.is_legacy() {
            self.chain_id.encode(&mut out);
        }
        self.nonce.encode(&mut out);
        out.extend_from_slice(fields.fees);
        self.gas_limit.encode(&mut out);
        self.recipient
            .map_or(&[][..], |recipient| recipient.as_slice())
            .encode(&mut out);
        out.extend_from_slice(fields.value);
        out.extend_from_slice(fields.input);
        out.extend_from_slice(fields.lists);
        self.v.encode(&mut out);
        let (r, s) = self.signature.split_at(32);
        U256::from_be_slice(r).encode(&mut out);
        U256::from_be_slice(s).encode(&mut out);

        let mut transaction = Vec::with_capacity(out.len() + 10);
        if !data.is_legacy() {
            transaction.push(data.tx_type);
        }
        let header = Header {
            list: true,
            payload_length: out.len(),
        };
        header.encode(&mut transaction);
        transaction.extend_from_slice(&out);
        Ok(transaction.into())
    }
}

/// One RLP item.
struct Item<'a> {
    is_list: bool,
    /// With its head.
    raw: &'a [u8],
    content: &'a [u8],
}

fn item<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let start = *rest;
    let header = Header::decode(rest).ok()?;
    let (content, after) = rest.split_at_checked(header.payload_length)?;
    *rest = after;
    Some(Item {
        is_list: header.list,
        raw: &start[..start.len() - after.len()],
        content,
    })
}

/// A number without leading zeros.
fn integer<'a>(rest: &mut &'a [u8], most_bytes: usize) -> Option<Item<'a>> {
    item(rest).filter(|item| {
        !item.is_list && item.content.len() <= most_bytes && item.content.first() != Some(&0)
    })
}

/// A string of exactly so many bytes.
fn fixed(rest: &mut &[u8], bytes: usize) -> Option<()> {
    item(rest)
        .filter(|item| !item.is_list && item.content.len() == bytes)
        .map(drop)
}

/// A list whose entries all are as `entry` has them.
fn list(rest: &mut &[u8], entry: fn(&mut &[u8]) -> Option<()>) -> Option<()> {
    let mut content = item(rest).filter(|item| item.is_list)?.content;
    while !content.is_empty() {
        entry(&mut content)?;
    }
    Some(())
}

/// An address and its storage keys.
fn access_list_entry(rest: &mut &[u8]) -> Option<()> {
    let mut content = item(rest).filter(|item| item.is_list)?.content;
    fixed(&mut content, 20)?;
    list(&mut content, |key| fixed(key, 32))?;
    content.is_empty().then_some(())
}

/// Chain id, address, nonce, and the three numbers of the signature (EIP-7702).
fn authorization(rest: &mut &[u8]) -> Option<()> {
    let mut content = item(rest).filter(|item| item.is_list)?.content;
    integer(&mut content, 32)?;
    fixed(&mut content, 20)?;
    for most_bytes in [8, 1, 32, 32] {
        integer(&mut content, most_bytes)?;
    }
    content.is_empty().then_some(())
}
