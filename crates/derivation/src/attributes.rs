//! The attributes of the next L2 block: what its batch, its L1 origin and its parent's system config make of it
//! (`specs/protocol/derivation.md#deriving-payload-attributes`).

use crate::{
    cause::ResetCause, epochs::Epoch, kona::SingleBatch, stages::traversal::apply_updates,
    upgrades::UpgradeBundles,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, address};
use alloy_rpc_types_engine::PayloadAttributes;
use light_node_protocol::{
    BlockConfigError, Hardfork, L1BlockInfo, L1ChainConfig, L2BlockRef, RollupConfig, SystemConfig,
    TRANSACTION_DEPOSITED_TOPIC, l1_info::L1BlockFacts, l1_info_deposit, user_deposit,
};
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};

#[cfg(test)]
pub(crate) mod tests;

/// The `SequencerFeeVault` predeploy, which takes the fees of every block.
const FEE_RECIPIENT: Address = address!("0x4200000000000000000000000000000000000011");

/// What attributes are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ingredients<'a> {
    pub(crate) config: &'a RollupConfig,
    pub(crate) l1_chain: &'a L1ChainConfig,
    pub(crate) upgrades: &'a UpgradeBundles,
    pub(crate) parent: &'a L2BlockRef,
    /// The system config in force at the parent.
    pub(crate) parent_config: &'a SystemConfig,
    pub(crate) epoch: &'a Epoch,
    pub(crate) batch: &'a SingleBatch,
}

/// Attributes, and what a child of their block needs to know.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) attributes: OpPayloadAttributes,
    pub(crate) sequence_number: u64,
    /// The system config as it will be read back from the block.
    pub(crate) system_config: SystemConfig,
}

/// Why there are no attributes.
#[derive(Debug)]
pub(crate) enum BuildError {
    Reset(Box<ResetCause>),
    /// The block is the first of a fork whose upgrade bundle is missing.
    MissingBundle(Hardfork),
}

impl From<ResetCause> for BuildError {
    fn from(cause: ResetCause) -> Self {
        Self::Reset(Box::new(cause))
    }
}

impl Ingredients<'_> {
    /// The attributes. Whether the engine takes them is another question.
    pub(crate) fn build(&self) -> Result<Built, BuildError> {
        let timestamp = self.parent.timestamp + self.config.block_time;
        let origin = self.epoch.block;
        if timestamp < origin.timestamp {
            let parent = *self.parent;
            return Err(ResetCause::BeforeOrigin { parent, origin }.into());
        }
        let mut system_config = *self.parent_config;
        let (sequence_number, deposits) = self.epoch_start(&mut system_config)?;
        let upgrade = self
            .upgrades
            .at(self.config, timestamp)
            .map_err(BuildError::MissingBundle)?;

        let facts = L1BlockFacts::from_header(
            &self.epoch.header,
            origin.hash,
            self.config.blob_params(self.l1_chain, origin.timestamp),
        );
        let info = l1_info_deposit(
            self.config,
            &system_config,
            sequence_number,
            &facts,
            timestamp,
        )
        .map_err(ResetCause::Scalar)?;
        let gas_limit = system_config.gas_limit.saturating_add(upgrade.gas);
        let read_back = self.read_back(&system_config, &info.input, gas_limit, timestamp);

        let mut transactions = vec![Bytes::from(info.encoded_2718())];
        transactions.extend(deposits);
        transactions.extend(upgrade.transactions);
        transactions.extend(self.batch.transactions.iter().cloned());
        Ok(Built {
            attributes: self.attributes(&system_config, transactions, gas_limit, timestamp),
            sequence_number,
            system_config: read_back,
        })
    }

    /// Number of the block in its epoch, and the deposits that its first block takes from L1. Config updates are applied there.
    fn epoch_start(
        &self,
        system_config: &mut SystemConfig,
    ) -> Result<(u64, Vec<Bytes>), BuildError> {
        let Self { parent, epoch, .. } = self;
        let mismatch = ResetCause::OriginMismatch { parent: **parent };
        if parent.l1_origin.number == epoch.block.number {
            return if parent.l1_origin.hash == epoch.block.hash {
                Ok((parent.sequence_number + 1, Vec::new()))
            } else {
                Err(mismatch.into())
            };
        }
        if parent.l1_origin.hash != epoch.block.parent_hash {
            return Err(mismatch.into());
        }
        apply_updates(system_config, self.config, &epoch.logs, &epoch.block);
        let portal = self.config.deposit_contract_address;
        let mut deposits = Vec::new();
        for (index, log) in &epoch.logs {
            let is_deposit =
                log.address == portal && log.topics().first() == Some(&TRANSACTION_DEPOSITED_TOPIC);
            if !is_deposit {
                continue;
            }
            // A deposit may never be left out.
            let block = epoch.block;
            let deposit = user_deposit(log, block.hash, *index)
                .map_err(|source| ResetCause::Deposit { block, source })?;
            deposits.push(deposit.encoded_2718().into());
        }
        Ok((0, deposits))
    }

    /// What the next block will find in this one is what the reference node would read there.
    fn read_back(
        &self,
        system_config: &SystemConfig,
        info: &[u8],
        gas_limit: u64,
        timestamp: u64,
    ) -> SystemConfig {
        let extra_data = system_config.extra_data(self.config, timestamp);
        let info = L1BlockInfo::decode(info).expect("an l1-info deposit of our own decodes");
        SystemConfig::of_block(self.config, &info, gas_limit, &extra_data, timestamp)
            .unwrap_or(*system_config)
    }

    fn attributes(
        &self,
        system_config: &SystemConfig,
        transactions: Vec<Bytes>,
        gas_limit: u64,
        timestamp: u64,
    ) -> OpPayloadAttributes {
        let header = &self.epoch.header;
        let is_active = |fork| self.config.is_active(fork, timestamp);
        OpPayloadAttributes {
            payload_attributes: PayloadAttributes {
                timestamp,
                prev_randao: header.mix_hash,
                suggested_fee_recipient: FEE_RECIPIENT,
                withdrawals: is_active(Hardfork::Canyon).then(Vec::new),
                parent_beacon_block_root: is_active(Hardfork::Ecotone)
                    .then(|| header.parent_beacon_block_root.unwrap_or_default()),
                slot_number: None,
                target_gas_limit: None,
            },
            transactions: Some(transactions),
            no_tx_pool: Some(true),
            gas_limit: Some(gas_limit),
            eip_1559_params: is_active(Hardfork::Holocene).then_some(system_config.eip1559_params),
            min_base_fee: is_active(Hardfork::Jovian).then_some(system_config.min_base_fee),
        }
    }
}

/// The system config in force at a block of the execution layer.
///
/// # Errors
/// The block does not start with an L1-info deposit, or its extra data is malformed.
pub fn system_config_of(
    config: &RollupConfig,
    envelope: &OpExecutionPayloadEnvelope,
) -> Result<SystemConfig, BlockConfigError> {
    let payload = &envelope.execution_payload;
    SystemConfig::of_l2_block(
        config,
        payload.block_number(),
        payload.transactions().first().map(AsRef::as_ref),
        payload.gas_limit(),
        &payload.as_v1().extra_data,
        payload.timestamp(),
    )
}
