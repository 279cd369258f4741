//! `SystemConfig`: setters for its owner, one `ConfigUpdate` log each (specs: protocol/system-config.md#configupdate).
//! Values live in the account's storage, so that a reorg takes them back with the blocks that set them.

use super::{
    Call, Reverted,
    abi::ISystemConfig::{self, ISystemConfigCalls as Calls},
    portal::MAX_DEPOSIT_GAS_PER_BLOCK,
};
use crate::{
    config::{L1Contracts, ecotone_scalar},
    state::State,
};
use alloy_primitives::{Address, B256, Bytes, Log, LogData, U256, b256};
use alloy_sol_types::{SolInterface, SolValue};

/// Where the real contract keeps the signer of unsafe blocks: `keccak256("systemconfig.unsafeblocksigner") - 1`. Nodes
/// read this word by `eth_getProof` or `eth_getStorageAt`; no other word of the contract is read that way.
pub const UNSAFE_BLOCK_SIGNER_SLOT: B256 =
    b256!("0x65a7ed542fb37fe237fdfbdd70b31598523fe5b32879e307bae27a0bd9581c08");

/// The version of all update logs.
const UPDATE_VERSION: U256 = U256::ZERO;

/// Gas for system transactions that the L2 gas limit must leave beside the deposits.
const SYSTEM_TX_MAX_GAS: u64 = 1_000_000;

/// The real contract's upper bound for the L2 gas limit.
const MAXIMUM_GAS_LIMIT: u64 = 500_000_000;

/// Our own storage layout for everything but the signer: one word a value, from 0x65 on as in the real contract.
#[derive(Clone, Copy)]
enum Word {
    Overhead = 0x65,
    Scalar,
    BatcherHash,
    GasLimit,
    /// Denominator and elasticity, four bytes each.
    Eip1559Params,
    /// Scalar (four bytes) and constant (eight bytes).
    OperatorFee,
    MinBaseFee,
    DaFootprintGasScalar,
}

impl Word {
    const fn slot(self) -> B256 {
        B256::with_last_byte(self as u8)
    }
}

/// Kinds of updates, as derivation tells them apart.
#[derive(Clone, Copy)]
enum Kind {
    Batcher = 0,
    FeeScalars = 1,
    GasLimit = 2,
    UnsafeBlockSigner = 3,
    Eip1559Params = 4,
    OperatorFeeParams = 5,
    MinBaseFee = 6,
    DaFootprintGasScalar = 7,
}

/// The contract's storage at genesis.
pub(crate) fn initial_storage(contracts: &L1Contracts) -> Vec<(B256, U256)> {
    let initial = &contracts.initial;
    let word = |word: Word, value: B256| (word.slot(), value.into());
    vec![
        (
            UNSAFE_BLOCK_SIGNER_SLOT,
            contracts.unsafe_block_signer.into_word().into(),
        ),
        word(Word::Overhead, initial.overhead),
        word(Word::Scalar, initial.scalar),
        word(Word::BatcherHash, initial.batcher_address.into_word()),
        word(Word::GasLimit, U256::from(initial.gas_limit).into()),
        word(
            Word::Eip1559Params,
            B256::left_padding_from(initial.eip1559_params.as_slice()),
        ),
        word(Word::OperatorFee, initial.operator_fee_params),
        word(Word::MinBaseFee, U256::from(initial.min_base_fee).into()),
        word(
            Word::DaFootprintGasScalar,
            U256::from(initial.da_footprint_gas_scalar).into(),
        ),
    ]
}

pub(super) fn execute(
    contracts: &L1Contracts,
    state: &mut State,
    call: &Call<'_>,
) -> Result<Vec<Log>, Reverted> {
    let Ok(decoded) = Calls::abi_decode(call.input) else {
        return Err(Reverted::new("unknown function or malformed arguments"));
    };
    if !call.value.is_zero() {
        return Err(Reverted::new("function is not payable"));
    }
    let read = |word: Word| state.storage(&contracts.system_config, &word.slot());
    let Some(update) = Update::of(&decoded, read)? else {
        return Ok(Vec::new());
    };
    if call.from != contracts.owner {
        return Err(Reverted::new("Ownable: caller is not the owner"));
    }
    for (slot, value) in update.writes {
        state.set_storage(contracts.system_config, slot, value);
    }
    let event = ISystemConfig::ConfigUpdate {
        version: UPDATE_VERSION,
        updateType: update.kind as u8,
        data: update.data.into(),
    };
    Ok(vec![Log {
        address: contracts.system_config,
        data: LogData::from(&event),
    }])
}

/// What a setter does: words to write and the log to leave.
struct Update {
    kind: Kind,
    data: Vec<u8>,
    writes: Vec<(B256, U256)>,
}

impl Update {
    /// An update of one word that is logged as it is stored.
    fn word(kind: Kind, word: Word, value: U256) -> Self {
        Self {
            kind,
            data: value.abi_encode(),
            writes: vec![(word.slot(), value)],
        }
    }

    /// Both parts of the fee configuration; the log always carries both.
    fn fees(overhead: U256, scalar: U256) -> Self {
        Self {
            kind: Kind::FeeScalars,
            data: (overhead, scalar).abi_encode(),
            writes: vec![
                (Word::Overhead.slot(), overhead),
                (Word::Scalar.slot(), scalar),
            ],
        }
    }

