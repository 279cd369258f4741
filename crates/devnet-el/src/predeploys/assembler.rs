//! A small EVM assembler: opcodes, pushes of the least width, and forward labels.

use super::selector;
use alloy_primitives::Bytes;
use revm::bytecode::opcode::{DUP1, EQ, JUMPDEST, JUMPI, PUSH0, PUSH2, SHR, XOR};

/// A place in the code that is known by name before it is known by offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label(usize);

/// Code under construction.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<u8>,
    /// Offset of each label, once bound.
    offsets: Vec<Option<usize>>,
    /// Where the two bytes of a label's offset must be filled in.
    references: Vec<(usize, Label)>,
}

impl Assembler {
    /// Appends opcodes as they are.
    pub(super) fn ops(&mut self, opcodes: &[u8]) -> &mut Self {
        self.code.extend_from_slice(opcodes);
        self
    }

    /// Pushes a number in as few bytes as it needs, zero in one.
    pub(super) fn push(&mut self, number: u64) -> &mut Self {
        let bytes = number.to_be_bytes();
        let leading_zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.push_bytes(&bytes[leading_zeros.min(bytes.len() - 1)..])
    }

    /// Pushes 1 to 32 bytes.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let width = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        debug_assert!((1..=32).contains(&width), "no push of {width} bytes");
        self.code.push(PUSH0 + width);
        self.ops(bytes)
    }

    /// A label to be bound later.
    pub(super) fn label(&mut self) -> Label {
        self.offsets.push(None);
        Label(self.offsets.len() - 1)
    }

    /// Puts the label here, as a jump destination.
    pub(super) fn bind(&mut self, label: Label) -> &mut Self {
        self.offsets[label.0] = Some(self.code.len());
        self.ops(&[JUMPDEST])
    }

    /// Jumps to the label if the top of the stack is not zero.
    pub(super) fn jump_if(&mut self, label: Label) -> &mut Self {
        self.code.push(PUSH2);
        self.references.push((self.code.len(), label));
        self.ops(&[0, 0, JUMPI])
    }

    /// Leaves the called function's selector on the stack; `PUSH0 CALLDATALOAD >> 224`.
    pub(super) fn load_selector(&mut self) -> &mut Self {
        use revm::bytecode::opcode::CALLDATALOAD;
        self.ops(&[PUSH0, CALLDATALOAD]).push(224).ops(&[SHR])
    }

    /// Jumps to the label if the selector on the stack is that of `signature`; the selector stays.
    pub(super) fn jump_if_called(&mut self, signature: &str, label: Label) -> &mut Self {
        self.ops(&[DUP1])
            .push_bytes(selector(signature).as_slice())
            .ops(&[EQ])
            .jump_if(label)
    }

    /// Jumps to the label unless the selector on the stack is that of `signature`; the selector stays.
    pub(super) fn jump_unless_called(&mut self, signature: &str, label: Label) -> &mut Self {
        self.ops(&[DUP1])
            .push_bytes(selector(signature).as_slice())
            .ops(&[XOR])
            .jump_if(label)
    }

    /// The finished code. A label that is used but not bound is a mistake in the program that uses the assembler.
    pub(super) fn finish(mut self) -> Bytes {
        for (at, label) in &self.references {
            let offset = self.offsets[label.0].and_then(|offset| u16::try_from(offset).ok());
            let offset = offset.expect("every label in our two small programs is bound");
            self.code[*at..*at + 2].copy_from_slice(&offset.to_be_bytes());
        }
        self.code.into()
    }
}
