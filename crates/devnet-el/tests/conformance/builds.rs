//! The EL under test and the embedded one build the same blocks, hash by hash, from the same attributes: deposits that mint
//! and deposits that fail, transfers, creations, withdrawals, logs, and the fees that follow from them.

use crate::chain::{CHAIN_ID, Chain, wallet};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxLegacy};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use alloy_rpc_types_engine::ForkchoiceState;
use alloy_signer::SignerSync;
use light_node_devnet_el::MESSAGE_PASSER;
use light_node_engine_api::{
    EngineApi,
    conformance::{Built, Fixture},
    payload_ref,
};
use light_node_protocol::L2BlockRef;
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};

const RECIPIENT: Address = Address::repeat_byte(0xaa);

pub(crate) async fn check_all(fixture: &Fixture, chain: &Chain) {
    let genesis = chain.embedded().view().genesis().hash;
    assert_eq!(fixture.genesis().hash, genesis);
    let mut parent = fixture.genesis();
    for transactions in blocks() {
        parent = both_build(fixture, parent, transactions).await.block_ref;
    }
}

/// The transactions of each block, after its L1-info deposit.
fn blocks() -> Vec<Vec<Bytes>> {
    let mut nonces = [0; 4];
    let mut next = |index: u8| {
        let nonce = &mut nonces[usize::from(index)];
        *nonce += 1;
        *nonce - 1
    };
    let money = deposit(RECIPIENT.into(), 5, 3, &[]);
    // Reverts: the minted money stays.
    let failing = deposit(MESSAGE_PASSER.into(), 7, 0, &[0x12, 0x34, 0x56, 0x78]);
    let mut blocks = vec![
        vec![],
        vec![
            transfer(0, next(0)),
            legacy(1, next(1)),
            with_access_list(2, next(2)),
        ],
        vec![money, failing, creation(3, next(3))],
        vec![
            withdrawal(0, next(0)),
            withdrawal(1, next(1)),
            transfer(2, next(2)),
        ],
    ];
    // Enough bytes and gas to move the base fee, and the DA footprint with it.
    blocks.push((0..40).map(|_| creation(3, next(3))).collect());
    blocks.extend([vec![transfer(0, next(0))], vec![]]);
    blocks
}

async fn both_build(fixture: &Fixture, parent: L2BlockRef, transactions: Vec<Bytes>) -> Built {
    let mut attributes = fixture.attributes(&parent, fixture.salt());
    attributes
        .transactions
        .as_mut()
        .unwrap()
        .extend(transactions);
    let ours = build(&*fixture.builder, parent.hash, attributes.clone()).await;
    let theirs = build(&*fixture.subject, parent.hash, attributes).await;
    assert_eq!(ours.execution_payload, theirs.execution_payload);
    assert_eq!(
        ours.parent_beacon_block_root,
        theirs.parent_beacon_block_root
    );
    let block_ref = payload_ref(&fixture.config, &ours).unwrap();
    let built = Built {
        block_ref,
        envelope: ours,
    };
    assert!(
        fixture
            .builder
            .new_payload(&built.envelope)
            .await
            .unwrap()
            .is_valid()
    );
    fixture.insert(&built).await;
    fixture.choose_until_head(&built).await;
    built
}

async fn build(
    el: &dyn EngineApi,
    parent: B256,
    attributes: OpPayloadAttributes,
) -> OpExecutionPayloadEnvelope {
    let timestamp = attributes.payload_attributes.timestamp;
    let count = attributes.transactions.as_ref().unwrap().len();
    let state = ForkchoiceState {
        head_block_hash: parent,
        ..ForkchoiceState::default()
    };
    let started = el
        .fork_choice_updated(state, Some(attributes))
        .await
        .unwrap();
    let id = started.payload_id.unwrap();
    let envelope = el.get_payload(id, timestamp).await.unwrap();
    assert_eq!(envelope.execution_payload.transactions().len(), count);
    envelope
}

fn signed<T>(index: u8, transaction: T) -> Bytes
where
    T: SignableTransaction<Signature>,
    OpTxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = wallet(index)
        .sign_hash_sync(&transaction.signature_hash())
        .unwrap();
    OpTxEnvelope::from(transaction.into_signed(signature))
        .encoded_2718()
        .into()
}

fn eip1559(nonce: u64, to: TxKind, gas_limit: u64, input: Bytes) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to,
        value: U256::ZERO,
        input,
        ..TxEip1559::default()
    }
}

fn transfer(from: u8, nonce: u64) -> Bytes {
    let mut transaction = eip1559(nonce, RECIPIENT.into(), 21_000, Bytes::new());
    transaction.value = U256::from(12_345);
    signed(from, transaction)
}

fn legacy(from: u8, nonce: u64) -> Bytes {
    let transaction = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 3_000_000_000,
        gas_limit: 30_000,
        to: RECIPIENT.into(),
        value: U256::from(1),
        input: Bytes::from_static(&[1, 0, 2]),
    };
    signed(from, transaction)
}

fn with_access_list(from: u8, nonce: u64) -> Bytes {
    let transaction = TxEip2930 {
        chain_id: CHAIN_ID,
        nonce,
        gas_price: 3_000_000_000,
        gas_limit: 60_000,
        to: RECIPIENT.into(),
        value: U256::from(1),
        access_list: vec![alloy_eips::eip2930::AccessListItem {
            address: MESSAGE_PASSER,
            storage_keys: vec![B256::ZERO],
        }]
        .into(),
        input: Bytes::new(),
    };
    signed(from, transaction)
}

/// Creates a contract of 2000 bytes that hardly compress.
fn creation(from: u8, nonce: u64) -> Bytes {
    // Returns what follows these fifteen bytes, of which the first is STOP.
    let mut code = hex!("6107d0600f6000396107d06000f3").to_vec();
    code.resize(15, 0);
    let noise = (0u8..).flat_map(|seed| keccak256([seed, from, nonce.to_be_bytes()[7]]).0);
    code.extend(std::iter::once(0).chain(noise).take(2000));
    signed(from, eip1559(nonce, TxKind::Create, 1_000_000, code.into()))
}

/// `initiateWithdrawal(RECIPIENT, 100000, "hello")`.
fn withdrawal(from: u8, nonce: u64) -> Bytes {
    let mut input = keccak256("initiateWithdrawal(address,uint256,bytes)")[..4].to_vec();
    input.extend(RECIPIENT.into_word());
    for word in [100_000, 0x60, 5] {
        input.extend(U256::from(word).to_be_bytes::<32>());
    }
    input.extend(*b"hello");
    input.resize(4 + 5 * 32, 0);
    signed(
        from,
        eip1559(nonce, MESSAGE_PASSER.into(), 300_000, input.into()),
    )
}

fn deposit(to: TxKind, mint: u128, value: u64, input: &[u8]) -> Bytes {
    let deposit = TxDeposit {
        source_hash: keccak256([&mint.to_be_bytes()[..], input].concat()),
        from: Address::repeat_byte(0x66),
        to,
        mint,
        value: U256::from(value),
        gas_limit: 100_000,
        is_system_transaction: false,
        input: input.to_vec().into(),
    };
    deposit.encoded_2718().into()
}
