//! One L1 block as it is kept: header, transactions with their senders, receipts, and the state after it.

use crate::state::State;
use alloy_consensus::{
    EthereumTxEnvelope, Header, ReceiptEnvelope, Transaction, TxEip4844, transaction::Recovered,
};
use alloy_primitives::{Address, B256, Bytes};
use light_node_protocol::L1BlockRef;

/// A transaction as it stands in a block: blob transactions without their blobs.
pub type L1Transaction = EthereumTxEnvelope<TxEip4844>;

/// A block. Its receipts stand in the order of its transactions.
#[derive(Clone, Debug)]
pub struct L1Block {
    pub(super) hash: B256,
    pub(super) slot: u64,
    pub(super) header: Header,
    pub(super) transactions: Vec<Recovered<L1Transaction>>,
    pub(super) receipts: Vec<ReceiptEnvelope>,
    pub(super) state: State,
}

impl L1Block {
    /// Hash of the header.
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Block number.
    pub const fn number(&self) -> u64 {
        self.header.number
    }

    /// The slot that the block was mined in; with missed slots it runs ahead of the number.
    pub const fn slot(&self) -> u64 {
        self.slot
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Base fee in wei per gas.
    pub fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }

    /// The transactions with their senders.
    pub fn transactions(&self) -> &[Recovered<L1Transaction>] {
        &self.transactions
    }

    /// The receipts.
    pub fn receipts(&self) -> &[ReceiptEnvelope] {
        &self.receipts
    }

    /// The accounts after this block.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Hash, number, parent and time.
    pub const fn reference(&self) -> L1BlockRef {
        L1BlockRef {
            hash: self.hash,
            number: self.header.number,
            parent_hash: self.header.parent_hash,
            timestamp: self.header.timestamp,
        }
    }

    /// Sender and calldata of every transaction to `address`, in block order. For the batch inbox these are the batcher
    /// transactions; a receipt's status does not matter to derivation and is not looked at.
    pub fn inputs_to(&self, address: Address) -> impl Iterator<Item = (Address, &Bytes)> {
        self.transactions
            .iter()
            .filter(move |tx| tx.to() == Some(address))
            .map(|tx| (tx.signer(), tx.input()))
    }
}
