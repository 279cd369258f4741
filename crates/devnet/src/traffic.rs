//! A little life on the chain: real transactions with every L2 block, a withdrawal and a deposit now and then.

use crate::{
    accounts::{DEV_ACCOUNTS, TRAFFIC},
    l2_chain::L2Chain,
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, sol};
use light_node_actor::CancellationToken;
use light_node_devnet_el::{ChainView, MESSAGE_PASSER, PoolError as L2PoolError};
use light_node_devnet_l1::{EmbeddedL1, PoolError as L1PoolError, contracts::deposit_calldata};
use thiserror::Error;
use tracing::debug;

sol! {
    /// The one function of the `L2ToL1MessagePasser` that users call.
    function initiateWithdrawal(address target, uint256 gasLimit, bytes data) external payable;
}

/// Transfers with each L2 block.
const TRANSFERS_PER_BLOCK: u64 = 2;

/// L2 blocks from one withdrawal to the next.
const WITHDRAWAL_PERIOD: u64 = 8;

/// L1 blocks from one deposit to the next.
const DEPOSIT_PERIOD: u64 = 5;

/// Amount of everything that is sent, in wei: a millionth of an ether, so that the sender never runs dry.
const AMOUNT_WEI: u64 = 1_000_000_000_000;

/// Priority fee in wei per gas.
const TIP: u128 = 1_000_000;

/// Why a transaction was not taken. The next block brings another one.
#[derive(Debug, Error)]
enum TrafficError {
    #[error("refused on L2")]
    L2(#[from] L2PoolError),
    #[error("refused on L1")]
    L1(#[from] L1PoolError),
}

/// Sends transactions.
#[derive(Debug)]
pub(crate) struct Traffic {
    l1: EmbeddedL1,
    l2: L2Chain,
}

impl Traffic {
    pub(crate) const fn new(l1: EmbeddedL1, l2: L2Chain) -> Self {
        Self { l1, l2 }
    }

    /// Sends transactions until `token` is cancelled.
    pub(crate) async fn run(
        self,
        token: CancellationToken,
    ) -> Result<(), std::convert::Infallible> {
        let (mut views, mut l1_heads) = (self.l2.subscribe(), self.l1.subscribe());
        let (mut l2_number, mut l1_number) = (None, None);
        loop {
            let view = views.borrow_and_update().clone();
            if l2_number.replace(view.head().number()) != Some(view.head().number()) {
                report(self.send_on_l2(&view));
            }
            let latest = l1_heads.borrow_and_update().latest.number;
            if l1_number.replace(latest) != Some(latest) && latest % DEPOSIT_PERIOD == 1 {
                report(self.deposit(latest));
            }
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                changed = views.changed() => if changed.is_err() { return Ok(()) },
                changed = l1_heads.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    fn send_on_l2(&self, view: &ChainView) -> Result<(), TrafficError> {
        let number = view.head().number();
        for index in 0..TRANSFERS_PER_BLOCK {
            self.send(view, 21_000, recipient(number + index), Bytes::new())?;
        }
        if number % WITHDRAWAL_PERIOD == 1 {
            let call = initiateWithdrawalCall {
                target: recipient(number),
                gasLimit: U256::from(100_000),
                data: Bytes::new(),
            };
            self.send(view, 300_000, MESSAGE_PASSER, call.abi_encode().into())?;
        }
        Ok(())
    }

    fn send(
        &self,
        view: &ChainView,
        gas_limit: u64,
        to: Address,
        input: Bytes,
    ) -> Result<(), TrafficError> {
        let el = self.l2.el();
        let nonce = el.pool().next_nonce(&TRAFFIC.address, view.head_state());
        let base_fee = view.head().header().base_fee_per_gas.unwrap_or_default();
        el.submit_transaction(&TRAFFIC.sign(TxEip1559 {
            chain_id: self.l2.config().l2_chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: 2 * u128::from(base_fee) + TIP,
            max_priority_fee_per_gas: TIP,
            to: TxKind::Call(to),
            value: U256::from(AMOUNT_WEI),
            input,
            ..TxEip1559::default()
        }))?;
        Ok(())
    }

    fn deposit(&self, number: u64) -> Result<(), TrafficError> {
        let amount = U256::from(AMOUNT_WEI);
        let (nonce, base_fee) = self
            .l1
            .with_chain(|chain| (chain.pending_nonce(&TRAFFIC.address), chain.next_base_fee()));
        self.l1.submit(&TRAFFIC.sign(TxEip1559 {
            chain_id: self.l2.config().l1_chain_id,
            nonce,
            gas_limit: 300_000,
            max_fee_per_gas: 2 * u128::from(base_fee) + TIP,
            max_priority_fee_per_gas: TIP,
            to: TxKind::Call(self.l2.config().deposit_contract_address),
            value: amount,
            input: deposit_calldata(recipient(number), amount, 100_000, Bytes::new()),
            ..TxEip1559::default()
        }))?;
        Ok(())
    }
}

/// One of the accounts without a role, by turns.
fn recipient(turn: u64) -> Address {
    let without_role = DEV_ACCOUNTS.iter().filter(|account| account.role.is_none());
    let accounts: Vec<Address> = without_role.map(|account| account.address).collect();
    let index = usize::try_from(turn).unwrap_or_default() % accounts.len();
    accounts[index]
}

/// Not worth more: a transaction may well be refused around a reorg.
fn report(sent: Result<(), TrafficError>) {
    if let Err(error) = sent {
        debug!(%error, "no traffic with this block");
    }
}
