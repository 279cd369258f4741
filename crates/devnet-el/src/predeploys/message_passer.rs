//! `L2ToL1MessagePasser`: `initiateWithdrawal` stores the hash of a withdrawal (`sentMessages[hash] = true` in slot 0) and
//! logs it; the nonce is in slot 1, with message version 1 in the top two bytes where it is shown.

use super::assembler::Assembler;
use alloy_primitives::{Bytes, keccak256};
use revm::bytecode::opcode::{
    ADD, AND, CALLDATACOPY, CALLDATALOAD, CALLER, CALLVALUE, DUP1, DUP2, DUP3, DUP6, KECCAK256,
    LOG4, MLOAD, MSTORE, NOT, OR, PUSH0, RETURN, REVERT, SHL, SLOAD, SSTORE, STOP, SWAP1, SWAP2,
};

// The message in memory as `abi.encode(nonce, sender, target, value, gasLimit, data)`, which is what gets hashed.
const NONCE: u64 = 0x00;
const SENDER: u64 = 0x20;
const TARGET: u64 = 0x40;
const VALUE: u64 = 0x60;
const GAS_LIMIT: u64 = 0x80;
const DATA_OFFSET: u64 = 0xa0;
const DATA_LENGTH: u64 = 0xc0;
const DATA: u64 = 0xe0;

// Arguments of `initiateWithdrawal` in calldata.
const ARGUMENT_TARGET: u64 = 4;
const ARGUMENT_GAS_LIMIT: u64 = 36;
const ARGUMENT_DATA_OFFSET: u64 = 68;

/// The runtime code.
pub(crate) fn message_passer() -> Bytes {
    let mut code = Assembler::default();
    let initiate = code.label();
    let sent_messages = code.label();
    let message_nonce = code.label();
    code.load_selector()
        .jump_if_called("initiateWithdrawal(address,uint256,bytes)", initiate)
        .jump_if_called("sentMessages(bytes32)", sent_messages)
        .jump_if_called("messageNonce()", message_nonce)
        .ops(&[PUSH0, PUSH0, REVERT]);

    code.bind(message_nonce);
    store_versioned_nonce(&mut code);
    code.push(32).ops(&[PUSH0, RETURN]);

    // keccak(key ++ slot 0)
    code.bind(sent_messages)
        .push(4)
        .ops(&[CALLDATALOAD, PUSH0, MSTORE, PUSH0])
        .push(32)
        .ops(&[MSTORE])
        .push(64)
        .ops(&[PUSH0, KECCAK256, SLOAD, PUSH0, MSTORE])
        .push(32)
        .ops(&[PUSH0, RETURN]);

    code.bind(initiate);
    encode_message(&mut code);
    mark_sent(&mut code);
    increment_nonce(&mut code);
    log_message_passed(&mut code);
    code.finish()
}

/// Memory 0 := version 1 in the top two bytes, nonce below.
fn store_versioned_nonce(code: &mut Assembler) {
    code.push(1)
        .push(240)
        .ops(&[SHL])
        .push(1)
        .ops(&[SLOAD, OR, PUSH0, MSTORE]);
}

/// Lays the message out in memory. Stack after: length of data padded to 32, hash of the message on top.
fn encode_message(code: &mut Assembler) {
    store_versioned_nonce(code);
    debug_assert_eq!(NONCE, 0);
    code.ops(&[CALLER]).push(SENDER).ops(&[MSTORE]);
    code.push(ARGUMENT_TARGET)
        .ops(&[CALLDATALOAD])
        .push(TARGET)
        .ops(&[MSTORE]);
    code.ops(&[CALLVALUE]).push(VALUE).ops(&[MSTORE]);
    code.push(ARGUMENT_GAS_LIMIT)
        .ops(&[CALLDATALOAD])
        .push(GAS_LIMIT)
        .ops(&[MSTORE]);
    code.push(DATA_LENGTH).push(DATA_OFFSET).ops(&[MSTORE]);
    // p = 4 + offset argument; length = calldataload(p)
    code.push(ARGUMENT_DATA_OFFSET)
        .ops(&[CALLDATALOAD])
        .push(4)
        .ops(&[ADD]);
    code.ops(&[DUP1, CALLDATALOAD, DUP1])
        .push(DATA_LENGTH)
        .ops(&[MSTORE]);
    // length, length, p -> calldatacopy(DATA, p + 32, length), length stays
    code.ops(&[DUP1, SWAP2])
        .push(32)
        .ops(&[ADD])
        .push(DATA)
        .ops(&[CALLDATACOPY]);
    code.push(31).ops(&[ADD]).push(31).ops(&[NOT, AND]);
    code.ops(&[DUP1]).push(DATA).ops(&[ADD, PUSH0, KECCAK256]);
}

/// `sentMessages[hash] = true`, with the memory after the message as scratch. Leaves its address on the stack.
fn mark_sent(code: &mut Assembler) {
    code.ops(&[DUP2]).push(DATA).ops(&[ADD]);
    code.ops(&[DUP2, DUP2, MSTORE]);
    code.ops(&[PUSH0, DUP2]).push(32).ops(&[ADD, MSTORE]);
    code.push(1).push(64).ops(&[DUP3, KECCAK256, SSTORE]);
}

fn increment_nonce(code: &mut Assembler) {
    code.push(1)
        .ops(&[SLOAD])
        .push(1)
        .ops(&[ADD])
        .push(1)
        .ops(&[SSTORE]);
}

/// Logs `MessagePassed`. Stack before: padded length, hash, scratch. Data: value, gas limit, 0x80, hash, length, data.
fn log_message_passed(code: &mut Assembler) {
    const EVENT: &str = "MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)";
    // r = scratch + 64, where the key was not
    code.push(64).ops(&[ADD]);
    code.ops(&[CALLVALUE, DUP2, MSTORE]);
    code.push(ARGUMENT_GAS_LIMIT)
        .ops(&[CALLDATALOAD, DUP2])
        .push(32)
        .ops(&[ADD, MSTORE]);
    code.push(0x80).ops(&[DUP2]).push(64).ops(&[ADD, MSTORE]);
    code.ops(&[SWAP1, DUP2]).push(96).ops(&[ADD, MSTORE]);
    code.push(DATA_LENGTH)
        .ops(&[MLOAD, DUP2])
        .push(128)
        .ops(&[ADD, MSTORE]);
    code.push(DATA_LENGTH)
        .ops(&[MLOAD])
        .push(ARGUMENT_DATA_OFFSET)
        .ops(&[CALLDATALOAD])
        .push(36)
        .ops(&[ADD, DUP3])
        .push(160)
        .ops(&[ADD, CALLDATACOPY]);
    // Topics: event, nonce, sender, target; then size and offset.
    code.push(TARGET)
        .ops(&[MLOAD, CALLER])
        .push(NONCE)
        .ops(&[MLOAD])
        .push_bytes(keccak256(EVENT).as_slice());
    code.ops(&[DUP6]).push(160).ops(&[ADD, DUP6, LOG4, STOP]);
}
