//! The system config in force after each L1 block, found from the logs of the canonical L1 chain and taken back with it.
//! Sequencer and source keep one each; only blocks that changed something are remembered.

use light_node_devnet_l1::Chain;
use light_node_protocol::{BlockNumHash, RollupConfig, SystemConfig};
use std::sync::Arc;
use tracing::warn;

/// A block that changed the system config, and what it was afterwards.
#[derive(Clone, Copy, Debug)]
struct Change {
    block: BlockNumHash,
    after: SystemConfig,
}

/// Answers which system config an epoch has.
#[derive(Clone, Debug)]
pub(crate) struct SystemConfigs {
    rollup: Arc<RollupConfig>,
    /// Oldest first; the first one is L1 genesis.
    changes: Vec<Change>,
    /// The last block whose logs have been read.
    read: BlockNumHash,
}

impl SystemConfigs {
    /// Nothing read but genesis.
    pub(crate) fn new(rollup: Arc<RollupConfig>) -> Self {
        let genesis = &rollup.genesis;
        let first = Change {
            block: genesis.l1,
            after: genesis.system_config,
        };
        Self {
            read: first.block,
            changes: vec![first],
            rollup,
        }
    }

    /// The system config of the epoch that the canonical L1 block `number` starts; `None` if there is no such block.
    pub(crate) fn at(&mut self, chain: &Chain, number: u64) -> Option<SystemConfig> {
        self.forget_lost(chain);
        while self.read.number < number {
            let block = chain.block_by_number(self.read.number + 1)?;
            let mut after = self.changes.last()?.after;
            let time = block.header().timestamp;
            for error in after.apply_receipts(&self.rollup, block.receipts(), time) {
                warn!(l1_block = block.number(), %error, "malformed config update skipped");
            }
            self.read = BlockNumHash::new(block.number(), block.hash());
            if after != self.changes.last()?.after {
                self.changes.push(Change {
                    block: self.read,
                    after,
                });
            }
        }
        let change = self
            .changes
            .iter()
            .rev()
            .find(|change| change.block.number <= number);
        change.map(|change| change.after)
    }

    /// After a reorg the logs are read again from the last remembered block that is still there.
    fn forget_lost(&mut self, chain: &Chain) {
        if is_canonical(chain, &self.read) {
            return;
        }
        while self.changes.len() > 1
            && !self
                .changes
                .last()
                .is_some_and(|last| is_canonical(chain, &last.block))
        {
            self.changes.pop();
        }
        if let Some(last) = self.changes.last() {
            self.read = last.block;
        }
    }
}

/// True if the block is on the L1 chain as it stands now.
pub(crate) fn is_canonical(chain: &Chain, block: &BlockNumHash) -> bool {
    chain
        .block_by_number(block.number)
        .is_some_and(|known| known.hash() == block.hash)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{accounts::SYSTEM_CONFIG_OWNER, testing};
    use light_node_devnet_l1::contracts::abi::ISystemConfig::setGasLimitCall;

    fn set_gas_limit(chain: &mut Chain, nonce: u64, gas_limit: u64) {
        let to = chain.config().contracts.system_config;
        let call = setGasLimitCall {
            gasLimit: gas_limit,
        };
        let transaction = testing::l1_call(&SYSTEM_CONFIG_OWNER, nonce, to, &call);
        chain.submit(&transaction).unwrap();
    }

    #[test]
    fn a_change_holds_from_its_block_on_and_goes_with_it() {
        let deployment = testing::deployment();
        let mut chain = Chain::new(deployment.l1.clone());
        let mut configs = SystemConfigs::new(deployment.rollup_config.clone());
        let gas_limit = |configs: &mut SystemConfigs, chain: &Chain, number| {
            configs.at(chain, number).map(|config| config.gas_limit)
        };
        chain.mine(1);
        set_gas_limit(&mut chain, 0, 40_000_000);
        chain.mine(2);
        chain.mine(3);
        assert_eq!(gas_limit(&mut configs, &chain, 1), Some(60_000_000));
        assert_eq!(gas_limit(&mut configs, &chain, 3), Some(40_000_000));
        assert_eq!(gas_limit(&mut configs, &chain, 1), Some(60_000_000));
        assert_eq!(gas_limit(&mut configs, &chain, 4), None);

        chain.reorg(2, 2, true).unwrap();
        assert_eq!(gas_limit(&mut configs, &chain, 3), Some(60_000_000));
        set_gas_limit(&mut chain, 0, 50_000_000);
        chain.mine(4);
        assert_eq!(gas_limit(&mut configs, &chain, 4), Some(50_000_000));
        assert_eq!(gas_limit(&mut configs, &chain, 0), Some(60_000_000));
    }
}
