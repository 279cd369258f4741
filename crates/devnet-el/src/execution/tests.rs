#![allow(clippy::unwrap_used)]

mod probes;

use crate::{
    ExecutedBlock, MESSAGE_PASSER,
    testing::{
        self, FORKS, RECIPIENT, TestChain, data, legacy_transfer, transfer, user_deposit,
        withdrawal,
    },
};
use alloy_consensus::TxReceipt;
use alloy_primitives::{B256, U256};
use light_node_protocol::Hardfork;
use op_alloy_rpc_types_engine::OpExecutionData;
use proptest::prelude::*;

/// Three blocks with transfers, a withdrawal and a deposit that mints. The last one also holds the probes, whose outcome
/// differs from fork to fork.
fn eventful_blocks(fork: Hardfork) -> (TestChain, Vec<ExecutedBlock>) {
    let chain = TestChain::new(fork);
    let mut blocks = Vec::new();
    for number in 0..3u64 {
        for sender in 0..3 {
            chain.submit(&transfer(sender, number));
        }
        chain.submit(&legacy_transfer(3, number));
        chain.submit(&withdrawal(4, number));
        let head = chain.head();
        let mut attributes = chain.attributes_on(&head);
        if number == 1 {
            let transactions = attributes.transactions.as_mut().unwrap();
            transactions.push(user_deposit(RECIPIENT));
        }
        if number == 2 {
            let transactions = attributes.transactions.as_mut().unwrap();
            transactions.extend(probes::transactions());
        }
        let block = chain.build(head.hash, attributes).block().clone();
        chain.insert(&block);
        assert!(chain.choose(block.hash).is_valid());
        blocks.push((*block).clone());
    }
    (chain, blocks)
}

/// The payload as it comes over the wire.
fn through_json(block: &ExecutedBlock) -> OpExecutionData {
    let data = data(block);
    let json = serde_json::to_string(&data.payload).unwrap();
    OpExecutionData::new(serde_json::from_str(&json).unwrap(), data.sidecar)
}

#[test]
fn a_block_built_here_is_valid_elsewhere_in_every_fork() {
    for fork in FORKS {
        let (chain, blocks) = eventful_blocks(fork);
        let elsewhere = TestChain::new(fork);
        for block in &blocks {
            let probes = match block.number() {
                3 => probes::count(fork),
                _ => 0,
            };
            let others = if block.number() == 2 { 7 } else { 6 };
            assert_eq!(block.receipts.len(), others + probes, "{fork}");
            // Probes come after the L1-info deposit.
            let usual = block.receipts.iter().take(1);
            let mut usual = usual.chain(block.receipts.iter().skip(1 + probes));
            assert!(usual.all(TxReceipt::status), "{fork}");
            let status = elsewhere.el.new_payload(through_json(block));
            assert!(status.is_valid(), "{fork}: {status:?}");
            assert!(elsewhere.choose(block.hash).is_valid());
        }
        let state = elsewhere.el.view().head_state().clone();
        let transfers = U256::from(3 * 3 * 12_345 + 3);
        let minted = U256::from(10).pow(U256::from(18));
        assert_eq!(state.balance(&RECIPIENT), transfers + minted, "{fork}");
        assert_eq!(state.root(), chain.head().header().state_root);
        // The L1 info arrived in the contract from which the EVM reads it.
        let l1_block = light_node_protocol::l1_info::L1_BLOCK_ADDRESS;
        assert_eq!(
            state.storage(&l1_block, U256::ONE),
            U256::from(1_000_000_000)
        );
        assert_eq!(state.storage(&MESSAGE_PASSER, U256::ONE), U256::from(3));
    }
}

#[test]
fn headers_carry_the_fields_of_their_fork() {
    for fork in FORKS {
        let (_, blocks) = eventful_blocks(fork);
        let header = blocks[2].header();
        let is_isthmus = fork >= Hardfork::Isthmus;
        assert_eq!(header.requests_hash.is_some(), is_isthmus, "{fork}");
        let root = header.withdrawals_root.unwrap();
        assert_eq!(root != alloy_trie::EMPTY_ROOT_HASH, is_isthmus, "{fork}");
        let da_footprint = header.blob_gas_used.unwrap();
        assert_eq!(da_footprint > 0, fork >= Hardfork::Jovian, "{fork}");
        assert_eq!(header.excess_blob_gas, Some(0));
        let value = blocks[2].value();
        assert!(value > U256::ZERO, "{fork}: priority fees were paid");
    }
}

/// Hashes of the genesis block and of the third block of [`eventful_blocks`]. They change only if the rules of the chain or
/// our predeploys do; then op-reth and op-geth must be asked again.
#[test]
fn block_hashes_stay_what_they_were() {
    let mut hashes = String::new();
    for fork in FORKS {
        let (chain, blocks) = eventful_blocks(fork);
        let genesis = chain.el.view().genesis().hash;
        hashes += &format!("{fork} {genesis} {}\n", blocks[2].hash);
    }
    assert_eq!(hashes, include_str!("../../testdata/own-block-hashes.txt"));
}

