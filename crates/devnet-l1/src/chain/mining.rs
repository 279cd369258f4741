//! Mining: fills a slot with the pool's best transactions and seals the block with exact roots.

use super::{
    Chain, L1Block, L1Transaction,
    execution::{self, BlockEnv},
    next_base_fee,
};
use crate::{pool::PoolTransaction, state::State};
use alloy_consensus::{
    Header, Receipt, ReceiptEnvelope, Transaction, proofs, transaction::Recovered,
};
use alloy_eips::{eip7685::EMPTY_REQUESTS_HASH, eip7840::BlobParams};
use alloy_primitives::{Bloom, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use std::{collections::HashSet, sync::Arc};

/// What goes into a block.
#[derive(Default)]
struct Body {
    transactions: Vec<Recovered<L1Transaction>>,
    receipts: Vec<ReceiptEnvelope>,
    sidecars: Vec<PoolTransaction>,
    state: State,
}

impl Chain {
    /// Mines a block into `slot`, or into the next one if the head is there already.
    pub fn mine(&mut self, slot: u64) -> Arc<L1Block> {
        let parent = self.head().clone();
        let slot = slot.max(parent.slot.saturating_add(1));
        let mut header = self.open_header(&parent, slot);
        let mut body = self.fill(&parent, &mut header);
        let roots: Vec<&L1Transaction> = body.transactions.iter().map(Recovered::inner).collect();
        header.transactions_root = proofs::calculate_transaction_root(&roots);
        header.receipts_root = proofs::calculate_receipt_root(&body.receipts);
        header.logs_bloom = body
            .receipts
            .iter()
            .fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
        header.state_root = body.state.root();
        for pooled in body.sidecars.drain(..) {
            self.blobs.keep(&pooled);
        }
        self.pool.prune(&body.state);
        let block = Arc::new(L1Block {
            hash: header.hash_slow(),
            slot,
            header,
            transactions: body.transactions,
            receipts: body.receipts,
            state: body.state,
        });
        self.append(block.clone());
        block
    }

    /// The header of a new block as far as it is known before its transactions.
    fn open_header(&self, parent: &L1Block, slot: u64) -> Header {
        let timestamp = slot
            .saturating_mul(self.config.block_time.as_secs())
            .saturating_add(self.config.genesis_time);
        let branch = self.branch.to_be_bytes();
        Header {
            parent_hash: parent.hash,
            number: parent.number() + 1,
            timestamp,
            gas_limit: self.config.gas_limit,
            base_fee_per_gas: Some(next_base_fee(&parent.header)),
            // Random enough for a devnet, and different on every branch.
            mix_hash: keccak256([slot.to_be_bytes(), branch].concat()),
            extra_data: branch.into(),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: parent
                .header
                .next_block_excess_blob_gas(BlobParams::prague()),
            // There is no beacon chain; its parent root only has to be a word of its own for each parent.
            parent_beacon_block_root: Some(keccak256(parent.hash)),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }

    /// Takes transactions out of the pool, best first and by nonce within a sender, as long as the block has room.
    fn fill(&mut self, parent: &L1Block, header: &mut Header) -> Body {
        let params = BlobParams::prague();
        let mut env = BlockEnv {
            contracts: &self.config.contracts,
            beneficiary: header.beneficiary,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            blob_base_fee: header.blob_fee(params).unwrap_or(1),
            deposit_gas: 0,
        };
        let mut body = Body {
            state: parent.state.clone(),
            ..Body::default()
        };
        let (mut skipped, mut blob_gas) = (HashSet::new(), 0);
        while let Some(best) = self.pool.best(&body.state, env.base_fee, &skipped) {
            let (sender, nonce) = (best.tx.signer(), best.tx.nonce());
            let blobs = best.tx.blob_gas_used().unwrap_or(0);
            let fits = best.tx.gas_limit() <= header.gas_limit - header.gas_used
                && blob_gas + blobs <= params.max_blob_gas_per_block();
            let executed = fits.then(|| execution::execute(&mut body.state, &mut env, &best.tx));
            let Some(Ok(execution)) = executed else {
                skipped.insert(sender);
                continue;
            };
            header.gas_used += execution.gas_used;
            blob_gas += blobs;
            let receipt = Receipt {
                status: execution.reverted.is_none().into(),
                cumulative_gas_used: header.gas_used,
                logs: execution.logs,
            };
            let pooled = self
                .pool
                .remove(sender, nonce)
                .expect("it was found in the pool");
            let tx_type = pooled.tx.tx_type();
            body.receipts
                .push(ReceiptEnvelope::from_typed(tx_type, receipt));
            body.transactions.push(pooled.tx.clone());
            body.sidecars.push(pooled);
        }
        header.blob_gas_used = Some(blob_gas);
        body
    }

    fn append(&mut self, block: Arc<L1Block>) {
        for (index, tx) in block.transactions.iter().enumerate() {
            self.transactions
                .insert(*tx.tx_hash(), (block.number(), index));
        }
        self.labels.advance(block.number());
        self.by_hash.insert(block.hash, block.clone());
        self.canonical.push(block);
    }
}
