//! `L1Block`: the L1 block that the current L2 block is derived from, and the fee parameters of the chain. Its storage is
//! what the EVM computes L1 data fees, operator fees and the DA footprint from.

use super::assembler::Assembler;
use alloy_primitives::Bytes;
use light_node_protocol::l1_info::L1_INFO_DEPOSITOR;
use revm::bytecode::opcode::{
    AND, CALLDATALOAD, CALLDATASIZE, CALLER, LT, MSTORE, OR, PUSH0, RETURN, REVERT, SHL, SHR,
    SLOAD, SSTORE, STOP, XOR,
};

/// The setters of Ecotone, Isthmus and Jovian. Each takes the former's packed arguments and adds to them.
const SETTERS: [&str; 3] = [
    "setL1BlockValuesEcotone()",
    "setL1BlockValuesIsthmus()",
    "setL1BlockValuesJovian()",
];

/// A value in storage: `(slot >> shift) & (2^width - 1)`.
struct Getter {
    signature: &'static str,
    slot: u64,
    shift_bits: u64,
    width_bytes: usize,
}

const fn getter(signature: &'static str, slot: u64, shift_bits: u64, width_bytes: usize) -> Getter {
    Getter {
        signature,
        slot,
        shift_bits,
        width_bytes,
    }
}

const GETTERS: [Getter; 14] = [
    getter("number()", 0, 0, 8),
    getter("timestamp()", 0, 64, 8),
    getter("basefee()", 1, 0, 32),
    getter("hash()", 2, 0, 32),
    getter("sequenceNumber()", 3, 0, 8),
    getter("blobBaseFeeScalar()", 3, 64, 4),
    getter("baseFeeScalar()", 3, 96, 4),
    getter("batcherHash()", 4, 0, 32),
    getter("l1FeeOverhead()", 5, 0, 32),
    getter("l1FeeScalar()", 6, 0, 32),
    getter("blobBaseFee()", 7, 0, 32),
    getter("operatorFeeConstant()", 8, 0, 8),
    getter("operatorFeeScalar()", 8, 64, 4),
    getter("daFootprintGasScalar()", 8, 96, 2),
];

/// The runtime code.
pub(crate) fn l1_block() -> Bytes {
    let mut code = Assembler::default();
    let setter = code.label();
    let revert = code.label();
    code.load_selector();
    for signature in SETTERS {
        code.jump_if_called(signature, setter);
    }
    for getter in &GETTERS {
        return_getter(&mut code, getter);
    }
    code.bind(revert).ops(&[PUSH0, PUSH0, REVERT]);

    code.bind(setter)
        .ops(&[CALLER])
        .push_bytes(L1_INFO_DEPOSITOR.as_slice())
        .ops(&[XOR])
        .jump_if(revert);
    // Slot 3: base fee scalar ++ blob base fee scalar ++ sequence number; slot 0: timestamp ++ number.
    store_calldata(&mut code, 3, 4, 128);
    store_calldata(&mut code, 0, 20, 128);
    store_calldata(&mut code, 1, 36, 0);
    store_calldata(&mut code, 7, 68, 0);
    store_calldata(&mut code, 2, 100, 0);
    store_calldata(&mut code, 4, 132, 0);
    store_isthmus_values(&mut code);
    code.finish()
}

/// If the getter is called, returns its value.
fn return_getter(code: &mut Assembler, getter: &Getter) {
    let next = code.label();
    code.jump_unless_called(getter.signature, next)
        .push(getter.slot)
        .ops(&[SLOAD]);
    if getter.shift_bits > 0 {
        code.push(getter.shift_bits).ops(&[SHR]);
    }
    if getter.width_bytes < 32 {
        code.push_bytes(&vec![0xff; getter.width_bytes]).ops(&[AND]);
    }
    code.ops(&[PUSH0, MSTORE])
        .push(32)
        .ops(&[PUSH0, RETURN])
        .bind(next);
}

/// `sstore(slot, calldataload(offset) >> shift)`
fn store_calldata(code: &mut Assembler, slot: u64, offset: u64, shift_bits: u64) {
    code.push(offset).ops(&[CALLDATALOAD]);
    if shift_bits > 0 {
        code.push(shift_bits).ops(&[SHR]);
    }
    code.push(slot).ops(&[SSTORE]);
}

/// Slot 8: DA footprint scalar (2 bytes) ++ operator fee scalar (4) ++ operator fee constant (8). Ecotone's calldata ends
/// before them and leaves the slot alone; Isthmus' ends before the first, and what lies beyond calldata reads as zero.
fn store_isthmus_values(code: &mut Assembler) {
    const ISTHMUS_CALLDATA_BYTES: u64 = 176;
    let end = code.label();
    code.push(ISTHMUS_CALLDATA_BYTES)
        .ops(&[CALLDATASIZE, LT])
        .jump_if(end);
    code.push(176)
        .ops(&[CALLDATALOAD])
        .push(240)
        .ops(&[SHR])
        .push(96)
        .ops(&[SHL]);
    code.push(164)
        .ops(&[CALLDATALOAD])
        .push(160)
        .ops(&[SHR, OR])
        .push(8)
        .ops(&[SSTORE]);
    code.bind(end).ops(&[STOP]);
}
