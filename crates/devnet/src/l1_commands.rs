//! What people do to a rollup on L1, on command: deposits, and changes of the system config by its owner.

use crate::accounts::{
    DEV_ACCOUNTS, DevAccount, L1_MAX_FEE_PER_GAS, L1_MAX_PRIORITY_FEE_PER_GAS, SYSTEM_CONFIG_OWNER,
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use light_node_devnet_l1::{
    EmbeddedL1, PoolError,
    contracts::{
        abi::{IOptimismPortal::depositTransactionCall, ISystemConfig as config},
        minimum_deposit_gas,
    },
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// Enough for a call of an emulated contract, and for the longest deposit.
const GAS_LIMIT: u64 = 8_000_000;

/// Why a command is not carried out.
#[derive(Debug, Error)]
pub enum L1CommandError {
    /// The L1 refused the transaction.
    #[error("the L1 refused the transaction: {0}")]
    Refused(#[from] PoolError),
    /// There is no key for the sender.
    #[error("{from} is no account of the devnet")]
    UnknownSender {
        /// The sender asked for.
        from: Address,
    },
}

/// A change of the system config. It holds from the L1 block on that mines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SystemConfigChange {
    /// Gas limit of L2 blocks.
    GasLimit(u64),
    /// Shares of L1 base fee and blob base fee in the L1 fee, in millionths.
    FeeScalars {
        /// Share of the base fee.
        base_fee: u32,
        /// Share of the blob base fee.
        blob_base_fee: u32,
    },
    /// EIP-1559 parameters, from Holocene on.
    Eip1559 {
        /// Denominator.
        denominator: u32,
        /// Elasticity.
        elasticity: u32,
    },
    /// The operator fee, from Isthmus on.
    OperatorFee {
        /// In millionths of the gas used.
        scalar: u32,
        /// In wei for each transaction.
        constant: u64,
    },
    /// Minimal base fee in wei, from Jovian on.
    MinBaseFee(u64),
    /// Gas for each byte of data availability, from Jovian on.
    DaFootprintGasScalar(u16),
    /// Whose batches count. The devnet's batcher goes on if it is one of the devnet's accounts.
    Batcher(Address),
    /// Whose unsafe blocks count.
    UnsafeBlockSigner(Address),
}

/// A deposit: a transaction on L2 that L1 forces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deposit {
    /// Who sends it, on both layers; the first account of the devnet by default.
    #[serde(default = "first_account")]
    pub from: Address,
    /// Who is called on L2; absent, a contract is created.
    #[serde(default)]
    pub to: Option<Address>,
    /// Wei that is sent on L2.
    #[serde(default)]
    pub value: U256,
    /// Wei that is minted on L2; as much as is sent by default.
    #[serde(default)]
    pub mint: Option<U256>,
    /// Gas on L2; the least that is possible by default, and as much again for what runs.
    #[serde(default)]
    pub gas_limit: Option<u64>,
    /// Calldata, or code.
    #[serde(default)]
    pub data: Bytes,
}

const fn first_account() -> Address {
    DEV_ACCOUNTS[0].address
}

impl Default for Deposit {
    fn default() -> Self {
        Self {
            from: first_account(),
            to: Some(first_account()),
            value: U256::ZERO,
            mint: None,
            gas_limit: None,
            data: Bytes::new(),
        }
    }
}

/// Carries the commands out. Clones share one pen.
#[derive(Clone, Debug)]
pub struct L1Commands {
    l1: EmbeddedL1,
    /// A nonce must be used before it is asked for again.
    pen: Arc<Mutex<()>>,
}

impl L1Commands {
    pub(crate) fn new(l1: EmbeddedL1) -> Self {
        Self {
            l1,
            pen: Arc::default(),
        }
    }

    /// Changes the system config with the next L1 block. Returns the hash of the L1 transaction.
    ///
    /// # Errors
    /// The L1 refuses the transaction. (The contract may still refuse the change; then the transaction fails.)
    pub fn change_system_config(&self, change: SystemConfigChange) -> Result<B256, L1CommandError> {
        let to = self
            .l1
            .with_chain(|chain| chain.config().contracts.system_config);
        let input = match change {
            SystemConfigChange::GasLimit(limit) => {
                config::setGasLimitCall { gasLimit: limit }.abi_encode()
            }
            SystemConfigChange::FeeScalars {
                base_fee,
                blob_base_fee,
            } => config::setGasConfigEcotoneCall {
                basefeeScalar: base_fee,
                blobbasefeeScalar: blob_base_fee,
            }
            .abi_encode(),
            SystemConfigChange::Eip1559 {
                denominator,
                elasticity,
            } => config::setEIP1559ParamsCall {
                denominator,
                elasticity,
            }
            .abi_encode(),
            SystemConfigChange::OperatorFee { scalar, constant } => {
                config::setOperatorFeeScalarsCall {
                    operatorFeeScalar: scalar,
                    operatorFeeConstant: constant,
                }
                .abi_encode()
            }
            SystemConfigChange::MinBaseFee(fee) => {
                config::setMinBaseFeeCall { minBaseFee: fee }.abi_encode()
            }
            SystemConfigChange::DaFootprintGasScalar(scalar) => {
                config::setDAFootprintGasScalarCall {
                    daFootprintGasScalar: scalar,
                }
                .abi_encode()
            }
            SystemConfigChange::Batcher(batcher) => config::setBatcherHashCall {
                batcherHash: batcher.into_word(),
            }
            .abi_encode(),
            SystemConfigChange::UnsafeBlockSigner(signer) => config::setUnsafeBlockSignerCall {
                unsafeBlockSigner: signer,
            }
            .abi_encode(),
        };
        self.send(&SYSTEM_CONFIG_OWNER, to, U256::ZERO, input.into())
    }

    /// Deposits with the next L1 block. Returns the hash of the L1 transaction.
    ///
    /// # Errors
    /// The sender is not one of ours, or the L1 refuses the transaction.
    pub fn deposit(&self, deposit: Deposit) -> Result<B256, L1CommandError> {
        let from = deposit.from;
        let account = DEV_ACCOUNTS
            .iter()
            .find(|account| account.address == from)
            .ok_or(L1CommandError::UnknownSender { from })?;
        let portal = self.l1.with_chain(|chain| chain.config().contracts.portal);
        let least = minimum_deposit_gas(deposit.data.len() as u64);
        let call = depositTransactionCall {
            to: deposit.to.unwrap_or_default(),
            value: deposit.value,
            gasLimit: deposit.gas_limit.unwrap_or(least.saturating_mul(2)),
            isCreation: deposit.to.is_none(),
            data: deposit.data,
        };
        let mint = deposit.mint.unwrap_or(deposit.value);
        self.send(account, portal, mint, call.abi_encode().into())
    }

    fn send(
        &self,
        account: &DevAccount,
        to: Address,
        value: U256,
        input: Bytes,
    ) -> Result<B256, L1CommandError> {
        let _pen = self.pen.lock().unwrap_or_else(PoisonError::into_inner);
        let (nonce, chain_id) = self.l1.with_chain(|chain| {
            (
                chain.pending_nonce(&account.address),
                chain.config().chain_id,
            )
        });
        let transaction = account.sign(TxEip1559 {
            chain_id,
            nonce,
            gas_limit: GAS_LIMIT,
            max_fee_per_gas: L1_MAX_FEE_PER_GAS,
            max_priority_fee_per_gas: L1_MAX_PRIORITY_FEE_PER_GAS,
            to: TxKind::Call(to),
            value,
            input,
            ..TxEip1559::default()
        });
        Ok(self.l1.submit(&transaction)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{accounts::TRAFFIC, system_configs::SystemConfigs, testing};
    use light_node_actor::CancellationToken;
    use light_node_protocol::SystemConfig;
    use serde_json::json;

    async fn rig() -> (L1Commands, SystemConfigs, CancellationToken) {
        let deployment = testing::deployment();
        let token = CancellationToken::new();
        let l1 = EmbeddedL1::start(deployment.l1, token.clone())
            .await
            .unwrap();
        let configs = SystemConfigs::new(deployment.rollup_config);
        (L1Commands::new(l1), configs, token)
    }

    /// The system config after `changes`, which are mined together.
    async fn after(changes: &[SystemConfigChange]) -> SystemConfig {
        let (commands, mut configs, _token) = rig().await;
        for change in changes {
            commands.change_system_config(*change).unwrap();
        }
        let head = commands.l1.mine(1).unwrap();
        commands
            .l1
            .with_chain(|chain| configs.at(chain, head.number))
            .unwrap()
    }

    #[tokio::test]
    async fn every_change_of_the_system_config_reaches_it() {
        let after = after(&[
            SystemConfigChange::GasLimit(40_000_000),
            SystemConfigChange::Batcher(TRAFFIC.address),
            SystemConfigChange::Eip1559 {
                denominator: 50,
                elasticity: 3,
            },
            SystemConfigChange::OperatorFee {
                scalar: 7,
                constant: 8,
            },
            SystemConfigChange::MinBaseFee(9),
            SystemConfigChange::DaFootprintGasScalar(500),
            SystemConfigChange::FeeScalars {
                base_fee: 11,
                blob_base_fee: 12,
            },
        ])
        .await;
        assert_eq!(after.gas_limit, 40_000_000);
        assert_eq!(after.batcher_address, TRAFFIC.address);
        assert_eq!(after.eip1559_params[..], [0, 0, 0, 50, 0, 0, 0, 3]);
        assert_eq!(after.min_base_fee, 9);
        assert_eq!(after.da_footprint_gas_scalar, 500);
        assert_eq!(after.scalar, light_node_devnet_l1::ecotone_scalar(11, 12));
    }

    #[tokio::test]
    async fn a_deposit_is_mined_with_the_next_block() {
        let (commands, _, _token) = rig().await;
        let hash = commands
            .deposit(Deposit {
                value: U256::from(5),
                ..Deposit::default()
            })
            .unwrap();
        commands.l1.mine(1).unwrap();
        let logs = commands.l1.with_chain(|chain| {
            let (block, index) = chain.transaction(&hash).unwrap();
            block.receipts()[index].logs().len()
        });
        assert_eq!(logs, 1);
        let stranger = Deposit {
            from: Address::repeat_byte(1),
            ..Deposit::default()
        };
        assert!(matches!(
            commands.deposit(stranger),
            Err(L1CommandError::UnknownSender { .. })
        ));
    }

    #[test]
    fn commands_are_readable_json() {
        let change: SystemConfigChange = serde_json::from_value(json!({ "gasLimit": 7 })).unwrap();
        assert_eq!(change, SystemConfigChange::GasLimit(7));
        let fees = json!({ "feeScalars": { "baseFee": 1, "blobBaseFee": 2 } });
        let change: SystemConfigChange = serde_json::from_value(fees).unwrap();
        assert!(matches!(
            change,
            SystemConfigChange::FeeScalars { base_fee: 1, .. }
        ));
        let deposit: Deposit = serde_json::from_value(json!({ "value": "0x5" })).unwrap();
        assert_eq!((deposit.from, deposit.to), (DEV_ACCOUNTS[0].address, None));
    }
}
