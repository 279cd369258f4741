//! Our blocks, transactions and receipts in the form of JSON-RPC answers.

use super::l1_fee::L1Prices;
use crate::{execution::ExecutedBlock, spec::ElSpec};
use alloy_consensus::{ReceiptWithBloom, Transaction as _, TxReceipt, transaction::Recovered};
use alloy_network_primitives::BlockTransactions;
use alloy_primitives::{Address, TxKind, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{Block, Header, Log, TransactionInfo, TransactionReceipt};
use op_alloy_consensus::{
    OpDepositReceipt, OpReceipt, OpReceiptEnvelope, OpTxEnvelope,
    transaction::{OpDepositInfo, OpTransactionInfo},
};
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};

/// A block with hashes of its transactions, or with the transactions themselves.
pub(crate) fn rpc_block(block: &ExecutedBlock, full: bool) -> Block<Transaction> {
    let transactions = if full {
        let count = block.block.body.transactions.len();
        BlockTransactions::Full(
            (0..count)
                .filter_map(|index| rpc_transaction(block, index))
                .collect(),
        )
    } else {
        BlockTransactions::Hashes(
            block
                .block
                .body
                .transactions
                .iter()
                .map(|transaction| transaction.tx_hash())
                .collect(),
        )
    };
    Block {
        header: rpc_header(block),
        uncles: Vec::new(),
        transactions,
        withdrawals: block.block.body.withdrawals.clone(),
    }
}

/// The header of a block, with its hash and the size of the whole block.
pub(super) fn rpc_header(block: &ExecutedBlock) -> Header {
    Header {
        hash: block.hash,
        inner: block.header().clone(),
        total_difficulty: None,
        size: Some(U256::from(block.block.length())),
    }
}

/// The transaction of a block at `index`.
pub(super) fn rpc_transaction(block: &ExecutedBlock, index: usize) -> Option<Transaction> {
    let transaction = block.block.body.transactions.get(index)?.clone();
    let sender = *block.senders.get(index)?;
    let receipt = block.receipts.get(index)?;
    let header = block.header();
    let info = OpTransactionInfo {
        inner: TransactionInfo {
            hash: Some(transaction.tx_hash()),
            index: Some(index as u64),
            block_hash: Some(block.hash),
            block_number: Some(header.number),
            base_fee: header.base_fee_per_gas,
            block_timestamp: Some(header.timestamp),
        },
        deposit_meta: OpDepositInfo {
            deposit_nonce: receipt.deposit_nonce(),
            deposit_receipt_version: receipt.deposit_receipt_version(),
        },
    };
    Some(Transaction::from_transaction(
        Recovered::new_unchecked(transaction, sender),
        info,
    ))
}

/// A transaction that waits in the pool.
pub(super) fn rpc_pending(transaction: OpTxEnvelope, sender: Address) -> Transaction {
    let recovered = Recovered::new_unchecked(transaction, sender);
    Transaction::from_transaction(recovered, OpTransactionInfo::default())
}

/// The receipts of all transactions of a block.
pub(super) fn rpc_receipts(spec: &ElSpec, block: &ExecutedBlock) -> Vec<OpTransactionReceipt> {
    let prices = L1Prices::of(spec, block);
    let prices = prices.as_ref();
    let (mut first_log, mut gas_before) = (0, 0);
    let transactions = block.block.body.transactions.iter().zip(&block.senders);
    transactions
        .zip(&block.receipts)
        .enumerate()
        .map(|(index, ((transaction, sender), receipt))| {
            let gas_used = receipt.cumulative_gas_used().saturating_sub(gas_before);
            gas_before = receipt.cumulative_gas_used();
            let logs = rpc_logs(block, index, first_log);
            first_log += logs.len() as u64;
            OpTransactionReceipt {
                inner: TransactionReceipt {
                    inner: receipt_with_logs(receipt, logs),
                    transaction_hash: transaction.tx_hash(),
                    transaction_index: Some(index as u64),
                    block_hash: Some(block.hash),
                    block_number: Some(block.number()),
                    gas_used,
                    effective_gas_price: effective_gas_price(block, transaction),
                    blob_gas_used: prices.and_then(|prices| prices.da_footprint(transaction)),
                    blob_gas_price: None,
                    from: *sender,
                    to: transaction.to(),
                    contract_address: created_contract(transaction, *sender, receipt),
                },
                l1_block_info: prices
                    .map(|prices| prices.receipt_fields(transaction))
                    .unwrap_or_default(),
                op_gas_refund: None,
            }
        })
        .collect()
}

/// The logs of the transaction at `index`; its first log has the index `first_log` in the block.
pub(super) fn rpc_logs(block: &ExecutedBlock, index: usize, first_log: u64) -> Vec<Log> {
    let (Some(transaction), Some(receipt)) = (
        block.block.body.transactions.get(index),
        block.receipts.get(index),
    ) else {
        return Vec::new();
    };
    receipt
        .logs()
        .iter()
        .enumerate()
        .map(|(position, log)| Log {
            inner: log.clone(),
            block_hash: Some(block.hash),
            block_number: Some(block.number()),
            block_timestamp: Some(block.header().timestamp),
            transaction_hash: Some(transaction.tx_hash()),
            transaction_index: Some(index as u64),
            log_index: Some(first_log + position as u64),
            removed: false,
        })
        .collect()
}

fn receipt_with_logs(
    receipt: &OpReceiptEnvelope,
    logs: Vec<Log>,
) -> ReceiptWithBloom<OpReceipt<Log>> {
    let inner = alloy_consensus::Receipt {
        status: receipt.status_or_post_state(),
        cumulative_gas_used: receipt.cumulative_gas_used(),
        logs,
    };
    let typed = match receipt {
        OpReceiptEnvelope::Legacy(_) => OpReceipt::Legacy(inner),
        OpReceiptEnvelope::Eip2930(_) => OpReceipt::Eip2930(inner),
        OpReceiptEnvelope::Eip1559(_) => OpReceipt::Eip1559(inner),
        OpReceiptEnvelope::Eip7702(_) => OpReceipt::Eip7702(inner),
        OpReceiptEnvelope::PostExec(_) => OpReceipt::PostExec(inner),
        OpReceiptEnvelope::Deposit(_) => OpReceipt::Deposit(OpDepositReceipt {
            inner,
            deposit_nonce: receipt.deposit_nonce(),
            deposit_receipt_version: receipt.deposit_receipt_version(),
        }),
    };
    ReceiptWithBloom {
        receipt: typed,
        logs_bloom: receipt.bloom(),
    }
}

fn effective_gas_price(block: &ExecutedBlock, transaction: &OpTxEnvelope) -> u128 {
    if transaction.is_deposit() {
        return 0;
    }
    transaction.effective_gas_price(block.header().base_fee_per_gas)
}

/// The address of the contract that a transaction created. A deposit's nonce is the one in its receipt.
fn created_contract(
    transaction: &OpTxEnvelope,
    sender: Address,
    receipt: &OpReceiptEnvelope,
) -> Option<Address> {
    if transaction.kind() != TxKind::Create {
        return None;
    }
    let nonce = receipt
        .deposit_nonce()
        .unwrap_or_else(|| transaction.nonce());
    receipt.status().then(|| sender.create(nonce))
}
