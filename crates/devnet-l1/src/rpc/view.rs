//! Blocks, transactions, receipts and logs as JSON-RPC shows them. Whoever reads them recomputes our hashes, so every
//! header field is here, and receipts carry what the receipts root is made of.

use crate::chain::{L1Block, L1Transaction};
use alloy_consensus::{Receipt, ReceiptEnvelope, Transaction, transaction::Recovered};
use alloy_eips::{eip4895::Withdrawals, eip7840::BlobParams};
use alloy_network_primitives::BlockTransactions;
use alloy_primitives::Log;
use alloy_rpc_types_eth as rpc;

/// A block, with whole transactions or with their hashes.
pub(crate) fn block(block: &L1Block, full: bool) -> rpc::Block<rpc::Transaction<L1Transaction>> {
    let transactions = if full {
        let all = (0..block.transactions().len()).filter_map(|index| transaction(block, index));
        BlockTransactions::Full(all.collect())
    } else {
        BlockTransactions::Hashes(
            block
                .transactions()
                .iter()
                .map(|tx| *tx.tx_hash())
                .collect(),
        )
    };
    rpc::Block {
        header: header(block),
        uncles: Vec::new(),
        transactions,
        withdrawals: Some(Withdrawals::default()),
    }
}

/// The header with its hash.
pub(crate) fn header(block: &L1Block) -> rpc::Header {
    rpc::Header {
        hash: block.hash(),
        inner: block.header().clone(),
        total_difficulty: None,
        size: None,
    }
}

/// One transaction of a block.
pub(crate) fn transaction(
    block: &L1Block,
    index: usize,
) -> Option<rpc::Transaction<L1Transaction>> {
    let tx = block.transactions().get(index)?;
    Some(rpc::Transaction {
        inner: tx.clone(),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        transaction_index: Some(index as u64),
        effective_gas_price: Some(tx.effective_gas_price(block.header().base_fee_per_gas)),
        block_timestamp: Some(block.header().timestamp),
    })
}

/// A transaction that waits for a block.
pub(crate) fn pending_transaction(
    tx: &Recovered<L1Transaction>,
) -> rpc::Transaction<L1Transaction> {
    rpc::Transaction {
        inner: tx.clone(),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    }
}

/// All receipts of a block.
pub(crate) fn receipts(block: &L1Block) -> Vec<rpc::TransactionReceipt> {
    let (mut log_index, mut gas_before) = (0, 0);
    let blob_gas_price = block.header().blob_fee(BlobParams::prague());
    let pairs = block
        .transactions()
        .iter()
        .zip(block.receipts())
        .enumerate();
    pairs
        .map(|(index, (tx, receipt))| {
            let cumulative_gas_used = receipt.cumulative_gas_used();
            let gas_used =
                cumulative_gas_used - std::mem::replace(&mut gas_before, cumulative_gas_used);
            let logs = receipt.logs().iter().map(|entry| {
                let entry = log(block, index, log_index, entry);
                log_index += 1;
                entry
            });
            let receipt = Receipt {
                status: receipt.status().into(),
                cumulative_gas_used,
                logs: logs.collect(),
            };
            let blob_gas_used = tx.blob_gas_used();
            rpc::TransactionReceipt {
                inner: ReceiptEnvelope::from_typed(tx.tx_type(), receipt),
                transaction_hash: *tx.tx_hash(),
                transaction_index: Some(index as u64),
                block_hash: Some(block.hash()),
                block_number: Some(block.number()),
                gas_used,
                effective_gas_price: tx.effective_gas_price(block.header().base_fee_per_gas),
                blob_gas_used,
                blob_gas_price: blob_gas_used.and(blob_gas_price),
                from: tx.signer(),
                to: tx.to(),
                contract_address: None,
            }
        })
        .collect()
}

/// All logs of a block, numbered over the whole block.
pub(crate) fn logs(block: &L1Block) -> impl Iterator<Item = rpc::Log> {
    let entries = block.receipts().iter().enumerate();
    entries
        .flat_map(|(index, receipt)| receipt.logs().iter().map(move |entry| (index, entry)))
        .enumerate()
        .map(|(log_index, (index, entry))| log(block, index, log_index as u64, entry))
}

fn log(block: &L1Block, index: usize, log_index: u64, entry: &Log) -> rpc::Log {
    rpc::Log {
        inner: entry.clone(),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        block_timestamp: Some(block.header().timestamp),
        transaction_hash: block.transactions().get(index).map(|tx| *tx.tx_hash()),
        transaction_index: Some(index as u64),
        log_index: Some(log_index),
        removed: false,
    }
}
