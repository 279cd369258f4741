//! Transactions whose status or gas tells which fork's rules executed them: one at least for each fork that changed the EVM.
//! What they must cost is computed from the EIPs and the specification, not taken from a run.

use super::*;
use crate::testing::{sign_1559, transfer_fields, wallet};
use Hardfork::{Fjord, Granite, Isthmus, Jovian, Karst};
use alloy_consensus::TxEip1559;
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind, hex};

/// A transaction that shows a rule.
struct Probe {
    rule: &'static str,
    to: TxKind,
    input: Vec<u8>,
    gas_limit: u64,
    /// Status and gas under a fork; none where the transaction cannot be part of a block.
    expected: fn(Hardfork) -> Option<(bool, u64)>,
}

const fn precompile(number: u16) -> TxKind {
    let mut address = [0; 20];
    [address[18], address[19]] = number.to_be_bytes();
    TxKind::Call(Address::new(address))
}

/// Lengths of base, exponent and modulus; their bytes are left out, which makes them zeros.
fn modexp(lengths: [u64; 3]) -> Vec<u8> {
    let words = lengths.map(|length| U256::from(length).to_be_bytes::<32>());
    words.concat()
}

fn p256_verify() -> Probe {
    Probe {
        rule: "P256VERIFY exists from Fjord on (RIP-7212) and costs twice as much from Karst on (EIP-7951)",
        to: precompile(0x100),
        input: Vec::new(),
        gas_limit: 50_000,
        expected: |fork| {
            let gas = match fork {
                Karst => 6_900,
                fork if fork >= Fjord => 3_450,
                _ => 0,
            };
            Some((true, 21_000 + gas))
        },
    }
}

fn modexp_price() -> Probe {
    Probe {
        rule: "MODEXP costs more from Karst on (EIP-7883), and calldata has a floor from Isthmus on (EIP-7623)",
        to: precompile(5),
        input: modexp([256, 32, 256]),
        gas_limit: 50_000,
        expected: |fork| {
            // Three bytes of the input are not zero. The words of the operands count squared: a third of it at first, twice
            // it in the end.
            let intrinsic = 21_000 + 93 * 4 + 3 * 16;
            let gas = match fork {
                Karst => intrinsic + 2 * 32 * 32,
                Isthmus | Jovian => 21_000 + 10 * (93 + 3 * 4),
                _ => intrinsic + 32 * 32 / 3,
            };
            Some((true, gas))
        },
    }
}

fn modexp_bound() -> Probe {
    Probe {
        rule: "MODEXP takes operands of up to 1024 bytes from Karst on (EIP-7823)",
        to: precompile(5),
        input: modexp([1_025, 0, 1]),
        gas_limit: 50_000,
        expected: |fork| {
            // Three bytes of the input are not zero; base and modulus fill up to 129 words.
            let gas = 21_000 + 93 * 4 + 3 * 16 + 129 * 129 / 3;
            let is_bounded = fork >= Karst;
            Some((!is_bounded, if is_bounded { 50_000 } else { gas }))
        },
    }
}

fn bls() -> Probe {
    Probe {
        rule: "the BLS12-381 precompiles exist from Isthmus on (EIP-2537) and refuse an empty input",
        to: precompile(0x0b),
        input: Vec::new(),
        gas_limit: 50_000,
        expected: |fork| {
            let exists = fork >= Isthmus;
            Some((!exists, if exists { 50_000 } else { 21_000 }))
        },
    }
}

fn clz() -> Probe {
    Probe {
        rule: "CLZ is an opcode from Karst on (EIP-7939)",
        to: TxKind::Create,
        // PUSH1 1, CLZ, POP, STOP: creates an account without code.
        input: hex!("60011e5000").to_vec(),
        gas_limit: 100_000,
        expected: |fork| {
            // One byte of the code is zero, and it is one word long.
            let gas = 53_000 + 4 * 16 + 4 + 2 + (3 + 5 + 2);
            let exists = fork >= Karst;
            Some((exists, if exists { gas } else { 100_000 }))
        },
    }
}

/// All of its points are zeros.
fn pairing_of_jovian() -> Probe {
    Probe {
        rule: "bn256 pairing takes up to 81984 bytes from Jovian on",
        to: precompile(8),
        input: vec![0; 428 * 192],
        gas_limit: 16_000_000,
        expected: |fork| {
            let gas = 21_000 + 4 * 428 * 192 + 45_000 + 428 * 34_000;
            let is_bounded = fork >= Jovian;
            Some((!is_bounded, if is_bounded { 16_000_000 } else { gas }))
        },
    }
}

fn pairing_of_granite() -> Probe {
    Probe {
        rule: "bn256 pairing takes up to 112687 bytes from Granite on, and a transaction 2^24 gas from Karst on (EIP-7825)",
        to: precompile(8),
        input: vec![0; 587 * 192],
        gas_limit: 22_000_000,
        expected: |fork| {
            let gas = 21_000 + 4 * 587 * 192 + 45_000 + 587 * 34_000;
            match fork {
                Karst => None,
                fork if fork >= Granite => Some((false, 22_000_000)),
                _ => Some((true, gas)),
            }
        },
    }
}

/// The one that Karst leaves out comes last: nothing of its sender could follow it.
fn probes() -> [Probe; 7] {
    [
        p256_verify(),
        modexp_price(),
        modexp_bound(),
        bls(),
        clz(),
        pairing_of_jovian(),
        pairing_of_granite(),
    ]
}

/// The probes, signed. The sender does nothing else.
pub(super) fn transactions() -> Vec<Bytes> {
    let sign = |(nonce, probe): (u64, Probe)| {
        let transaction = TxEip1559 {
            to: probe.to,
            value: U256::ZERO,
            gas_limit: probe.gas_limit,
            input: probe.input.into(),
            ..transfer_fields(nonce, 1_000_000)
        };
        sign_1559(&wallet(6), transaction)
    };
    (0..).zip(probes()).map(sign).collect()
}

/// How many probes a block of `fork` holds.
pub(super) fn count(fork: Hardfork) -> usize {
    let outcomes = probes().into_iter().map(|probe| (probe.expected)(fork));
    outcomes.flatten().count()
}

#[test]
fn every_fork_executes_by_its_own_rules() {
    for fork in FORKS {
        let (_, blocks) = eventful_blocks(fork);
        let mut receipts = blocks[2].receipts.iter();
        let mut gas_before = receipts.next().unwrap().cumulative_gas_used();
        for probe in probes() {
            let Some(expected) = (probe.expected)(fork) else {
                continue;
            };
            let receipt = receipts.next().unwrap();
            let gas_after = receipt.cumulative_gas_used();
            let outcome = (receipt.status(), gas_after - gas_before);
            assert_eq!(outcome, expected, "{fork}: {}", probe.rule);
            gas_before = gas_after;
        }
    }
}

/// Genesis and the blocks without probes are the same under both forks.
#[test]
fn karst_refuses_a_block_with_a_transaction_above_its_gas_cap() {
    let (_, blocks) = eventful_blocks(Jovian);
    let karst = TestChain::new(Karst);
    for block in &blocks[..2] {
        karst.insert(block);
        assert!(karst.choose(block.hash).is_valid());
    }
    let above = transactions().pop().unwrap();
    let held = &blocks[2].block.body.transactions;
    assert!(held.iter().any(|one| one.encoded_2718() == above));
    let status = karst.el.new_payload(data(&blocks[2]));
    assert!(status.is_invalid(), "{status:?}");
}