    /// The update that a call asks for; `None` for a getter.
    fn of(call: &Calls, read: impl Fn(Word) -> U256) -> Result<Option<Self>, Reverted> {
        let update = match call {
            Calls::setUnsafeBlockSigner(call) => {
                let signer = call.unsafeBlockSigner;
                Self {
                    kind: Kind::UnsafeBlockSigner,
                    data: signer.abi_encode(),
                    writes: vec![(UNSAFE_BLOCK_SIGNER_SLOT, signer.into_word().into())],
                }
            }
            Calls::setBatcherHash(call) => {
                Self::word(Kind::Batcher, Word::BatcherHash, call.batcherHash.into())
            }
            Calls::setGasConfig(call) => {
                if call.scalar.byte(31) != 0 {
                    return Err(Reverted::new("SystemConfig: scalar exceeds max."));
                }
                Self::fees(call.overhead, call.scalar)
            }
            Calls::setGasConfigEcotone(call) => {
                let scalar = ecotone_scalar(call.basefeeScalar, call.blobbasefeeScalar);
                Self::fees(read(Word::Overhead), scalar.into())
            }
            Calls::setGasLimit(call) => {
                if call.gasLimit < minimum_gas_limit() {
                    return Err(Reverted::new("SystemConfig: gas limit too low"));
                }
                if call.gasLimit > MAXIMUM_GAS_LIMIT {
                    return Err(Reverted::new("SystemConfig: gas limit too high"));
                }
                Self::word(Kind::GasLimit, Word::GasLimit, U256::from(call.gasLimit))
            }
            Calls::setEIP1559Params(call) => {
                if call.denominator == 0 {
                    return Err(Reverted::new("SystemConfig: denominator must be >= 1"));
                }
                if call.elasticity == 0 {
                    return Err(Reverted::new("SystemConfig: elasticity must be >= 1"));
                }
                let params = U256::from(call.denominator) << 32 | U256::from(call.elasticity);
                Self::word(Kind::Eip1559Params, Word::Eip1559Params, params)
            }
            Calls::setOperatorFeeScalars(call) => {
                let scalar = U256::from(call.operatorFeeScalar) << 64;
                let params = scalar | U256::from(call.operatorFeeConstant);
                Self::word(Kind::OperatorFeeParams, Word::OperatorFee, params)
            }
            Calls::setMinBaseFee(call) => Self::word(
                Kind::MinBaseFee,
                Word::MinBaseFee,
                U256::from(call.minBaseFee),
            ),
            Calls::setDAFootprintGasScalar(call) => {
                let scalar = U256::from(call.daFootprintGasScalar);
                Self::word(
                    Kind::DaFootprintGasScalar,
                    Word::DaFootprintGasScalar,
                    scalar,
                )
            }
            _ => return Ok(None),
        };
        Ok(Some(update))
    }
}

const fn minimum_gas_limit() -> u64 {
    MAX_DEPOSIT_GAS_PER_BLOCK + SYSTEM_TX_MAX_GAS
}

pub(super) fn view(contracts: &L1Contracts, state: &State, input: &[u8]) -> Option<Bytes> {
    let read = |slot: B256| state.storage(&contracts.system_config, &slot);
    // The `n`-th group of `bits` bits from the right, as Solidity packs small integers.
    let part = |word: Word, shift: usize, bits: usize| {
        (read(word.slot()) >> shift) & ((U256::ONE << bits) - U256::ONE)
    };
    let value = match Calls::abi_decode(input).ok()? {
        Calls::owner(_) => contracts.owner.into_word().into(),
        Calls::optimismPortal(_) => contracts.portal.into_word().into(),
        Calls::batchInbox(_) => contracts.batch_inbox.into_word().into(),
        Calls::unsafeBlockSigner(_) => Address::from_word(read(UNSAFE_BLOCK_SIGNER_SLOT).into())
            .into_word()
            .into(),
        Calls::batcherHash(_) => read(Word::BatcherHash.slot()),
        Calls::overhead(_) => read(Word::Overhead.slot()),
        Calls::scalar(_) => read(Word::Scalar.slot()),
        Calls::basefeeScalar(_) => part(Word::Scalar, 0, 32),
        Calls::blobbasefeeScalar(_) => part(Word::Scalar, 32, 32),
        Calls::gasLimit(_) => read(Word::GasLimit.slot()),
        Calls::eip1559Elasticity(_) => part(Word::Eip1559Params, 0, 32),
        Calls::eip1559Denominator(_) => part(Word::Eip1559Params, 32, 32),
        Calls::operatorFeeConstant(_) => part(Word::OperatorFee, 0, 64),
        Calls::operatorFeeScalar(_) => part(Word::OperatorFee, 64, 32),
        Calls::minBaseFee(_) => read(Word::MinBaseFee.slot()),
        Calls::daFootprintGasScalar(_) => read(Word::DaFootprintGasScalar.slot()),
        Calls::minimumGasLimit(_) => U256::from(minimum_gas_limit()),
        Calls::maximumGasLimit(_) => U256::from(MAXIMUM_GAS_LIMIT),
        Calls::startBlock(_) => U256::ZERO,
        Calls::version(_) => return Some("emulated".abi_encode().into()),
        _ => return None,
    };
    Some(value.abi_encode().into())
}
