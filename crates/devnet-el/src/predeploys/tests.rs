#![allow(clippy::unwrap_used)]

use super::{l1_block, message_passer, selector};
use crate::{
    ChainView, MESSAGE_PASSER,
    testing::{RECIPIENT, TestChain, wallet, withdrawal},
};
use alloy_evm::{Evm, EvmFactory};
use alloy_op_evm::{OpEvmFactory, OpTx, env::evm_env_for_op_block};
use alloy_primitives::{Address, B256, Bytes, U256, address, b256, keccak256};
use light_node_protocol::{Hardfork, L1BlockInfo, l1_info::L1_BLOCK_ADDRESS};
use revm::{
    context::result::ExecutionResult,
    database::{State, WrapDatabaseRef},
};

/// Calls a contract in the state of the head.
fn call(
    view: &ChainView,
    from: Address,
    to: Address,
    input: Bytes,
) -> ExecutionResult<impl Sized + use<>> {
    let spec = view.spec();
    let env = evm_env_for_op_block(view.head().header(), spec.forks(), spec.chain_id());
    let database = State::builder()
        .with_database(WrapDatabaseRef(view.head_state().clone()))
        .build();
    OpEvmFactory::<OpTx>::default()
        .create_evm(database, env)
        .transact_system_call(from, to, input)
        .unwrap()
        .result
}

fn read(view: &ChainView, to: Address, signature: &str) -> U256 {
    let result = call(view, Address::ZERO, to, selector(signature).into());
    U256::from_be_slice(result.output().unwrap())
}

#[test]
fn l1_block_returns_what_the_deposit_said() {
    for fork in [Hardfork::Ecotone, Hardfork::Isthmus, Hardfork::Jovian] {
        let chain = TestChain::new(fork);
        let block = chain.extend();
        let deposit = block.block.body.transactions[0].as_deposit().unwrap();
        let info = L1BlockInfo::decode(&deposit.input).unwrap();
        let view = chain.el.view();
        let read = |signature| read(&view, L1_BLOCK_ADDRESS, signature);
        assert_eq!(read("number()"), U256::from(info.number));
        assert_eq!(read("timestamp()"), U256::from(info.timestamp));
        assert_eq!(read("basefee()"), info.base_fee);
        assert_eq!(read("hash()"), U256::from_be_bytes(info.hash.0));
        assert_eq!(read("sequenceNumber()"), U256::from(info.sequence_number));
        assert_eq!(read("baseFeeScalar()"), U256::from(1_368));
        assert_eq!(read("blobBaseFeeScalar()"), U256::from(810_949));
        assert_eq!(read("blobBaseFee()"), U256::ONE);
        assert_eq!(
            read("batcherHash()"),
            U256::from_be_bytes(info.batcher_address.into_word().0)
        );
        let scalar = if fork >= Hardfork::Jovian { 400 } else { 0 };
        assert_eq!(read("daFootprintGasScalar()"), U256::from(scalar), "{fork}");
        assert_eq!(read("operatorFeeConstant()"), U256::ZERO);
    }
}

#[test]
fn only_the_depositor_sets_l1_block_and_unknown_functions_revert() {
    let chain = TestChain::new(Hardfork::Jovian);
    let block = chain.extend();
    let deposit = block.block.body.transactions[0].as_deposit().unwrap();
    let view = chain.el.view();
    let set = |from| call(&view, from, L1_BLOCK_ADDRESS, deposit.input.clone()).is_success();
    assert!(set(deposit.from));
    assert!(!set(wallet(0).address()));
    let unknown = selector("unknown()");
    assert!(!call(&view, Address::ZERO, L1_BLOCK_ADDRESS, unknown.into()).is_success());
    assert!(!call(&view, Address::ZERO, MESSAGE_PASSER, unknown.into()).is_success());
}

#[test]
fn a_withdrawal_is_stored_and_logged_under_its_hash() {
    let chain = TestChain::new(Hardfork::Jovian);
    chain.submit(&withdrawal(0, 0));
    let block = chain.extend();
    let logs = block.receipts[1].logs();
    assert_eq!(logs.len(), 1);
    let event = "MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)";
    let nonce: U256 = U256::ONE << 240;
    let sender = wallet(0).address();
    assert_eq!(
        logs[0].topics(),
        [
            keccak256(event),
            nonce.into(),
            sender.into_word(),
            RECIPIENT.into_word()
        ]
    );
    // abi.encode(nonce, sender, target, value, gasLimit, data)
    let word = |value: u64| B256::from(U256::from(value));
    let mut message = B256::ZERO;
    message[..5].copy_from_slice(&[1, 2, 3, 4, 5]);
    let encoded = [
        nonce.into(),
        sender.into_word(),
        RECIPIENT.into_word(),
        word(12_345),
        word(100_000),
        word(0xc0),
        word(5),
        message,
    ];
    let hash = keccak256(encoded.concat());
    let expected = [
        word(12_345),
        word(100_000),
        word(0x80),
        hash,
        word(5),
        message,
    ];
    assert_eq!(logs[0].data.data, Bytes::from(expected.concat()));

    let view = chain.el.view();
    let key = keccak256([hash, B256::ZERO].concat());
    assert_eq!(
        view.head_state().storage(&MESSAGE_PASSER, key.into()),
        U256::ONE
    );
    let mut sent = selector("sentMessages(bytes32)").to_vec();
    sent.extend(hash);
    let answer = call(&view, Address::ZERO, MESSAGE_PASSER, sent.into());
    assert_eq!(U256::from_be_slice(answer.output().unwrap()), U256::ONE);
    assert_eq!(
        read(&view, MESSAGE_PASSER, "messageNonce()"),
        nonce | U256::ONE
    );
}

/// op-reth has executed and confirmed blocks with exactly this code.
#[test]
fn the_code_is_the_one_that_was_confirmed() {
    assert_eq!(
        keccak256(l1_block()),
        b256!("b119225408dd9736c97064572fcddf83d237fd5dee64b4c5da7285db04b18ee4")
    );
    assert_eq!(
        keccak256(message_passer()),
        b256!("518ed6b28ce9fdc7811cba00c52789236b36e08167970d91e2b683bf731f2dd3")
    );
    assert_eq!(
        MESSAGE_PASSER,
        address!("4200000000000000000000000000000000000016")
    );
}
