//! Executing a request that is no transaction: `eth_call`. The EVM runs on the state after the chosen block, in that
//! block's environment, and what it changes is thrown away.

use crate::{
    chain::ChainView,
    execution::ExecutedBlock,
    rpc::{
        Lane, Registered, RpcContext,
        error::{RpcResult, internal, invalid_params, reverted, server_error},
        execute,
    },
    state::StateSnapshot,
};
use alloy_evm::{Evm, EvmEnv, EvmFactory};
use alloy_op_evm::{OpEvmFactory, OpTx, env::evm_env_for_op_block};
use alloy_primitives::{Bytes, TxKind, U256, hex};
use alloy_rpc_types_eth::TransactionRequest;
use jsonrpsee::{
    RpcModule,
    types::{ErrorObjectOwned, ParamsSequence},
};
use op_revm::{OpHaltReason, OpSpecId, OpTransaction};
use revm::{
    context::{
        TxEnv,
        result::{EVMError, ExecutionResult},
    },
    context_interface::either::Either,
    database::WrapDatabaseRef,
};
use std::sync::Arc;

pub(super) fn register(module: &mut RpcModule<RpcContext>) -> Registered {
    execute(module, Lane::Evm, "eth_call", |context, params| {
        let result = Simulation::new(context, params)?.run_at_most()?;
        output(result)
    })
}

/// A request on the state of a block.
#[derive(Debug)]
pub(super) struct Simulation {
    pub(super) request: TransactionRequest,
    pub(super) state: Arc<StateSnapshot>,
    env: EvmEnv<OpSpecId>,
    /// Most gas that any transaction of the block may have.
    pub(super) gas_limit_max: u64,
}

impl Simulation {
    /// Reads the parameters: the request, and on which block (by default the latest).
    pub(super) fn new(context: &RpcContext, params: &mut ParamsSequence<'_>) -> RpcResult<Self> {
        let request: TransactionRequest = params.next()?;
        let (view, block, state) = context.state_at(params.optional_next()?)?;
        for name in ["state", "block"] {
            let overrides: Option<serde_json::Value> = params.optional_next()?;
            if overrides.is_some_and(|it| it.as_object().is_none_or(|it| !it.is_empty())) {
                return Err(invalid_params(format_args!(
                    "{name} overrides are not supported"
                )));
            }
        }
        let env = environment(&view, &block, fee_cap(&request));
        let transaction_max = revm::context_interface::Cfg::tx_gas_limit_cap(&env.cfg_env);
        let gas_limit_max = block.header().gas_limit.min(transaction_max);
        Ok(Self {
            request,
            state,
            env,
            gas_limit_max,
        })
    }

    /// Runs with the gas of the request, bounded by what a transaction of the block may have.
    fn run_at_most(&self) -> RpcResult<ExecutionResult<OpHaltReason>> {
        self.run(self.request.gas.unwrap_or(u64::MAX).min(self.gas_limit_max))
    }

    /// Runs with this much gas.
    pub(super) fn run(&self, gas_limit: u64) -> RpcResult<ExecutionResult<OpHaltReason>> {
        let transaction = self.transaction(gas_limit)?;
        let database = WrapDatabaseRef(&*self.state);
        let mut evm = OpEvmFactory::<OpTx>::default().create_evm(database, self.env.clone());
        let outcome = evm.transact_raw(transaction).map_err(|error| match error {
            EVMError::Transaction(error) => server_error(error),
            error => internal(error),
        })?;
        Ok(outcome.result)
    }

    fn transaction(&self, gas_limit: u64) -> RpcResult<OpTx> {
        let request = &self.request;
        let authorizations = request.authorization_list.iter().flatten();
        let base = TxEnv::builder()
            .caller(request.from.unwrap_or_default())
            .gas_limit(gas_limit)
            .gas_price(fee_cap(request).unwrap_or_default())
            .gas_priority_fee(request.max_priority_fee_per_gas)
            .kind(request.to.unwrap_or(TxKind::Create))
            .value(request.value.unwrap_or_default())
            .data(request.input.input().cloned().unwrap_or_default())
            .chain_id(Some(request.chain_id.unwrap_or(self.env.cfg_env.chain_id)))
            .access_list(request.access_list.clone().unwrap_or_default())
            .authorization_list(authorizations.cloned().map(Either::Left).collect())
            .build()
            .map_err(|error| invalid_params(format_args!("{error:?}")))?;
        Ok(OpTx(OpTransaction {
            base,
            // No bytes go to L1, so nothing is charged for them.
            enveloped_tx: Some(Bytes::new()),
            ..OpTransaction::default()
        }))
    }
}

/// The price that the request names, if it names one. Zero is none, as in geth.
pub(super) fn fee_cap(request: &TransactionRequest) -> Option<u128> {
    request
        .max_fee_per_gas
        .or(request.gas_price)
        .filter(|price| *price > 0)
}

/// The block's environment, without the checks that are for transactions: nobody has signed this one.
fn environment(view: &ChainView, block: &ExecutedBlock, fee_cap: Option<u128>) -> EvmEnv<OpSpecId> {
    let spec = view.spec();
    let mut env = evm_env_for_op_block(block.header(), spec.forks(), spec.chain_id());
    env.cfg_env.disable_nonce_check = true;
    env.cfg_env.disable_eip3607 = true;
    env.cfg_env.disable_fee_charge = true;
    if fee_cap.is_none() {
        // As in geth: who names no price meets none, and reads none.
        env.block_env.basefee = 0;
    }
    env
}

/// What the execution returned; anything but success is an error.
pub(super) fn output(result: ExecutionResult<OpHaltReason>) -> RpcResult<Bytes> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(revert_error(&output)),
        ExecutionResult::Halt { reason, .. } => Err(halt_error(&reason)),
    }
}

pub(super) fn halt_error(reason: &OpHaltReason) -> ErrorObjectOwned {
    server_error(format_args!("execution halted: {reason:?}"))
}

/// geth's words, with the reason that Solidity's `require` gives.
pub(super) fn revert_error(output: &Bytes) -> ErrorObjectOwned {
    let message = revert_reason(output).map_or_else(
        || "execution reverted".to_owned(),
        |reason| format!("execution reverted: {reason}"),
    );
    reverted(message, output)
}

/// The string in `Error(string)`.
fn revert_reason(output: &[u8]) -> Option<String> {
    const ERROR_SELECTOR: [u8; 4] = hex!("08c379a0");
    let words = output.strip_prefix(&ERROR_SELECTOR)?;
    let word = |at: usize| {
        let bytes = words.get(at..at.checked_add(32)?)?;
        usize::try_from(U256::from_be_slice(bytes)).ok()
    };
    let start = word(0)?;
    let text_start = start.checked_add(32)?;
    let text = words.get(text_start..text_start.checked_add(word(start)?)?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}