#[test]
fn what_a_header_claims_wrongly_is_named() {
    let chain = TestChain::new(Hardfork::Jovian);
    let block = chain.block_on(&chain.head(), 1);
    let refused = |change: &dyn Fn(&mut ExecutedBlock), reason: &str| {
        let mut wrong = (*block).clone();
        change(&mut wrong);
        wrong.hash = wrong.header().hash_slow();
        let status = chain.el.new_payload(data(&wrong));
        let message = format!("{status:?}");
        assert!(status.is_invalid() && message.contains(reason), "{message}");
        let genesis = chain.el.view().genesis().hash;
        assert_eq!(status.latest_valid_hash, Some(genesis), "{reason}");
    };
    refused(
        &|wrong| wrong.block.header.state_root = B256::ZERO,
        "stateRoot",
    );
    refused(&|wrong| wrong.block.header.gas_used += 1, "gasUsed");
    refused(&|wrong| wrong.block.header.number += 1, "number");
    refused(
        &|wrong| wrong.block.header.receipts_root = B256::ZERO,
        "receiptsRoot",
    );
    refused(
        &|wrong| wrong.block.header.withdrawals_root = Some(B256::ZERO),
        "withdrawalsRoot",
    );
    refused(
        &|wrong| wrong.block.header.blob_gas_used = Some(1),
        "blobGasUsed",
    );
    refused(
        &|wrong| wrong.block.header.base_fee_per_gas = Some(1),
        "base fee",
    );
    refused(
        &|wrong| wrong.block.header.timestamp = testing::GENESIS_TIME,
        "timestamp",
    );
    refused(
        &|wrong| wrong.block.header.extra_data = vec![1; 9].into(),
        "extra data",
    );
}

#[test]
fn from_jovian_on_a_block_without_l1_info_is_invalid() {
    for (fork, is_valid) in [(Hardfork::Isthmus, true), (Hardfork::Jovian, false)] {
        let chain = TestChain::new(fork);
        let genesis = chain.head();
        let mut attributes = chain.attributes_on(&genesis);
        attributes.transactions = None;
        let block = chain.build(genesis.hash, attributes);
        let status = chain.el.new_payload(data(block.block()));
        assert_eq!(status.is_valid(), is_valid, "{fork}: {status:?}");
        assert_eq!(
            status.to_string().contains("L1-info"),
            !is_valid,
            "{status}"
        );
    }
}

#[test]
fn a_payload_with_an_invalid_transaction_is_invalid() {
    let chain = TestChain::new(Hardfork::Isthmus);
    chain.submit(&transfer(0, 0));
    let block = chain.block_on(&chain.head(), 1);
    // The same transfer twice: the second has a nonce that is used.
    let mut twice = (*block).clone();
    let transfer = twice.block.body.transactions[1].clone();
    twice.block.body.transactions.push(transfer);
    twice.block.header.transactions_root =
        alloy_consensus::proofs::calculate_transaction_root(&twice.block.body.transactions);
    twice.hash = twice.header().hash_slow();
    let status = chain.el.new_payload(data(&twice));
    assert!(status.is_invalid());
    assert!(format!("{status:?}").contains("nonce"), "{status:?}");
}

/// A payload of Isthmus with fields and bytes that a hostile peer chose, under the hash that they have.
fn forged(
    block: &ExecutedBlock,
    (gas_limit, timestamp, number, base_fee): (u64, u64, u64, u64),
    extra_data: &[u8],
    (transaction, at, flip): (usize, usize, u8),
) -> OpExecutionData {
    let OpExecutionData {
        mut payload,
        sidecar,
    } = data(block);
    let fields = payload.as_v1_mut();
    (fields.gas_limit, fields.timestamp) = (gas_limit, timestamp);
    (fields.block_number, fields.base_fee_per_gas) = (number, U256::from(base_fee));
    fields.extra_data = extra_data.to_vec().into();
    let index = transaction % fields.transactions.len();
    let mut raw = fields.transactions[index].to_vec();
    let at = at % raw.len();
    raw[at] ^= flip;
    fields.transactions[index] = raw.into();
    let raw = payload.clone().into_block_with_sidecar_raw(&sidecar);
    if let Ok(raw) = raw {
        payload.as_v1_mut().block_hash = raw.header.hash_slow();
    }
    OpExecutionData::new(payload, sidecar)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_forged_payload_gets_an_answer_and_never_a_panic(
        gas_limit in prop_oneof![4 => Just(testing::GAS_LIMIT), 1 => any::<u64>()],
        timestamp in prop_oneof![4 => Just(testing::GENESIS_TIME + 2), 1 => any::<u64>()],
        number in prop_oneof![4 => Just(1), 1 => any::<u64>()],
        base_fee in prop_oneof![4 => Just(996_000_000), 1 => any::<u64>()],
        extra_data in prop_oneof![
            4 => Just(vec![0, 0, 0, 0, 250, 0, 0, 0, 6]),
            1 => prop::collection::vec(any::<u8>(), 0..40),
        ],
        flip in (any::<usize>(), any::<usize>(), prop_oneof![Just(0), any::<u8>()]),
    ) {
        let chain = TestChain::new(Hardfork::Isthmus);
        chain.submit(&transfer(0, 0));
        chain.submit(&withdrawal(1, 0));
        let block = chain.block_on(&chain.head(), 1);
        let forged = forged(&block, (gas_limit, timestamp, number, base_fee), &extra_data, flip);
        let is_original = forged.payload == data(&block).payload;
        let hash = forged.block_hash();
        let status = chain.el.new_payload(forged);
        // Some changes make another valid block: a lower gas limit, another source hash of a deposit.
        let is_answer = status.is_valid() || (status.is_invalid() && !is_original);
        prop_assert!(is_answer, "{:?}", status);
        if status.is_valid() {
            prop_assert!(chain.choose(hash).is_valid());
        }
        // Whatever it was, a block can be built on what stands now.
        chain.extend();
    }
}
